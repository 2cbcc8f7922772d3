"""How the register lies in its file, and who knows what room there is in it. See register.py for what it is.

Numbers are unsigned 64 bit, in the machine's order. Room is given out in whole units; what is given back is given out
again, the best fit first; pieces that lie side by side become one before the file has to grow, and when the next
process takes the writing over.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

import xxhash

from fastproxy.shared.own_file import lock, open_again, unlock, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME_BYTES: Final = 16
VERSION: Final = 1
REMEMBERED: Final = 4096  # changes whose names are known
UNIT: Final = 64
WINDOW: Final = 32  # slots in which a name may stand
MAX_SLOTS: Final = 1 << 26

_MAGIC: Final = b"fastproxy keys\n\0"
_IDENTITY: Final = struct.Struct("=16sQ16sQ")
FIRST_CELL: Final = 64
_CELLS: Final = struct.Struct("=QQQQQ")
NOW, TABLE, COUNT, END, WRITING = range(FIRST_CELL // 8, FIRST_CELL // 8 + 5)
LOG: Final = 4096
CHANGE: Final = struct.Struct("=16sQ")
HEAP: Final = LOG + REMEMBERED * CHANGE.size
SLOT: Final = struct.Struct("=16sQQ")
LEADS_TO: Final = struct.Struct("=QQ")  # behind the name
WINDOW_BYTES: Final = WINDOW * SLOT.size
FIRST_SLOTS: Final = 1024
_FREE_SLOT: Final = bytes(SLOT.size)
_GROW_BYTES: Final = 1 << 18
_MAX_VERSION: Final = 1 << 62


class Keeper:
    """The writer's own knowledge: which room of the heap is free. It is learnt anew by each process that writes."""

    __slots__ = ("_end", "_free", "_size", "descriptor", "entries", "pid", "version")

    def __init__(self, descriptor: int) -> None:
        """`descriptor`: the file; the keeper has it opened for itself, because a lock must be one process's."""
        self.pid = os.getpid()
        self.descriptor = open_again(descriptor)
        self.version = -1
        self.entries = 0
        self._free: dict[int, list[int]] = {}  # bytes → places
        self._end = HEAP
        self._size = 0

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            self.close()

    def learn(self, used: Iterable[tuple[int, int]], entries: int) -> None:
        """`used`: all places that are in use, with their bytes."""
        self.entries, self._free, self._end = entries, {}, HEAP
        self._size = os.fstat(self.descriptor).st_size
        for place, size in sorted(used):
            if place > self._end:
                self.give_room(self._end, place - self._end)
            self._end = max(self._end, place + whole_units(size))

    def take_room(self, size: int) -> int:
        """Where `size` bytes may be put. Raises OSError when the file would have to grow and cannot."""
        size = whole_units(size)
        found = self._best_fit(size)
        if not found and self._end + size > self._size:
            self._join()  # an entry that grows leaves a row of pieces, each too small for the next one
            found = self._best_fit(size)
        if not found:
            return self._room_at_the_end(size)
        places = self._free[found]
        place = places.pop()
        if not places:
            del self._free[found]
        if found > size:
            self.give_room(place + size, found - size)
        return place

    def give_room(self, place: int, size: int) -> None:
        self._free.setdefault(whole_units(size), []).append(place)

    def _best_fit(self, size: int) -> int:
        """How large the smallest free piece of at least this size is; 0 when there is none."""
        return size if size in self._free else min((each for each in self._free if each > size), default=0)

    def _join(self) -> None:
        """Pieces that lie side by side become one; what lies at the end is the end's."""
        pieces = sorted((place, size) for size, places in self._free.items() for place in places)
        self._free, start, end = {}, 0, 0
        for place, size in (*pieces, (0, 0)):
            if place == end:
                end += size
                continue
            if end == self._end:
                self._end = start
            elif end:
                self.give_room(start, end - start)
            start, end = place, place + size

    def _room_at_the_end(self, size: int) -> int:
        place = self._end
        if place + size > self._size:
            more = whole_units(max(place + size - self._size, _GROW_BYTES, self._size // 8))
            # By posix_fallocate, because readers have it mapped: they must not be led to what the disk has no room for.
            os.posix_fallocate(self.descriptor, self._size, more)
            self._size += more
        self._end = place + size
        return place

    def note(self, name: bytes) -> None:
        """One more change; readers learn of it when the cells are written."""
        write_all(self.descriptor, CHANGE.pack(name, self.version + 1), place_in_log(self.version + 1))
        self.version += 1

    def write_cells(self, table: int, version: int, *, is_writing: bool) -> None:
        write_all(self.descriptor, _sealed_cells(version, table, self.entries, self._end, is_writing), FIRST_CELL)


def table_of(known: Iterable[bytes], slots: int) -> bytes | None:
    """A table with these slots in use; None when it is too small for them."""
    places: list[bytes] = [_FREE_SLOT] * (slots + WINDOW - 1)
    for slot in known:
        number = int.from_bytes(slot[:8], "little") & (slots - 1)
        last = number + WINDOW
        while number < last and places[number] is not _FREE_SLOT:
            number += 1
        if number == last:
            return None
        places[number] = slot
    return b"".join((struct.pack("=Q", slots).ljust(UNIT, b"\0"), *places))


def first_free(window: bytes) -> int:
    """Where in these slots the first is that leads nowhere; -1 when there is none."""
    for at, (_, place, _) in zip(range(0, len(window), SLOT.size), SLOT.iter_unpack(window), strict=True):
        if not place:
            return at
    return -1


def table_bytes(slots: int) -> int:
    return UNIT + (slots + WINDOW - 1) * SLOT.size


def whole_units(size: int) -> int:
    return (size + UNIT - 1) & -UNIT


def place_in_log(version: int) -> int:
    return LOG + version % REMEMBERED * CHANGE.size


def beginning(fingerprint: bytes) -> bytes:
    """An empty register."""
    end = HEAP + whole_units(table_bytes(FIRST_SLOTS))
    head = _identity(fingerprint).ljust(FIRST_CELL, b"\0") + _sealed_cells(0, HEAP, 0, end, False)
    return head.ljust(HEAP, b"\0") + struct.pack("=Q", FIRST_SLOTS).ljust(end - HEAP, b"\0")


def is_whole(descriptor: int, fingerprint: bytes) -> bool:
    """Whether it is a register of this fingerprint, in which everything can be found. Raises OSError."""
    lock(descriptor, 0, LOG, waits=True)  # another master may be about to end, and still write
    head = os.pread(descriptor, LOG, 0)
    unlock(descriptor, 0, LOG)
    if len(head) < LOG or not head.startswith(_identity(fingerprint)):
        return False
    version, table, count, end, writing = _CELLS.unpack_from(head, FIRST_CELL)
    if not head.startswith(_sealed_cells(version, table, count, end, writing), FIRST_CELL):
        return False
    if version > _MAX_VERSION or not HEAP <= table < end <= os.fstat(descriptor).st_size:
        return False
    slots = int.from_bytes(os.pread(descriptor, 8, table), "little")
    is_size = FIRST_SLOTS <= slots <= MAX_SLOTS and slots & (slots - 1) == 0
    return is_size and table % UNIT == 0 and table + table_bytes(slots) <= end


def _sealed_cells(*cells: int) -> bytes:
    packed = _CELLS.pack(*cells)
    return packed + struct.pack("=Q", xxhash.xxh3_64_intdigest(packed))


def _identity(fingerprint: bytes) -> bytes:
    named = _IDENTITY.pack(_MAGIC, VERSION, fingerprint, 0)[:-8]
    return named + struct.pack("=Q", xxhash.xxh3_64_intdigest(named))
