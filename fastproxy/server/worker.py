"""A worker: one uvloop, the listening sockets it was given, and everything a request needs. Data plane only.

Ten times a second it ticks: timeouts, heartbeat, counters to the arena, a new configuration, a new share of the
listening sockets, a dead master. Nothing else runs by the clock.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
from array import array
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final

import uvloop

from fastproxy.gateway.door import Door
from fastproxy.gateway.world import World
from fastproxy.server.access_log import AccessLog
from fastproxy.server.allocator import keep_large_blocks
from fastproxy.server.bookkeeping import Bookkeeping
from fastproxy.server.doorways import Doorways
from fastproxy.shared import rows
from fastproxy.shared.arena import GAUGES
from fastproxy.snapshot import Snapshot, unpack
from fastproxy.wire.deadlines import TICK_S, Deadlines
from fastproxy.wire.front import Front
from fastproxy.wire.inbound import State

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastproxy.server.seat import Seat

logger = logging.getLogger("fastproxy")

IDLE_GRACE_S: Final = 1.0  # a client may be sending on a kept connection at the moment when we begin to drain
LOG_BOUND: Final = 50_000


def run(seat: Seat) -> None:
    """Serve until told to stop. The entry point of a forked worker."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(loop, seat)
    worker.start()
    # Long-lived objects leave the collector's sight; per-request objects form no cycles.
    gc.freeze()
    keep_large_blocks()
    gc.set_threshold(50_000, 10, 10)
    try:
        loop.run_forever()
    finally:
        worker.close()
        loop.close()


