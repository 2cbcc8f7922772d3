"""What the arena says about this node at one moment, in plain numbers.

Reads cells only: no socket, no process table, no framework. One `Look` is a copy of all columns, so everything that one
reply says comes from the same instant, give or take the microseconds of the copy (cells are written while we read).

    arena columns ──look()──► Look(master, admin, workers) ──► NodeStatus | Health | totals for metrics.py

A slot is listed while a process lives there, or is about to (between a crash and the next try). Counters are summed
over all columns ever used, so they never go down when a worker is retired; gauges only where a worker is
not STOPPED.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from fastproxy.shared import rows

if TYPE_CHECKING:
    from collections.abc import Callable

STATES: Final = ("starting", "ready", "draining", "stopped")

Verdict = Literal["ok", "degraded", "unavailable"]


class ArenaView(Protocol):
    """The part of shared.arena.Arena that the admin plane reads."""

    def column(self, index: int, /) -> memoryview:
        """Return one process's cells (format Q)."""

    def row(self, row: int, /) -> list[int]:
        """Return one cell of every column."""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    slot: int
    pid: int
    connections: int
    requests: int
    generation: int
    heartbeat_age_ms: int | None  # None: has not beaten yet


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The shape of `fastproxy status --json`."""

    master: int
    admin: int
    generation: int
    workers: list[WorkerStatus]


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    slot: int
    pid: int
    state: str
    heartbeat_age_ms: int | None
    generation: int
    problem: str  # "" when it serves


@dataclass(frozen=True, slots=True)
class Health:
    status: Verdict
    reasons: list[str]
    workers: list[WorkerHealth]

    @property
    def ready(self) -> int:
        return sum(not worker.problem for worker in self.workers)


@dataclass(frozen=True, slots=True)
class Look:
    """A copy of all cells. `workers` has one entry per slot, used or not; `fresh_ms` is how old a heartbeat may be."""

    master: list[int]
    admin: list[int]
    workers: list[list[int]]
    now_ms: int
    fresh_ms: int

    def slots(self) -> list[tuple[int, list[int]]]:
        """The slots that have or await a process; a retired one is STOPPED, one never used has no start."""
        return [(slot, cells) for slot, cells in enumerate(self.workers) if _is_listed(cells)]

    def totals(self) -> list[int]:
        """Sum every row over the workers; meaningful for counters."""
        used = [cells for cells in self.workers if any(cells)]
        return [sum(cells) for cells in zip(*used, strict=True)] if used else [0] * rows.ROWS

    def gauge(self, row: int) -> int:
        return sum(cells[row] for _, cells in self.slots() if cells[rows.STATE] != rows.STOPPED)

    def age_ms(self, cells: list[int]) -> int | None:
        beat = cells[rows.HEARTBEAT]
        return max(0, self.now_ms - beat) if beat else None

    def problem(self, cells: list[int]) -> str:
        """Say why this worker does not serve; empty when it does."""
        state = cells[rows.STATE]
        if state != rows.READY:
            return STATES[state] if state < len(STATES) else f"in unknown state {state}"
        age = self.age_ms(cells)
        if age is None:
            return "without a heartbeat"
        return f"silent for {age} ms" if age > self.fresh_ms else ""

    def status(self) -> NodeStatus:
        workers = [
            WorkerStatus(
                slot=slot,
                pid=cells[rows.PID],
                connections=cells[rows.CLIENTS_OPEN],
                requests=cells[rows.REQUESTS],
                generation=cells[rows.GENERATION],
                heartbeat_age_ms=self.age_ms(cells),
            )
            for slot, cells in self.slots()
        ]
        return NodeStatus(self.master[rows.PID], self.admin[rows.PID], self.master[rows.GENERATION], workers)

    def health(self) -> Health:
        """Judge: one ready worker is enough to serve, less than all of them up to date is worth a look."""
        workers = [
            WorkerHealth(
                slot=slot,
                pid=cells[rows.PID],
                state=STATES[cells[rows.STATE]] if cells[rows.STATE] < len(STATES) else "unknown",
                heartbeat_age_ms=self.age_ms(cells),
                generation=cells[rows.GENERATION],
                problem=self.problem(cells),
            )
            for slot, cells in self.slots()
        ]
        newest = self.master[rows.GENERATION]
        reasons = [f"worker {worker.slot} is {worker.problem}" for worker in workers if worker.problem]
        reasons += [
            f"worker {worker.slot} uses configuration {worker.generation}, the newest is {newest}"
            for worker in workers
            if not worker.problem and worker.generation != newest
        ]
        if not workers:
            reasons.append("no worker is running")
        if all(worker.problem for worker in workers):
            return Health("unavailable", reasons, workers)
        return Health("degraded" if reasons else "ok", reasons, workers)


def _is_listed(cells: list[int]) -> bool:
    return bool(cells[rows.PID] or (cells[rows.STARTED] and cells[rows.STATE] != rows.STOPPED))


def _slots(master: list[int]) -> int:
    """How many slots there are: each has an owner. Columns behind them belong to other roles, such as the mock's."""
    owners = master[rows.OWNER : rows.OWNER + rows.MAX_SLOTS]
    return max((slot + 1 for slot, owner in enumerate(owners) if owner), default=0)


@dataclass(frozen=True, slots=True)
class Node:
    """Where looks come from. `heartbeat_timeout_s` is the master's: after it, a silent worker is replaced."""

    view: ArenaView
    heartbeat_timeout_s: float = 10.0
    monotonic: Callable[[], float] = time.monotonic  # the clock of the HEARTBEAT cells
    wall: Callable[[], float] = time.time  # the clock of the STARTED cells

    def look(self) -> Look:
        width = len(self.view.row(rows.PID))
        columns = [self.view.column(index).tolist() for index in range(width)]
        return Look(
            master=columns[rows.MASTER_COLUMN],
            admin=columns[rows.ADMIN_COLUMN],
            workers=columns[rows.WORKER_COLUMN : rows.WORKER_COLUMN + _slots(columns[rows.MASTER_COLUMN])],
            now_ms=int(self.monotonic() * 1000),
            fresh_ms=int(self.heartbeat_timeout_s * 1000),
        )
