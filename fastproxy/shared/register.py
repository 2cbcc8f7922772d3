"""The register: every client key and every group, in one file that all processes map.

A hash map from names of 16 bytes to byte strings. One process writes, under a lock that ends with it; any number read,
without locks, and each sees a change as soon as it is made. The file grows with what is in it, and never shrinks:

    identity   magic, version, fingerprint, checksum
    cells      version, place of the table, entries, end of what is in use, whether a writer is in the middle, checksum
    log        the names that changed last, each with its version
    heap       [table: slots 8, then slots × 32: name 16, place 8, size 8] [entry: checksum 8, name 16, data] ...

A name stands in one of WINDOW slots, the first of which follows from it, so that looking for it is one copy and one
search. An entry is written into room that nothing leads to, then its slot is led there, then the room of the old one is
free. A reader whom a slot has led into room that is in use again meets another name or a checksum that does not fit,
and looks anew; if that does not help, the entry is damaged, and a miss. So is one of which a power cut has kept half.
It may also have kept an older one: whoever publishes compares all `items` with what it knows, when it begins.

Writing is done by calls, so that a full disk is an error and not a SIGBUS. It must never know what the bytes mean.
"""

from __future__ import annotations

import mmap
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import xxhash

from fastproxy.shared import register_file as file
from fastproxy.shared.own_file import lock, open_own, replaced, unlock, write_all
from fastproxy.shared.register_file import NAME_BYTES, SLOT, Keeper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_DATA: Final = 1 << 20
_ENTRY_HEAD: Final = 24
_TRIES: Final = 20  # to read what a writer is busy with; it takes some microseconds for each name
_MAX_SLOTS_EACH: Final = 256  # for one name; random ones need four
_NO_NAME: Final = bytes(NAME_BYTES)
_from_bytes, _checksum = int.from_bytes, xxhash.xxh3_64_digest


