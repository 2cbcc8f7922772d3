"""Connections to one origin, kept for the next request.

The pool decides and counts; `dial` opens. Idle connections stand on a stack: the one used last is warm and unlikely
to be closed by the origin, those at the bottom grow old and go. A pool's counts are integers, kept as things happen;
only the sums over all pools are made when somebody looks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from fastproxy.errors import Limited, UpstreamFailed
from fastproxy.wire.deadlines import NEVER, Deadlines
from fastproxy.wire.outbound import CLOSED, IDLE, Outbound

if TYPE_CHECKING:
    from fastproxy.wire.fields import Reading
    from fastproxy.wire.limits import WireLimits
    from fastproxy.wire.origin import Origin

Dial = Callable[["Pool"], Coroutine[Any, Any, Outbound]]


class PoolCounts:
    """Sums over the pools of a worker, for its metrics."""

    __slots__ = ("failures", "opened", "pools", "reused", "waiting")

    def __init__(self) -> None:
        self.opened = self.reused = self.failures = 0
        self.waiting = 0
        self.pools: WeakSet[Pool] = WeakSet()  # those of before a reload too, as long as anything refers to them

    @property
    def active(self) -> int:
        """Connections that serve an exchange now."""
        return sum(pool.active for pool in self.pools)

    @property
    def idle(self) -> int:
        """Connections that wait for one."""
        return sum(pool.idle for pool in self.pools)


class Pool:
    """The connections to `origin`. `take` gives a warm one at once or None; `open` dials or waits for one."""

    __slots__ = ("__weakref__", "_dial", "_idle", "_waiting", "active", "counts", "deadlines", "first_timeout",
                 "generation", "limits", "origin", "reading", "total")  # fmt: skip

    def __init__(
        self, origin: Origin, deadlines: Deadlines, limits: WireLimits, dial: Dial, counts: PoolCounts
    ) -> None:
        self.origin = origin
        self.deadlines = deadlines
        self.limits = limits
        self.counts = counts
        self.generation = 0
        self.first_timeout = min(limits.first_byte_timeout, limits.total_timeout)
        self.reading: Reading | None = None  # fits the last reply; the application puts it here
        self.total = 0  # open or being opened
        self.active = 0
        self._dial = dial
        self._idle: list[Outbound] = []
        self._waiting: deque[asyncio.Future[Outbound | None]] = deque()
        counts.pools.add(self)

    def __repr__(self) -> str:
        return f"<Pool {self.origin} active={self.active} idle={self.idle} waiting={len(self._waiting)}>"

    @property
    def idle(self) -> int:
        """Connections on the stack."""
        return len(self._idle)

    def take(self) -> Outbound | None:
        """The warmest idle connection, or None. Does not wait."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.phase is IDLE:
                connection.reused = True
                self.active += 1
                self.counts.reused += 1
                return connection
        return None

    async def open(self) -> Outbound:
        """A new connection, or the next one that is given back when the origin has its full number.

        Raises: UpstreamFailed when it cannot be opened, Limited (503) when too many wait or the wait is too long.
        """
        limits = self.limits
        while self.total >= limits.pool_max_connections:
            connection = await self._wait()
            if connection is not None:
                return connection
        self.total += 1
        try:
            connection = await self._dial(self)
        except BaseException as error:
            self.total -= 1
            if not isinstance(error, asyncio.CancelledError):  # a client that leaves says nothing of the origin
                self.counts.failures += 1
            self._wake(None)
            raise
        connection.counted = True
        if connection.phase is CLOSED:  # it broke between its handshake and now
            self.gone(connection)
            raise unsent(connection)
        self.active += 1
        self.counts.opened += 1
        return connection

    async def _wait(self) -> Outbound | None:
        """Stand in line. None means: there is room for a new connection now."""
        limits = self.limits
        if len(self._waiting) >= limits.pool_max_waiting:
            raise Limited("too many requests wait for this upstream", status=503, kind="overloaded", retry_after=1)
        turn: asyncio.Future[Outbound | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.counts.waiting += 1
        try:
            async with asyncio.timeout(limits.pool_wait_timeout):
                return await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it came in the moment in which we gave up
                self._pass_on(turn.result())
            if not isinstance(error, TimeoutError):
                raise
            text = f"no connection to the upstream became free in {limits.pool_wait_timeout:g} s"
            raise Limited(text, status=503, kind="overloaded", retry_after=1) from None
        finally:
            self.counts.waiting -= 1
            if turn in self._waiting:
                self._waiting.remove(turn)

    def _pass_on(self, given: Outbound | None) -> None:
        """A connection, or the room for one, that its receiver no longer wants."""
        if given is not None:
            self.give_back(given)
        else:
            self._wake(None)

    def give_back(self, connection: Outbound) -> None:
        """The exchange is over. Keeps the connection if its reply ended cleanly and it is not too old."""
        self.active -= 1
        if connection.phase is not IDLE:
            connection.cancel()
            return
        now = self.deadlines.now
        outdated = connection.generation != self.generation or now - connection.born > self.limits.pool_max_age
        if outdated or not connection.reusable:
            connection.close()
            return
        if self._waiting and self._wake(connection):
            return
        connection.deadline = now + self.limits.pool_idle_timeout
        self._idle.append(connection)

    def _wake(self, connection: Outbound | None) -> bool:
        """Hand `connection` (or the room for a new one) to whoever has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if turn.done():
                continue
            if connection is not None:
                connection.reused = True
                connection.deadline = NEVER
                self.active += 1
                self.counts.reused += 1
            turn.set_result(connection)
            return True
        return False

    def gone(self, connection: Outbound) -> None:
        """The connection is closed, whoever closed it."""
        if not connection.counted:
            return
        connection.counted = False
        self.total -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        self._wake(None)

    def expire_all(self) -> None:
        """Reload: idle connections close now, busy ones when they are given back."""
        self.generation += 1
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def unsent(connection: Outbound) -> UpstreamFailed:
    """The error of a connection that was closed under us before a byte of the request was written."""
    return UpstreamFailed("the connection to the upstream was closed before the request was sent", retry="if_unsent")
