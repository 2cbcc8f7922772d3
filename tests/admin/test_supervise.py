"""A task that fails is started again; waits are the test's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fastproxy.admin.supervise import FIRST_WAIT_S, LONGEST_WAIT_S, RUNS_WELL_S, keep, next_wait

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


@pytest.mark.parametrize(
    ("wait_s", "ran_s", "expected"),
    [
        (0.0, 0.0, FIRST_WAIT_S),
        (FIRST_WAIT_S, 0.0, 2 * FIRST_WAIT_S),
        (LONGEST_WAIT_S, 1.0, LONGEST_WAIT_S),
        (LONGEST_WAIT_S, RUNS_WELL_S, FIRST_WAIT_S),
    ],
)
def test_waits_grow_until_a_task_runs_well(wait_s: float, ran_s: float, expected: float) -> None:
    assert next_wait(wait_s, ran_s) == expected


def failing(times: int) -> tuple[list[int], Callable[[], Coroutine[object, object, None]]]:
    runs: list[int] = []

    async def run() -> None:
        runs.append(len(runs))
        if len(runs) <= times:
            raise LookupError(f"failure {len(runs)}")

    return runs, run


def test_a_task_is_started_again_until_it_returns(caplog: pytest.LogCaptureFixture) -> None:
    runs, run = failing(3)
    waits: list[float] = []

    async def pause(wait_s: float) -> None:
        waits.append(wait_s)

    asyncio.run(keep("the collector", run, pause, lambda: 0.0))
    assert runs == [0, 1, 2, 3]
    assert waits == [0.5, 1.0, 2.0]
    assert caplog.text.count("the collector failed") == 3
    assert "failure 2" in caplog.text


def test_cancelling_reaches_the_task() -> None:
    seen: list[str] = []

    async def scene() -> None:
        started = asyncio.Event()

        async def run() -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                seen.append("ended")

        async with asyncio.TaskGroup() as group:
            task = group.create_task(keep("it", run))
            await started.wait()
            task.cancel()
        assert task.cancelled()

    asyncio.run(scene())
    assert seen == ["ended"]
