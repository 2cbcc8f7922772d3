"""The board: the one place from which workers take the packed snapshot; one writer, any number of readers.

It is an anonymous memory file that children inherit through fork. Its shape:

    header   generation, of the data, offset, length, crc32 of the data          (48 bytes at 0)
    data     two regions by turns: the new bytes never touch those that the header still names

The generation counts everything that is published, also what stands elsewhere (keys and groups, in the register); the
header remembers at which one the data last changed, so that a change of a key makes nobody read them again.

So a writer that is killed halfway leaves the old snapshot whole, and a reader needs no lock: it reads header, data and
header again, and starts over when they disagree. The new generation is stored in the master's GENERATION cell only
after the bytes are in place: who sees the number can read them. It must never know what the bytes mean.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import Final

from fastproxy.shared import rows

_HEADER: Final = struct.Struct("=QQQQQQ")  # generation, of the data, offset, length, their crc32, crc32 of these five
_FIRST: Final = 4096
_TRIES: Final = 1000

_Header = tuple[int, int, int, int, int]


class BoardError(Exception):
    """The board could not be read: nothing was published, or the writer never paused."""


class Board:
    __slots__ = ("_column", "_descriptor")

    def __init__(self, master_column: memoryview[int]) -> None:
        """`master_column`: the arena column whose GENERATION and SNAPSHOT_SIZE rows follow what is published."""
        self._column = master_column
        self._descriptor = os.memfd_create("fastproxy-board", os.MFD_CLOEXEC)

    def generation(self) -> int:
        """The newest generation, for the price of one integer read. 0: nothing was published yet."""
        return self._column[rows.GENERATION]

    def publish(self, data: bytes) -> int:
        """Put `data` up and return its generation. Only one process may publish."""
        current = self._header() or (0, 0, _FIRST, 0, 0)
        generation, (offset, length) = current[0] + 1, current[2:4]
        place = _FIRST if offset >= _FIRST + len(data) else offset + length
        self._write(data, place)
        self._put_header((generation, generation, place, len(data), zlib.crc32(data)))
        os.ftruncate(self._descriptor, max(place + len(data), _FIRST))
        self._column[rows.SNAPSHOT_SIZE] = len(data)
        self._column[rows.GENERATION] = generation
        return generation

    def touch(self) -> int:
        """A new generation of the same data: something changed that stands elsewhere. Raises BoardError when there are
        none yet."""
        current = self._header()
        if current is None:
            raise BoardError("nothing was published yet")
        self._put_header((current[0] + 1, *current[1:]))
        self._column[rows.GENERATION] = current[0] + 1
        return current[0] + 1

    def data_generation(self) -> int:
        """The generation at which the data last changed; one system call. 0: nothing was published yet."""
        header = self._whole_header()
        return header[1] if header is not None else 0

    def read(self) -> tuple[int, bytes]:
        """(generation of the data, data), never a mixture of two. Raises BoardError when nothing was published."""
        for _ in range(_TRIES):
            header = self._whole_header()
            if header is None:
                break
            _, generation, offset, length, check = header
            data = self._read(offset, length)
            again = self._header()
            # a touch in between leaves the data where they are
            if zlib.crc32(data) == check and again is not None and again[1:] == header[1:]:
                return generation, data
        raise BoardError(f"no whole snapshot on the board, newest generation {self.generation()}")

    def close(self) -> None:
        os.close(self._descriptor)

    def _whole_header(self) -> _Header | None:
        """None only when nothing was published yet."""
        for _ in range(_TRIES):
            header = self._header()
            if header is not None or self.generation() == 0:
                return header
        return None

    def _header(self) -> _Header | None:
        raw = os.pread(self._descriptor, _HEADER.size, 0)
        if len(raw) < _HEADER.size:
            return None
        generation, of_data, offset, length, check, seal = _HEADER.unpack(raw)
        found = (generation, of_data, offset, length, check)
        return found if seal == _seal(found) else None

    def _put_header(self, fields: _Header) -> None:
        os.pwrite(self._descriptor, _HEADER.pack(*fields, _seal(fields)), 0)

    def _write(self, data: bytes, place: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, place)
            view, place = view[written:], place + written

    def _read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer when the writer cut the file meanwhile, which the checksum will tell."""
        parts = []
        while length > 0:
            part = os.pread(self._descriptor, length, offset)
            if not part:
                break
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts)


def _seal(fields: _Header) -> int:
    """A reader may see half of a header; the seal tells it so."""
    return zlib.crc32(struct.pack("=QQQQQ", *fields))
