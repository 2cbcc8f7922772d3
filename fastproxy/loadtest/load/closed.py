"""The closed loop: each connection sends its next request when it has its reply, and has thought.

A User is one connection's place in the loop: it outlives its connections, and carries a conversation from turn to
turn. As the level falls, users leave after their reply; as it rises, new ones come. Replies that come after the end of
the stages are read but not counted: the rate is what was done in their time.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.client import GONE, IDLE
from fastproxy.loadtest.load.pacing import NEVER, end_of, level_at, schedule

if TYPE_CHECKING:
    from fastproxy.loadtest.load.client import Connection, Job
    from fastproxy.loadtest.load.machine import Machine
    from fastproxy.loadtest.load.shapes import Plan

_PAUSE: Final = 100_000_000  # before a refused connection is tried again
_NS: Final = 1_000_000_000


class User:
    """One place in the loop."""

    __slots__ = ("_connection", "_job", "_loop", "_number", "_thinks")

    def __init__(self, loop: ClosedLoop, number: int) -> None:
        self._loop = loop
        self._number = number
        self._connection: Connection | None = None
        self._thinks = False
        self._job: Job | None = None  # waits for a connection, or is a conversation that goes on

    def work(self, intended: int, now: int) -> None:
        """The next request."""
        loop = self._loop
        job = self._job
        if now >= loop.end or self._number >= loop.level:
            self._leave()
            return
        if job is None:
            job = loop.machine.jobs.next(intended)
            if job is None:
                self._leave()
                return
        elif loop.machine.jobs.allowed(intended):
            job.intended = intended
        else:
            self._leave()
            return
        connection = self._connection
        if connection is not None and connection.state is IDLE:
            loop.machine.send(connection, job, now)
        else:
            self._job = job
            loop.machine.dialer.open(self)

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._loop.left(self._number)

    def opened(self, connection: Connection, now: int) -> None:
        self._connection = connection
        assert self._job is not None
        if now < self._loop.end:
            self._loop.machine.send(connection, self._job, now)
        else:
            self._leave()

    def finished(self, connection: Connection, job: Job, now: int, *, right: bool) -> None:
        request = job.kind.request
        job.turn += 1
        self._job = job if right and job.turn < request.turns else None
        if connection.state is GONE:
            self._connection = None
        if request.think_s:
            machine = self._loop.machine
            self._thinks = True
            until = now + round(machine.rng.expovariate(1 / request.think_s) * _NS)
            machine.later(until, partial(self._thought, until))
        else:
            self.work(now, now)

    def rest(self) -> None:
        """The run is over; nobody waits for thoughts."""
        if self._thinks:
            self._leave()

    def _thought(self, until: int, now: int) -> None:
        self._thinks = False
        meter = self._loop.machine.meter
        if until >= meter.measured_from:
            meter.late(until, now)
        self.work(until, now)

    def lost(self, connection: Connection) -> None:
        """While it thinks: the next request opens another one."""
        self._connection = None

    def refused(self, kind: str, text: str) -> None:
        now = time.monotonic_ns()
        assert self._job is not None
        self._loop.machine.meter.refused(kind, text, self._job.intended, now)
        self._job = None
        self._loop.machine.later(now + _PAUSE, partial(self.work, now + _PAUSE))


class ClosedLoop:
    """All users. `level` is how many of them are wanted now."""

    def __init__(self, machine: Machine, plan: Plan, start: int) -> None:
        self.machine = machine
        self._stages = schedule(plan)
        self._start = start
        self.end = machine.meter.ends = start + end_of(self._stages)
        self.level = 0
        self._users: dict[int, User] = {}

    next_at = NEVER  # it has no times of its own

    @property
    def over(self) -> bool:
        return not self._users and (self.machine.jobs.exhausted or time.monotonic_ns() >= self.end)

    def tick(self, now: int) -> None:
        """Nothing is due by time."""

    def sweep(self, now: int) -> None:
        """Let the users follow the level."""
        if now >= self.end:
            for user in list(self._users.values()):
                user.rest()
            return
        self.level = level_at(self._stages, now - self._start)
        if self.machine.jobs.exhausted:
            return
        for number in range(self.level):
            if number not in self._users:
                user = self._users[number] = User(self, number)
                user.work(now, now)

    def left(self, number: int) -> None:
        self._users.pop(number, None)
        if self.over:
            self.machine.finish()

    def stop(self) -> None:
        """Send nothing more."""
        self.end = self.machine.meter.ends = min(self.end, time.monotonic_ns())
        if not self._users:
            self.machine.finish()
