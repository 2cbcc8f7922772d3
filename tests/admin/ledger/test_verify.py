from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from fastproxy.admin.commands.ledger import told
from fastproxy.admin.ledger.retention import Sweeper, watermarks
from fastproxy.admin.ledger.verify import Report, verify
from fastproxy.admin.store.ledger_tables import ledger_metadata
from fastproxy.config import Retention
from fastproxy.payloads import BODY, END, Context, Try, Unusual
from tests.admin.ledger.books import agrees, count, everything
from tests.admin.ledger.journals import CONTEXT, NOON, Room, body, end, numbers

if TYPE_CHECKING:
    from fastproxy.admin.store.engine import Store
    from tests.admin.ledger.conftest import Play

HOUR, DAY = 3_600_000, 86_400_000


def started(days: int) -> list[int]:
    return [NOON - number * (DAY // 2) - 1234 * number % HOUR for number in range(days * 2)]


async def fill(store: Store, days: int = 25) -> Room:
    """Two requests a day up to and with NOON, which is on the 21st of a month, by two keys."""
    room = Room()
    journal = room.add("0")
    tries = Unusual("", (Try(1, "other", "openai", "gpt-5", "openai-chat", 503, "upstream_failed", 9),))
    for number, at in enumerate(started(days)):
        context = CONTEXT if number % 3 else Context("team", "nightly", "b" * 32, "claude", channel="main")
        journal.append(END, end(number, numbers(at, output_tokens=number, cost_usd=number / 7), context, tries))
        journal.append(BODY, body(number, 0, b"{}"))
    await everything(room.collector(store))
    return room


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("DELETE FROM records WHERE output_tokens = 5", "records 0, rollup_minutes 1"),
        ("UPDATE records SET output_tokens = 6 WHERE output_tokens = 5", "records 6, rollup_hours 5"),
        ("UPDATE rollup_minutes SET requests = 2 WHERE output_tokens = 5", "rollup_minutes 2"),
        ("DELETE FROM rollup_hours WHERE output_tokens = 5", "records 1, rollup_hours 0"),
        ("UPDATE rollup_hours SET cost_usd = cost_usd + 0.001 WHERE output_tokens = 5", "cost_usd"),
        ("DELETE FROM latency_hours", "rollup_hours 1, latency_hours 0"),
        ("UPDATE latency_minutes SET ttfts = 0", "ttft_requests"),
        ("DELETE FROM series WHERE model = 'claude'", "None"),
        ("UPDATE usage SET requests = 0 WHERE period = 'day' AND owner = 'key'", "team/ci"),
        ("UPDATE usage SET requests = 0 WHERE period = 'month' AND owner = 'group'", "usage by month 0"),
        ("DELETE FROM usage WHERE period = 'total'", "usage in all 0"),
    ],
)
def test_a_planted_fault_is_found(play: Play, change: str, expected: str) -> None:
    async def scene(store: Store) -> None:
        await fill(store, 4)
        await agrees(store)
        async with store.ledger.begin() as conn:
            await conn.execute(text(change))
        report = await verify(store.ledger)
        assert report.count > 0
        assert expected in "\n".join(report.differences)

    play(scene)


def test_an_empty_ledger_agrees(play: Play) -> None:
    async def scene(store: Store) -> None:
        assert await verify(store.ledger) == Report()

    play(scene)


def test_what_the_command_prints() -> None:
    assert told(Report(1234, 5)) == "1,234 records in 5 hours: records, roll-ups and usage agree\n"
    assert told(Report(3, 1, 1, ["day x: requests"])) == "3 records in 1 hours: 1 sums differ\nday x: requests\n"
    assert told(Report(3, 1, 60, ["a"])).endswith("a\nand 59 more\n")