class Worker:
    """The surroundings of one worker's World: processes, sockets, time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seat: Seat) -> None:
        self.loop = loop
        self.seat = seat
        self.tasks: set[asyncio.Task[Any]] = set()
        self.generation = seat.board.generation()
        self.of_snapshot, packed = seat.board.read()  # the generation at which the snapshot in use was published
        self.refused = 0  # that of one which could not be used
        snapshot = unpack(packed)
        self.deadlines = Deadlines()
        self.world = World(snapshot, self.deadlines, self.spawn, seat.shelf, seat.register)
        self.front = Front(Door(self.world), self.deadlines, self.world.limits)
        self.doorways = Doorways(loop, seat, self.front)
        self.keeping: Bookkeeping | None = None
        if seat.journal is not None:
            self.keeping = Bookkeeping(seat.journal, refuses=snapshot.when_full == "refuse")
            self.world.books = self.keeping.books
        self.log: AccessLog | None = None
        self.log_in_use = ("off", "-")
        self.drain_until = 0.0
        self.idle_until = 0.0
        self.world.counts = _counts_so_far(seat.column)

    def start(self) -> None:
        column = self.seat.column
        column[rows.PID] = os.getpid()
        column[rows.STARTED] = int(time.time() * 1000)
        self._use(self.world.table.snapshot)
        self.seat.uses(self.generation)
        self.loop.add_signal_handler(signal.SIGTERM, self.drain)
        self.loop.add_signal_handler(signal.SIGQUIT, self.stop)
        self.loop.add_signal_handler(signal.SIGUSR1, self._reopen_log)
        self._tick()
        self.seat.ready()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` beside the exchanges; the only place where tasks are started, so that none is lost."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    # --- ten times a second ---------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.loop.call_later(TICK_S, self._tick)
        self.deadlines.tick()
        self.world.date_line = b"date: %b\r\n" % formatdate(usegmt=True).encode()
        if self.keeping is not None:
            self.keeping.tick(self.front.open)
        self._publish_counts()
        if self.seat.is_orphan() and not self.front.draining:
            logger.warning("the master is gone; worker %d finishes what it has", os.getpid())
            self.drain()
        if self.front.draining:
            self._drain_on()
            return
        self._follow()
        self.doorways.look()

    def _publish_counts(self) -> None:
        """Copy the counters to the arena, and the gauges with them."""
        counts, pools, front = self.world.counts, self.world.pool_counts, self.front
        counts[rows.CLIENTS_OPEN] = len(front.open)
        counts[rows.UPSTREAM_ACTIVE] = pools.active
        counts[rows.UPSTREAM_IDLE] = pools.idle
        counts[rows.UPSTREAM_WAITING] = pools.waiting
        counts[rows.REQUESTS_OPEN] = sum(1 for inbound in front.open if inbound.state in (State.BODY, State.REPLY))
        for row, source in _MOVED:
            counts[row] += source(self)
        if self.keeping is not None:
            self.keeping.count(counts)
        column = self.seat.column
        column[rows.CLIENTS_OPEN : rows.ROWS] = array("Q", counts[rows.CLIENTS_OPEN : rows.ROWS])
        self.seat.beat()

    def _follow(self) -> None:
        """Take over what was published since the last tick, and say so: keys and groups first, then the snapshot."""
        board, began = self.seat.board, time.perf_counter_ns()
        generation = board.generation()  # what belongs to it is there already
        is_changed = self.world.look_at_keys()
        if generation != self.generation:
            is_changed = True
            self.generation = generation
            of_snapshot = board.data_generation()
            if of_snapshot > max(self.of_snapshot, self.refused):
                self._reload()
            if self.of_snapshot >= of_snapshot:
                self.seat.uses(generation)
        if is_changed:
            self._note_swap((time.perf_counter_ns() - began) // 1000)

    def _reload(self) -> None:
        of_snapshot, packed = self.seat.board.read()
        try:
            snapshot = unpack(packed)
            self.world.install(snapshot)
        except ValueError as error:  # those of msgspec are as well
            self.refused = of_snapshot
            logger.error("generation %d cannot be used, the old configuration stays: %s", of_snapshot, error)
            return
        self.of_snapshot = of_snapshot
        self._use(snapshot)

    def _note_swap(self, microseconds: int) -> None:
        counts = self.world.counts
        counts[rows.SWAPS] += 1
        counts[rows.SWAP_US_MAX] = max(counts[rows.SWAP_US_MAX], microseconds)

    def _use(self, snapshot: Snapshot) -> None:
        if self.keeping is not None:
            self.keeping.books.refuses = snapshot.when_full == "refuse"
        self.front.limits = self.world.limits
        self.doorways.use_certificates(snapshot.tls)
        self._use_log(snapshot)

    def _use_log(self, snapshot: Snapshot) -> None:
        """Open the access log that the snapshot asks for; one that stays the same goes on."""
        wanted = (snapshot.access_log, snapshot.access_log_file)
        if wanted == self.log_in_use:
            return
        self.log_in_use = wanted
        if self.log is not None:
            self.world.counts[rows.LOG_DROPPED] += self.log.take_dropped()
            self.log.close()
        self.log = self.world.log = None
        if snapshot.access_log == "off":
            return
        try:
            self.log = AccessLog(snapshot.access_log, snapshot.access_log_file, bound=LOG_BOUND)
        except OSError as error:
            logger.error("access log '%s' cannot be opened: %s", snapshot.access_log_file, error)
            return
        self.world.log = self.log.append

    def _reopen_log(self) -> None:
        if self.log is not None:
            self.log.reopen()

    # --- the end --------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take no new connections, finish what is under way, then stop."""
        if self.front.draining:
            return
        self.front.draining = True
        self.seat.draining()
        now = self.deadlines.now
        self.idle_until = now + IDLE_GRACE_S
        self.drain_until = now + self.world.table.snapshot.limits.get("drain_timeout", 120.0)
        self.doorways.close()

    def _drain_on(self) -> None:
        now = self.deadlines.now
        if now >= self.idle_until:
            for inbound in [inbound for inbound in self.front.open if inbound.state is State.HEAD]:
                inbound.close_if_idle()
        if not (self.front.open or self.front.shaking) or now >= self.drain_until:
            self.stop()

    def stop(self) -> None:
        """Leave now, whatever is under way."""
        self._publish_counts()
        self.loop.stop()

    def close(self) -> None:
        self.doorways.close()
        if self.log is not None:
            self.log.close()
        if self.keeping is not None:
            self.keeping.close()
        self.seat.column[rows.STATE] = rows.STOPPED


def _counts_so_far(column: memoryview) -> list[int]:
    """The slot's counters go on where the last worker left them; its gauges begin at 0."""
    counts = [int(value) for value in column]
    for row in GAUGES:
        counts[row] = 0
    return counts


def _take_accepted(worker: Worker) -> int:
    taken, worker.front.accepted = worker.front.accepted, 0
    return taken


def _take_refused(worker: Worker) -> int:
    taken, worker.front.refused = worker.front.refused, 0
    return taken


def _take_opened(worker: Worker) -> int:
    taken, worker.world.pool_counts.opened = worker.world.pool_counts.opened, 0
    return taken


def _take_reused(worker: Worker) -> int:
    taken, worker.world.pool_counts.reused = worker.world.pool_counts.reused, 0
    return taken


def _take_failures(worker: Worker) -> int:
    taken, worker.world.pool_counts.failures = worker.world.pool_counts.failures, 0
    return taken


def _take_dropped(worker: Worker) -> int:
    return worker.log.take_dropped() if worker.log is not None else 0


_MOVED: Final[tuple[tuple[int, Callable[[Worker], int]], ...]] = (
    (rows.CLIENTS_ACCEPTED, _take_accepted),
    (rows.CLIENTS_REFUSED, _take_refused),
    (rows.UPSTREAM_OPENED, _take_opened),
    (rows.UPSTREAM_REUSED, _take_reused),
    (rows.UPSTREAM_FAILURES, _take_failures),
    (rows.LOG_DROPPED, _take_dropped),
)
