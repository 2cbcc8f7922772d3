"""The echo against the `websockets` client, and against raw frames that no good client sends."""

from __future__ import annotations

import os
import struct

import pytest
from websockets.sync.client import connect as websocket

from fastproxy.loadtest.mock_websocket import Echo
from tests.loadtest.mock_process import ask

MASK = b"\x01\x02\x03\x04"
UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def frame(first: int, payload: bytes = b"") -> bytes:
    """A masked client frame with a short payload."""
    masked = bytes(byte ^ MASK[n % 4] for n, byte in enumerate(payload))
    return bytes((first, 0x80 | len(payload))) + MASK + masked


def close(code: int) -> bytes:
    return b"\x88\x02" + struct.pack("!H", code)


@pytest.mark.parametrize(
    "message", ["hello ÿ…", "", b"\x00\xff", b"x" * 125, b"x" * 126, b"x" * 65535, os.urandom(70_000)]
)
def test_messages_come_back(port: int, message: str | bytes) -> None:
    with websocket(f"ws://127.0.0.1:{port}/ws", proxy=None) as client:
        client.send(message)
        assert client.recv(timeout=5) == message


def test_fragments_pings_subprotocol_and_close(port: int) -> None:
    with websocket(f"ws://127.0.0.1:{port}/v1/realtime", proxy=None, subprotocols=["realtime"]) as client:  # type: ignore[list-item]
        assert client.subprotocol == "realtime"
        client.send(["a", "b", "c"])
        assert client.recv(timeout=5) == "abc"
        assert client.ping(b"p").wait(5)
        client.close(4000, "done")
        assert client.close_code == 4000


@pytest.mark.parametrize("wrong", [{"sec-websocket-version": "8"}, {"sec-websocket-key": "short"}, {"upgrade": "h2c"}])
def test_a_wrong_handshake_is_refused(port: int, wrong: dict[str, str]) -> None:
    assert ask(port, "GET", "/ws", None, UPGRADE | {"connection": "Upgrade"} | wrong).status == 400


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (frame(0x81, b"hi"), b"\x81\x02hi"),
        (frame(0x01, b"h") + frame(0x89, b"p") + frame(0x80, b"i"), b"\x8a\x01p\x81\x02hi"),
        (frame(0x8A, b"pong"), b""),
        (frame(0x88, struct.pack("!H", 1000) + b"bye"), close(1000)),
        (frame(0x88), b"\x88\x00"),
        (b"\x81\x02hi", close(1002)),  # not masked
        (frame(0xC1, b"hi"), close(1002)),  # reserved bit
        (frame(0x83, b"hi"), close(1002)),  # unknown opcode
        (frame(0x80, b"hi"), close(1002)),  # nothing to continue
        (frame(0x01, b"h") + frame(0x81, b"i"), close(1002)),  # a message within a message
        (frame(0x09, b"p"), close(1002)),  # fragmented ping
        (frame(0x88, b"x"), close(1002)),  # half a close code
        (frame(0x81, b"\xff"), close(1007)),
        (b"\x82\xff" + struct.pack("!Q", 1 << 40), close(1009)),
    ],
)
def test_frames_whole_and_byte_by_byte(data: bytes, answer: bytes) -> None:
    assert Echo().feed(data) == answer
    echo = Echo()
    assert b"".join(echo.feed(data[n : n + 1]) for n in range(len(data))) == answer
