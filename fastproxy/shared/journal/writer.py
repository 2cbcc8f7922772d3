"""The worker's side of the journal: a ring of frames in mapped memory, and a way out when it is full.

An append is a store to memory and no system call. The bytes are the kernel's at once, so they outlive this process, and
on the disk, in the ring's copy, after the next sync. What the ring has no room for goes to a spill segment, and a MARK
in the ring tells the reader where. Only when that has no room either is a frame lost, which is counted.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Final

from fastproxy.shared.journal.frames import HEADER, MARK, NUMBER, OWNER, checksum, epoch_salt, frame_bytes
from fastproxy.shared.journal.ringfile import (
    DATA,
    HEAD_AT,
    TAIL_AT,
    TAIL_BYTES,
    JournalError,
    log,
    pack_head,
    read_tail,
)
from fastproxy.shared.journal.spill import Spill
from fastproxy.shared.journal.syncing import Syncer
from fastproxy.shared.journal.taking import Taken, take_ring

_RESERVE: Final = 4096  # of the ring, for OWNER and MARK
_PROBE_EVERY: Final = 5  # ticks
_COMPLAIN_EVERY_S: Final = 60.0
_CLOSED: Final = -1
_pack_header = HEADER.pack_into


class Journal:
    """One per process; made by `claim`. Not for two threads, except that `sync` may run in another one."""

    __slots__ = (
        "_at", "_bound", "_complained_s", "_copy", "_descriptor", "_epoch", "_is_spilling", "_origin", "_ring", "_salt",
        "_size", "_spill", "_sync_lock", "_synced", "_syncer", "_tail", "_taken", "_ticks", "is_open", "lost",
        "max_payload", "name", "spilled", "sync_failures",
    )  # fmt: skip

    def __init__(self, taken: Taken, spill: Spill) -> None:
        """Use `claim`."""
        shape = taken.shape
        self.name = str(taken.number)
        self.is_open = True  # False while the last append had no room anywhere
        self.lost = 0  # frames that had no room, or were too large
        self.spilled = 0  # frames
        self.sync_failures = 0
        self.max_payload = shape.slack - HEADER.size
        self._taken = taken
        self._ring = taken.mapping
        self._descriptor = taken.descriptor
        self._copy = taken.copy
        self._size = shape.size
        self._epoch = taken.epoch
        self._salt = epoch_salt(taken.shape.salt, taken.epoch)
        self._at = taken.head  # where the next frame will stand
        self._origin = taken.head - taken.head % shape.size - DATA  # the position that lies at the file's first byte
        self._tail = taken.tail
        self._bound = _CLOSED  # up to here a frame may end without another thought
        self._spill = spill
        self._is_spilling = False
        self._ticks = 0
        self._complained_s = -_COMPLAIN_EVERY_S
        self._sync_lock = threading.Lock()
        self._synced = (-1, -1, -1)
        self._syncer: Syncer | None = None

    @classmethod
    def claim(cls, directory: str, size: int, spill_limit: int) -> Journal:
        """Go on in the lowest ring of `directory` that nobody holds, or make one of `size` bytes (at least 64 KiB).
        Its segments may take `spill_limit` bytes. The directory is made, and is ours alone. Raises JournalError.
        """
        taken = take_ring(directory, size)
        spill = Spill(directory, taken.number, taken.shape.salt, taken.epoch, spill_limit)
        journal = cls(taken, spill)
        journal.sync()  # nothing of this epoch may be on the disk before the disk knows where it began
        if journal.sync_failures:
            journal.close()
            raise JournalError(f"no journal in {directory}: the disk cannot be synced")
        journal._put(OWNER, NUMBER.pack(os.getpid()))
        journal._has_room(0)
        return journal

    # --- writing ---------------------------------------------------------------------------------------------------

    def append(self, kind: int, payload: bytes) -> bool:
        """`kind`: 1..15. False: it is lost, for want of room or because it is larger than `max_payload`; that is
        counted. It never raises, and waits for nothing but one write when it spills.
        """
        length = len(payload)
        at = self._at
        end = at + (length + 31 & -8)
        if end > self._bound or length > self.max_payload:
            return self._append_elsewhere(kind, payload)
        place = at - self._origin
        body = place + 24
        ring = self._ring
        ring[body : body + length] = payload
        check = checksum(payload, self._salt ^ (at << 5 | kind))
        _pack_header(ring, place, check, at, self._epoch, length << 8 | kind)
        self._at = end
        return True

    def _append_elsewhere(self, kind: int, payload: bytes) -> bool:
        if len(payload) > self.max_payload or self._descriptor < 0:
            self.lost += 1
            return False
        if not self._is_spilling and self._has_room(frame_bytes(len(payload))):
            self._put(kind, payload)
            self._opened()
            return True
        if self.is_open and self._append_to_spill(kind, payload):
            return True
        self.lost += 1
        self._closed()
        return False

    def _append_to_spill(self, kind: int, payload: bytes) -> bool:
        if not self._spill.put(kind, payload):
            return False
        if not self._is_spilling:
            self._is_spilling = True
            self._put(MARK, NUMBER.pack(self._spill.segment))
            self._bound = _CLOSED
        self.spilled += 1
        return True

    def _put(self, kind: int, payload: bytes) -> None:
        """As the end of `append`, where there is room; the frame may begin a lap."""
        at, length = self._at, len(payload)
        if at - self._origin >= DATA + self._size:
            self._origin += self._size
        place = at - self._origin
        self._ring[place + HEADER.size : place + HEADER.size + length] = payload
        check = checksum(payload, self._salt ^ (at << 5 | kind))
        _pack_header(self._ring, place, check, at, self._epoch, length << 8 | kind)
        self._at = at + frame_bytes(length)

    def _has_room(self, size: int) -> bool:
        """Whether the ring has so many bytes free, after a look at how far the collector has come."""
        if self._at - self._origin >= DATA + self._size:
            self._origin += self._size
        limit = self._look_at_tail() + self._size - _RESERVE
        self._bound = min(limit, self._origin + DATA + self._size)
        return self._at + size <= limit

    def _look_at_tail(self) -> int:
        said = read_tail(self._ring[TAIL_AT : TAIL_AT + TAIL_BYTES], self._taken.shape.salt)
        if said is not None and self._tail < said.ring <= self._at:
            self._tail = said.ring
        return self._tail

    @property
    def unread(self) -> int:
        """Bytes in the ring that the collector has not taken."""
        return self._at - (self._look_at_tail() if self._descriptor >= 0 else self._tail)

    # --- when there is no room -------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Ten times a second: back from the spill to the ring when a quarter of it is free; when nothing has room,
        look twice a second whether that is still so.
        """
        if self._descriptor < 0:
            return
        self._note_head()
        if self._is_spilling:
            self._leave_spill()
        elif not self.is_open and self._has_room(self._size // 4):
            self._opened()
        if not self.is_open:
            self._ticks += 1
            if self._ticks % _PROBE_EVERY == 0 and self._spill.probe():
                self._opened()

    def _leave_spill(self) -> None:
        if self._has_room(self._size // 4):
            self._is_spilling = False
            self._spill.end_episode()
            self._opened()
        else:
            self._bound = _CLOSED

    def _opened(self) -> None:
        if not self.is_open:
            self.is_open = True
            log.warning("journal: there is room again, %d frames were lost in all", self.lost)

    def _closed(self) -> None:
        if self.is_open:
            self.is_open = False
            self._complain("journal: the ring is full and nothing can be spilled: %s", self._spill.why)

    def _complain(self, text: str, why: str) -> None:
        now = time.monotonic()
        if now - self._complained_s >= _COMPLAIN_EVERY_S:
            self._complained_s = now
            log.error(text, why)

    # --- to the disk -----------------------------------------------------------------------------------------------

    def start_sync(self, interval_s: float = 0.05) -> None:
        """`sync` in a thread from now on, this long after the last one has ended."""
        if self._syncer is not None or self._descriptor < 0:
            return
        self._syncer = Syncer(self.sync, interval_s)

    def sync(self) -> None:
        """Wait until the disk has what was appended, if anything was. It never raises; failures are counted."""
        with self._sync_lock:
            written = (self._at, self._spill.segment, self._spill.offset)
            if self._descriptor < 0 or (written == self._synced and not self._spill.retired):
                return
            self._note_head()
            try:
                self._copy.take(self._ring, written[0])
                self._spill.sync()
                self._synced = written
            except OSError as error:
                self.sync_failures += 1
                self._complain("journal: what was appended may not be on the disk: %s", str(error))

    def _note_head(self) -> None:
        raw = pack_head(self._at, self._taken.shape.salt)
        self._ring[HEAD_AT : HEAD_AT + len(raw)] = raw

    def close(self) -> None:
        """A last sync; then the ring is free for others. A later append is lost."""
        if self._syncer is not None:
            self._syncer.stop()
            self._syncer = None
        if self._descriptor < 0:
            return
        self._spill.end_episode()
        self.sync()
        self._bound = _CLOSED
        descriptor, self._descriptor = self._descriptor, -1
        self._ring.close()
        self._copy.close()
        os.close(descriptor)
