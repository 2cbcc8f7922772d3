"""The one promise, under random blows: whatever dies, wherever it dies, every request is one row and counts once.

A game plays workers (begin, progress, end, die, come back) beside a collector that is killed at a random place: between
any two statements of its transaction, before the commit, or after the commit before the journal hears of it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from fastproxy.admin.store.ledger_tables import in_flight
from fastproxy.payloads import BEGIN, END, PROGRESS, Context
from tests.admin.ledger.books import agrees, count, everything, stored, used
from tests.admin.ledger.journals import NOON, FakeJournal, Room, begin, end, name_of, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.admin.ledger.collector import Collector
    from fastproxy.admin.store.engine import Store
    from tests.admin.ledger.conftest import Play


class Killed(Exception):
    """The collector ends here."""


class Blow:
    """Kills whoever does the next-but-n statement or commit on this engine."""

    def __init__(self, store: Store) -> None:
        self.left: int | None = None
        engine = store.ledger.sync_engine
        event.listen(engine, "before_cursor_execute", self._strike)
        event.listen(engine, "commit", self._strike)

    def _strike(self, *_: Any) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Killed


class Game:
    """The truth: what was asked of whom, and how it ended."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.room = Room()
        self.journals = [self.room.add(str(place)) for place in range(3)]
        self.contexts = [
            Context(f"group-{number % 3}", f"key-{number}", "", f"model-{number % 4}", channel="main")
            for number in range(6)
        ]
        self.open: dict[int, tuple[FakeJournal, Context, int]] = {}
        self.ended: dict[int, int] = {}  # number → output tokens
        self.aborted: set[int] = set()
        self.requests = 0

    def step(self) -> None:
        moves: tuple[Callable[[], None], ...] = (self.start, self.start, self.start, self.go_on, self.end, self.end)
        (self.die if self.draw.random() < 0.03 else self.draw.choice(moves))()

    def start(self) -> None:
        journal, context = self.draw.choice(self.journals), self.draw.choice(self.contexts)
        if not journal.owned:
            journal.take()
        at = NOON + self.draw.randrange(10_000_000)
        journal.append(BEGIN, begin(self.requests, at, context))
        self.open[self.requests] = journal, context, at
        self.requests += 1

    def go_on(self) -> None:
        if self.open:
            number = self.draw.choice(list(self.open))
            journal, context, at = self.open[number]
            journal.append(PROGRESS, end(number, numbers(at, output_tokens=1), context))

    def end(self) -> None:
        if self.open:
            number = self.draw.choice(list(self.open))
            journal, context, at = self.open.pop(number)
            self.ended[number] = self.draw.randrange(1000)
            said = numbers(at, output_tokens=self.ended[number], status=self.draw.choice((200, 200, 429, 503)))
            journal.append(END, end(number, said, context))

    def die(self) -> None:
        journal = self.draw.choice(self.journals)
        journal.die()
        dead = {number for number, (home, *_) in self.open.items() if home is journal}
        self.aborted |= dead
        for number in dead:
            del self.open[number]

    def settle(self) -> None:
        for journal in self.journals:
            journal.die()
        self.aborted |= self.open.keys()
        self.open.clear()

    async def check(self, store: Store) -> None:
        rows = await stored(store)
        assert set(rows) == {name_of(number) for number in self.ended} | {name_of(number) for number in self.aborted}
        aborted = {name for name, row in rows.items() if row["error_kind"] == "aborted"}
        assert aborted == {name_of(number) for number in self.aborted}
        assert {name_of(number): tokens for number, tokens in self.ended.items()} == {
            name: row["output_tokens"] for name, row in rows.items() if name not in aborted
        }
        groups = [await used(store, "group", f"group-{number}") for number in range(3)]
        assert sum(group["requests"] for group in groups) == self.requests
        assert sum(group["output_tokens"] for group in groups) == sum(row["output_tokens"] for row in rows.values())
        await agrees(store)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_dies_every_request_counts_once(play: Play, seed: int) -> None:
    async def scene(store: Store) -> None:
        game, blow = Game(seed), Blow(store)
        collector = game.room.collector(store)
        for _ in range(15):
            for _ in range(game.draw.randrange(1, 30)):
                game.step()
            blow.left = game.draw.choice((None, *range(1, 40)))
            try:
                await collector.collect()
            except Killed:
                collector = game.room.collector(store)  # another process: knows nothing but the database
            blow.left = None
        await check_between(game, collector, store)
        game.settle()
        await everything(collector)
        await game.check(store)

    play(scene)


async def check_between(game: Game, collector: Collector, store: Store) -> None:
    """While requests are under way: exactly those are parked."""
    await everything(collector)
    assert await count(store, in_flight) == len(game.open)
    await agrees(store)


@pytest.mark.parametrize("seed", range(2))
def test_killed_after_the_commit_before_the_journal_hears_of_it(play: Play, seed: int) -> None:
    async def scene(store: Store) -> None:
        game = Game(seed)
        for journal in game.journals:
            journal.advance = _killed  # type: ignore[method-assign,assignment]
        for _ in range(10):
            for _ in range(20):
                game.step()
            with pytest.raises(Killed):
                await game.room.collector(store).collect()
        for journal in game.journals:
            del journal.advance
        game.settle()
        await everything(game.room.collector(store))
        await game.check(store)

    play(scene)


def _killed(_: object) -> None:
    raise Killed


@pytest.mark.parametrize("place", [0, 2, 5, 9, 14, 19])
def test_a_failed_transaction_is_tried_again_as_a_whole(play: Play, place: int) -> None:
    """By the same collector, whose memories of names and series must not outlive what was rolled back."""

    async def scene(store: Store) -> None:
        game, blow = Game(99), Blow(store)
        collector = game.room.collector(store)
        for _ in range(60):
            game.step()
        blow.left = place
        try:
            await collector.collect()
        except Killed:
            collector._forget()
        blow.left = None
        game.settle()
        await everything(collector)
        await game.check(store)

    play(scene)
