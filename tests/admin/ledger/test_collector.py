from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastproxy.admin.store.ledger_tables import attempts, bodies, in_flight, journal_positions
from fastproxy.payloads import BEGIN, BODY, END, PROGRESS, Context, Try, Unusual
from tests.admin.ledger.books import agrees, all_sums, count, everything, rows_of, stored, used
from tests.admin.ledger.journals import CONTEXT, NOON, Room, begin, body, end, name_of, numbers, whole

if TYPE_CHECKING:
    from fastproxy.admin.store.engine import Store
    from tests.admin.ledger.conftest import Play


def test_a_whole_request_becomes_a_row_with_all_its_columns(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        assert list(whole(journal, 1)) == [0]
        await everything(room.collector(store))
        assert (await stored(store))[name_of(0)] == {
            "request_id": name_of(0), "started_at": NOON, "group": "team", "key_name": "ci", "model": "gpt-5",
            "upstream_model": "gpt-5-mini", "channel": "main", "provider": "openai", "client_format": "openai-chat",
            "upstream_format": "anthropic", "operation": "chat_completions", "stream": False, "status": 200,
            "error_kind": "", "attempts": 1, "input_tokens": 10, "cache_read_tokens": 0, "cache_write_tokens": 0,
            "output_tokens": 5, "reasoning_tokens": 0, "estimated": False, "cost_usd": 0.25, "ttft_ms": 120.0,
            "duration_ms": 900.0, "gateway_us": 40, "bytes_in": 800, "bytes_out": 1600, "client_ip": "10.0.0.1",
            "user_agent": "curl/8", "key_id": "", "node": "node-1",
        }  # fmt: skip
        assert await count(store, in_flight) == 0
        assert journal.freed == 2
        await agrees(store)

    play(scene)


def test_what_began_is_parked_until_it_ends(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        collector = room.collector(store)
        journal.append(BEGIN, begin(1))
        await everything(collector)
        assert await count(store, in_flight) == await collector.count_in_flight() == 1
        assert await stored(store) == {}
        journal.append(PROGRESS, end(1, numbers(output_tokens=3)))
        await everything(collector)
        assert [row["kind"] for row in await rows_of(store, in_flight)] == [PROGRESS]
        journal.append(END, end(1))
        await everything(collector)
        assert await count(store, in_flight) == 0
        assert list(await stored(store)) == [name_of(1)]

    play(scene)


def test_an_end_without_its_begin_is_a_whole_row(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        room.add("0").append(END, end(5))
        await everything(room.collector(store))
        assert (await stored(store))[name_of(5)]["status"] == 200
        await agrees(store)

    play(scene)


@pytest.mark.parametrize("is_taken_over", [True, False])
@pytest.mark.parametrize("is_seen_alive", [True, False])
def test_a_begin_of_a_dead_worker_is_one_aborted_row(play: Play, is_taken_over: bool, is_seen_alive: bool) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        collector = room.collector(store)
        journal.append(BEGIN, begin(1))
        journal.append(BEGIN, begin(2))
        journal.append(PROGRESS, end(2, numbers(status=200, output_tokens=77, flags=1, bytes_out=9000)))
        if is_seen_alive:
            await everything(collector)
            assert await stored(store) == {}
        journal.die()
        if is_taken_over:
            journal.take()
            journal.append(BEGIN, begin(3))
        await everything(collector)
        rows = await stored(store)
        assert set(rows) == {name_of(1), name_of(2)}
        assert {(row["status"], row["error_kind"], row["estimated"]) for row in rows.values()} == {(0, "aborted", True)}
        assert rows[name_of(1)]["input_tokens"] == 800 // 4  # all that is known is how much was sent
        assert rows[name_of(1)]["model"] == "gpt-5"
        assert rows[name_of(2)]["output_tokens"] == 77
        assert rows[name_of(2)]["stream"] is True
        assert rows[name_of(2)]["bytes_out"] == 9000
        assert await count(store, in_flight) == int(is_taken_over)
        assert collector.state.aborted == 2
        assert (await used(store, "group", "team"))["requests"] == 2
        await agrees(store)

    play(scene)


def test_the_living_are_not_aborted_by_the_death_of_others(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        dead, alive = room.add("0"), room.add("1")
        dead.append(BEGIN, begin(1))
        alive.append(BEGIN, begin(2))
        dead.die()
        await everything(room.collector(store))
        assert list(await stored(store)) == [name_of(1)]
        alive.append(END, end(2))
        await everything(room.collector(store))
        assert (await stored(store))[name_of(2)]["error_kind"] == ""

    play(scene)


def test_a_worker_that_took_over_can_die_too(play: Play) -> None:
    """The epoch that was drained once must not count as swept for ever."""

    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        collector = room.collector(store)
        for number in range(3):
            journal.append(BEGIN, begin(number))
            await everything(collector)
            journal.die()
            await everything(collector)
            assert len(await stored(store)) == number + 1
            journal.take()

    play(scene)


def test_an_end_after_its_aborted_row_does_not_count_again(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        collector = room.collector(store)
        journal.append(BEGIN, begin(1))
        journal.die()
        await everything(collector)
        before = await all_sums(store)
        journal.append(END, end(1))
        await everything(collector)
        assert (await stored(store))[name_of(1)]["error_kind"] == "aborted"
        assert await all_sums(store) == before
        assert collector.state.repeated == 1

    play(scene)


def test_ten_replays_change_nothing(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        for number in whole(journal, 20):
            journal.append(PROGRESS, end(number))
            journal.append(BODY, body(number, 0, b"{}"))
        journal.append(BEGIN, begin(100))
        await everything(room.collector(store))
        before, rows = await all_sums(store), await stored(store)
        assert len(rows) == 20
        for _ in range(10):
            async with store.ledger.begin() as conn:
                await conn.execute(journal_positions.delete())
            await everything(room.collector(store))
        assert await all_sums(store) == before
        assert await stored(store) == rows
        await agrees(store)

    play(scene)


def test_frames_that_come_twice_in_one_batch_count_once(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        for _ in range(3):
            journal.append(BEGIN, begin(1))
            journal.append(END, end(1))
        journal.append(BEGIN, begin(1))
        await everything(room.collector(store))
        assert (await used(store, "group", "team"))["requests"] == 1
        assert await count(store, in_flight) == 0

    play(scene)


def test_attempts_and_bodies_hang_on_their_request(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        tries = (Try(1, "main", "openai", "gpt-5", "openai-chat", 529, "upstream_overloaded", 1500),)
        journal.append(BODY, body(1, 0, b'{"a":', 1000))
        journal.append(END, end(1, numbers(attempts=2), unusual=Unusual("", tries)))
        journal.append(BODY, body(1, 1, b"\x00\xff"))
        await everything(room.collector(store))
        assert [(row["number"], row["status"], row["duration_ms"]) for row in await rows_of(store, attempts)] == [
            (1, 529, 1.5)
        ]
        assert [(row["side"], row["data"], row["size"], row["truncated"]) for row in await rows_of(store, bodies)] == [
            (0, b'{"a":', 1000, True),
            (1, b"\x00\xff", 2, False),
        ]

    play(scene)


def test_what_a_client_or_an_upstream_made_up_stops_nothing(play: Play) -> None:
    """A row that the database refuses would be tried for ever, with everything behind it waiting."""
    hostile = Context("team", "ci", "", "m\0" + "\U0001f600" * 5000, "x" * 70_000, user_agent="\0" * 300)
    largest = (1 << 63) - 1

    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        wild = numbers(
            started_at=-5, output_tokens=largest, input_tokens=-7, duration_us=largest, bytes_out=largest,
            cost_usd=float("nan"), ttft_us=largest, status=65535, gateway_us=-1,
        )  # fmt: skip
        for number in range(3):
            journal.append(END, end(number, wild, hostile))
        journal.append(BEGIN, b"\xff" * 80)
        journal.append(BEGIN, begin(7)[:40])
        journal.append(BEGIN, begin(8)[:-3])
        journal.append(END, b"short")
        journal.append(PROGRESS, b"\0" * 200)
        journal.append(15, b"of a later version")
        journal.append(END, end(9))
        journal.die()
        collector = room.collector(store)
        await everything(collector)
        rows = await stored(store)
        assert set(rows) == {name_of(number) for number in (0, 1, 2, 9)}
        assert rows[name_of(0)]["started_at"] == rows[name_of(0)]["input_tokens"] == rows[name_of(0)]["cost_usd"] == 0
        assert rows[name_of(0)]["model"].startswith("m\ufffd\U0001f600")
        assert len(rows[name_of(0)]["model"]) == 256
        assert collector.state.unreadable == 6
        await agrees(store)

    play(scene)


def test_many_model_names_share_a_row(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        for number in range(2200):
            invented = Context("team", "ci", "", f"invented-{number}")
            journal.append(END, end(number, numbers(status=404), invented))
        collector = room.collector(store)
        await everything(collector)
        journal.append(END, end(9999))
        await everything(room.collector(store))
        sums = await all_sums(store)
        models = {row["model"] for row in sums["series"]}
        assert len(models) == 1002
        assert {"(other)", "gpt-5"} <= models  # what a channel served has places of its own
        assert len(sums["rollup_minutes"]) == len(sums["rollup_hours"]) == 1002
        assert (await used(store, "group", "team"))["requests"] == 2201
        await agrees(store)

    play(scene)


def test_usage_counts_in_the_periods_of_the_start(play: Play) -> None:
    new_year = 1_798_761_600_000  # 2027-01-01T00:00Z

    async def scene(store: Store) -> None:
        room = Room()
        journal = room.add("0")
        stored_key = Context("team", "renamed", "a" * 32, "gpt-5")
        journal.append(END, end(1, numbers(new_year - 1), stored_key))
        journal.append(END, end(2, numbers(new_year), stored_key))
        journal.append(END, end(3, numbers(new_year), CONTEXT))
        journal.append(END, end(4, numbers(new_year), Context()))  # nobody: a gateway without client keys
        await everything(room.collector(store))
        rows = {
            (row["owner"], row["owner_name"], row["period"], row["start_ms"]): row["requests"]
            for row in (await all_sums(store))["usage"]
        }
        day, month = 86_400_000, 31 * 86_400_000
        assert rows == {
            ("key", "a" * 32, "day", new_year - day): 1, ("key", "a" * 32, "day", new_year): 1,
            ("key", "a" * 32, "month", new_year - month): 1, ("key", "a" * 32, "month", new_year): 1,
            ("key", "a" * 32, "total", 0): 2,
            ("key", "team/ci", "day", new_year): 1, ("key", "team/ci", "month", new_year): 1,
            ("key", "team/ci", "total", 0): 1,
            ("group", "team", "day", new_year - day): 1, ("group", "team", "day", new_year): 2,
            ("group", "team", "month", new_year - month): 1, ("group", "team", "month", new_year): 2,
            ("group", "team", "total", 0): 3,
        }  # fmt: skip
        await agrees(store)

    play(scene)


def test_a_journal_that_is_gone_gives_its_begins_up_after_a_day(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        room.add("0").append(BEGIN, begin(1))
        await everything(room.collector(store))
        del room.journals["0"]
        await everything(room.collector(store))
        assert await stored(store) == {}
        room.now += 2 * 86_400
        await everything(room.collector(store))
        assert (await stored(store))[name_of(1)]["error_kind"] == "aborted"
        assert len(await rows_of(store, journal_positions)) == 1
        room.now += 40 * 86_400
        await everything(room.collector(store))
        assert await rows_of(store, journal_positions) == []

    play(scene)


def test_more_journals_than_one_turn_reads_are_all_read(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        for place in range(40):
            journal = room.add(str(place))
            assert len(list(whole(journal, 3, place * 10))) == 3
        collector = room.collector(store)
        await everything(collector)
        assert len(await stored(store)) == 120
        assert await collector.collect() is False

    play(scene)


def test_a_journal_that_cannot_be_read_does_not_hold_up_the_others(play: Play) -> None:
    async def scene(store: Store) -> None:
        room = Room()
        broken, good = room.add("0"), room.add("1")

        def read(*_: object) -> None:
            raise OSError(5, "Input/output error")

        broken.read = read  # type: ignore[method-assign,assignment]
        assert len(list(whole(good, 3))) == 3
        collector = room.collector(store)
        with pytest.raises(OSError, match="Input/output"):
            await collector.collect()
        assert len(await stored(store)) == 3

    play(scene)
