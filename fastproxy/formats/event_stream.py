"""The binary framing of AWS's streams (application/vnd.amazon.eventstream), and what Bedrock says in it.

    ┌ total u32 ┬ headers u32 ┬ CRC of these u32 ┬ headers … ┬ payload … ┬ CRC of all before u32 ┐   big-endian
    header: length of name u8, name, type u8, value (2-byte length before bytes and strings)

`feed` takes any pieces and gives whole frames; both checksums are checked before anything is believed. What is kept is
bounded by the longest frame: AWS's own limits are 16 MiB of payload and 128 KiB of headers. Raises: FormatError, and
again for whatever follows: behind a broken frame nobody knows where the next begins.
Source: smithy.io/2.0/aws/amazon-eventstream.html, read 2026-11.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any, Final, NamedTuple
from uuid import UUID
from zlib import crc32

import msgspec
import orjson

from fastproxy.errors import FormatError

MAX_FRAME: Final = 16_777_216 + 131_072 + 16
MAX_HEADERS: Final = 131_072
_PRELUDE: Final = Struct(">III")
_CRC: Final = Struct(">I")
_EDGES: Final = _PRELUDE.size + _CRC.size
_LENGTH: Final = Struct(">H")
_NUMBERS: Final = {2: Struct(">b"), 3: Struct(">h"), 4: Struct(">i"), 5: Struct(">q"), 8: Struct(">q")}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Value = bool | int | bytes | str | datetime | UUID


class Frame(NamedTuple):
    """`headers` of Bedrock: ":message-type" is event or exception, ":event-type" or ":exception-type" its kind."""

    headers: dict[str, Value]
    payload: bytes


class EventStream:
    """The decoder of one stream."""

    __slots__ = ("_broken", "_kept", "_max_frame")

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._kept = bytearray()
        self._max_frame = max_frame
        self._broken = ""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes."""
        if self._broken:
            raise FormatError(self._broken)
        kept = self._kept
        kept += data
        frames: list[Frame] = []
        start = 0
        try:
            while (total := self._total(start)) and len(kept) - start >= total:
                frames.append(_frame(bytes(kept[start : start + total])))
                start += total
        except FormatError as error:
            self._broken = error.message
            kept.clear()
            if frames:
                return frames  # they were whole; the next feed says what is wrong
            raise
        del kept[:start]
        return frames

    def end(self) -> None:
        """The stream ended. Raises: FormatError if it did within a frame, or if it was broken."""
        if self._broken:
            raise FormatError(self._broken)
        if self._kept:
            raise FormatError(f"event stream ends within a frame, after {len(self._kept)} bytes of it")

    def _total(self, start: int) -> int:
        """The length of the frame that begins at `start`; 0 while its prelude is not there."""
        if len(self._kept) - start < _PRELUDE.size:
            return 0
        total, headers, check = _PRELUDE.unpack_from(self._kept, start)
        if crc32(self._kept[start : start + 8]) != check:
            raise FormatError("event stream frame has a prelude whose checksum does not fit")
        if headers > MAX_HEADERS or total < _EDGES + headers or total > self._max_frame:
            raise FormatError(f"event stream frame of {total} bytes with {headers} of headers: expected less")
        return int(total)


def _frame(data: bytes) -> Frame:
    if crc32(data[:-4]) != _CRC.unpack_from(data, len(data) - 4)[0]:
        raise FormatError("event stream frame has a checksum that does not fit")
    end = _PRELUDE.size + _PRELUDE.unpack_from(data)[1]
    try:
        return Frame(_headers(data[_PRELUDE.size : end]), data[end:-4])
    except (ValueError, IndexError, OverflowError) as error:
        raise FormatError(f"event stream frame has broken headers: {error}") from None


def _headers(data: bytes) -> dict[str, Value]:
    found: dict[str, Value] = {}
    at = 0
    while at < len(data):
        kind = at + 1 + data[at]
        name = data[at + 1 : kind].decode()
        found[name], at = _value(data, data[kind], kind + 1)
    return found


def _value(data: bytes, kind: int, at: int) -> tuple[Value, int]:
    """A header's value of this type at this place, and where it ends."""
    if kind < 2:
        return kind == 0, at
    if kind in _NUMBERS:
        form = _NUMBERS[kind]
        number = form.unpack(_taken(data, at, form.size))[0]
        return _EPOCH + timedelta(milliseconds=number) if kind == 8 else number, at + form.size
    if kind in (6, 7):
        length = _LENGTH.unpack(_taken(data, at, 2))[0]
        raw = _taken(data, at + 2, length)
        return raw if kind == 6 else raw.decode(), at + 2 + length
    if kind == 9:
        return UUID(bytes=_taken(data, at, 16)), at + 16
    raise ValueError(f"type {kind} is unknown")


def _taken(data: bytes, at: int, length: int) -> bytes:
    if at + length > len(data):
        raise ValueError("a value is longer than they are")
    return data[at : at + length]


class _Chunk(msgspec.Struct):
    bytes: str


class _Typed(msgspec.Struct):
    type: str = ""


_chunk = msgspec.json.Decoder(_Chunk).decode
_typed = msgspec.json.Decoder(_Typed).decode
# Bedrock's exceptions in a stream → Anthropic's error types
_ERRORS: Final = {
    "accessDeniedException": "permission_error",
    "modelTimeoutException": "timeout_error",
    "serviceQuotaExceededException": "rate_limit_error",
    "serviceUnavailableException": "overloaded_error",
    "throttlingException": "rate_limit_error",
    "validationException": "invalid_request_error",
}


def bedrock_event(frame: Frame) -> tuple[str, bytes]:
    """The event (its name, its data) of a Messages stream that a frame of InvokeModelWithResponseStream carries.

    The payload of a chunk is {"bytes": base64 of the event's JSON, "p": padding}; an exception becomes an error event.
    Raises: FormatError.
    """
    kind = frame.headers.get(":message-type", "event")
    if kind != "event":
        return "error", orjson.dumps({"type": "error", "error": _error(frame)})
    try:
        data = b64decode(_chunk(frame.payload).bytes, validate=True)
        return _typed(data).type, data
    except (msgspec.DecodeError, binascii.Error) as error:
        raise FormatError(f"event stream frame holds no event: {error}") from None


def _error(frame: Frame) -> dict[str, Any]:
    kind = str(frame.headers.get(":exception-type") or frame.headers.get(":error-code") or "")
    try:
        told = orjson.loads(frame.payload)
    except orjson.JSONDecodeError:
        told = None
    message = told.get("message") if isinstance(told, dict) else frame.headers.get(":error-message")
    return {"type": _ERRORS.get(kind, "api_error"), "message": str(message or kind or "the upstream failed")}