class Register:
    """Made by the master before it forks; every process may use the object that it inherits."""

    __slots__ = ("_cells", "_descriptor", "_keeper", "_map", "_mask", "_slots_at", "_table")

    def __init__(self, descriptor: int) -> None:
        """`descriptor`: a file that begins as ours; closed with the register."""
        self._descriptor = descriptor
        self._keeper: Keeper | None = None  # when this process writes
        self._table = self._slots_at = self._mask = 0
        self._map_anew()

    @classmethod
    def in_memory(cls) -> Register:
        """It ends with the processes that have it."""
        descriptor = os.memfd_create("fastproxy-register", os.MFD_CLOEXEC)
        write_all(descriptor, file.beginning(_NO_NAME), 0)
        return cls(descriptor)

    @classmethod
    def open(cls, path: str, fingerprint: bytes) -> tuple[Register, bool]:
        """The register in this file, and whether it begins empty although there was one: of another installation or
        database (`fingerprint`, 16 bytes), of another version, or damaged. Raises OSError when it can be neither used
        nor made, or is not ours.
        """
        descriptor = open_own(path, os.O_CREAT)
        was_there = os.fstat(descriptor).st_size > 0
        if was_there and file.is_whole(descriptor, fingerprint):
            return cls(descriptor), False
        os.close(descriptor)
        return cls(replaced(path, file.beginning(fingerprint))), was_there

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None
        if self._descriptor >= 0:
            self._cells.release()
            self._map.close()
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        if hasattr(self, "_cells"):
            self.close()

    # --- reading ---------------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Counts the changes; one read."""
        return self._cells[file.NOW]

    def __len__(self) -> int:
        return self._cells[file.COUNT]

    def get(self, name: bytes) -> bytes | None:
        """The data under this name; what is torn or damaged is a miss."""
        for _ in range(_TRIES):
            at, place, size = self._find(name)
            if not at:
                return None
            data = self._read(name, place, size)
            if data is not None:
                return data
        return None

    def changed_since(self, version: int) -> list[bytes] | None:
        """The names that changed after this version, some perhaps twice; None: it does not remember that far."""
        now = self.version
        if not 0 <= now - version <= file.REMEMBERED:
            return None
        names = []
        for number in range(version + 1, now + 1):
            name, noted = file.CHANGE.unpack_from(self._map, file.place_in_log(number))
            if noted != number:
                return None
            names.append(name)
        return names

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All that can be read, in no order; what changes meanwhile may be there or not."""
        for _, name, place, size in self._slots():
            data = self._read(name, place, size)
            if data is not None:
                yield name, data

    def _find(self, name: bytes) -> tuple[int, int, int]:
        """Where the slot of this name is, and the place and size to which it leads; (0, 0, 0) when there is none."""
        while True:
            table = self._cells[file.TABLE]
            if table != self._table:
                self._use_table(table)
            first = self._slots_at + (_from_bytes(name[:8], "little") & self._mask) * SLOT.size
            window = self._map[first : first + file.WINDOW_BYTES]
            found = window.find(name)
            while found > 0 and found % SLOT.size:
                found = window.find(name, found + 1)  # it was in what is no name
            if found >= 0:
                place, size = file.LEADS_TO.unpack_from(window, found + NAME_BYTES)
                return first + found, place, size
            if self._cells[file.TABLE] == table:  # else the table has moved, and its old room may be in use again
                return 0, 0, 0

    def _read(self, name: bytes, place: int, size: int) -> bytes | None:
        """The data of the entry there, if it is one of that name."""
        if place + size > len(self._map):
            self._map_anew()
        raw = self._map[place : place + size]
        if raw[8:_ENTRY_HEAD] != name or _checksum(raw[8:]) != raw[:8]:
            return None
        return raw[_ENTRY_HEAD:]

    def _slots(self) -> Iterator[tuple[int, bytes, int, int]]:
        """Where each slot in use is, and what stands in it."""
        self._use_table(self._cells[file.TABLE])
        first = self._slots_at
        raw = self._map[first : first + (self._mask + file.WINDOW) * SLOT.size]
        for number, (name, place, size) in enumerate(SLOT.iter_unpack(raw)):
            if place:
                yield first + number * SLOT.size, name, place, size

    def _use_table(self, table: int) -> None:
        if table + file.UNIT > len(self._map):
            self._map_anew()
        slots = _from_bytes(self._map[table : table + 8], "little")
        if table + file.table_bytes(slots) > len(self._map):
            self._map_anew()
        self._table, self._slots_at, self._mask = table, table + file.UNIT, slots - 1

    def _map_anew(self) -> None:
        size = os.fstat(self._descriptor).st_size & -8
        self._map = mmap.mmap(self._descriptor, size, prot=mmap.PROT_READ)
        self._cells: memoryview[int] = memoryview(self._map).cast("Q")

    # --- writing ---------------------------------------------------------------------------------------------------

    def apply(self, changes: Iterable[tuple[bytes, bytes | None]]) -> int:
        """Put each data under its name, or delete what is there (None); returns the new version.

        What is so already is no change. Whoever begins to write calls this, be it without changes: if the last one was
        killed in the middle, readers are told that they know nothing. Raises OSError when the disk is full: what came
        before has been changed, nothing else; ValueError for what cannot be a name, or data beyond MAX_DATA.
        """
        with self._writing() as keeper:
            for name, data in changes:
                if len(name) != NAME_BYTES or name == _NO_NAME or (data is not None and len(data) > MAX_DATA):
                    raise ValueError(f"expected a name of {NAME_BYTES} bytes, and at most {MAX_DATA} bytes of data")
                if data is None:
                    self._delete(keeper, name)
                else:
                    self._put(keeper, name, data)
        return self.version

    def sync(self) -> None:
        """Have the disk keep what was written so far, so that a power cut cannot set it back. Raises OSError."""
        os.fdatasync(self._descriptor)

    @contextmanager
    def _writing(self) -> Iterator[Keeper]:
        """The lock, and who knows what room there is. What has been done is told at the end, however that comes."""
        keeper = self._keeper
        if keeper is None or keeper.pid != os.getpid():
            keeper = self._keeper = Keeper(self._descriptor)
        lock(keeper.descriptor, 0, file.LOG, waits=True)
        try:
            if keeper.version != self.version or self._cells[file.WRITING]:
                self._take_over(keeper)
            keeper.write_cells(self._cells[file.TABLE], self.version, is_writing=True)
            try:
                yield keeper
            finally:
                keeper.write_cells(self._cells[file.TABLE], keeper.version, is_writing=False)
        finally:
            unlock(keeper.descriptor, 0, file.LOG)

    def _take_over(self, keeper: Keeper) -> None:
        """Learn what is in use, and forget slots that lead to nothing. Raises OSError."""
        table = self._cells[file.TABLE]
        self._use_table(table)
        used, seen = [(table, file.table_bytes(self._mask + 1))], set()
        for at, name, place, size in self._slots():
            if name in seen or place % file.UNIT or self._read(name, place, size) is None:
                write_all(keeper.descriptor, bytes(SLOT.size), at)
            else:
                seen.add(name)
                used.append((place, size))
        keeper.learn(used, len(seen))
        # A writer that was killed in the middle has told nobody what it did.
        keeper.version = self.version + (file.REMEMBERED + 1 if self._cells[file.WRITING] else 0)

    def _put(self, keeper: Keeper, name: bytes, data: bytes) -> None:
        at, old, old_size = self._find(name)
        known = self._read(name, old, old_size) if at else None
        if known == data:
            return
        at = at or self._free_slot(keeper, name)
        body = name + data
        place, size = keeper.take_room(8 + len(body)), 8 + len(body)
        write_all(keeper.descriptor, _checksum(body) + body, place)
        keeper.note(name)
        write_all(keeper.descriptor, SLOT.pack(name, place, size), at)
        if known is not None:
            keeper.give_room(old, old_size)
        elif not old:
            keeper.entries += 1

    def _delete(self, keeper: Keeper, name: bytes) -> None:
        at, place, size = self._find(name)
        if place:
            is_whole = self._read(name, place, size) is not None
            keeper.note(name)
            write_all(keeper.descriptor, bytes(SLOT.size), at)
            keeper.entries -= 1
            if is_whole:
                keeper.give_room(place, size)

    def _free_slot(self, keeper: Keeper, name: bytes) -> int:
        """Where the slot of a new name may be. Raises OSError."""
        while True:
            self._use_table(self._cells[file.TABLE])
            first = self._slots_at + (_from_bytes(name[:8], "little") & self._mask) * SLOT.size
            free = file.first_free(self._map[first : first + file.WINDOW_BYTES])
            if free >= 0:
                return first + free
            self._grow_table(keeper)

    def _grow_table(self, keeper: Keeper) -> None:
        """Put a table of twice as many slots, or more, in the place of the one in force.

        Raises OSError; ValueError for names that begin alike: hashes do not.
        """
        old, slots, made = self._cells[file.TABLE], self._mask + 1, None
        known = [SLOT.pack(name, place, size) for _, name, place, size in self._slots()]
        while made is None:
            slots *= 2
            if slots > file.MAX_SLOTS or slots > _MAX_SLOTS_EACH * len(known):
                raise ValueError("names must differ in their first eight bytes, as hashes do")
            made = file.table_of(known, slots)
        place = keeper.take_room(len(made))
        write_all(keeper.descriptor, made, place)
        old_bytes = file.table_bytes(self._mask + 1)
        keeper.write_cells(place, self.version, is_writing=True)
        keeper.give_room(old, old_bytes)
