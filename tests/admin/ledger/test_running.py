from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from fastproxy.admin.ledger.collector import Collector
from fastproxy.admin.ledger.state import CollectorState
from fastproxy.admin.store.ledger_tables import in_flight
from fastproxy.payloads import BEGIN, BODY, END, PROGRESS
from fastproxy.shared.journal import Journal
from tests.admin.ledger.books import agrees, count, everything, stored, used
from tests.admin.ledger.journals import FakeLock, Room, begin, body, end, name_of, whole

if TYPE_CHECKING:
    from pathlib import Path

    from fastproxy.admin.store.engine import Store
    from fastproxy.shared.journal import Position
    from tests.admin.ledger.conftest import Play


class Outage:
    """While `is_on`, no statement reaches the database."""

    def __init__(self, store: Store) -> None:
        self.is_on = False
        event.listen(store.ledger.sync_engine, "before_cursor_execute", self._fail)

    def _fail(self, *_: object) -> None:
        if self.is_on:
            raise OperationalError("SELECT secret", {"body": "secret"}, Exception("server closed the connection"))


def test_records_wait_while_the_database_is_away(play: Play) -> None:
    async def scene(store: Store) -> None:
        room, outage = Room(), Outage(store)
        journal = room.add("0")
        collector = room.collector(store)
        assert await collector.try_once()
        outage.is_on = True
        assert len(list(whole(journal, 10))) == 10
        for _ in range(3):
            assert not await collector.try_once()
        state = collector.state
        assert (state.error, state.failures, state.is_failing) == ("server closed the connection", 3, True)
        assert state.failing_since > 0
        assert journal.freed == 0
        outage.is_on = False
        assert await collector.try_once()
        assert (state.error, state.failing_since, state.rows) == ("", 0, 10)
        assert journal.freed == 20
        await agrees(store)

    play(scene)


def test_the_next_admin_process_waits_for_the_lock(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        held = FakeLock(room)
        journal = room.add("0")
        done = asyncio.Event()
        free = journal.advance

        def advance(position: Position) -> None:
            free(position)
            if position.ring == 2:
                done.set()

        journal.advance = advance  # type: ignore[method-assign]
        collector = room.collector(store)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(collector.run())
            await asyncio.sleep(0)
            seen = [collector.state.is_collecting]
            assert list(whole(journal, 1)) == [0]
            held.close()
            await done.wait()
            seen.append(collector.state.is_collecting)
            running.cancel()
        assert [*seen, collector.state.is_collecting] == [False, True, False]
        assert not room.is_locked
        assert journal.closed == 1

    play(scene)


def test_what_is_left_at_the_end_is_taken(play: Play) -> None:
    async def scene(store: Store) -> None:
        room, outage = Room(), Outage(store)
        journal = room.add("0")
        assert len(list(whole(journal, 3))) == 3
        collector = room.collector(store)
        outage.is_on = True
        await collector.drain()
        assert collector.state.is_failing
        outage.is_on = False
        await collector.drain()
        assert collector.state.rows == 3
        held = FakeLock(room)
        await room.collector(store).drain()  # somebody else's work
        held.close()

    play(scene)


@pytest.mark.parametrize("size", [1 << 16, 1 << 20])
def test_from_real_journals(play: Play, tmp_path: Path, size: int) -> None:
    """Two workers, one of which dies with a request under way; the small rings overflow into their spill files."""
    directory = str(tmp_path / "journal")

    async def scene(store: Store) -> None:
        first, second = (Journal.claim(directory, size, 8 << 20) for _ in range(2))
        collector = Collector(store, directory, "node-1", CollectorState())
        for number in range(600):
            journal = (first, second)[number % 2]
            assert journal.append(BEGIN, begin(number))
            assert journal.append(BODY, body(number, 0, b"{}" * 100))
            assert journal.append(END, end(number))
        assert first.append(BEGIN, begin(1000))
        assert first.append(PROGRESS, end(1000))
        assert second.append(BEGIN, begin(1001))
        await everything(collector)
        assert (collector.state.lag_bytes > 0) == (size == 1 << 16)  # as it looked before
        assert await count(store, in_flight) == 2
        first.close()
        await everything(collector)
        rows = await stored(store)
        assert len(rows) == 601
        assert rows[name_of(1000)]["error_kind"] == "aborted"
        again = Journal.claim(directory, size, 8 << 20)
        assert again.append(END, end(2000))
        assert second.append(END, end(1001))
        collector._close()
        other = Collector(store, directory, "node-1", CollectorState())
        await everything(other)
        assert (other.state.rows, other.state.repeated, other.state.set_aside) == (2, 0, 0)
        assert (await used(store, "group", "team"))["requests"] == 603
        await agrees(store)
        for journal in (second, again):
            journal.close()
        other._close()

    play(scene)
