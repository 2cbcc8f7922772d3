"""A WebSocket echo (RFC 6455), hand-written so that it depends on nothing that it is used to test.

Bytes in, bytes out; no sockets. Text and binary messages come back whole, pings are answered, a close is echoed; what
the RFC forbids ends with the close code that it names (1002 protocol, 1007 not UTF-8, 1009 too big).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_request import Request

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_LARGEST = 16 * 1024 * 1024


def is_endpoint(target: bytes) -> bool:
    """Paths that are echoes: /ws, and vendors' /…/realtime."""
    path = target.partition(b"?")[0]
    return path.endswith((b"/ws", b"/realtime"))


def handshake(request: Request) -> bytes | None:
    """The 101 reply; None when this is not a proper upgrade request (RFC 6455 §4.2.1)."""
    connection = [token.strip().lower() for token in request.field(b"connection").split(",")]
    key = request.field(b"sec-websocket-key")
    if request.method != b"GET" or request.field(b"upgrade").lower() != "websocket" or "upgrade" not in connection:
        return None
    if request.field(b"sec-websocket-version") != "13" or not _is_key(key):
        return None
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    protocol = request.field(b"sec-websocket-protocol").split(",")[0].strip().encode()
    chosen = b"sec-websocket-protocol: " + protocol + b"\r\n" if protocol else b""
    start = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    return start + b"sec-websocket-accept: " + accept + b"\r\n" + chosen + b"\r\n"


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False


class _Violation(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"close code {code}")
        self.code = code


class Echo:
    """One connection after its handshake. `closed` turns true with the close frame in the returned bytes."""

    def __init__(self) -> None:
        self.closed = False
        self._data = bytearray()
        self._message = bytearray()
        self._kind = 0

    def feed(self, data: bytes) -> bytes:
        """Take what arrived, give what is to be sent."""
        self._data += data
        out: list[bytes] = []
        try:
            while not self.closed and (found := self._frame()) is not None:
                out.append(self._react(*found))
        except _Violation as violation:
            self.closed = True
            out.append(_write(_CLOSE, struct.pack("!H", violation.code)))
        return b"".join(out)

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """The next complete frame as (final, opcode, payload); None as long as bytes are missing."""
        if len(self._data) < 2:
            return None
        first, second = self._data[0], self._data[1]
        if first & 0x70 or not second & 0x80:  # Reserved bits; a client must mask.
            raise _Violation(1002)
        extended = {126: 2, 127: 8}.get(second & 0x7F, 0)
        start = 2 + extended
        if len(self._data) < start:
            return None
        length = int.from_bytes(self._data[2:start], "big") if extended else second & 0x7F
        if length + len(self._message) > _LARGEST:
            raise _Violation(1009)
        end = start + 4 + length
        if len(self._data) < end:
            return None
        payload = _unmask(bytes(self._data[start + 4 : end]), bytes(self._data[start : start + 4]))
        del self._data[:end]
        return bool(first & 0x80), first & 0x0F, payload

    def _react(self, final: bool, opcode: int, payload: bytes) -> bytes:
        if opcode >= _CLOSE:
            return self._control(final, opcode, payload)
        if opcode > _BINARY or (opcode == _CONTINUATION) != bool(self._kind):
            raise _Violation(1002)
        self._kind = self._kind or opcode
        self._message += payload
        if not final:
            return b""
        kind, message = self._kind, bytes(self._message)
        self._kind = 0
        self._message.clear()
        if kind == _TEXT:
            _check_text(message)
        return _write(kind, message)

    def _control(self, final: bool, opcode: int, payload: bytes) -> bytes:
        if not final or len(payload) > 125 or opcode > _PONG or (opcode == _CLOSE and len(payload) == 1):
            raise _Violation(1002)
        if opcode == _PING:
            return _write(_PONG, payload)
        if opcode == _PONG:
            return b""
        self.closed = True
        return _write(_CLOSE, payload[:2])


def _unmask(payload: bytes, mask: bytes) -> bytes:
    """One big integer XOR: the fastest way that plain Python has."""
    size = len(payload)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


def _check_text(message: bytes) -> None:
    try:
        message.decode()
    except UnicodeDecodeError as error:
        raise _Violation(1007) from error


def _write(opcode: int, payload: bytes) -> bytes:
    """One unmasked, final frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + struct.pack("!H", size) + payload
    return bytes((0x80 | opcode, 127)) + struct.pack("!Q", size) + payload
