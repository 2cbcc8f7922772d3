"""How an exchange is written into the journal, and read out of it again: the bytes of a record on their way up.

    BEGIN      before the first byte goes upstream      id, time, size of the request, context
    PROGRESS   now and then while a reply is long       as END, so far
    END        before the client has the last byte      id, numbers, what went wrong or was tried before, context
    BODY       only where a rule asks for it            id, side, redacted bytes up to a size

END is complete by itself. BEGIN and PROGRESS are for exchanges whose worker dies: of those they are all that is known.
The context are the texts; a connection's next request mostly has the same ones, so they are packed once and reused,
and the numbers are a struct: 0.6 us for an END where a packed Record takes 1.6 (bench/micro/test_journal.py).
Everything here is pure, and whoever reads trusts the journal's checksums for the rest.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import msgspec

BEGIN: Final = 1
PROGRESS: Final = 2
END: Final = 3
BODY: Final = 4

REQUEST, REPLY = 0, 1  # the sides of a BODY
_STREAM, _ESTIMATED, _TRUNCATED = 1, 2, 1
_MAX_TEXT: Final = 256  # characters of what clients choose
_LARGEST: Final = (1 << 63) - 1
_LONGEST: Final = (1 << 16) - 1  # of what is unusual

_BEGIN: Final = struct.Struct("=32sqq")  # id, started at (ms), bytes in
# id, started at (ms), status, flags, attempts, five kinds of tokens, cost, time to first byte (us, -1: none), duration
# (us), of it ours (us), bytes in, bytes out, length of what is unusual
_END: Final = struct.Struct("=32sqHBBqqqqqdqqqqqH")
_BODY: Final = struct.Struct("=32sBBq")  # id, side, flags, size of the whole body
BODY_HEAD: Final = _BODY.size


class Context(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The texts of a record: who asked whom for what."""

    group: str = ""
    key_name: str = ""
    key_id: str = ""  # "" for keys of the configuration file
    model: str = ""
    upstream_model: str = ""
    channel: str = ""
    provider: str = ""
    client_format: str = ""
    upstream_format: str = ""
    operation: str = ""
    client_ip: str = ""
    user_agent: str = ""


class Try(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An attempt that did not serve: which one it was (from 1), at whom, how it ended, and after how long (us)."""

    number: int
    channel: str
    provider: str
    upstream_model: str
    upstream_format: str
    status: int
    error_kind: str
    duration_us: int


class Unusual(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What most exchanges do not have."""

    error_kind: str = ""
    earlier: tuple[Try, ...] = ()


class Numbers(NamedTuple):
    """In the order in which they are written."""

    started_at: int  # Unix time in milliseconds
    status: int
    flags: int
    attempts: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: float
    ttft_us: int  # -1: no byte of a reply was seen
    duration_us: int
    gateway_us: int
    bytes_in: int
    bytes_out: int


class Begun(NamedTuple):
    request_id: str
    started_at: int
    bytes_in: int
    context: Context


class Ended(NamedTuple):
    """Also what a PROGRESS says."""

    request_id: str
    numbers: Numbers
    stream: bool
    estimated: bool
    unusual: Unusual
    context: Context


class Body(NamedTuple):
    request_id: str
    side: int
    truncated: bool
    size: int
    data: bytes


_encode = msgspec.msgpack.Encoder().encode
_context = msgspec.msgpack.Decoder(Context).decode
_unusual = msgspec.msgpack.Decoder(Unusual).decode
_NOTHING: Final = Unusual()

pack_begin = _BEGIN.pack
pack_numbers = _END.pack


def flags(stream: bool, estimated: bool) -> int:
    return _STREAM * stream | _ESTIMATED * estimated


def pack_context(context: Context) -> bytes:
    """Texts that clients choose are cut to 256 characters; what is no text becomes question marks."""
    try:
        return _encode(context)
    except UnicodeEncodeError:
        fields = (text.encode("utf-8", "replace").decode() for text in msgspec.structs.astuple(context))
        return _encode(Context(*fields))


def text(value: str) -> str:
    """A text of a client's, short enough for a context."""
    return value if len(value) <= _MAX_TEXT else value[:_MAX_TEXT]


def begin_payload(request_id: bytes, started_at: int, bytes_in: int, context: bytes) -> bytes:
    """`request_id`: 32 hex digits."""
    return pack_begin(request_id, started_at, bytes_in) + context


def end_payload(request_id: bytes, numbers: tuple[float, ...], unusual: Unusual | None, context: bytes) -> bytes:
    """Of an END or a PROGRESS; `numbers` in the order of `Numbers`. Counts that no 64 bits hold are an upstream's
    nonsense, and written as the largest.
    """
    rest = _encode(unusual) if unusual is not None else b""
    if len(rest) > _LONGEST and unusual is not None:
        rest = _encode(Unusual(unusual.error_kind))  # hundreds of attempts; their number is among the others
    try:
        head = pack_numbers(request_id, *numbers, len(rest))
    except struct.error:
        head = pack_numbers(request_id, *_held(Numbers._make(numbers)), len(rest))
    return head + rest + context


def _held(numbers: Numbers) -> Numbers:
    counts = {name: max(-1, min(int(value), _LARGEST)) for name, value in numbers._asdict().items()}
    counts.update(status=numbers.status & 0xFFFF, flags=numbers.flags & 0xFF, attempts=min(numbers.attempts, 0xFF))
    return Numbers(**counts)._replace(cost_usd=numbers.cost_usd)


def body_payload(request_id: bytes, side: int, size: int, data: bytes) -> bytes:
    """`size`: of the whole body, of which `data` is the beginning."""
    return _BODY.pack(request_id, side, _TRUNCATED * (len(data) < size), size) + data


def decode_begin(payload: bytes) -> Begun:
    """Raises: ValueError for what is no BEGIN."""
    try:
        request_id, started_at, bytes_in = _BEGIN.unpack_from(payload)
        return Begun(request_id.decode("ascii"), started_at, bytes_in, _context(payload[_BEGIN.size :]))
    except (struct.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not a begin: {error}") from None


def decode_end(payload: bytes) -> Ended:
    """Raises: ValueError for what is no END or PROGRESS."""
    try:
        request_id, *numbers, length = _END.unpack_from(payload)
        rest = payload[_END.size : _END.size + length]
        context = _context(payload[_END.size + length :])
        unusual = _unusual(rest) if rest else _NOTHING
        name = request_id.decode("ascii")
    except (struct.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not an end: {error}") from None
    known = Numbers(*numbers)
    stream, estimated = bool(known.flags & _STREAM), bool(known.flags & _ESTIMATED)
    return Ended(name, known, stream, estimated, unusual, context)


def decode_body(payload: bytes) -> Body:
    """Raises: ValueError for what is no BODY."""
    try:
        request_id, side, marks, size = _BODY.unpack_from(payload)
        name = request_id.decode("ascii")
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"not a body: {error}") from None
    return Body(name, side, bool(marks & _TRUNCATED), size, payload[_BODY.size :])
