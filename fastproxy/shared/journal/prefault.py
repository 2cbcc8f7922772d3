"""Pages made writable before they are written to, by the thread that syncs.

After a sync the kernel wants to know of the first write to each page: 10 to 20 us on ext4, in one append of sixteen,
and longer while the file system's own journal commits. madvise(MADV_POPULATE_WRITE, Linux 5.14) has that done
beforehand, without changing a byte. ctypes leaves the interpreter to others meanwhile, which mmap.madvise does not.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Final

_MADV_POPULATE_WRITE: Final = 23
_LEAST: Final = 16384  # of less than this in 50 ms nobody feels anything


class Prefault:
    """For a mapping that outlives this."""

    __slots__ = ("_address", "_end", "_last", "_madvise")

    def __init__(self, mapping: mmap.mmap, at: int) -> None:
        """`at`: how far has been written."""
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
        self._end = len(mapping)
        self._last = at
        self._madvise = ctypes.CDLL(None).madvise
        self._madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def go_ahead(self, at: int, place: int) -> int:
        """As many bytes as were written since the last call, from `place` in the file on, where `at` will stand. How
        many it was: 0 when they are few, or when the kernel cannot do it, and is not asked again.
        """
        count = at - self._last
        self._last = at
        if count < _LEAST or self._end == 0:
            return 0
        start = place & -mmap.PAGESIZE
        count = min(place + count, self._end) - start
        if count <= 0:
            return 0
        if self._madvise(self._address + start, count, _MADV_POPULATE_WRITE):
            self._end = 0
            return 0
        return count
