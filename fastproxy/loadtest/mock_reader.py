"""Bytes → Requests: llhttp's callbacks, gathered into one Request after the other. No sockets, no replies.

Bodies are kept whole up to 64 MB; on the echo path only their digest is, so that uploads of any size can be checked.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import httptools

from fastproxy.loadtest.mock_pages import is_echo
from fastproxy.loadtest.mock_request import Headers, Request

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST_BODY = 64 * 1024 * 1024


class Reader:
    """One connection's. `feed` calls back with each whole request, and `on_expect` before a body that waits for it.

    `reading` is true in the middle of a request. httptools' own exceptions pass through `feed`.
    """

    __slots__ = (
        "_body", "_digest", "_fields", "_headers", "_length", "_method", "_on_expect", "_on_request", "_parser",
        "_target", "_wishes", "reading",
    )  # fmt: skip

    def __init__(self, on_request: Callable[[Request], None], on_expect: Callable[[], None]) -> None:
        self._on_request = on_request
        self._on_expect = on_expect
        self.restart()

    def restart(self) -> None:
        """After an upgrade offer, where the parser stops, that was not taken: HTTP as before."""
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()
        self.reading = False

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        self._parser.feed_data(data)

    # From the parser.

    def on_message_begin(self) -> None:
        self.reading = True
        self._target = b""
        self._headers: Headers = []
        self._fields: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._length = 0
        self._digest: hashlib._Hash | None = None
        self._wishes = False

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name[:7] == b"x-mock-":
            self._wishes = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._method = self._parser.get_method()
        self._fields = dict(self._headers)
        if is_echo(self._target):
            self._digest = hashlib.sha256()
        if self._fields.get(b"expect", b"").lower() == b"100-continue":
            self._on_expect()

    def on_body(self, data: bytes) -> None:
        self._length += len(data)
        if self._digest is not None:
            self._digest.update(data)
        elif self._length <= _LARGEST_BODY:
            self._body.append(data)

    def on_message_complete(self) -> None:
        self.reading = False
        request = Request(
            self._method,
            self._target,
            self._parser.get_http_version(),
            self._parser.should_keep_alive(),
            self._headers,
            self._fields,
            b"".join(self._body),
            self._wishes or b"x-mock-" in self._target,
        )
        self._body = []
        if self._digest is not None:
            request.digest = (self._digest.hexdigest(), self._length)
        self._on_request(request)
