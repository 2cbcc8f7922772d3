"""The collector's side of the journal: frames in the order of their append, from wherever the database says.

What is read is read again until the database has committed it; only then `advance` gives its room back. So a reader
that is killed at any moment loses nothing and, with its position in the same transaction, doubles nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fastproxy.shared.journal.aside import MAX_BYTES, segments, set_aside
from fastproxy.shared.journal.frames import MAX_POSITION, START, Batch, Frame, Position, Walker, segment_salt
from fastproxy.shared.journal.recovery import CHUNK, Log, oldest, ring_cells
from fastproxy.shared.journal.ringfile import TAIL_AT, Cells, Shape, is_at, pack_tail
from fastproxy.shared.journal.spill import NUMBERS_OF_AN_EPOCH, segment_name
from fastproxy.shared.own_file import is_locked, open_own

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Reading:
    """How far one `read` has come."""

    __slots__ = ("head", "left", "offset", "ring", "set_aside", "spill", "tail")

    def __init__(self, position: Position, salt: int, cells: Cells, max_bytes: int) -> None:
        frames: list[Frame] = []
        self.ring = Walker(salt, position.ring, position.epoch, frames)
        self.spill = position.spill
        self.offset = position.offset
        self.left = max_bytes
        self.head = cells.head or 0
        self.tail = cells.tail.ring if cells.tail is not None else 0
        self.set_aside = 0

    def position(self) -> Position:
        return Position(self.ring.epoch, self.ring.position, self.spill, self.offset)


class Source:
    """One ring file and its segments. Not for two threads at once."""

    __slots__ = ("_directory", "_log", "_number", "_reached", "_removed_below", "_segment", "identity", "name")

    def __init__(self, directory: str, number: int, descriptor: int, shape: Shape) -> None:
        """Use `sources`. The descriptor is closed with this."""
        self.name = str(number)
        self.identity = shape.identity
        self._directory = directory
        self._number = number
        self._log = Log.of_ring(descriptor, shape)
        self._segment: tuple[int, Log] | None = None
        self._reached = 0
        self._removed_below = -1

    def is_owned(self) -> bool:
        """Whether a live process writes to it. False, and a `read` after that without frames: it is drained."""
        return is_locked(self._log.descriptor)

    def is_of(self, path: str) -> bool:
        """Whether the path still leads to this ring."""
        return is_at(self._log.descriptor, path)

    def close(self) -> None:
        self._close_segment()
        if self._log.descriptor >= 0:
            os.close(self._log.descriptor)
            self._log.descriptor = -1

    # --- the ring --------------------------------------------------------------------------------------------------

    def read(self, position: Position, max_bytes: int = 4 << 20) -> Batch:
        """The frames from this position on (START: from the ring's own tail), about `max_bytes` of them, none only
        when there is none; and where they end. A position of which the ring knows nothing, because the database or the
        ring was set back, is moved to the nearest one where nothing is left out. Raises OSError.
        """
        cells = ring_cells(self._log)
        reading = _Reading(self._settled(position, cells), self._log.salt, cells, max_bytes)
        while self._read_on(reading):
            if reading.left <= 0:
                if reading.ring.frames:
                    break
                reading.left = 1  # frames of our own, or damage: an empty batch would be taken for the end
        self._skip_segments(reading, reading.ring.epoch << NUMBERS_OF_AN_EPOCH)
        self._reached = reading.ring.position
        return Batch(reading.ring.frames, reading.position(), reading.set_aside)

    def _settled(self, position: Position, cells: Cells) -> Position:
        if position == START:
            position = cells.tail or Position(0, oldest(self._log), 0, 0)
        ring = _set_back(position, cells)
        least = (cells.head or 0) - self._log.size
        if ring < least:
            ring = self._log.next_frame(least, cells.head or 0, position.epoch)
        return position._replace(ring=ring)

    def _read_on(self, reading: _Reading) -> bool:
        """False: there is nothing more for now."""
        walker = reading.ring
        before = walker.position
        count = min(max(reading.head - before, 0), reading.left) + CHUNK
        moved = self._log.step(walker, count, before + reading.left)
        reading.left -= walker.position - before
        if walker.mark >= 0:
            return self._read_episode(reading)
        if moved or before >= reading.head:
            return moved
        if before < reading.tail:  # taken before the database was set back, and maybe overwritten since
            walker.position = self._log.next_frame(before, min(reading.tail, reading.head), walker.epoch)
        else:
            reading.set_aside += self._skip(self._log, walker, reading.head, "ring")
        return True

    def _skip(self, source: Log, walker: Walker, until: int, of: str) -> int:
        """Go to the next frame, and put aside what stands before it."""
        start = walker.position
        walker.position = source.next_frame(start, until, walker.epoch)
        if walker.position > start:
            self._set_aside(source, start, walker.position, of)
        return walker.position - start

    def _set_aside(self, source: Log, start: int, end: int, of: str) -> None:
        raw = b"".join(_pieces(source, start, min(end, start + MAX_BYTES)))
        set_aside(self._directory, f"{self.name}.{self.identity.hex()[:8]}.{of}.{start}", raw)

    # --- the spill -------------------------------------------------------------------------------------------------

    def _read_episode(self, reading: _Reading) -> bool:
        """The segments of the MARK where it stands. False: there is nothing more for now."""
        walker = reading.ring
        self._skip_segments(reading, walker.mark)
        behind = Walker(walker.salt, walker.position, walker.epoch, [])
        behind.pass_mark()
        # these looks come first: what is true now stays true, and all that was written before it is there to be read
        is_over = reading.head > behind.position or self._log.is_frame(behind.position, walker.epoch)
        while reading.left > 0:
            is_followed = os.path.lexists(self._path(reading.spill + 1))
            if not self._read_segment(reading, is_over or is_followed):
                break
            if is_followed or is_over:
                reading.spill += 1
                reading.offset = 0
            if not is_followed:
                if is_over:
                    walker.position = behind.position
                return is_over
        return True

    def _read_segment(self, reading: _Reading, is_whole: bool) -> bool:
        """True: its end was reached, as far as it has one. False: it was enough."""
        segment = self._opened(reading.spill)
        if segment is None:
            return True
        walker = Walker(segment.salt, reading.offset, reading.ring.epoch, reading.ring.frames)
        end = os.fstat(segment.descriptor).st_size
        is_ended = False
        while reading.left > 0 and not is_ended:
            before = walker.position
            if not segment.step(walker, min(max(end - before, 0), reading.left) + CHUNK, before + reading.left):
                is_ended = not is_whole or before >= end
                if not is_ended:
                    reading.set_aside += self._skip(segment, walker, end, f"{reading.spill}.spill")
            reading.left -= walker.position - before
        reading.offset = walker.position
        return is_ended

    def _skip_segments(self, reading: _Reading, until: int) -> None:
        """Segments before this one that no MARK leads to: it was damaged, or a power cut took it and what followed."""
        if reading.spill >= until:
            return
        for _, number in segments(self._directory, self._number):
            if reading.spill <= number < until:
                segment = self._opened(number)
                start = reading.offset if number == reading.spill else 0
                if segment is not None and _holds_frames(segment, start):
                    end = os.fstat(segment.descriptor).st_size
                    self._set_aside(segment, start, end, f"{number}.spill")
                    reading.set_aside += end - start
        reading.spill, reading.offset = until, 0

    def _path(self, segment: int) -> str:
        return os.path.join(self._directory, segment_name(self._number, segment))

    def _opened(self, number: int) -> Log | None:
        """This segment, None when there is none. Raises OSError."""
        if self._segment is not None and self._segment[0] == number:
            return self._segment[1]
        self._close_segment()
        try:
            descriptor = open_own(self._path(number), 0)
        except FileNotFoundError:
            return None
        segment = Log(descriptor, segment_salt(self._log.salt, number), 0, self._log.slack)
        self._segment = (number, segment)
        return segment

    def _close_segment(self) -> None:
        if self._segment is not None:
            os.close(self._segment[1].descriptor)
            self._segment = None

    # --- after the commit ------------------------------------------------------------------------------------------

    def advance(self, position: Position) -> None:
        """The database has committed this position of the last `read`: the room before it may be used again, and
        segments before its own are removed. Raises OSError.
        """
        position = position._replace(ring=min(position.ring, self._reached))
        os.pwrite(self._log.descriptor, pack_tail(position, self._log.salt), TAIL_AT)
        if position.spill == self._removed_below:
            return
        if self._segment is not None and self._segment[0] < position.spill:
            self._close_segment()
        for name, number in segments(self._directory, self._number):
            if number < position.spill:
                os.unlink(os.path.join(self._directory, name))
        self._removed_below = position.spill


def _set_back(position: Position, cells: Cells) -> int:
    """Where to go on in the ring. After a power cut the database may know more than the ring: what was appended since
    stands where the lost frames stood, and belongs to a newer epoch, of which the ring knows where it began.
    """
    newer = {epoch: start for epoch, start in cells.starts.items() if epoch > position.epoch}
    if newer and position.epoch + 1 not in newer and cells.tail is not None:
        newer[0] = cells.tail.ring  # so many processes since that the table has forgotten the first of them
    return min(position.ring, *newer.values()) if newer else position.ring


def _pieces(source: Log, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        piece = source.at(start, min(end, source.lap_end(start)) - start)
        if not piece:
            return
        yield piece
        start += len(piece)


def _holds_frames(segment: Log, start: int) -> bool:
    walker = Walker(segment.salt, start, 0, [])
    while not walker.frames and segment.step(walker, CHUNK, MAX_POSITION):
        pass
    return bool(walker.frames)