@pytest.mark.parametrize(
    "keep",
    [
        Retention(records=10 * DAY / 1000 + 777, attempts=1e9, bodies=1e9, minutes=2 * DAY / 1000 + 55),
        Retention(records=DAY / 1000 / 3, minutes=12 * DAY / 1000 + 5, hours=20 * DAY / 1000 + 99),
        Retention(records=0, minutes=0, hours=0, days=0, attempts=0, bodies=0),
        Retention(hours=5 * DAY / 1000 + 9, days=20 * DAY / 1000 + 1),
    ],
)
def test_sums_agree_when_retention_has_taken_rows(play: Play, keep: Retention) -> None:
    async def scene(store: Store) -> None:
        room = await fill(store)
        sweeper = Sweeper(store, keep)
        now = NOON + 1
        while sweeper.is_due(now):
            await sweeper.step(now)
        await agrees(store)
        # what comes late may lie in the part that was deleted
        for number in range(10_000, 10_030, 3):
            room.journals["0"].append(END, end(number, numbers(NOON - (number - 10_000) * DAY)))
        await everything(room.collector(store))
        await agrees(store)
        sweeper = Sweeper(store, keep)
        while sweeper.is_due(now):
            await sweeper.step(now)
        await agrees(store)

    play(scene)


def test_it_runs_beside_a_collector_and_a_retention_at_work(play: Play) -> None:
    """Each comparison sees one moment: of the rows, and of how far retention has come."""

    async def scene(store: Store) -> None:
        room = await fill(store, 6)
        collector = room.collector(store)
        is_over = asyncio.Event()

        async def write() -> None:
            number = 1000
            while not is_over.is_set():
                for at in started(6):
                    number += 1
                    room.journals["0"].append(END, end(number, numbers(at)))
                await collector.collect()
                at = NOON - 6 * DAY + (number - 1000) * HOUR // 4
                sweeper = Sweeper(store, Retention(records=0, minutes=0, hours=DAY / 1000))
                while sweeper.is_due(at):
                    await sweeper.step(at)

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            for _ in range(3):
                await agrees(store)
            is_over.set()

    play(scene)


def test_retention_deletes_what_is_old_and_nothing_else(play: Play) -> None:
    async def scene(store: Store) -> None:
        await fill(store)
        tables = ledger_metadata.tables
        before = {name: await count(store, table) for name, table in tables.items()}
        keep = Retention(records=10 * DAY / 1000, attempts=5 * DAY / 1000, minutes=DAY / 1000, hours=20 * DAY / 1000)
        sweeper = Sweeper(store, keep)
        deleted = 0
        while sweeper.is_due(NOON):
            deleted += await sweeper.step(NOON)
        after = {name: await count(store, table) for name, table in tables.items()}
        times = started(25)
        assert before["records"] == len(times)
        assert after["records"] == sum(at >= NOON - 10 * DAY for at in times)
        assert after["attempts"] == sum(at >= NOON - 5 * DAY for at in times)
        assert after["rollup_minutes"] == sum(at - at % 60_000 >= NOON - DAY for at in times)
        assert after["rollup_hours"] == sum(at - at % HOUR >= NOON - 20 * DAY for at in times)
        assert after["latency_hours"] == 2 * after["rollup_hours"]  # the duration and the time to the first byte
        assert after["usage"] == before["usage"]
        assert deleted == sum(before.values()) - sum(after.values()) + after["ledger_state"]
        async with store.ledger.connect() as conn:
            assert await watermarks(conn) == {
                "records": NOON - 10 * DAY, "attempts": NOON - 5 * DAY, "minutes": NOON - DAY, "hours": NOON - 20 * DAY
            }  # fmt: skip
        assert not sweeper.is_due(NOON + 1000)
        assert sweeper.is_due(NOON + 60_000)

    play(scene)


def test_retention_goes_in_batches(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        for number in range(2500):
            journal.append(END, end(number))
        await everything(room.collector(store))
        sweeper = Sweeper(store, Retention(records=0))
        steps = []
        while sweeper.is_due(NOON + DAY):
            steps.append(await sweeper.step(NOON + DAY))
        assert [step for step in steps if step] == [1000, 1000, 500]
        await agrees(store)

    play(scene)
