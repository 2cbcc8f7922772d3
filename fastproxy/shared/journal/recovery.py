"""Where a log ends and begins, found from the bytes alone: after a kill, after a power cut, after damage.

Up to the head in page 1 everything was written and, as far as it is older than 50 ms, synced. Behind it frames stand
one after the other up to the first place where none does; what may stand behind that hole was never promised to
anybody, belongs to an older epoch from then on, and is never believed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from fastproxy.shared.journal.frames import HEADER, MAX_POSITION, Walker, find
from fastproxy.shared.journal.ringfile import DATA, PAGE, Cells, Shape, read_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK: Final = 1 << 14
_WINDOW: Final = 1 << 20


class Log:
    """The bytes of a ring by position. Read by calls: a file that somebody cut is a miss and no SIGBUS."""

    __slots__ = ("_start", "descriptor", "salt", "size", "slack")

    def __init__(self, descriptor: int, salt: int, size: int, slack: int) -> None:
        """`size`: bytes of a lap; 0: a spill segment, which has but one."""
        self.descriptor = descriptor
        self.salt = salt
        self.size = size or MAX_POSITION
        self.slack = slack  # the largest frame
        self._start = DATA if size else 0

    @classmethod
    def of_ring(cls, descriptor: int, shape: Shape) -> Log:
        return cls(descriptor, shape.salt, shape.size, shape.slack)

    def lap_end(self, position: int) -> int:
        return position - position % self.size + self.size

    def at(self, position: int, count: int) -> bytes:
        """Up to so many bytes from there on, no further than this lap goes."""
        place = position % self.size
        return os.pread(self.descriptor, min(count, self.size + self.slack - place), self._start + place)

    def step(self, walker: Walker, count: int, until: int) -> bool:
        """Walk on in about so many bytes; False when it does not get on, unless it stands at a MARK."""
        before = walker.position
        until = min(until, self.lap_end(before))
        raw = self.at(before, count)
        walker.walk(raw, until)
        if walker.position == before and len(raw) < walker.wanted <= self.slack:
            walker.walk(self.at(before, walker.wanted), until)
        return walker.position != before

    def is_frame(self, position: int, epoch: int) -> bool:
        walker = Walker(self.salt, position, epoch, [])
        return self.step(walker, CHUNK, position + 1) or walker.mark >= 0

    def next_frame(self, position: int, until: int, epoch: int) -> int:
        """The first place from `position` on, before `until`, where a frame of this epoch or a later one stands;
        `until` when there is none.
        """
        while position < until:
            end = min(position + _WINDOW, until, self.lap_end(position))
            for place in find(self.at(position, end - position + HEADER.size), position):
                if place < end and self.is_frame(place, epoch):
                    return place
            position = end
        return until

    def everything(self) -> Iterator[tuple[int, int, int]]:
        """(position, end, epoch) of every frame of any lap. For a header that is damaged: 0.2 s for 16 MiB."""
        size, slack = self.size, self.slack
        raw = self.at(0, size + slack)
        cells = memoryview(raw[: min(len(raw), size + 8) & -8]).cast("Q").tolist()
        for place, position in zip(range(-8, size, 8), cells, strict=False):
            if place >= 0 and position % size == place and position < MAX_POSITION:
                walker = Walker(self.salt, position, 0, [])
                walker.walk(raw[place : place + slack], position + 1)
                if walker.mark >= 0:
                    walker.pass_mark()
                if walker.position > position:
                    yield position, walker.position, walker.epoch


class End(NamedTuple):
    epoch: int  # the last one, 0: there was none
    head: int  # behind the last frame of it, and never before the tail


def ring_cells(log: Log) -> Cells:
    return read_cells(os.pread(log.descriptor, PAGE, PAGE), log.salt)


def end_of_log(log: Log, cells: Cells) -> End:
    if cells.head is None or cells.tail is None or (cells.head and not cells.starts):
        found = [(epoch, end) for _, end, epoch in log.everything()]
        return End(*max(found, default=(0, 0)))
    epoch = max(cells.starts, default=0)
    # the head may be 50 ms old, and what stood there overwritten since; the tail is ahead of it then
    walker = Walker(log.salt, max(cells.head, cells.tail.ring, cells.starts.get(epoch, 0)), epoch, [])
    while log.step(walker, CHUNK, MAX_POSITION) or walker.mark >= 0:
        walker.frames.clear()
        if walker.mark >= 0:
            walker.pass_mark()
    return End(walker.epoch, walker.position)


def oldest(log: Log) -> int:
    """The first frame that still stands, when nothing tells where the reader was; 0 when there is none."""
    found = list(log.everything())
    _, head = max(((epoch, end) for _, end, epoch in found), default=(0, 0))
    return min((position for position, _, _ in found if position >= head - log.size), default=0)
