"""Request heads: from bytes to a `RequestHead`, with every decision made that llhttp leaves to its caller.

httptools judges the bytes (tokens, CRLF, control characters); this file judges the meaning: version, method, target,
Host, framing, expectations. One head per call and a fresh parser per head, so no state of one message can reach the
next. Sources: RFC 9112 sections 2, 3, 6 and 9; RFC 9110 sections 7.2, 7.6, 8.6 and 10.1.1.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final

from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser

from fastproxy.errors import BadRequest
from fastproxy.wire.fields import CONNECTIONS, NO_CONNECTION, FieldSink, Head, Reading, Shape, Shapes

METHODS: Final = frozenset(
    (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"QUERY", b"PROPFIND", b"PROPPATCH",
     b"MKCOL", b"COPY", b"MOVE", b"LOCK", b"UNLOCK", b"REPORT", b"SEARCH", b"MKCALENDAR", b"ACL", b"BIND",
     b"REBIND", b"UNBIND", b"CHECKOUT", b"MERGE", b"MKACTIVITY", b"NOTIFY", b"SUBSCRIBE", b"UNSUBSCRIBE", b"PURGE",
     b"LINK", b"UNLINK")
)  # fmt: skip
NOT_ALLOWED: Final = frozenset((b"CONNECT", b"TRACE"))

_HOST = re.compile(rb"(?:(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{0,5}))?\Z")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(/[^#]*|\?[^#]*)?\Z", re.IGNORECASE)
_TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]\Z")

_shapes = Shapes(rb"([A-Z]++) (/[!\"$-~]*+) HTTP/1\.1\r\n")
_hosts: set[bytes] = set()


class HeadLimits:
    """Bounds of a head: bytes in all, bytes of the target, number of fields."""

    __slots__ = ("max_fields", "max_head", "max_target")

    def __init__(self, max_head: int = 65536, max_fields: int = 128, max_target: int = 16384) -> None:
        self.max_head = max_head
        self.max_fields = max_fields
        self.max_target = max_target


class RequestHead(Head):
    """One request head. `length` is the body's size, -1 when it is chunked."""

    __slots__ = ("expects", "host", "method", "minor", "target")

    method: bytes
    target: bytes  # origin-form, or "*" for OPTIONS
    minor: int  # 0 or 1 of HTTP/1.x
    host: bytes
    expects: bool  # Expect: 100-continue

    def change(self, name: bytes, value: bytes) -> None:
        """Put another value where `name` stands; what was captured of the head as it came is then of no use."""
        self._values = [*self.values]
        self._values[self.shape.index[name]] = value
        self.reading = None


def read_known(reading: Reading, data: bytes, limits: HeadLimits) -> RequestHead | None:
    """Read a head of a shape that was seen before at the beginning of `data`; None when anything about it is new."""
    match = reading.match(data)
    if match is None or match.end() > limits.max_head:
        return None
    head = RequestHead()
    head.groups = groups = match.groups()
    head.method = groups[0]
    head.target = target = groups[1]
    head.host = host = groups[reading.host_at]
    if host not in _hosts or groups[0] not in METHODS or len(target) > limits.max_target:
        return None
    head.length = 0
    place = reading.length_at
    if place >= 0:
        digits = groups[place]
        if not digits.isdigit() or len(digits) > 18:
            return None
        head.length = int(digits)
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
    head.minor = 1
    head.reading = reading
    head.shape = reading.shape
    head.expects = False
    head.size = match.end()
    head.raw = data
    head._values = None
    return head


def parse_request(raw: bytes, limits: HeadLimits) -> RequestHead:
    """Read one whole head, from the request line to the empty line.

    Raises: BadRequest with status 400, 405, 414, 417, 431, 501 or 505. After it the connection must be closed.
    """
    sink = FieldSink()
    try:
        HttpRequestParser(sink).feed_data(raw)
    except HttpParserUpgrade:
        pass  # whether to upgrade is decided by the gateway; the body is framed by our own count
    except HttpParserError as error:
        raise unreadable(raw, error) from None
    head = RequestHead()
    head.size = len(raw)
    line = raw[: raw.find(b"\r\n")]
    if line[-9:] == b" HTTP/1.1" and line.count(b" ") == 2:
        head.minor = 1
        head.method, _, head.target = line[:-9].partition(b" ")
    else:
        head.method, head.target, head.minor = _unusual_line(line)
    head._values = sink.values
    head.reading = None
    head.groups = ()
    head.shape = shape = _shapes.of(tuple(sink.names))
    _check(head, shape, limits)
    _read_framing(head, shape)
    return head


