"""A worker's World with fake wires at both ends: a client's connection, warm upstream connections, no sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastproxy.gateway.door import Door
from fastproxy.gateway.world import World
from fastproxy.snapshot import RouteSpec, Snapshot
from fastproxy.wire.deadlines import Deadlines
from fastproxy.wire.front import Front
from fastproxy.wire.inbound import Inbound
from fastproxy.wire.outbound import Outbound, Phase
from tests.wire.fakes import Clock, Wire, wire_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from fastproxy.wire.pool import Pool


def edge_snapshot(upstream: str = "http://127.0.0.1:9", limits: Mapping[str, float] | None = None) -> Snapshot:
    return Snapshot(secret=b"s" * 32, pseudonym="stage", limits=limits or {}, routes=(RouteSpec(upstream=(upstream,)),))


class Stage:
    """An edge gateway whose connections are fakes. Whatever is dialled never answers, unless it is warm."""

    def __init__(self, **limits: float) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.snapshot = edge_snapshot(limits=limits)
        self.tasks: set[asyncio.Task[Any]] = set()
        self.world = World(self.snapshot, self.deadlines, self._spawn)
        self.world.date_line = b"date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
        self.front = Front(Door(self.world), self.deadlines, self.world.limits)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    @property
    def pool(self) -> Pool:
        (pool,) = self.world.pools.values()
        return pool

    def client(self) -> Inbound:
        inbound, wire = Inbound(self.front), Wire()
        wire.protocol = inbound
        inbound.connection_made(wire)
        return inbound

    def warm(self, wire: Wire | None = None) -> Outbound:
        """One idle connection in the pool."""
        outbound = Outbound(self.pool)
        used = wire or Wire()
        used.protocol = outbound
        outbound.connection_made(used)
        outbound.counted = outbound.reusable = True
        outbound.phase = Phase.IDLE
        self.pool.total += 1
        self.pool.active += 1
        self.pool.give_back(outbound)
        return outbound

    def passes(self, seconds: float) -> None:
        self.clock.now += seconds
        self.deadlines.tick()


def exchange(client: Inbound, outbound: Outbound, request: bytes, reply: bytes) -> tuple[bytes, bytes]:
    """One request and its reply; what went up and what came down."""
    client.data_received(request)
    up = wire_of(outbound).take()
    outbound.data_received(reply)
    return up, wire_of(client).take()
