"""Which cells make a worker healthy, and a node."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from fastproxy.admin.view import Node
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena
from tests.admin.cells import NOW_MS, Cells, node

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({}, ""),
        ({"HEARTBEAT": NOW_MS - 10_000}, ""),
        ({"HEARTBEAT": NOW_MS - 10_001}, "silent for 10001 ms"),
        ({"HEARTBEAT": NOW_MS + 3}, ""),  # beaten between the copy and the look at the clock
        ({"HEARTBEAT": 0}, "without a heartbeat"),
        ({"STATE": rows.STARTING}, "starting"),
        ({"STATE": rows.DRAINING}, "draining"),
        ({"STATE": rows.STOPPED}, "stopped"),
        ({"STATE": 77}, "in unknown state 77"),
    ],
)
def test_a_worker_serves_when_it_is_ready_and_beats(changed: dict[str, int], problem: str) -> None:
    cells = Cells()
    cells.start(0, **changed)
    health = node(cells).look().health()
    assert [worker.problem for worker in health.workers] == [problem]
    assert health.ready == (0 if problem else 1)
    assert health.status == ("unavailable" if problem else "ok")
    assert health.reasons == ([f"worker 0 is {problem}"] if problem else [])


def test_no_worker_at_all_is_unavailable() -> None:
    health = node(Cells()).look().health()
    assert (health.status, health.reasons, health.workers) == ("unavailable", ["no worker is running"], [])


def test_one_of_two_is_degraded_and_so_is_an_old_configuration() -> None:
    cells = Cells(slots=3)
    cells.master(GENERATION=4)
    cells.start(0, GENERATION=4)
    cells.start(1, GENERATION=3)
    cells.start(2, STATE=rows.DRAINING, GENERATION=1)
    health = node(cells).look().health()
    assert health.status == "degraded"
    assert health.reasons == ["worker 2 is draining", "worker 1 uses configuration 3, the newest is 4"]


@pytest.mark.parametrize(
    ("changed", "listed"),
    [
        ({}, True),
        ({"STATE": rows.STOPPED}, True),  # it is leaving
        ({"PID": 0, "STATE": rows.STARTING}, True),  # it crashed and waits for its next try
        ({"PID": 0, "STATE": rows.STOPPED}, False),  # it was retired
        ({"PID": 0, "STATE": rows.STARTING, "STARTED": 0}, False),  # the slot was never used
    ],
)
def test_a_slot_is_listed_while_a_process_lives_there_or_is_awaited(changed: dict[str, int], listed: bool) -> None:
    cells = Cells()
    cells.start(1, **changed)
    assert [slot for slot, _ in node(cells).look().slots()] == ([1] if listed else [])


def test_status_has_the_shape_of_the_command() -> None:
    cells = Cells(slots=3)
    cells.master(PID=10, GENERATION=7)
    cells.column(rows.ADMIN_COLUMN)[rows.PID] = 11
    cells.start(0, CLIENTS_OPEN=5, REQUESTS=900, GENERATION=7)
    cells.start(2, HEARTBEAT=0)
    first = {"slot": 0, "pid": 1000, "connections": 5, "requests": 900, "generation": 7, "heartbeat_age_ms": 50}
    third = {"slot": 2, "pid": 1002, "connections": 0, "requests": 0, "generation": 0, "heartbeat_age_ms": None}
    status = asdict(node(cells).look().status())
    assert status == {"master": 10, "admin": 11, "generation": 7, "workers": [first, third]}


def test_counters_outlive_a_worker_and_gauges_do_not() -> None:
    cells = Cells(slots=3)
    cells.start(0, REQUESTS=10, CLIENTS_OPEN=2)
    cells.start(1, REQUESTS=5, CLIENTS_OPEN=9, STATE=rows.STOPPED)
    cells.start(2, REQUESTS=1, CLIENTS_OPEN=9, PID=0, STATE=rows.STOPPED)
    look = node(cells).look()
    assert look.totals()[rows.REQUESTS] == 16
    assert look.gauge(rows.CLIENTS_OPEN) == 2


def test_a_look_does_not_change_afterwards() -> None:
    cells = Cells()
    column = cells.start(0, REQUESTS=1)
    look = node(cells).look()
    column[rows.REQUESTS] = 2
    assert look.totals()[rows.REQUESTS] == 1


def test_the_arena_itself_is_such_a_view(tmp_path: Path) -> None:
    arena = Arena.create(str(tmp_path / "arena"), rows.WORKER_COLUMN + 2)
    arena.column(rows.MASTER_COLUMN)[rows.OWNER + 1] = 2
    worker = arena.column(rows.WORKER_COLUMN + 1)
    worker[rows.PID], worker[rows.STATE], worker[rows.HEARTBEAT], worker[rows.REQUESTS] = 9, rows.READY, 1, 12
    look = Node(arena).look()
    assert [(slot, cells[rows.PID]) for slot, cells in look.slots()] == [(1, 9)]
    assert look.totals()[rows.REQUESTS] == 12
    assert look.health().workers[0].problem.startswith("silent for ")


def test_an_empty_arena_sums_to_zeros() -> None:
    assert node(Cells(slots=0)).look().totals() == [0] * rows.ROWS


def test_the_mock_of_demo_was_taken_for_a_worker() -> None:
    cells = Cells(slots=2)
    cells.master(GENERATION=1, OWNER=1)
    cells.master()[rows.OWNER + 1] = 0
    cells.start(0, GENERATION=1)
    cells.start(1, GENERATION=0)  # a column behind those of the workers
    assert [slot for slot, _ in node(cells).look().slots()] == [0]
    assert node(cells).look().health().status == "ok"