def _check(head: RequestHead, shape: Shape, limits: HeadLimits) -> None:
    if head.method not in METHODS:
        raise _bad_method(head.method)
    if shape.problem:
        raise BadRequest(shape.problem)
    if len(head.values) > limits.max_fields:
        raise BadRequest(f"{len(head.values)} header fields, {limits.max_fields} allowed", status=431, kind="too_large")
    target = head.target
    if len(target) > limits.max_target:
        text = f"a request target of {len(target)} bytes, {limits.max_target} allowed"
        raise BadRequest(text, status=414, kind="too_large")
    place = shape.index.get(b"host", -1)
    head.host = head.values[place] if place >= 0 else b""
    if target[:1] != b"/" or target.find(b"#") >= 0:
        _unusual_target(head)
    if head.host not in _hosts or b"host" in shape.repeated or place < 0:
        _check_host(head, place)


def _read_framing(head: RequestHead, shape: Shape) -> None:
    index = shape.index
    head.connection = connection = head.read_connection()
    head.keep_alive = connection.keep if head.minor == 0 else not connection.close
    place = index.get(b"content-length")
    head.length = 0 if place is None else _length(head.values[place])
    if b"transfer-encoding" in index:
        _check_coding(head)
        head.length = -1
    head.expects = b"expect" in index and _expectation(head)


def _length(value: bytes) -> int:
    # llhttp has refused lists, signs, repeats and overflow; 18 digits keep arithmetic on sums far from surprises.
    digits = value.lstrip(b"0") or value[-1:]
    if not value.isdigit() or len(digits) > 18:
        raise BadRequest("content-length is not a usable number")
    return int(digits)


def _check_coding(head: RequestHead) -> None:
    if head.minor == 0:
        raise BadRequest("transfer-encoding in an http/1.0 request")
    if b"transfer-encoding" in head.shape.repeated or b"content-length" in head.shape.index:
        raise BadRequest("the framing is given twice")
    value = head.values[head.shape.index[b"transfer-encoding"]]
    if value.lower() != b"chunked":
        raise BadRequest("a transfer coding other than 'chunked'", status=501)


def _expectation(head: RequestHead) -> bool:
    value = head.values[head.shape.index[b"expect"]].lower()
    if value != b"100-continue" or b"expect" in head.shape.repeated:
        raise BadRequest("an expectation other than '100-continue'", status=417)
    return head.minor == 1 and head.length != 0


def _check_host(head: RequestHead, place: int) -> None:
    if place < 0:
        if head.minor == 0:
            return
        raise BadRequest("no host field")
    if b"host" in head.shape.repeated:
        raise BadRequest("more than one host field")
    if not is_host(head.values[place]):
        raise BadRequest("the host field is not a host name with an optional port")
    if len(_hosts) < 4096:
        _hosts.add(head.values[place])


def is_host(value: bytes) -> bool:
    """Whether `value` is uri-host [":" port] (RFC 9110 7.2), without userinfo, and with a port that exists."""
    match = _HOST.match(value)
    if match is None or int(match[2] or 0) > 65535:
        return False
    return match[1] is None or _is_ipv6(match[1].decode("ascii"))


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _unusual_target(head: RequestHead) -> None:
    """Asterisk-form for OPTIONS, absolute-form (RFC 9112 3.2.2); everything else is refused."""
    target = head.target
    if target == b"*" and head.method == b"OPTIONS":
        return
    match = _ABSOLUTE.match(target)
    if match is None or not is_host(match[1]):
        raise BadRequest("the request target is not a path and not an http address")
    place = head.shape.index.get(b"host")
    _check_host(head, -1 if place is None else place)  # a target with a host does not excuse a bad field
    # The target's authority overrides the field (RFC 9112 3.2.2); both are made the same for the next hop.
    head.host = match[1]
    if place is not None:
        head.values[place] = match[1]
    path = match[2] or b"/"
    head.target = path if path[:1] == b"/" else b"/" + path


def _unusual_line(line: bytes) -> tuple[bytes, bytes, int]:
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if method not in METHODS and method not in NOT_ALLOWED:
        raise _bad_method(method)
    if not target or b" " in target or not _VERSION.match(version):
        raise BadRequest("the request line is not 'METHOD target HTTP/1.1'")
    if version == b"HTTP/1.0":
        return method, target, 0
    if version == b"HTTP/1.1":
        return method, target, 1
    raise BadRequest(f"version {version.decode('ascii')}, HTTP/1.0 and HTTP/1.1 are served", status=505)


def _bad_method(method: bytes) -> BadRequest:
    if method in NOT_ALLOWED:
        return BadRequest(f"method {method.decode('ascii')} is not served", status=405)
    if _TOKEN.match(method) and len(method) <= 32:
        return BadRequest(f"method {method.decode('ascii')} is not known", status=501)
    return BadRequest("the request line does not begin with a method")


def unreadable(raw: bytes, error: HttpParserError) -> BadRequest:
    """What llhttp's refusal of a head, or of its beginning, means to the client."""
    if isinstance(error, HttpParserInvalidMethodError):
        return _bad_method(raw.partition(b" ")[0])
    reason = str(error) or "unreadable"
    return BadRequest(f"unreadable request head: {reason[:80].lower()}")


def probe() -> HttpRequestParser:
    """A parser for a head that comes in pieces: feed it each piece, so that nonsense is refused before it is whole."""
    return HttpRequestParser(FieldSink())
