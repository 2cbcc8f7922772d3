"""Frames against the independent implementation of the websockets package, cut anywhere."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from fastproxy.loadtest.load.websocket import Frames, WebSocketError, frame


def theirs(payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True, mask: bool = False) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=mask)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_what_we_write_they_read(size: int) -> None:
    payload = bytes(n % 251 for n in range(size))
    reader = StreamReader()
    reader.feed_data(frame(payload))
    parsing = Frame.parse(reader.read_exact, mask=True)
    with pytest.raises(StopIteration) as stop:
        next(parsing)
    assert stop.value.value.data == payload


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("cut", [1000, 1 << 20])
def test_what_they_write_we_read(size: int, cut: int) -> None:
    data = theirs(bytes(size)) + theirs(b"next")
    frames = Frames()
    messages = [message for at in range(0, len(data), cut) for message in frames.feed(data[at : at + cut])]
    assert messages == [bytes(size), b"next"]


def test_pieces_pings_and_goodbye() -> None:
    data = (
        theirs(b"one ", fin=False)
        + theirs(b"beat", Opcode.PING)
        + theirs(b"two", Opcode.CONT)
        + theirs(b"", Opcode.CLOSE)
    )
    frames = Frames()
    assert [message for byte in data for message in frames.feed(bytes([byte]))] == [b"one two"]
    assert frames.answers[:2] == bytes((0x80 | Opcode.PONG, 0x80 | 4))
    assert frames.closed


def test_a_masked_frame_from_a_server_is_refused() -> None:
    with pytest.raises(WebSocketError):
        Frames().feed(theirs(b"x", mask=True))
