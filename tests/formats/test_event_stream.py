"""The frames are built here by the specification's drawing, so that the decoder is not checked against itself."""

from __future__ import annotations

import struct
from base64 import b64encode
from datetime import UTC, datetime
from uuid import UUID
from zlib import crc32

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.errors import FormatError
from fastproxy.formats.event_stream import EventStream, Frame, bedrock_event


def framed(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    body = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return body + struct.pack(">I", crc32(body))


def header(name: str, kind: int, value: bytes) -> bytes:
    return bytes([len(name)]) + name.encode() + bytes([kind]) + value


def text(name: str, value: str) -> bytes:
    return header(name, 7, struct.pack(">H", len(value.encode())) + value.encode())


EVENT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "é"}}
CHUNK = framed(
    text(":event-type", "chunk") + text(":content-type", "application/json") + text(":message-type", "event"),
    orjson.dumps({"bytes": b64encode(orjson.dumps(EVENT)).decode(), "p": "abcdef"}),
)
# the first example of the specification's test vectors: no headers, no payload
EMPTY = bytes.fromhex("000000100000000005c248eb7d98c8ff")
TYPES = framed(
    header("true", 0, b"")
    + header("false", 1, b"")
    + header("byte", 2, b"\xff")
    + header("short", 3, b"\x01\x00")
    + header("int", 4, b"\xff\xff\xff\xfe")
    + header("long", 5, b"\0\0\0\x01\0\0\0\0")
    + header("bytes", 6, b"\0\x02\0\xff")
    + text("text", "ü")
    + header("time", 8, struct.pack(">q", 1_500))
    + header("uuid", 9, bytes(range(16))),
    b"payload",
)


def test_case_194_every_type_of_header_is_read() -> None:
    (frame,) = EventStream().feed(TYPES)
    assert frame.payload == b"payload"
    assert frame.headers == {
        "true": True,
        "false": False,
        "byte": -1,
        "short": 256,
        "int": -2,
        "long": 1 << 32,
        "bytes": b"\0\xff",
        "text": "ü",
        "time": datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC),
        "uuid": UUID(bytes=bytes(range(16))),
    }


def test_the_empty_frame_of_the_specification() -> None:
    assert EventStream().feed(EMPTY) == [Frame({}, b"")]


@given(st.lists(st.sampled_from([CHUNK, EMPTY, TYPES]), max_size=6), st.lists(st.integers(1, 400), max_size=40))
def test_any_split_gives_the_same_frames(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frames)
    decoder, found, at = EventStream(), list[Frame](), 0
    for size in cuts:
        found += decoder.feed(stream[at : at + size])
        at += size
    found += decoder.feed(stream[at:])
    decoder.end()
    assert found == EventStream().feed(stream)
    assert len(found) == len(frames)


def test_byte_by_byte() -> None:
    decoder = EventStream()
    found = [frame for byte in CHUNK + TYPES for frame in decoder.feed(bytes([byte]))]
    decoder.end()
    assert found == EventStream().feed(CHUNK + TYPES)


@pytest.mark.parametrize("place", range(len(CHUNK)))
def test_a_changed_byte_anywhere_is_noticed(place: int) -> None:
    broken = bytearray(CHUNK)
    broken[place] ^= 0x20
    with pytest.raises(FormatError, match="event stream"):
        EventStream().feed(bytes(broken))


def test_nothing_is_believed_behind_a_broken_frame() -> None:
    decoder = EventStream()
    assert decoder.feed(CHUNK + CHUNK[:-1] + b"\0" + CHUNK) == EventStream().feed(CHUNK)
    with pytest.raises(FormatError, match="checksum"):
        decoder.feed(CHUNK)
    with pytest.raises(FormatError, match="checksum"):
        decoder.end()


def prelude(total: int, headers: int) -> bytes:
    lengths = struct.pack(">II", total, headers)
    return lengths + struct.pack(">I", crc32(lengths))


@pytest.mark.parametrize(
    "start",
    [prelude(15, 0), prelude(16, 1), prelude(1 << 31, 0), prelude(200_000, 131_073), prelude(0, 0)],
    ids=["too short", "headers beyond it", "too long", "too many headers", "nothing"],
)
def test_lengths_that_cannot_be_are_refused_before_anything_is_kept(start: bytes) -> None:
    with pytest.raises(FormatError, match="expected less"):
        EventStream().feed(start)


def test_the_longest_frame_is_the_callers_choice() -> None:
    with pytest.raises(FormatError, match="expected less"):
        EventStream(max_frame=64).feed(CHUNK)


@pytest.mark.parametrize(
    "headers",
    [b"\x05ab", text("a", "b")[:-1], header("a", 10, b""), header("a", 4, b"\0"), b"\x01\xff\x00", b"\x01a"],
    ids=["a name too long", "a text too long", "an unknown type", "a number too short", "no letter", "no type"],
)
def test_broken_headers_are_refused(headers: bytes) -> None:
    with pytest.raises(FormatError, match="broken headers"):
        EventStream().feed(framed(headers, b""))


def test_an_end_within_a_frame_is_a_cut() -> None:
    decoder = EventStream()
    assert decoder.feed(CHUNK[:-1]) == []
    with pytest.raises(FormatError, match=f"within a frame, after {len(CHUNK) - 1} bytes"):
        decoder.end()


def test_case_194_a_chunk_of_bedrocks_is_an_event_of_messages() -> None:
    (frame,) = EventStream().feed(CHUNK)
    assert bedrock_event(frame) == ("content_block_delta", orjson.dumps(EVENT))


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        ("throttlingException", "rate_limit_error"),
        ("serviceUnavailableException", "overloaded_error"),
        ("modelTimeoutException", "timeout_error"),
        ("validationException", "invalid_request_error"),
        ("internalServerException", "api_error"),
        ("somethingNewException", "api_error"),
    ],
)
def test_an_exception_becomes_an_error_event(exception: str, expected: str) -> None:
    headers = text(":exception-type", exception) + text(":message-type", "exception")
    (frame,) = EventStream().feed(framed(headers, b'{"message":"why"}'))
    event, data = bedrock_event(frame)
    assert event == "error"
    assert orjson.loads(data) == {"type": "error", "error": {"type": expected, "message": "why"}}


def test_an_error_without_a_body_says_its_message_in_a_header() -> None:
    headers = text(":message-type", "error") + text(":error-code", "x") + text(":error-message", "why")
    (frame,) = EventStream().feed(framed(headers, b""))
    assert orjson.loads(bedrock_event(frame)[1])["error"] == {"type": "api_error", "message": "why"}


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"bytes":"%"}', b'{"bytes":"YQ=="}', b'{"bytes":1}'])
def test_a_chunk_without_an_event_is_refused(payload: bytes) -> None:
    with pytest.raises(FormatError, match="no event"):
        bedrock_event(Frame({":message-type": "event"}, payload))
