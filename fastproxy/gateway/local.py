"""What the gateway answers by itself: the landing page, /health, /providers, and OPTIONS that may go no further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from fastproxy.errors import BadRequest, NoRoute
from fastproxy.formats import operations
from fastproxy.gateway.books import close_books
from fastproxy.providers.catalogue import NAMES
from fastproxy.wire.reply_head import STATUS_LINES

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange

_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>fastproxy</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#1c2430}
code,pre{background:#eef1f5;border-radius:4px;padding:.1em .3em}pre{padding:.8em;overflow:auto}
@media(prefers-color-scheme:dark){body{background:#12161c;color:#dbe2ea}code,pre{background:#1f2630}a{color:#8ab4ff}}</style>
<h1>fastproxy</h1><p>A gateway in front of every AI provider, and an edge proxy. Change only the base URL of your
SDK.</p> <pre>OpenAI     base_url = http://HOST/v1
Anthropic  base_url = http://HOST
Google     base_url = http://HOST
any vendor base URL = http://HOST/{provider}/…   with your own key</pre>
<p><a href="/providers">/providers</a> lists the vendors,
<a href="/health">/health</a> tells whether this node serves.</p>
</html>
""".encode()

_SECURITY: Final = (
    b"content-security-policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n"
    b"x-content-type-options: nosniff\r\n"
)

# path → content type, body, further lines
_ANSWERS: Final = {
    b"/": (b"text/html; charset=utf-8", _PAGE, _SECURITY),
    b"/health": (b"text/plain; charset=utf-8", b"ok\n", b"cache-control: no-store\r\n"),
    b"/providers": (b"application/json", orjson.dumps(NAMES), b""),
    b"/favicon.ico": (b"", b"", b"cache-control: max-age=86400\r\n"),
}


def is_local(target: bytes) -> bool:
    """Whether the path is one of ours."""
    return target.partition(b"?")[0] in _ANSWERS


def answer(exchange: Exchange) -> None:
    """Write the reply. Raises: NoRoute, BadRequest (405)."""
    head = exchange.head
    if head.method == b"OPTIONS":
        write(exchange, 204, b"", b"", b"allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n")
        return
    found = _ANSWERS.get(exchange.target.partition(b"?")[0])
    if found is None:
        _refuse_method(exchange)
        raise NoRoute(f"nothing is served at this path; providers are {', '.join(NAMES)}")
    if head.method not in (b"GET", b"HEAD"):
        raise BadRequest(f"method {head.method.decode('ascii')} is not served here, GET is", status=405)
    kind, body, lines = found
    if exchange.inbound.front.draining and exchange.target.startswith(b"/health"):
        write(exchange, 503, kind, b"draining\n", lines)
        return
    write(exchange, 200 if body else 204, kind, body, lines)


def _refuse_method(exchange: Exchange) -> None:
    """A path of the unified entry, asked with a method that it does not have: say so in its format."""
    known = operations.allowed(exchange.target)
    if known is None:
        return
    exchange.operation = operations.Operation(known[0], "", "none", exchange.target)
    text = f"method {exchange.head.method.decode('ascii')} is not served at this path, {known[1].decode('ascii')} is"
    raise BadRequest(text, status=405, kind="bad_request")


def write(exchange: Exchange, status: int, kind: bytes, body: bytes, lines: bytes = b"") -> None:
    """A whole reply of ours."""
    inbound = exchange.inbound
    exchange.status = status
    parts = [STATUS_LINES[status], exchange.world.date_line, lines]
    if body:
        parts.append(b"content-type: %b\r\ncontent-length: %d\r\n" % (kind, len(body)))
    if not inbound.body_complete:
        inbound.keep_alive = False
    if not inbound.keep_alive:
        parts.append(b"connection: close\r\n")
    elif exchange.head.minor == 0:
        parts.append(b"connection: keep-alive\r\n")
    parts.append(b"\r\n")
    if exchange.head.method != b"HEAD":
        parts.append(body)
        exchange.bytes_out = len(body)
        if exchange.kept is not None:
            exchange.kept.feed(body)
    close_books(exchange)
    inbound.transport.write(b"".join(parts))
