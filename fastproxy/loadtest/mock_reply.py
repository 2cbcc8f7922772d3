"""A finished reply and its bytes on the wire: vendor-like header fields, chunked framing, unique ids. Pure.

Replies are built once with IDENT where the request's id belongs; `stamp` joins the pieces around a new id of the same
length. So a remembered reply costs one join, lengths stay true, and yet no two replies are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastproxy.loadtest.mock_books import ERRORS, REQUESTS
from fastproxy.loadtest.mock_faults import Fault, write
from fastproxy.loadtest.mock_words import NOTHING, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.loadtest.mock_request import Request
    from fastproxy.loadtest.mock_routes import Format

JSON = "application/json"
IDENT = "m0ckident000000000000000"
_IDENT = IDENT.encode()
_OPENAI = (
    b"openai-organization: mock-organization\r\n"
    b"openai-processing-ms: 12\r\n"
    b"openai-version: 2020-10-01\r\n"
    b"x-request-id: req_" + _IDENT + b"\r\n"
)
_OPENAI_LIMITS = (
    b"x-ratelimit-limit-requests: 10000\r\n"
    b"x-ratelimit-limit-tokens: 30000000\r\n"
    b"x-ratelimit-remaining-requests: 9999\r\n"
    b"x-ratelimit-remaining-tokens: 29999000\r\n"
    b"x-ratelimit-reset-requests: 6ms\r\n"
    b"x-ratelimit-reset-tokens: 2ms\r\n"
)
_ANTHROPIC = (
    b"anthropic-organization-id: 00000000-0000-4000-8000-000000000000\r\n"
    b"request-id: req_" + _IDENT + b"\r\n"
    b"server: cloudflare\r\n"
)
_ANTHROPIC_LIMITS = (
    b"anthropic-ratelimit-input-tokens-limit: 2000000\r\n"
    b"anthropic-ratelimit-input-tokens-remaining: 1999000\r\n"
    b"anthropic-ratelimit-input-tokens-reset: 2026-01-01T00:00:00Z\r\n"
    b"anthropic-ratelimit-requests-limit: 4000\r\n"
    b"anthropic-ratelimit-requests-remaining: 3999\r\n"
    b"anthropic-ratelimit-requests-reset: 2026-01-01T00:00:00Z\r\n"
)
_GEMINI = (
    b"vary: Origin\r\n"
    b"vary: X-Origin\r\n"
    b"vary: Referer\r\n"
    b"server: scaffolding on HTTPServer2\r\n"
    b"x-xss-protection: 0\r\n"
    b"x-frame-options: SAMEORIGIN\r\n"
    b"x-content-type-options: nosniff\r\n"
    b"server-timing: gfet4t7; dur=12\r\n"
)
# Every reply has its vendor's fields; the limits are these, unless the mock was given real ones (mock_limits).
FIELDS: dict[Format, bytes] = {"openai": _OPENAI, "anthropic": _ANTHROPIC, "gemini": _GEMINI}
LIMITS: dict[Format, bytes] = {"openai": _OPENAI_LIMITS, "anthropic": _ANTHROPIC_LIMITS, "gemini": b""}
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus} | {529: b"Overloaded"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send, and what to write into the books once it is sent.

    `fields` are header lines without framing, `limits` more of them. A stream has an event per piece, and `marks` has
    a 1 for each that carries a token; anything else has one piece. An empty `endpoint` stays out of the books.
    """

    status: int
    content_type: str
    fields: bytes
    pieces: tuple[bytes, ...]
    stream: bool = False
    marks: bytes = b""
    key: str = ""
    endpoint: str = ""
    tally: Tally = NOTHING
    kind: int = REQUESTS
    close: bool = False
    style: Format | None = None
    limits: bytes = b""

    def partial(self, sent: int) -> Tally:
        """What counts when only the first `sent` pieces went out: the prompt, and the tokens in them."""
        tokens = sum(self.marks[:sent]) if self.stream else self.tally.output
        return Tally(self.tally.input, self.tally.cache_read, self.tally.cache_write, tokens)


def refusal(style: Format, fault: Fault, *, key: str = "", endpoint: str = "", limits: bytes | None = None) -> Reply:
    """A fault in the asker's format."""
    return Reply(
        fault.status,
        JSON,
        FIELDS[style] + (b"retry-after: %d\r\n" % fault.retry_after if fault.retry_after else b""),
        (write(style, fault, IDENT),),
        key=key,
        endpoint=endpoint,
        kind=ERRORS,
        style=style,
        limits=LIMITS[style] if limits is None else limits,
    )


def head(reply: Reply, request: Request, date: bytes) -> bytes:
    """Status line and header fields, with the framing that this client understands."""
    lines = [
        b"HTTP/1.1 %d %b\r\ndate: %b\r\n" % (reply.status, _REASONS.get(reply.status, b"Mock"), date),
        b"content-type: %b\r\n" % reply.content_type.encode(),
        reply.fields,
        reply.limits,
    ]
    if not reply.stream:
        lines.append(b"content-length: %d\r\n" % sum(map(len, reply.pieces)))
    elif is_chunked(reply, request):
        lines.append(b"transfer-encoding: chunked\r\n")
    if ends_connection(reply, request):
        lines.append(b"connection: close\r\n")
    elif request.version == "1.0":
        lines.append(b"connection: keep-alive\r\n")
    return b"".join((*lines, b"\r\n"))


def is_chunked(reply: Reply, request: Request) -> bool:
    """A stream to a client that knows chunks; others read until the connection ends."""
    return reply.stream and request.version != "1.0"


def ends_connection(reply: Reply, request: Request) -> bool:
    """True when this is the connection's last reply."""
    return reply.close or not request.keep_alive or (reply.stream and request.version == "1.0")


def frame(pieces: Iterable[bytes]) -> list[bytes]:
    """Every piece as one HTTP chunk."""
    return [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]


def whole(reply: Reply, request: Request, date: bytes) -> bytes:
    """The complete reply, to be stamped."""
    start = head(reply, request, date)
    if request.method == b"HEAD":
        return start
    if is_chunked(reply, request):
        return b"".join((start, *frame(reply.pieces), b"0\r\n\r\n"))
    return b"".join((start, *reply.pieces))


def parts(reply: Reply, request: Request, date: bytes) -> list[bytes]:
    """The head and the pieces, framed; a plain body in two halves, so that it can be cut or stalled in the middle."""
    pieces = list(reply.pieces)
    if not reply.stream:
        middle = len(pieces[0]) // 2
        pieces = [pieces[0][:middle], pieces[0][middle:]]
    if is_chunked(reply, request):
        pieces = frame(pieces)
        pieces[-1] += b"0\r\n\r\n"
    return [head(reply, request, date), *([] if request.method == b"HEAD" else pieces)]


def cuts(data: bytes) -> list[bytes]:
    """The bytes around every place where the id belongs."""
    return data.split(_IDENT)
