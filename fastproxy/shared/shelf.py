"""The shelf: byte strings that one worker has put away and any worker can fetch, for a while, within a bound.

A file in the state directory, or a memory file that ends with the gateway: a header of one page, then regions. Each
process that puts something away takes a free region for itself and holds it by a lock that ends with the process,
however it ends. So the workers of two masters (an upgrade, or a killed master whose workers still drain) never write to
the same one, and all read all. The file grows with the regions in use. A region is a log that runs in a circle, and an
index of places in it:

    region   [slots × 32: key 16, place 8, length 8] [ring: header 40, data, header, data …]
    header   key 16, written at (ms) 8, expires at (ms) 8, checksum over these and the data 8

A reader believes an entry only if key and checksum fit, so one that is torn or being overwritten is a miss and never a
mixture. The newest entry of a key counts, wherever it stands; what is old is overwritten first. With a sealer the data
is encrypted, tied to its key and times. It is read and written by calls, not mapped: a full disk is then an error that
can be said, a file that somebody cut is a miss, and neither is a SIGBUS; as many regions as are in use cost half a
microsecond each. It must never know what the bytes mean.
"""

from __future__ import annotations

import logging
import os
import struct
from typing import TYPE_CHECKING, Final

import xxhash

from fastproxy.shared.own_file import lock, open_again, open_own, replaced, write_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.shared.sealing import Sealer

KEY_BYTES: Final = 16
REGION_BYTES: Final = 8 << 20
MAX_REGIONS: Final = 128  # twice as many as there can be workers
FOREVER: Final = (1 << 63) - 1
VERSION: Final = 1
_FILE: Final = struct.Struct("=16sQQQ")  # magic, version, bytes of a region, checksum
_MAGIC: Final = b"fastproxy shelf\n"
_FIRST: Final = 4096
_SLOT: Final = struct.Struct("=16sQQ")
_HEADER: Final = struct.Struct("=16sQQQ")
_PROBES: Final = 4
_BYTES_PER_SLOT: Final = 1024  # of the ring; entries are a few hundred bytes to some kilobytes
_LAST_PLACE: Final = 1 << 60
_COMPLAIN_EVERY_MS: Final = 60_000

_log = logging.getLogger("fastproxy")


