"""What all exchanges of a worker share: the table in force, the pools, the time, the counters.

The only object that knows both the wire and the gateway; the worker makes one and swaps its table on reload.
"""

from __future__ import annotations

import asyncio
import os
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from fastproxy.gateway.keybook import KeyBook
from fastproxy.gateway.table import Table
from fastproxy.shared import rows
from fastproxy.shared.register import Register
from fastproxy.shared.shelf import Shelf
from fastproxy.wire.basin import Basin
from fastproxy.wire.dial import Dialer
from fastproxy.wire.fetch import Network
from fastproxy.wire.limits import WireLimits
from fastproxy.wire.pool import Pool, PoolCounts
from fastproxy.wire.pump import Reservoir
from fastproxy.wire.request_head import HeadLimits
from fastproxy.wire.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastproxy.gateway.books import Books
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.record import Record
    from fastproxy.snapshot import Snapshot
    from fastproxy.wire.deadlines import Deadlines
    from fastproxy.wire.origin import Origin

Result = TypeVar("Result")
_LAST_DIGITS = [b"%03x" % number for number in range(4096)]  # 0.1 us for an id, formatting one takes 0.3
MAX_FETCHES = 8  # files at a time, of 20 MB at most
MAX_POOLS = 1024  # origins that a client has a say in (azure resources, bedrock regions) are bounded as well


class World:
    """One worker's surroundings of an exchange."""

    def __init__(
        self,
        snapshot: Snapshot,
        deadlines: Deadlines,
        spawn: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
        shelf: Shelf | None = None,
        register: Register | None = None,
    ) -> None:
        self.deadlines = deadlines
        self.spawn: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]] = spawn
        self.counts = [
            0
        ] * rows.ROWS  # copied to the arena at every tick; adding to a list costs a third of a shared cell
        self.pool_counts = PoolCounts()
        self.shelf = shelf or Shelf.in_memory()  # shared by all workers
        self.register = register if register is not None else Register.in_memory()  # written by whoever publishes
        self.keybook = KeyBook(self.register)
        self.reservoir = Reservoir()
        self.basin = Basin()
        self.pools: dict[Origin, Pool] = {}
        self._pinned: set[Origin] = set()
        self.log: Callable[[Record], None] | None = None
        self.books: Books | None = None  # set by the worker, where there is somebody to read them
        self.lay: Callable[[Exchange], None] = _lay_nothing  # see lay.py; set by the door, which stands above it
        self.buffered_bytes = 0  # request bodies held by all exchanges
        self.max_buffered_bytes = 0
        self.date_line = b""
        self._id_prefix = os.urandom(10).hex().encode()
        self._id_block_number = int.from_bytes(os.urandom(3), "big")
        self._begin_id_block()
        self.resolver = Resolver(deadlines, 0.0)  # outlives reloads: the last good answers stay
        self.dialer = Dialer(self.resolver)
        self.network = Network(self.resolver.addresses)  # for files that requests name by URL
        self.fetching = asyncio.Semaphore(MAX_FETCHES)
        self.install(snapshot)

    def install(self, snapshot: Snapshot) -> None:
        """Put a configuration in force. Exchanges under way keep theirs; kept connections are renewed."""
        self.limits = wire_limits(snapshot)
        self.max_buffered_bytes = int(snapshot.limits.get("max_buffer", 256 << 20))
        self.resolver.ttl = self.limits.dns_ttl
        old, self.pools = self.pools, {}
        try:
            self.table = Table(snapshot, self.pool)
        except ValueError:
            self.pools = old
            raise
        self.keybook.use(snapshot)
        self._pinned = set(self.pools)  # held by the table; others can be dropped when unused
        for pool in old.values():
            pool.expire_all()

    def look_at_keys(self) -> bool:
        """Take over changes of keys and groups, on each tick; whether any of them was in use.

        Lanes compare tables, and nothing more: another one, alike, makes all of them look anew.
        """
        is_in_use = self.keybook.look()
        if is_in_use:
            self.table = copy(self.table)
        return is_in_use

    def pool(self, origin: Origin) -> Pool:
        """The pool of an origin, made when first asked for."""
        pool = self.pools.get(origin)
        if pool is None:
            if len(self.pools) >= MAX_POOLS:
                self._drop_unused_pools()
            pool = self.pools[origin] = Pool(origin, self.deadlines, self.limits, self.dialer.dial, self.pool_counts)
        return pool

    def _drop_unused_pools(self) -> None:
        for origin, pool in list(self.pools.items()):
            if not pool.total and origin not in self._pinned:
                del self.pools[origin]
        self.table.passthrough_attempts.clear()

    def next_id(self) -> bytes:
        """A fresh request id: 80 random bits of this worker and a count, no system call."""
        self._last_id += 1
        if self._last_id == len(_LAST_DIGITS):
            self._begin_id_block()
        return self._id_block + _LAST_DIGITS[self._last_id]

    def _begin_id_block(self) -> None:
        self._id_block_number += 1
        self._id_block = b"%b%09x" % (self._id_prefix, self._id_block_number)
        self._last_id = 0


def _lay_nothing(exchange: Exchange) -> None:
    """Without a door there are no lanes."""


def wire_limits(snapshot: Snapshot) -> WireLimits:
    """The wire's part of the configured limits."""
    given = dict(snapshot.limits)
    head = HeadLimits(
        int(given.pop("max_head", 65536)), int(given.pop("max_fields", 128)), int(given.pop("max_target", 16384))
    )
    fields = WireLimits.__dataclass_fields__
    known: dict[str, Any] = {
        name: int(value) if fields[name].type == "int" else value for name, value in given.items() if name in fields
    }
    return replace(WireLimits(head=head), **known)
