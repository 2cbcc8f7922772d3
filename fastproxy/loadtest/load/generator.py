"""The load generator of one process: carries out a Plan, says what it saw as a Tally.

    ClosedLoop or OpenLoop decide when; Jobs which request; Dialer opens; Connection sends and reads; Meter counts

Honest by construction: a reply's latency counts from the time at which its request was meant to be sent, and how late
the generator itself was is measured beside it. One precise timer serves all pauses and arrivals, one coarse timer all
time limits; there is no task, future or timer per request.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.closed import ClosedLoop
from fastproxy.loadtest.load.dialer import Dialer
from fastproxy.loadtest.load.jobs import Jobs
from fastproxy.loadtest.load.meter import Meter
from fastproxy.loadtest.load.offered import OpenLoop
from fastproxy.loadtest.load.pacing import NEVER, NS
from fastproxy.loadtest.load.shapes import Arrival
from fastproxy.loadtest.load.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.load.client import Connection, Job
    from fastproxy.loadtest.load.shapes import Plan, Tally

_SWEEP_S: Final = 0.1
_REPORT_EVERY: Final = 5  # sweeps
_STOPPING: Final = NS  # how long replies may still come after a stop
_SHORTEST: Final = 50_000  # between two looks at what is due; at 25,000/s each finds one or two


class Generator:
    """Run it once. `report` gets a tally about twice a second, with the latest seconds only."""

    def __init__(self, plan: Plan, loop: asyncio.AbstractEventLoop, report: Callable[[Tally], None]) -> None:
        self._plan = plan
        self._loop = loop
        self._report = report
        self.rng = Random(f"{plan.seed}/{plan.process}")
        self._over: asyncio.Future[None] = loop.create_future()
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = 0
        self._armed = NEVER
        self._sweeps = 0
        self._begun = False
        self._stopped_at = NEVER
        self._sweeper: asyncio.TimerHandle | None = None

    async def run(self, start: int | None = None) -> Tally:
        """Begin at a time of the monotonic clock, or now. Raises: OSError (no such host), TemplateError, SSLError.

        The tally's `wall`, which rates are divided by, is the length of the stages, or what an early end left of it.
        In a closed loop replies behind it do not count at all; with an offered rate they count, and their latencies,
        but in no rate: one late straggler would halve it. With a count, and of a whole recording, it lasts until the
        last request has ended.
        """
        plan = self._plan
        start = start or time.monotonic_ns()
        self.meter = Meter(start, start + round(plan.warm_s * NS))
        self.dialer = Dialer(plan, self.meter, self)
        self.jobs = Jobs(plan, self.meter, Random(f"{plan.seed}/{plan.process}/mix"))
        await self.dialer.resolve()
        now = time.monotonic_ns()
        if now > start:  # getting ready took too long; requests that were due meanwhile are not the target's fault
            self.meter.delay(start := now)
        await asyncio.wait((self._over,), timeout=(start - now) / NS)
        if self._over.done():  # stopped before it began
            await self.dialer.close()
            return self.meter.tally(start)
        self._begun = True
        self._timer = Timer(self._loop, self._tick)
        self._drive = (ClosedLoop if plan.arrival is Arrival.CLOSED else OpenLoop)(self, plan, start)
        self.later(self.meter.measured_from, self.meter.begin)
        if plan.stages and plan.arrival is not Arrival.CLOSED:
            self.later(self._drive.end, self.meter.mark)
        self._sweep()
        self._tick()
        try:
            await self._over
        finally:
            await self._close()
        return self.meter.tally(self._until())

    async def _close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._timer.close()
        await self.dialer.close()

    def _until(self) -> int:
        """The end of the measured time. A stage in which nothing more can come is as long as it was meant to be."""
        meter = self.meter
        counted = self._plan.count or self._plan.arrival is Arrival.RECORDED
        if counted and self.jobs.exhausted and self._stopped_at == NEVER:
            return min(meter.last_ended, meter.ends)
        if self._plan.arrival is Arrival.CLOSED or meter.marked == NEVER:
            return min(meter.marked, self._drive.end)
        return meter.marked

    def stop(self) -> None:
        """End early: send nothing more, wait a moment for replies. What is still out then is not counted."""
        if self._stopped_at != NEVER or self._over.done():
            return
        self._stopped_at = time.monotonic_ns()
        if not self._begun:  # `run` looks at it
            self.finish()
            return
        self.meter.mark(self._stopped_at)
        self.later(self._stopped_at + _STOPPING, lambda _now: self.finish())
        self._drive.stop()

    # For the loops.

    def send(self, connection: Connection, job: Job, now: int) -> None:
        kind = job.kind
        connection.send(job, kind.maker.make(job.number, job.turn, job.history), now)
        share = kind.request.abort_share
        if share and self.rng.random() < share:
            leave = now + round(kind.request.abort_after_s * NS)
            self.later(leave, partial(_abandon, connection, connection.serial))

    def later(self, when: int, action: Callable[[int], None]) -> None:
        self._order += 1
        heappush(self._heap, (when, self._order, action))
        if when < self._armed:
            self._arm(when)

    def finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    # Time.

    def _tick(self) -> None:
        """Whatever is due."""
        now = time.monotonic_ns()
        heap = self._heap
        while heap and heap[0][0] <= now:
            heappop(heap)[2](now)
        drive = self._drive
        drive.tick(now)
        due = min(drive.next_at, heap[0][0]) if heap else drive.next_at
        self._arm(max(due, now + _SHORTEST) if due != NEVER else NEVER)

    def _arm(self, when: int) -> None:
        self._armed = when
        self._timer.set(when if when != NEVER else 0)

    def _sweep(self) -> None:
        """Ten times a second: time limits, levels, reports."""
        now = time.monotonic_ns()
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)
        self.dialer.sweep(now)
        self._drive.sweep(now)
        self.meter.turn(now)
        self._sweeps += 1
        if self._sweeps % _REPORT_EVERY == 0:
            self._report(self.meter.tally(min(now, self.meter.ends, self.meter.marked), whole=False))
        if now > self._drive.end + round(self._plan.timeout_s * NS) and self._stopped_at == NEVER:
            self.dialer.give_up(f"not complete {self._plan.timeout_s:g} s after the end of the run")
            self.finish()
        if self._drive.over:
            self.finish()


def _abandon(connection: Connection, serial: int, now: int) -> None:
    connection.abandon(serial)
