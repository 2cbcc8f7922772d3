"""Connections kept for the next request: the order, the counts, the bound and the line before it, and age."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fastproxy.errors import GatewayError, Limited, UpstreamFailed
from fastproxy.wire.limits import WireLimits
from fastproxy.wire.origin import Origin
from fastproxy.wire.outbound import Outbound, Phase
from fastproxy.wire.pool import Pool, PoolCounts, unsent
from tests.wire.fakes import Upstream, wire_of

Scenario = Callable[[], Coroutine[Any, Any, None]]


def finish(outbound: Outbound) -> None:
    """What a clean reply leaves behind."""
    outbound.phase = Phase.IDLE
    outbound.reusable = True


async def opened(upstream: Upstream, count: int) -> list[Outbound]:
    connections = [await upstream.pool.open() for _ in range(count)]
    for connection in connections:
        finish(connection)
    return connections


def state(upstream: Upstream) -> tuple[int, ...]:
    """total, active, then the worker's sums: active, idle, opened, reused, waiting."""
    pool, counts = upstream.pool, upstream.counts
    return pool.total, pool.active, counts.active, counts.idle, counts.opened, counts.reused, counts.waiting


def test_last_in_first_out_and_exact_counts() -> None:
    async def main() -> None:
        upstream = Upstream()
        pool = upstream.pool
        assert pool.take() is None
        first, second, third = await opened(upstream, 3)
        assert state(upstream) == (3, 3, 3, 0, 3, 0, 0)
        for connection in (first, second, third):
            pool.give_back(connection)
        assert state(upstream) == (3, 0, 0, 3, 3, 0, 0)
        assert [pool.take(), pool.take()] == [third, second]
        assert state(upstream) == (3, 2, 2, 1, 3, 2, 0)
        assert third.reused
        pool.give_back(second)
        assert [pool.take(), pool.take(), pool.take()] == [second, first, None]

    asyncio.run(main())


def test_a_connection_that_closed_meanwhile_is_never_given_out() -> None:
    async def main() -> None:
        upstream = Upstream()
        pool = upstream.pool
        first, second, third = await opened(upstream, 3)
        for connection in (first, second, third):
            pool.give_back(connection)
        third.eof_received()  # FIN was read, the transport is not gone yet
        second.connection_lost(None)
        assert pool.take() is first
        third.connection_lost(None)
        first.connection_lost(None)
        pool.give_back(first)
        assert state(upstream) == (0, 0, 0, 0, 3, 1, 0)

    asyncio.run(main())


@pytest.mark.parametrize("how", ["poisoned", "mid-reply", "lost"])
def test_a_connection_that_did_not_end_cleanly_is_not_kept(how: str) -> None:
    async def main() -> None:
        upstream = Upstream()
        (connection,) = await opened(upstream, 1)
        if how == "poisoned":
            connection.reusable = False
        elif how == "mid-reply":
            connection.phase = Phase.BODY
        else:
            connection.connection_lost(None)
        upstream.pool.give_back(connection)
        assert wire_of(connection).closed
        assert upstream.pool.take() is None
        connection.connection_lost(None)
        assert state(upstream) == (0, 0, 0, 0, 1, 0, 0)

    asyncio.run(main())


def test_an_idle_connection_goes_after_its_time() -> None:
    async def main() -> None:
        upstream = Upstream(WireLimits(pool_idle_timeout=20))
        old, young = await opened(upstream, 2)
        upstream.pool.give_back(old)
        upstream.passes(15)
        upstream.pool.give_back(young)
        upstream.passes(6)
        assert (wire_of(old).closed, wire_of(young).closed) == (True, False)
        assert upstream.pool.take() is young

    asyncio.run(main())


def test_a_busy_connection_does_not_go_with_the_idle_time() -> None:
    async def main() -> None:
        upstream = Upstream()
        (connection,) = await opened(upstream, 1)
        upstream.passes(1e6)
        assert not wire_of(connection).closed

    asyncio.run(main())


def test_a_connection_has_a_greatest_age() -> None:
    async def main() -> None:
        upstream = Upstream(WireLimits(pool_max_age=600))
        first, second = await opened(upstream, 2)
        upstream.passes(599)
        upstream.pool.give_back(first)
        upstream.passes(2)
        upstream.pool.give_back(second)
        assert (wire_of(first).closed, wire_of(second).closed) == (False, True)

    asyncio.run(main())


def test_after_a_reload_nothing_old_is_used() -> None:
    async def main() -> None:
        upstream = Upstream()
        idle, busy = await opened(upstream, 2)
        upstream.pool.give_back(idle)
        upstream.pool.expire_all()
        assert (wire_of(idle).closed, wire_of(busy).closed) == (True, False)
        upstream.pool.give_back(busy)
        assert wire_of(busy).closed
        assert upstream.pool.take() is None
        for connection in (idle, busy):
            connection.connection_lost(None)
        assert state(upstream) == (0, 0, 0, 0, 2, 0, 0)
        (new,) = await opened(upstream, 1)
        upstream.pool.give_back(new)
        assert upstream.pool.take() is new

    asyncio.run(main())


# --- the bound and the line before it -------------------------------------------------------------------------------

ONE = WireLimits(pool_max_connections=1, pool_max_waiting=2, pool_wait_timeout=5)


async def standing(upstream: Upstream, count: int) -> list[asyncio.Task[Outbound]]:
    """`count` requests in the line, in this order."""
    tasks = []
    loop = asyncio.get_running_loop()
    for _ in range(count):
        tasks.append(loop.create_task(upstream.pool.open()))
        await asyncio.sleep(0)
    return tasks


