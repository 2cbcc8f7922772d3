"""The shelf: byte strings that one worker has put away and any worker can fetch, for a while, within a bound.

An anonymous shared mapping, made by the master before it forks; one region per process, and only its owner writes it,
so nothing here needs a lock. What a region holds is a log that runs in a circle, and an index of places in it:

    region   [slots × 32: key 16, place 8, length 8] [ring: header 40, data, header, data …]
    header   key 16, written at (ms) 8, expires at (ms) 8, checksum over these and the data 8

A reader believes an entry only if key and checksum fit, so one that is being overwritten is a miss and never a mixture.
The newest entry of a key counts, wherever it stands; what is old is overwritten first. It lives in memory only, and
ends with the gateway. It must never know what the bytes mean.
"""

from __future__ import annotations

import mmap
import struct
from typing import Final

import xxhash

KEY_BYTES: Final = 16
_SLOT: Final = struct.Struct("=16sQQ")
_HEADER: Final = struct.Struct("=16sQQQ")
_PROBES: Final = 4
_BYTES_PER_SLOT: Final = 1024  # of the ring; entries are a few hundred bytes to some kilobytes
FOREVER: Final = (1 << 63) - 1


class Shelf:
    """`regions` × `region_bytes`, of which 3 % are index."""

    __slots__ = ("_map", "_region_bytes", "_ring_bytes", "_slots", "_written", "regions")

    def __init__(self, regions: int, region_bytes: int = 8 << 20) -> None:
        self.regions = regions
        self._slots = max(region_bytes // (_BYTES_PER_SLOT + _SLOT.size), 8)
        self._ring_bytes = max(region_bytes - self._slots * _SLOT.size, 4096)
        self._region_bytes = self._slots * _SLOT.size + self._ring_bytes
        self._map = mmap.mmap(-1, regions * self._region_bytes)
        self._written: dict[int, int] = {}  # how far each log has come, as far as we write it

    @property
    def max_bytes(self) -> int:
        """The largest entry: an eighth of a ring, so that one cannot push everything else out."""
        return self._ring_bytes // 8

    def put(self, region: int, key: bytes, data: bytes, now_ms: int, expires_ms: int = FOREVER) -> bool:
        """Put `data` away under `key`. False when it is too large. Only the owner of `region` may call this."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key of {len(key)} bytes: expected {KEY_BYTES}")
        size = _HEADER.size + len(data)
        if size > self.max_bytes:
            return False
        place = self._written[region] if region in self._written else self._resumed(region)
        at = place % self._ring_bytes
        if at + size > self._ring_bytes:  # an entry does not wrap around
            place += self._ring_bytes - at
            at = 0
        self._written[region] = place + size
        start = self._ring_start(region) + at
        seal = _seal(key, now_ms, expires_ms, data)
        self._map[start : start + size] = _HEADER.pack(key, now_ms, expires_ms, seal) + data
        slot = self._slot_for(region, key)
        self._map[slot : slot + _SLOT.size] = _SLOT.pack(key, place, len(data))
        return True

    def delete(self, key: bytes) -> None:
        """As if it had never been put, in whichever region it stands. Any process may call this: what it writes into
        another's index is an empty slot, and the worst that can meet it there is an entry that is lost."""
        for region in range(self.regions):
            for slot in self._slots_of(region, key):
                if self._map[slot : slot + KEY_BYTES] == key:
                    self._map[slot : slot + KEY_BYTES] = bytes(KEY_BYTES)

    def get(self, key: bytes, now_ms: int) -> bytes | None:
        """The newest data under `key` that has not expired."""
        newest, found = -1, None
        for region in range(self.regions):
            entry = self._read(region, key)
            if entry is not None and entry[0] >= newest:
                newest = entry[0]
                found = entry[2] if entry[1] > now_ms else None
        return found or None

    def _read(self, region: int, key: bytes) -> tuple[int, int, bytes] | None:
        """When it was written, when it expires, and the data."""
        for slot in self._slots_of(region, key):
            known, place, length = _SLOT.unpack_from(self._map, slot)
            if known != key or length > self.max_bytes:
                continue
            start = self._ring_start(region) + place % self._ring_bytes
            raw = self._map[start : start + _HEADER.size + length]
            if len(raw) != _HEADER.size + length:
                return None
            named, written, expires, seal = _HEADER.unpack_from(raw)
            data = raw[_HEADER.size :]
            if named != key or seal != _seal(key, written, expires, data):
                return None
            return written, expires, data
        return None

    def _resumed(self, region: int) -> int:
        """Where the log of a process that was there before us ended."""
        index = self._map[region * self._region_bytes : self._ring_start(region)]
        return max(
            (place + _HEADER.size + length for _, place, length in _SLOT.iter_unpack(index) if length), default=0
        )

    def _slot_for(self, region: int, key: bytes) -> int:
        """The slot of this key, or of the entry that was written longest ago."""
        oldest, chosen = None, -1
        for slot in self._slots_of(region, key):
            known, place, _ = _SLOT.unpack_from(self._map, slot)
            if known == key:
                return slot
            if oldest is None or place < oldest:
                oldest, chosen = place, slot
        return chosen

    def _slots_of(self, region: int, key: bytes) -> list[int]:
        first = int.from_bytes(key[:8], "little")
        start = region * self._region_bytes
        return [start + (first + probe) % self._slots * _SLOT.size for probe in range(_PROBES)]

    def _ring_start(self, region: int) -> int:
        return region * self._region_bytes + self._slots * _SLOT.size


def _seal(key: bytes, written: int, expires: int, data: bytes) -> int:
    return xxhash.xxh3_64_intdigest(struct.pack("=16sQQ", key, written, expires) + data)
