"""Spill segments, the writer's side: files that take what the ring has no room for, one write per frame.

Segments of one episode (from leaving the ring to coming back) follow each other by number; between two episodes one
number is left out, so that a reader knows where an episode ends. They are about SEGMENT_BYTES, so that room comes back
while a long episode is still being read. The salt of a segment has its number in it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Final

from fastproxy.shared.journal.aside import segments
from fastproxy.shared.journal.frames import PROBE, frame_bytes, pack, segment_salt
from fastproxy.shared.own_file import open_own, sync_directory

SEGMENT_BYTES: Final = 64 << 20
NUMBERS_OF_AN_EPOCH: Final = 28  # bits
_PROBE: Final = bytes(8192)


def segment_name(ring: int, segment: int) -> str:
    return f"{ring}.{segment}.spill"


class Spill:
    __slots__ = (
        "_directory", "_epoch", "_is_listed", "_limit", "_ring", "_ring_salt", "_salt", "_total", "descriptor",
        "offset", "retired", "segment", "why",
    )  # fmt: skip

    def __init__(self, directory: str, ring: int, salt: int, epoch: int, limit: int) -> None:
        self._directory = directory
        self._ring = ring
        self._ring_salt = salt
        self._epoch = epoch
        self._limit = limit
        self._total = 0  # bytes of all segments of this ring, also of earlier processes
        self._salt = 0
        self._is_listed = True  # the directory on the disk knows our segment
        self.descriptor = -1
        self.segment = epoch << NUMBERS_OF_AN_EPOCH  # the one that is open, or the next
        self.offset = 0
        self.retired: list[int] = []  # descriptors that sync() has to sync for the last time and close
        self.why = ""
        self.recount()

    def put(self, kind: int, payload: bytes) -> bool:
        """False: no room, `why` tells. Nothing of it is left then."""
        size = frame_bytes(len(payload))
        if self._total + size > self._limit:
            self.why = f"its limit of {self._limit} bytes is reached"
            return False
        try:
            if self.descriptor < 0 or self.offset >= SEGMENT_BYTES:
                self._begin_segment()
            raw = pack(self._salt, self.offset, self._epoch, kind, payload)
            if os.pwrite(self.descriptor, raw, self.offset) != size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.why = error.strerror.lower() if error.strerror else str(error)
            self._forget_half_a_frame()
            return False
        self.offset += size
        self._total += size
        return True

    def _forget_half_a_frame(self) -> None:
        """Where it cannot be cut off, the next frame overwrites it, or it is put aside when it is read."""
        if self.descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self.descriptor, self.offset)

    def probe(self) -> bool:
        """Whether there is room again."""
        self.recount()
        return self.put(PROBE, _PROBE)

    def end_episode(self) -> None:
        if self.descriptor >= 0:
            self.retired.append(self.descriptor)
            self.descriptor = -1
            self.segment += 2
            self.recount()

    def recount(self) -> None:
        """The reader removes what it has read; only the directory knows."""
        try:
            paths = [os.path.join(self._directory, name) for name, _ in segments(self._directory, self._ring)]
            self._total = sum(_size(path) for path in paths)
        except OSError as error:
            self.why = str(error)

    def sync(self) -> None:
        """Raises OSError. Not for two threads at once."""
        retired, self.retired = self.retired, []
        failed: OSError | None = None
        for descriptor in retired:
            try:
                os.fdatasync(descriptor)
            except OSError as error:
                failed = error
            os.close(descriptor)
        if failed is not None:
            raise failed
        if self.descriptor >= 0:
            os.fdatasync(self.descriptor)
        if not self._is_listed:
            self._is_listed = True
            sync_directory(self._directory)

    def _begin_segment(self) -> None:
        number = self.segment + (self.descriptor >= 0)
        path = os.path.join(self._directory, segment_name(self._ring, number))
        fresh = open_own(path, os.O_CREAT | os.O_EXCL)
        if self.descriptor >= 0:
            self.retired.append(self.descriptor)
        self.segment, self.offset, self.descriptor = number, 0, fresh
        self._salt = segment_salt(self._ring_salt, number)
        self._is_listed = False


def _size(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