def test_whoever_waits_longest_gets_the_next_connection() -> None:
    async def main() -> None:
        upstream = Upstream(ONE)
        (connection,) = await opened(upstream, 1)
        first, second = await standing(upstream, 2)
        assert upstream.counts.waiting == 2
        upstream.pool.give_back(connection)
        assert await first is connection
        assert (connection.reused, second.done()) == (True, False)
        finish(connection)
        upstream.pool.give_back(connection)
        assert await second is connection
        assert state(upstream) == (1, 1, 1, 0, 1, 2, 0)

    asyncio.run(main())


def test_a_connection_that_closes_makes_room_for_a_new_one() -> None:
    async def main() -> None:
        upstream = Upstream(ONE)
        (connection,) = await opened(upstream, 1)
        (waiting,) = await standing(upstream, 1)
        connection.reusable = False
        upstream.pool.give_back(connection)
        connection.connection_lost(None)
        assert await waiting is upstream.dialled[1]
        assert state(upstream) == (1, 1, 1, 0, 2, 0, 0)

    asyncio.run(main())


def test_the_line_is_bounded() -> None:
    async def main() -> None:
        upstream = Upstream(ONE)
        await opened(upstream, 1)
        tasks = await standing(upstream, 2)
        with pytest.raises(Limited) as refused:
            await upstream.pool.open()
        assert (refused.value.status, refused.value.kind, refused.value.retry_after) == (503, "overloaded", 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert upstream.counts.waiting == 0

    asyncio.run(main())


def test_nobody_waits_longer_than_the_limit() -> None:
    async def main() -> None:
        upstream = Upstream(WireLimits(pool_max_connections=1, pool_wait_timeout=0.01))
        (connection,) = await opened(upstream, 1)
        with pytest.raises(Limited):
            await upstream.pool.open()
        assert upstream.counts.waiting == 0
        upstream.pool.give_back(connection)
        assert upstream.pool.take() is connection

    asyncio.run(main())


def test_one_that_left_the_line_is_passed_over() -> None:
    async def main() -> None:
        upstream = Upstream(ONE)
        (connection,) = await opened(upstream, 1)
        gone, stays = await standing(upstream, 2)
        gone.cancel()
        upstream.pool.give_back(connection)
        assert await stays is connection
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(main())


# --- dialling -------------------------------------------------------------------------------------------------------


def pool_with(upstream: Upstream, dial: Callable[[Pool], Coroutine[Any, Any, Outbound]]) -> Pool:
    return Pool(Origin("origin.test", 80), upstream.deadlines, ONE, dial, upstream.counts)


def test_a_connection_that_cannot_be_opened_leaves_no_trace() -> None:
    async def refuse(pool: Pool) -> Outbound:
        raise UpstreamFailed("refused", retry="if_unsent")

    async def main() -> None:
        upstream = Upstream()
        pool = pool_with(upstream, refuse)
        for _ in range(3):
            with pytest.raises(UpstreamFailed):
                await pool.open()
        assert (pool.total, pool.active, upstream.counts.failures) == (0, 0, 3)

    asyncio.run(main())


def test_one_that_breaks_at_once_may_be_tried_elsewhere() -> None:
    upstream = Upstream()

    async def broken(pool: Pool) -> Outbound:
        connection = upstream.connection()
        connection.connection_lost(None)
        return connection

    async def main() -> None:
        pool = pool_with(upstream, broken)
        with pytest.raises(GatewayError) as failed:
            await pool.open()
        assert failed.value.retry == "if_unsent"
        assert (pool.total, pool.active) == (0, 0)

    asyncio.run(main())


def test_a_dial_that_fails_wakes_the_next_in_line() -> None:
    upstream = Upstream()
    outcomes: list[Outbound | None] = [None]

    async def first_fails(pool: Pool) -> Outbound:
        await asyncio.sleep(0)
        if outcomes:
            outcomes.pop()
            raise UpstreamFailed("refused")
        return upstream.connection()

    async def main() -> None:
        pool = pool_with(upstream, first_fails)
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(pool.open()) for _ in range(2)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [UpstreamFailed, Outbound]
        assert (pool.total, pool.active) == (1, 1)

    asyncio.run(main())


def test_sums_are_over_all_pools_and_forget_those_that_are_gone() -> None:
    async def main() -> None:
        upstream = Upstream()
        other: Pool | None = Pool(Origin("other.test", 80), upstream.deadlines, upstream.limits, upstream.dial,
                                  upstream.counts)  # fmt: skip
        first, second, third = await opened(upstream, 3)
        assert other is not None
        fourth = await other.open()
        upstream.pool.give_back(first)
        assert (upstream.counts.active, upstream.counts.idle, len(upstream.counts.pools)) == (3, 1, 2)
        finish(fourth)
        other.give_back(fourth)
        assert (upstream.counts.active, upstream.counts.idle) == (2, 2)
        other = None
        upstream.deadlines.live.clear()
        upstream.dialled.clear()
        del fourth
        gc.collect()
        assert (upstream.counts.active, upstream.counts.idle, len(upstream.counts.pools)) == (2, 1, 1)
        assert {second.phase, third.phase} == {Phase.IDLE}

    asyncio.run(main())


def test_what_a_pool_says_of_itself() -> None:
    upstream = Upstream()
    assert repr(upstream.pool) == "<Pool http://origin.test active=0 idle=0 waiting=0>"
    assert "closed" in str(unsent(upstream.connection()))
    assert PoolCounts().idle == 0


def test_a_client_that_left_while_we_dialled_was_booked_as_the_origins_fault() -> None:
    async def never(pool: Pool) -> Outbound:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody ends this")

    async def main() -> None:
        upstream = Upstream()
        pool = pool_with(upstream, never)
        waiting = asyncio.create_task(pool.open())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (pool.total, pool.active, upstream.counts.failures) == (0, 0, 0)

    asyncio.run(main())
