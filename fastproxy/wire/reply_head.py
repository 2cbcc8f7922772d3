"""Reply heads: from an upstream's bytes to a `ReplyHead`, and how its body is framed (RFC 9112 section 6.3).

Every reading of the framing that two parsers could disagree on is refused: the connection then answers 502.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from fastproxy.errors import UpstreamFailed
from fastproxy.wire.fields import CONNECTIONS, NO_CONNECTION, FieldSink, Head, Reading, Shape, Shapes


class Framing(Enum):
    """How the end of a reply body is known."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until close"
    TUNNEL = "tunnel"


BY_NONE, BY_LENGTH, BY_CHUNKED, BY_CLOSE, BY_TUNNEL = Framing  # bound once, see outbound.py

MAX_REPLY_HEAD: Final = 131072

REASONS: Final = {
    100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints",
    200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
    205: "Reset Content", 206: "Partial Content", 207: "Multi-Status", 208: "Already Reported", 226: "IM Used",
    300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
    305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect",
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
    409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
    414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
    418: "I'm a teapot", 421: "Misdirected Request", 422: "Unprocessable Content", 423: "Locked",
    424: "Failed Dependency", 425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 505: "HTTP Version Not Supported", 507: "Insufficient Storage", 508: "Loop Detected",
    511: "Network Authentication Required", 529: "Overloaded",
}  # fmt: skip

# An upstream's own reason phrase is never relayed: llhttp lets NUL and obs-text through in it.
STATUS_LINES: Final = tuple(
    f"HTTP/1.1 {status} {REASONS.get(status, 'Unassigned')}\r\n".encode() for status in range(600)
)

_shapes = Shapes(rb"HTTP/1\.1 ([2-5][0-9][0-9]) [\t -~\x80-\xff]*+\r\n")


class ReplyHead(Head):
    """One final reply head (or 101). `length` counts the body's bytes when `framing` is LENGTH, else 0."""

    __slots__ = ("framing", "status")

    status: int
    framing: Framing


def read_known_reply(reading: Reading, data: bytes) -> ReplyHead | None:
    """Read a reply head of a known shape with a counted body; None when anything about it is new or special."""
    match = reading.match(data)
    if match is None or reading.length_at < 0 or match.end() > MAX_REPLY_HEAD:
        return None
    groups = match.groups()
    digits = groups[reading.length_at]
    status = int(groups[0])
    if not digits.isdigit() or len(digits) > 18 or status == 204 or status == 304:
        return None
    head = ReplyHead()
    place = reading.connection_at
    if place >= 0:
        connection = CONNECTIONS.get(groups[place])
        if connection is None:
            return None
        head.connection = connection
        head.keep_alive = not connection.close
    else:
        head.connection = NO_CONNECTION
        head.keep_alive = True
    head.groups = groups
    head.reading = reading
    head.shape = reading.shape
    head.status = status
    head.length = length = int(digits)
    head.framing = BY_LENGTH if length else BY_NONE
    head.size = match.end()
    head.raw = data
    head._values = None
    return head


def parse_reply(raw: bytes, to_head_request: bool) -> ReplyHead:
    """Read one whole reply head; the caller loops over interim ones (100 <= status < 200, not 101).

    Raises: UpstreamFailed (502). After it the connection must be closed.
    """
    sink = FieldSink()
    parser = HttpResponseParser(sink)
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        pass
    except HttpParserError as error:
        raise UpstreamFailed(f"unreadable reply head: {str(error)[:80].lower()}") from None
    head = ReplyHead()
    head.size = len(raw)
    head.status = status = parser.get_status_code()
    if not 100 <= status <= 599:
        raise UpstreamFailed(f"a reply with status {status}")
    head._values = sink.values
    head.reading = None
    head.groups = ()
    head.shape = shape = _shapes.of(tuple(sink.names))
    head.connection = connection = head.read_connection()
    if raw[:9] == b"HTTP/1.1 ":
        head.keep_alive = not connection.close
    else:
        head.keep_alive = _old_version(raw) and connection.keep
        if b"transfer-encoding" in shape.index and raw[:8] == b"HTTP/1.0":
            raise UpstreamFailed("an http/1.0 reply with a transfer coding")  # RFC 9112 6.1: faulty framing
    _read_framing(head, shape, to_head_request)
    return head


def _old_version(raw: bytes) -> bool:
    if raw[:9] == b"HTTP/1.0 " or raw[:8] == b"HTTP/1.1":
        return True
    raise UpstreamFailed("a reply that is not HTTP/1.0 or HTTP/1.1")


def _read_framing(head: ReplyHead, shape: Shape, to_head_request: bool) -> None:
    status = head.status
    head.length = 0
    if b"transfer-encoding" in shape.index:
        _check_coding(head, shape)
        head.framing = BY_CHUNKED
    elif b"content-length" in shape.index:
        head.length = _length(head.values[shape.index[b"content-length"]])
        head.framing = BY_LENGTH if head.length else BY_NONE
    else:
        head.framing = BY_CLOSE
    if to_head_request or status < 200 or status == 204 or status == 304:
        head.framing, head.length = BY_TUNNEL if status == 101 else BY_NONE, 0
    elif head.framing is BY_CLOSE:
        head.keep_alive = False


def _check_coding(head: ReplyHead, shape: Shape) -> None:
    value = head.values[shape.index[b"transfer-encoding"]]
    if b"transfer-encoding" in shape.repeated or value.lower() != b"chunked":
        raise UpstreamFailed("a reply with a transfer coding other than 'chunked'")
    if b"content-length" in shape.index:
        raise UpstreamFailed("a reply whose framing is given twice")


def _length(value: bytes) -> int:
    digits = value.lstrip(b"0") or value[-1:]
    if not value.isdigit() or len(digits) > 18:
        raise UpstreamFailed("a reply whose content-length is not a usable number")
    return int(digits)
