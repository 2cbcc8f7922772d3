"""Journals in memory: what shared/journal is to the collector, with workers that live and die at will."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.admin.ledger.collector import Collector, Tools
from fastproxy.admin.ledger.state import CollectorState
from fastproxy.payloads import BEGIN, END, Context, Numbers, begin_payload, body_payload, end_payload
from fastproxy.payloads import pack_context as pack
from fastproxy.shared.journal import Batch, Frame, Position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.admin.store.engine import Store
    from fastproxy.payloads import Unusual

NOON = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000 + 43_200_000
CONTEXT = Context("team", "ci", "", "gpt-5", "gpt-5-mini", "main", "openai", "openai-chat", "anthropic",
                  "chat_completions", "10.0.0.1", "curl/8")  # fmt: skip


class FakeJournal:
    """One ring: append as a worker does, read as Source is read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.identity = name.encode().rjust(16, b"j")
        self.frames: list[Frame] = []
        self.epoch = 1
        self.owned = True
        self.freed = 0
        self.closed = 0

    def append(self, kind: int, payload: bytes) -> None:
        self.frames.append(Frame(kind, self.epoch, payload))

    def die(self) -> None:
        self.owned = False

    def take(self) -> None:
        """A new process goes on in this ring."""
        self.epoch += 1
        self.owned = True

    def is_owned(self) -> bool:
        return self.owned

    def read(self, position: Position, max_bytes: int) -> Batch:
        first = last = position.ring
        size = 0
        while last < len(self.frames) and size < max_bytes:
            size += len(self.frames[last].payload)
            last += 1
        epoch = self.epoch if last == len(self.frames) else self.frames[last].epoch
        return Batch(self.frames[first:last], Position(epoch, last, 0, 0), 0)

    def advance(self, position: Position) -> None:
        assert position.ring <= len(self.frames)
        self.freed = position.ring

    def close(self) -> None:
        self.closed += 1


class FakeLock:
    """Only one at a time in its room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        room.is_locked = True

    def close(self) -> None:
        self._room.is_locked = False


class Room:
    """A directory of journals, and the one lock on it."""

    def __init__(self) -> None:
        self.journals: dict[str, FakeJournal] = {}
        self.now = NOON / 1000
        self.is_locked = False

    def add(self, name: str) -> FakeJournal:
        self.journals[name] = FakeJournal(name)
        return self.journals[name]

    def tools(self) -> Tools:
        return Tools(self._claim, lambda _, known: dict(self.journals), lambda _: 0, self._clock)

    def _claim(self, _: str) -> FakeLock | None:
        return None if self.is_locked else FakeLock(self)

    def _clock(self) -> float:
        self.now += 1.5  # each look at the clock finds new journals due
        return self.now

    def collector(self, store: Store) -> Collector:
        collector = Collector(store, "nowhere", "node-1", CollectorState())
        collector.tools = self.tools()
        return collector


def name_of(number: int) -> str:
    return f"{number:032x}"


def numbers(started_at: int = NOON, **changes: int | float) -> Numbers:
    usual = Numbers(started_at, 200, 0, 1, 10, 0, 0, 5, 0, 0.25, 120_000, 900_000, 40, 800, 1600)
    return usual._replace(**changes)  # type: ignore[arg-type]


def begin(number: int, started_at: int = NOON, context: Context = CONTEXT) -> bytes:
    return begin_payload(name_of(number).encode(), started_at, 800, pack(context))


def end(number: int, said: Numbers | None = None, context: Context = CONTEXT, unusual: Unusual | None = None) -> bytes:
    return end_payload(name_of(number).encode(), said or numbers(), unusual, pack(context))


def body(number: int, side: int, data: bytes, size: int | None = None) -> bytes:
    return body_payload(name_of(number).encode(), side, len(data) if size is None else size, data)


def whole(journal: FakeJournal, count: int, first: int = 0) -> Iterator[int]:
    """Append that many whole requests; yields their numbers."""
    for number in range(first, first + count):
        journal.append(BEGIN, begin(number))
        journal.append(END, end(number))
        yield number
