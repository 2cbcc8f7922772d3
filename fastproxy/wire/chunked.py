"""Chunked framing (RFC 9112 section 7.1): a walker that finds the payload in a read without copying it.

Used for requests and replies alike. It knows no sockets: `feed` takes what was read and returns the spans of payload.

    SIZE -> DATA -> DATA_END -> SIZE ... -> SIZE(0) -> TRAILER -> DONE

Extensions and trailers are checked and dropped, never relayed. Everything that parsers are known to disagree on (bare
CR or LF, whitespace, signs, underscores, `0x`, unclosed quotes) is an error, and every part has a bound.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

MAX_SIZE_DIGITS: Final = 16
MAX_EXTENSION_BYTES: Final = 16384  # per body
MAX_TRAILER_BYTES: Final = 8192
FREE_FRAMING_BYTES: Final = 65536  # framing may cost this much plus as much as the payload: one-byte chunks are bounded

_TCHAR: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_QUOTED: Final = rb'''"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'''
_EXTENSION = re.compile(rb"(?:;" + _TCHAR + rb"+(?:=(?:" + _TCHAR + rb"+|" + _QUOTED + rb"))?)*\Z")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\Z")


class ChunkError(ValueError):
    """The framing is broken; the connection cannot be used again."""


class _At(Enum):
    SIZE = "size line"
    DATA = "data"
    DATA_END = "line end after data"
    TRAILER = "trailer"
    DONE = "done"


# Bound once: looking a member up on its Enum costs 70 ns on CPython 3.11.
_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = _At


class ChunkReader:
    """One chunked body.

    After `feed`: `done` tells whether the body has ended, `end` where in the data given (bytes beyond it are another
    message's), `whole` whether the data given was made of whole chunks without extensions or trailers, so that it may
    be passed on as it is. `payload_bytes` is the sum so far.
    """

    __slots__ = ("_at", "_extension_bytes", "_framing_bytes", "_left", "_line", "_trailer_bytes",
                 "done", "end", "payload_bytes", "whole")  # fmt: skip

    def __init__(self) -> None:
        self._at = _SIZE
        self._left = 0  # payload bytes of this chunk still to come
        self._line = b""  # the beginning of a line whose end has not come
        self._extension_bytes = 0
        self._trailer_bytes = 0
        self._framing_bytes = 0
        self.payload_bytes = 0
        self.done = False
        self.end = 0
        self.whole = False

    def whole_chunk(self, data: bytes) -> int:
        """Where the payload begins, when `data` is exactly one chunk without extensions; else 0, and nothing is read.

        That is what one event of a stream usually is. 0.5 us where `feed` takes 1.1.
        """
        if self._at is not _SIZE or self._line:
            return 0
        line_end = data.find(b"\r\n", 0, MAX_SIZE_DIGITS + 2)
        count = _plain_size(data[:line_end]) if line_end > 0 else 0
        start = line_end + 2
        if count <= 0 or start + count + 2 != len(data) or data[-2:] != b"\r\n":
            return 0
        self._framing_bytes += 6
        self.payload_bytes += count
        return start

    def feed(self, data: bytes) -> list[tuple[int, int]]:  # noqa: C901 - one loop over one machine, run for every read
        """Walk over `data` and return the (start, end) pairs of payload in it. Raises: ChunkError."""
        position, size = 0, len(data)
        spans: list[tuple[int, int]] = []
        whole = self._at is _SIZE and not self._line
        while position < size:
            at = self._at
            if at is _SIZE:
                line_end = data.find(b"\r\n", position, position + MAX_SIZE_DIGITS + 2)
                if line_end > position and not self._line and (count := _plain_size(data[position:line_end])) > 0:
                    # The usual chunk: a short size line, its data and the line end are all here.
                    position = line_end + 2
                    after = position + count
                    self._framing_bytes += 6
                    self.payload_bytes += count
                    if data[after : after + 2] == b"\r\n":
                        spans.append((position, after))
                        position = after + 2
                        continue
                    self._left = count
                    self._at = _DATA
                    continue
                position = self._size_line(data, position)
                whole = whole and not self._extension_bytes
            elif at is _DATA:
                after = min(position + self._left, size)
                spans.append((position, after))
                self._left -= after - position
                position = after
                if not self._left:
                    self._at = _DATA_END
            elif at is _DATA_END:
                position = self._data_end(data, position)
            elif at is _TRAILERS:
                position = self._trailer_line(data, position)
            else:
                break
        if self._framing_bytes > FREE_FRAMING_BYTES + self.payload_bytes:
            raise ChunkError("chunks too small for their number")
        self.end = position
        self.done = self._at is _DONE
        self.whole = whole and not self._line and not self._trailer_bytes and (self.done or self._at is _SIZE)
        return spans

    def _size_line(self, data: bytes, position: int) -> int:
        line, position = self._take_line(data, position, MAX_EXTENSION_BYTES)
        if line is None:
            return position
        digits, mark, _ = line.partition(b";")
        if mark:
            extension = line[len(digits) :]
            self._extension_bytes += len(extension)
            if self._extension_bytes > MAX_EXTENSION_BYTES or not _EXTENSION.match(extension):
                raise ChunkError("chunk extensions that are too long or not well formed")
        count = _plain_size(digits)
        if count < 0:
            raise ChunkError("a chunk size that is not a hexadecimal number")
        self._framing_bytes += len(line) + 4
        self.payload_bytes += count
        self._left = count
        self._at = _DATA if count else _TRAILERS
        return position

    def _data_end(self, data: bytes, position: int) -> int:
        line, position = self._take_line(data, position, 0)
        if line is not None:
            self._at = _SIZE
        return position

    def _trailer_line(self, data: bytes, position: int) -> int:
        line, position = self._take_line(data, position, MAX_TRAILER_BYTES - self._trailer_bytes)
        if line is None:
            return position
        if not line:
            self._at = _DONE
            return position
        if not _TRAILER.match(line):
            raise ChunkError("a trailer field that is not well formed")
        self._trailer_bytes += len(line) + 2
        return position

    def _take_line(self, data: bytes, position: int, limit: int) -> tuple[bytes | None, int]:
        """The next line without its CRLF and where the next begins, or None and the end of data."""
        feed = data.find(b"\n", position)
        piece = data[position:] if feed < 0 else data[position : feed + 1]
        line = self._line + piece
        if len(line) > limit + 2 + MAX_SIZE_DIGITS:
            raise ChunkError("a line of the chunked framing that is too long")
        if feed < 0:
            if b"\r" in line[:-1] or (limit == 0 and not b"\r\n".startswith(line)):
                raise ChunkError("a stray byte in the chunked framing")
            self._line = line
            return None, len(data)
        self._line = b""
        if line[-2:-1] != b"\r" or b"\r" in line[:-2] or (limit == 0 and len(line) > 2):
            raise ChunkError("a line of the chunked framing that does not end in CRLF")
        return line[:-2], feed + 1


def _plain_size(digits: bytes) -> int:
    """A chunk size, or -1. int(x, 16) alone would take signs, spaces, underscores and `0x`."""
    if not digits.isalnum() or len(digits) > MAX_SIZE_DIGITS or digits[1:2] in (b"x", b"X"):
        return -1
    try:
        return int(digits, 16)
    except ValueError:
        return -1


LAST_CHUNK: Final = b"0\r\n\r\n"
