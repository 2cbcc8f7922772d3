"""The master's children: one Place per process that should exist, and what its life is at.

                 fork                 STATE cell says READY
    EMPTY ──────────────► STARTING ───────────────────────► READY
      ▲                      │  │ died                        │ died
      │ died                 │  └────────► WAITING ◄──────────┘
      └────── STOPPING ◄─────┴── stop ──────────┘ (fork again at respawn_at)

A place keeps its slot, column and sockets for life; processes come and go. Counters in the column stay when a process
dies and its successor adds to them; gauges are set to zero here, by the one who reaped it. Back-off: a process that
dies within a second of its start, or before it was ready, is replaced at once the first times, then after 0.1 ... 5 s;
one that served and was killed by a signal is waited for 0.02 s at most, for it can live and clients are waiting.
"""

from __future__ import annotations

import math
import os
import signal
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from fastproxy.shared import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.server.plan import Role
    from fastproxy.shared.arena import Arena

YOUNG_S: Final = 1.0
# A worker that dies young now and then is replaced at once; only one that cannot live is waited for.
_BACKOFF_S: Final = (0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
_KILLED_S: Final = 0.02


class Life(Enum):
    EMPTY = "empty"
    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    STOPPING = "stopping"


@dataclass(slots=True)
class Place:
    role: Role
    slot: int
    index: int  # of its arena column
    column: memoryview[int]
    life: Life = Life.EMPTY
    pid: int = 0
    started: float = 0.0  # monotonic, of the process; when WAITING, of its death
    failures: int = 0  # deaths in a row soon after the start
    respawn_at: float = math.inf
    kill_at: float = math.inf
    was_ready: bool = False  # any process here has ever been ready

    @property
    def name(self) -> str:
        return f"{self.role.name} {self.slot}" if self.role.sockets else self.role.name

    @property
    def is_alive(self) -> bool:
        return self.pid != 0

    @property
    def heartbeat(self) -> float:
        """Monotonic seconds of the last sign of life."""
        return max(self.column[rows.HEARTBEAT] / 1000, self.started)

    @property
    def can_be_watched(self) -> bool:
        """Processes without the plan's sockets need not beat; those that do are held to it."""
        return self.life is Life.READY and (self.role.sockets or self.column[rows.HEARTBEAT] != 0)


@dataclass(frozen=True, slots=True)
class Death:
    """A reaped child. `reason`: "exit 1" or "signal 9"."""

    place: Place
    pid: int
    reason: str
    was: Life


@dataclass(slots=True)
class Children:
    """All places. `reap` is the only caller of waitpid: it also collects what process 1 inherits."""

    arena: Arena
    places: list[Place] = field(default_factory=list)

    def workers(self) -> list[Place]:
        return [place for place in self.places if place.role.sockets]

    def others(self) -> list[Place]:
        return [place for place in self.places if not place.role.sockets]

    def alive(self) -> list[Place]:
        return [place for place in self.places if place.is_alive]

    def born(self, place: Place, pid: int) -> None:
        """A process was forked for this place."""
        place.pid = pid
        place.column[rows.PID] = pid
        place.life = Life.STARTING
        place.respawn_at = place.kill_at = math.inf

    def prepare(self, place: Place) -> None:
        """Before the fork: cells that the child will own from its first instruction on."""
        place.started = time.monotonic()
        place.column[rows.STATE] = rows.STARTING
        place.column[rows.HEARTBEAT] = 0
        place.column[rows.GENERATION] = 0
        place.column[rows.STARTED] = int(time.time() * 1000)

    def not_born(self, place: Place) -> None:
        """The fork failed (no memory, too many processes): try again soon."""
        place.failures += 1
        place.life = Life.WAITING
        place.respawn_at = place.started + YOUNG_S
        place.column[rows.STATE] = rows.STOPPED

    def notice_ready(self) -> list[Place]:
        """Places whose process became ready since the last call."""
        found = [
            place
            for place in self.places
            if place.life is Life.STARTING and place.column[rows.STATE] in {rows.READY, rows.DRAINING}
        ]
        for place in found:
            place.life = Life.READY
            place.was_ready = True
        return found

    def reap(self) -> tuple[list[Death], dict[int, str]]:
        """Collect every dead child: deaths in our places, and {pid: reason} of processes that have none."""
        deaths, strangers = [], {}
        for pid, status in _dead():
            place = next((place for place in self.places if place.pid == pid), None)
            if place is None:
                strangers[pid] = _reason(status)
            else:
                deaths.append(self._died(place, status))
        return deaths, strangers

    def _died(self, place: Place, status: int) -> Death:
        now = time.monotonic()
        death = Death(place, place.pid, _reason(status), place.life)
        served = place.life is Life.READY or place.column[rows.STATE] == rows.READY
        young = not served or now - place.started < YOUNG_S
        self.arena.clear_gauges(place.index)
        place.column[rows.PID] = 0
        place.column[rows.HEARTBEAT] = 0
        place.column[rows.STATE] = rows.STOPPED
        place.pid = 0
        place.kill_at = math.inf
        if place.life is Life.STOPPING or not place.role.restart:
            place.life = Life.EMPTY
            return death
        place.failures = place.failures + 1 if young else 0
        place.life = Life.WAITING
        delay = _BACKOFF_S[min(max(place.failures - 1, 0), len(_BACKOFF_S) - 1)]
        if served and os.waitstatus_to_exitcode(status) < 0:
            delay = min(delay, _KILLED_S)
        place.respawn_at = now + delay
        place.started = now
        return death


def stop(place: Place, number: signal.Signals, kill_at: float) -> None:
    """Ask a process to leave; whoever calls this also watches `kill_at`."""
    if place.is_alive:
        place.life = Life.STOPPING
        place.kill_at = min(place.kill_at, kill_at)
        os.kill(place.pid, number)
        # a stopped process takes its signals only after SIGCONT
        os.kill(place.pid, signal.SIGCONT)
    else:
        place.life = Life.EMPTY
        place.respawn_at = math.inf


def kill_overdue(places: list[Place], now: float) -> list[Place]:
    overdue = [place for place in places if place.is_alive and now >= place.kill_at]
    for place in overdue:
        place.kill_at = math.inf
        os.kill(place.pid, signal.SIGKILL)
    return overdue


def _dead() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def _reason(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit {code}"
