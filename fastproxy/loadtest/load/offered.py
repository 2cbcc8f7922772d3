"""The open loop: requests come at their own times, whatever the replies do, and their latency counts from then.

A request that finds no free connection waits in line, and its time runs. Free connections are a stack, so that the
working set stays small. A conversation's next turn takes the place of an arrival, so the offered rate stays exact.
"""

from __future__ import annotations

import time
from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.client import IDLE
from fastproxy.loadtest.load.pacing import NEVER, arrivals, end_of, schedule

if TYPE_CHECKING:
    from fastproxy.loadtest.load.client import Connection, Job
    from fastproxy.loadtest.load.machine import Machine
    from fastproxy.loadtest.load.shapes import Plan

_NS: Final = 1_000_000_000


class OpenLoop:
    """`next_at` is when the next request is due."""

    def __init__(self, machine: Machine, plan: Plan, start: int) -> None:
        self._machine = machine
        self._start = start
        self._times = arrivals(plan)
        self._most = plan.connections
        self._timeout = round(plan.timeout_s * _NS)
        self._waiting: deque[Job] = deque()
        self._free: list[Connection] = []
        self._alive = 0  # open, or being opened
        self._dialing = 0
        self._flying = 0
        self._talks: list[tuple[int, int, Job]] = []
        self.end = start + (end_of(schedule(plan)) if plan.stages else 0)
        self.next_at = 0
        self._advance()

    @property
    def over(self) -> bool:
        return self.next_at == NEVER and not self._waiting and not self._flying

    def tick(self, now: int) -> None:
        """Send what is due, each with its own intended time."""
        while self.next_at <= now:
            intended = self.next_at
            self._advance()
            self._arrive(intended, now)

    def _advance(self) -> None:
        at = next(self._times, None)
        self.next_at = NEVER if at is None else self._start + at
        if at is not None:
            self.end = max(self.end, self.next_at)

    def _arrive(self, intended: int, now: int) -> None:
        job = self._job(intended)
        if job is None:
            self.next_at = NEVER
            return
        free = self._free
        while free:
            connection = free.pop()
            if connection.state is IDLE:
                if intended >= self._machine.meter.measured_from:
                    self._machine.meter.late(intended, now)
                self._send(connection, job, now)
                return
        self._waiting.append(job)
        self._grow()

    def _job(self, intended: int) -> Job | None:
        """A conversation whose pause is over goes on, else something new begins."""
        if not self._talks or self._talks[0][0] > intended:
            return self._machine.jobs.next(intended)
        if not self._machine.jobs.allowed(intended):
            return None
        job = heappop(self._talks)[2]
        job.intended = intended
        return job

    def _grow(self) -> None:
        """Open a connection if one is wanted and there may be one more."""
        if self._dialing < len(self._waiting) and self._alive < self._most:
            self._dialing += 1
            self._alive += 1
            self._machine.dialer.open(self)

    def _send(self, connection: Connection, job: Job, now: int) -> None:
        self._flying += 1
        self._machine.send(connection, job, now)

    def _serve(self, connection: Connection, now: int) -> None:
        if self._waiting:
            self._send(connection, self._waiting.popleft(), now)
        else:
            self._free.append(connection)

    def opened(self, connection: Connection, now: int) -> None:
        self._dialing -= 1
        self._serve(connection, now)

    def finished(self, connection: Connection, job: Job, now: int, *, right: bool) -> None:
        self._flying -= 1
        request = job.kind.request
        job.turn += 1
        if right and job.turn < request.turns:
            pause = self._machine.rng.expovariate(1 / request.think_s) if request.think_s else 0.0
            heappush(self._talks, (now + round(pause * _NS), job.number, job))
        if connection.state is IDLE:
            self._serve(connection, now)
        else:
            self.lost(connection)
        if self.next_at <= now:  # no need to wait for the timer
            self.tick(now)
        if self.over:
            self._machine.finish()

    def lost(self, connection: Connection) -> None:
        self._alive -= 1
        self._grow()

    def refused(self, kind: str, text: str) -> None:
        self._dialing -= 1
        if self._waiting:
            self._machine.meter.refused(kind, text, self._waiting.popleft().intended, time.monotonic_ns())
        self.lost_dial()

    def lost_dial(self) -> None:
        self._alive -= 1
        self._grow()
        if self.over:
            self._machine.finish()

    def sweep(self, now: int) -> None:
        """Whoever has waited for a connection too long gives up."""
        waiting = self._waiting
        while waiting and now - waiting[0].intended > self._timeout:
            text = f"waited {self._timeout / _NS:g} s for one of {self._most} connections"
            self._machine.meter.refused("timeout", text, waiting.popleft().intended, now)

    def stop(self) -> None:
        """Send nothing more."""
        self.next_at = NEVER
        self._times = iter(())
        self._waiting.clear()
        if self.over:
            self._machine.finish()