class Shelf:
    """Made by the master before it forks. What a process puts away, it puts into the region that it has taken."""

    __slots__ = (
        "_complained_ms", "_descriptor", "_own", "_region", "_region_bytes", "_ring_bytes", "_sealer", "_slots",
        "_written",
    )  # fmt: skip

    def __init__(self, descriptor: int, region_bytes: int, sealer: Sealer | None = None) -> None:
        """`descriptor`: a file that begins with our header; closed with the shelf."""
        self._descriptor = descriptor
        self._sealer = sealer
        self._region_bytes = max(region_bytes, 8192) & -4096
        self._slots = max(self._region_bytes // (_BYTES_PER_SLOT + _SLOT.size), 8)
        self._ring_bytes = self._region_bytes - self._index_bytes
        self._own = -1  # the description of the file that holds our lock
        self._region = -1
        self._written = 0  # how far the log of our region has come
        self._complained_ms = -_COMPLAIN_EVERY_MS

    @classmethod
    def in_memory(cls, region_bytes: int = REGION_BYTES) -> Shelf:
        """It costs nothing until something is put away."""
        return cls(os.memfd_create("fastproxy-shelf", os.MFD_CLOEXEC), region_bytes)

    @classmethod
    def open(cls, path: str, region_bytes: int, sealer: Sealer) -> tuple[Shelf, bool]:
        """The shelf in this file, and whether another one had to give way: of another version or size, or none at all.
        Not for two at once: the state directory has one master. Raises OSError when it can be neither used nor made,
        or is not ours.
        """
        descriptor = open_own(path, os.O_CREAT)
        header = _file_header(region_bytes)
        found = os.pread(descriptor, len(header), 0)
        if found == header:
            return cls(descriptor, region_bytes, sealer), False
        os.close(descriptor)
        return cls(replaced(path, header), region_bytes, sealer), found != b""

    def close(self) -> None:
        for descriptor in {self._descriptor, self._own} - {-1}:
            os.close(descriptor)
        self._descriptor = self._own = self._region = -1

    def __del__(self) -> None:
        self.close()

    @property
    def max_bytes(self) -> int:
        """The largest entry: an eighth of a ring, so that one cannot push everything else out."""
        return self._ring_bytes // 8

    # --- writing ---------------------------------------------------------------------------------------------------

    def put(self, key: bytes, data: bytes, now_ms: int, expires_ms: int = FOREVER) -> bool:
        """Put `data` away under `key`. False when it is too large, or there is no room for it at all."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key of {len(key)} bytes: expected {KEY_BYTES}")
        if _HEADER.size + len(data) > self.max_bytes:
            return False
        try:
            return self._is_at_home() and self._put(key, data, now_ms, expires_ms)
        except OSError as error:
            self._complain(now_ms, error)
            return False

    def delete(self, key: bytes) -> None:
        """As if it had never been put, in whichever region it stands. Any process may call this: what it writes into
        another's region are zeros, and the worst that can meet it there is an entry that is lost. Raises OSError.
        """
        for region in range(self._regions_in_use()):
            first = self._probed(region, key)
            for number, (known, place, length) in enumerate(self._slots_for(region, key)):
                if known == key and self._fits(place, length):
                    # the place stays: it tells how far the log has come
                    self._write(bytes(KEY_BYTES), first + number * _SLOT.size)
                    self._write(bytes(_HEADER.size + length), self._ring(region) + place % self._ring_bytes)

    def _put(self, key: bytes, data: bytes, now_ms: int, expires_ms: int) -> bool:
        times = struct.pack("=QQ", now_ms, expires_ms)
        if self._sealer is not None:
            data = self._sealer.seal(data, key + times)
        size = _HEADER.size + len(data)
        if size > self.max_bytes:
            return False
        place = self._written
        at = place % self._ring_bytes
        if at + size > self._ring_bytes:  # an entry does not wrap around
            place += self._ring_bytes - at
            at = 0
        header = key + times
        entry = b"".join((header, struct.pack("=Q", xxhash.xxh3_64_intdigest(header + data)), data))
        self._write(entry, self._ring(self._region) + at)
        self._written = place + size
        self._write(_SLOT.pack(key, place, len(data)), self._slot_to_fill(key))
        return True

    def _write(self, data: bytes, at: int) -> None:
        write_all(self._descriptor, data, at)

    def _slot_to_fill(self, key: bytes) -> int:
        """Where the slot of this key is, or of the entry that was written longest ago."""
        chosen, oldest = 0, _LAST_PLACE
        for number, (known, place, length) in enumerate(self._slots_for(self._region, key)):
            age = -1 if known == key else place if self._fits(place, length) else 0
            if age < oldest:
                chosen, oldest = number, age
        return self._probed(self._region, key) + chosen * _SLOT.size

    # --- our region ------------------------------------------------------------------------------------------------

    def _is_at_home(self) -> bool:
        """Whether we have a region; the first call takes one. Raises OSError."""
        if self._region >= 0:
            return True
        if self._own < 0:
            # of our own, because what the master opened is one for all its children, and so are its locks
            self._own = open_again(self._descriptor)
        for region in range(MAX_REGIONS):
            if lock(self._own, self._start(region), self._region_bytes):
                self._written = self._end_of_log(region)
                self._region = region
                return True
        raise OSError(f"all {MAX_REGIONS} regions are taken")

    def _end_of_log(self, region: int) -> int:
        """Where the log of a process that was there before us ended. A worker waits for it: 0.4 ms for 8 MiB."""
        index = os.pread(self._descriptor, self._index_bytes, self._start(region))
        cells = memoryview(index[: len(index) // _SLOT.size * _SLOT.size]).cast("Q")
        places, lengths = cells[2::4].tolist(), cells[3::4].tolist()
        if max(places, default=0) >= _LAST_PLACE:
            places = [place if place < _LAST_PLACE else 0 for place in places]  # it was damaged
        newest = max(places, default=0)
        length = lengths[places.index(newest)] if places else 0
        return newest + _HEADER.size + min(length, self.max_bytes)

    def _complain(self, now_ms: int, error: OSError) -> None:
        if now_ms - self._complained_ms >= _COMPLAIN_EVERY_MS:
            self._complained_ms = now_ms
            why = error.strerror.lower() if error.strerror else str(error)
            _log.error("nothing can be kept for clients: %s", why)

    # --- reading ---------------------------------------------------------------------------------------------------

    def get(self, key: bytes, now_ms: int) -> bytes | None:
        """The newest data under `key` that has not expired; what cannot be read is a miss."""
        try:
            newest, expires, found = self._newest(key)
        except OSError as error:
            self._complain(now_ms, error)
            return None
        if newest < 0 or expires <= now_ms:
            return None
        if self._sealer is not None:
            return self._sealer.open(found, key + struct.pack("=QQ", newest, expires)) or None
        return found or None

    def _newest(self, key: bytes) -> tuple[int, int, bytes]:
        """As `_read`, over all regions; written at -1 when there is none. Raises OSError."""
        newest = (-1, 0, b"")
        for region in range(self._regions_in_use()):
            entry = self._read(region, key)
            if entry is not None and entry[0] >= newest[0]:
                newest = entry
        return newest

    def _read(self, region: int, key: bytes) -> tuple[int, int, bytes] | None:
        """When it was written, when it expires, and the data as it stands there."""
        index = os.pread(self._descriptor, _PROBES * _SLOT.size, self._probed(region, key))
        if key not in index:  # 0.4 us less than looking at each slot, in every region
            return None
        for known, place, length in _whole_slots(index):
            if known != key or not self._fits(place, length):
                continue
            size = _HEADER.size + length
            raw = os.pread(self._descriptor, size, self._ring(region) + place % self._ring_bytes)
            if len(raw) != size:
                return None
            named, written, expires, checksum = _HEADER.unpack_from(raw)
            data = raw[_HEADER.size :]
            if named != key or checksum != xxhash.xxh3_64_intdigest(raw[: _HEADER.size - 8] + data):
                return None
            return written, expires, data
        return None

    def _slots_for(self, region: int, key: bytes) -> Iterator[tuple[bytes, int, int]]:
        """What stands where this key may stand."""
        raw = os.pread(self._descriptor, _PROBES * _SLOT.size, self._probed(region, key))
        return _whole_slots(raw)

    # --- where things are ------------------------------------------------------------------------------------------

    @property
    def _index_bytes(self) -> int:
        return (self._slots + _PROBES - 1) * _SLOT.size  # the probes behind the last slot do not wrap around

    def _fits(self, place: int, length: int) -> bool:
        """Whether an entry may stand there; an index that was damaged must not lead into another region."""
        size = _HEADER.size + length
        return size <= self.max_bytes and place < _LAST_PLACE and place % self._ring_bytes + size <= self._ring_bytes

    def _regions_in_use(self) -> int:
        size = os.fstat(self._descriptor).st_size - _FIRST
        return min(-(-size // self._region_bytes), MAX_REGIONS)

    def _start(self, region: int) -> int:
        return _FIRST + region * self._region_bytes

    def _ring(self, region: int) -> int:
        return self._start(region) + self._index_bytes

    def _probed(self, region: int, key: bytes) -> int:
        """The first of the slots for this key."""
        return self._start(region) + int.from_bytes(key[:8], "little") % self._slots * _SLOT.size


def _whole_slots(raw: bytes) -> Iterator[tuple[bytes, int, int]]:
    return _SLOT.iter_unpack(raw[: len(raw) // _SLOT.size * _SLOT.size])


def _file_header(region_bytes: int) -> bytes:
    named = _FILE.pack(_MAGIC, VERSION, region_bytes, 0)[:-8]
    return named + struct.pack("=Q", xxhash.xxh3_64_intdigest(named))
