"""Decompress a copy of a reply on the side, to read what it cost. Bounded: a bomb stops the looking, never the reply.

Pure: bytes in, bytes out. gzip and deflate only: no SDK asks for more, and zlib is what the standard library has.
"""

from __future__ import annotations

import zlib
from typing import Final

MAX_PIECE_BYTES: Final = 8_388_608  # out of one piece of input
MAX_TOTAL_BYTES: Final = 268_435_456
FREE_BYTES: Final = 1_048_576  # up to here any ratio will do; JSON events reach 50, bombs 1,000
MAX_RATIO: Final = 200
_GZIP: Final = 16 + zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS


class Inflate:
    """One body. `feed` gives what can be read so far; b"" for ever after the end, garbage or a bomb."""

    __slots__ = ("_in", "_out", "_start", "_stream", "_wbits", "stopped")

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._stream = zlib.decompressobj(wbits)
        self._start = b""
        self._in = 0
        self._out = 0
        self.stopped = False

    def feed(self, data: bytes) -> bytes:
        """The plain bytes that `data` completes."""
        if self.stopped:
            return b""
        if self._in < 2 and self._wbits == zlib.MAX_WBITS:
            data = self._start = self._start + data
            if len(data) < 2:
                return b""
            if not _has_zlib_header(data):  # "deflate" without its wrapping, as some servers send it
                self._stream = zlib.decompressobj(_RAW)
        self._in += len(data)
        try:
            plain = self._stream.decompress(data, MAX_PIECE_BYTES)
        except zlib.error:
            self.stopped = True
            return b""
        self._out += len(plain)
        self.stopped = self._stream.eof or bool(self._stream.unconsumed_tail) or self._is_bomb()
        return plain

    def _is_bomb(self) -> bool:
        return self._out > MAX_TOTAL_BYTES or self._out > FREE_BYTES + MAX_RATIO * self._in


def decoder(encoding: bytes) -> Inflate | None:
    """A decompressor for a Content-Encoding; None when it is none of ours, or several."""
    wbits = _WBITS.get(encoding.strip().lower())
    return None if wbits is None else Inflate(wbits)


_WBITS: Final = {b"gzip": _GZIP, b"x-gzip": _GZIP, b"deflate": zlib.MAX_WBITS}


def _has_zlib_header(data: bytes) -> bool:
    """Source: RFC 1950 2.2."""
    return data[0] & 0x0F == 8 and (data[0] * 256 + data[1]) % 31 == 0
