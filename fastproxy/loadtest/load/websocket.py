"""The client's side of a WebSocket (RFC 6455) as an echo needs it: text frames out, whole messages in. Sans-I/O."""

from __future__ import annotations

import os
from typing import Final

_FIN: Final = 0x80
_MASKED: Final = 0x80
_TEXT: Final = 1
_CLOSE: Final = 8
_PING: Final = 9
_PONG: Final = 10
_LENGTH_2: Final = 126
_LENGTH_8: Final = 127


class WebSocketError(Exception):
    """The server has sent what is no frame."""


def frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """One masked frame."""
    size = len(payload)
    if size < _LENGTH_2:
        head = bytes((_FIN | opcode, _MASKED | size))
    elif size < 1 << 16:
        head = bytes((_FIN | opcode, _MASKED | _LENGTH_2)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FIN | opcode, _MASKED | _LENGTH_8)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    return head + mask + _masked(payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    # one long number instead of a loop over bytes: 1 KB in 1 us instead of 70
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class Frames:
    """Frames from the server, cut anywhere. `answers` are bytes to send back: the pongs. `closed`: it says goodbye."""

    __slots__ = ("_message", "_rest", "answers", "closed")

    def __init__(self) -> None:
        self._rest = b""
        self._message = b""
        self.answers = b""
        self.closed = False

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete. Raises: WebSocketError."""
        data = self._rest + data
        messages: list[bytes] = []
        at = 0
        while (found := _frame_at(data, at)) is not None:
            first, begin, end = found
            self._take(first, data[begin:end], messages)
            at = end
        self._rest = data[at:]
        return messages

    def _take(self, first: int, payload: bytes, messages: list[bytes]) -> None:
        opcode = first & 0x0F
        if opcode == _CLOSE:
            self.closed = True
        elif opcode == _PING:
            self.answers += frame(payload, _PONG)
        elif opcode < _CLOSE:
            self._message += payload
            if first & _FIN:
                messages.append(self._message)
                self._message = b""


def _frame_at(data: bytes, at: int) -> tuple[int, int, int] | None:
    """First byte, begin and end of the payload of the frame that begins here; None while it is not whole."""
    if len(data) < at + 2:
        return None
    first, size = data[at], data[at + 1]
    if size & _MASKED or first & 0x70:
        raise WebSocketError("a frame from the server with a mask or reserved bits")
    begin = at + 2
    if size >= _LENGTH_2:
        wide = 2 if size == _LENGTH_2 else 8
        if len(data) < begin + wide:
            return None
        size = int.from_bytes(data[begin : begin + wide], "big")
        begin += wide
    return (first, begin, begin + size) if len(data) >= begin + size else None
