"""The mock's own pages: /echo (what arrived), /_books (what was counted), /_last (the newest requests of this process).

Credentials are masked in /_books and /_last; /echo gives back to the caller what the caller's request held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fastproxy.loadtest.mock_books import Books, mask
from fastproxy.loadtest.mock_reply import Reply
from fastproxy.loadtest.mock_request import Request, read_plain

if TYPE_CHECKING:
    from collections import deque

    from fastproxy.loadtest.mock_answer import Json

_LARGEST_SHOWN = 16_384
_SECRETS = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key", b"cookie")
_ECHO = b"/echo"


def is_echo(target: bytes) -> bool:
    """True for /echo and everything below it."""
    return target.startswith(_ECHO) and target[len(_ECHO) : len(_ECHO) + 1] in (b"", b"/", b"?")


def is_page(request: Request) -> bool:
    """True when the mock speaks for itself and plays no vendor."""
    return is_echo(request.target) or request.target.partition(b"?")[0] in (b"/_books", b"/_last")


def page(request: Request, books: Books, last: deque[Request | bytes]) -> Reply:
    """The page as a reply; DELETE /_books starts new books and forgets the last requests."""
    value: object
    if is_echo(request.target):
        value = _echo(request)
    elif request.target.startswith(b"/_last"):
        value = [_shown(item if isinstance(item, Request) else read_plain(item)) for item in last]
    else:
        if request.method == b"DELETE":
            books.reset()
            last.clear()
        value = books.totals()
    return Reply(200, "application/json", b"server: fastproxy-mock\r\n", (msgspec.json.encode(value),))


def _echo(request: Request) -> Json:
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    digest, length = request.digest or ("", 0)
    return {
        "method": request.method.decode(),
        "path": request.target.decode("latin-1"),
        "headers": headers,
        "body_sha256": digest,
        "body_length": length,
    }


def _shown(request: Request) -> Json:
    """One entry of /_last, its secrets masked the way the books do it."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        text = value.decode("latin-1")
        if name in _SECRETS:
            scheme, gap, secret = text.rpartition(" ")
            text = scheme + gap + mask(secret)
        headers.setdefault(name.decode("latin-1"), []).append(text)
    path, _, query = request.target.decode("latin-1").partition("?")
    shown = "&".join("key=" + mask(part[4:]) if part[:4] == "key=" else part for part in query.split("&"))
    body = request.body[:_LARGEST_SHOWN].decode("utf-8", "replace")
    return {"method": request.method.decode(), "path": path, "query": shown, "headers": headers, "body": body}
