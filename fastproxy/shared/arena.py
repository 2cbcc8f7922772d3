"""The arena: one table of 64-bit counters in shared memory, a row per counter, a column per process.

    column 0        column 1        column 2 ...
    [ROWS cells]    [ROWS cells]    [ROWS cells]        (each column is contiguous and fills whole cache lines)

One writer per cell: a column belongs to one process, so nothing here needs a lock, and two writers never share a cache
line. Readers may see a row while it changes; each cell by itself is whole (aligned 8-byte stores). The file is mapped
by the master before it forks and opened read-only by `fastproxy status`. It must never know what a row means, except
which rows are gauges: those end with the process that wrote them, while counters live on in the column, so a worker
that follows a dead one in its slot *adds* to what the column already holds.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

from fastproxy.shared import rows

CELL: Final = 8
COLUMN_BYTES: Final = rows.ROWS * CELL

# What a dead process no longer has. Whoever reaps it sets these to zero; every other row of a worker is a counter.
GAUGES: Final = (
    rows.CLIENTS_OPEN,
    rows.UPSTREAM_ACTIVE,
    rows.UPSTREAM_IDLE,
    rows.UPSTREAM_WAITING,
    rows.TUNNELS_OPEN,
    rows.REQUESTS_OPEN,
    rows.JOURNAL_UNREAD,
)


class Arena:
    """A mapped table. `create` for the master (its children inherit the mapping), `open` for onlookers."""

    __slots__ = ("_cells", "_map", "columns", "path")

    def __init__(self, path: str, mapping: mmap.mmap) -> None:
        self.path = path
        self.columns = len(mapping) // COLUMN_BYTES
        self._map = mapping
        self._cells: memoryview[int] = memoryview(mapping).cast("Q")

    @classmethod
    def create(cls, path: str, columns: int) -> Arena:
        """Make a zeroed arena at `path`; a file of that name is left over from a dead process and replaced."""
        if os.path.lexists(path):
            os.unlink(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            # posix_fallocate, not ftruncate: a full disk must fail here and not as SIGBUS at the first write
            os.posix_fallocate(descriptor, 0, columns * COLUMN_BYTES)
            return cls(path, mmap.mmap(descriptor, columns * COLUMN_BYTES))
        finally:
            os.close(descriptor)

    @classmethod
    def open(cls, path: str) -> Arena:
        """Map an existing arena read-only. Raises ValueError when its size is not a whole number of columns."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            if size == 0 or size % COLUMN_BYTES:
                raise ValueError(f"{path}: {size} bytes are not columns of {COLUMN_BYTES}: made by another version")
            return cls(path, mmap.mmap(descriptor, size, prot=mmap.PROT_READ))
        finally:
            os.close(descriptor)

    def column(self, index: int) -> memoryview[int]:
        """The cells of one process: its owner writes, everybody reads."""
        if not 0 <= index < self.columns:
            raise IndexError(f"column {index} of {self.columns}")
        return self._cells[index * rows.ROWS : (index + 1) * rows.ROWS]

    def row(self, row: int) -> list[int]:
        """One counter in every column."""
        return self._cells[row :: rows.ROWS].tolist()

    def total(self, row: int) -> int:
        return sum(self.row(row))

    def clear_gauges(self, index: int) -> None:
        """Forget what a dead process had open. Called by the master, after the process was reaped."""
        column = self.column(index)
        for row in GAUGES:
            column[row] = 0

    def unlink(self) -> None:
        """Remove the file; mappings live on until their processes end."""
        if os.path.lexists(self.path):
            os.unlink(self.path)
