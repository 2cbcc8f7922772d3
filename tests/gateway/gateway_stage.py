"""The stage for the gateway proper: channels and keys instead of an edge route, wires that are slow, reads for pumps.

As in tests/wire/stage.py no sockets are used. `pour` brings bytes as a transport would: into the buffer that the
protocol offers when it has one, and to whichever protocol has the reads at that moment.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from fastproxy.snapshot import ChannelSpec, KeySpec, Snapshot, digest
from fastproxy.wire.outbound import Outbound, Phase
from tests.wire.fakes import Data, Wire
from tests.wire.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.wire.pool import Pool

SECRET = b"s" * 32
FORMATS = ("openai-chat", "openai-responses", "openai")
ORIGIN = "http://127.0.0.1:9"


def key(name: str, *models: str) -> KeySpec:
    """A client key that is spelled like its name."""
    return KeySpec(name, digest(SECRET, name.encode()), models=models or ("*",))


def channel(provider: str, base_url: str = ORIGIN + "/v1") -> ChannelSpec:
    return ChannelSpec(f"{provider}-1", provider, base_url, FORMATS, "bearer", keys=(f"sk-{provider}",))


class Slow(Wire):
    """A peer that takes nothing of what is written to it until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = False

    def write(self, data: Data) -> None:
        super().write(data)
        if self.slow:
            paused = self.unsent > 0
            self.unsent += len(data)
            if not paused:
                self.protocol.pause_writing()

    def takes_all(self) -> None:
        self.slow, self.unsent = False, 0
        self.protocol.resume_writing()


class Gateway(Stage):
    """A worker under any snapshot; several pools."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(**snapshot.limits)
        self.snapshot = snapshot
        self.world.install(snapshot)

    def warm_all(self) -> dict[str, Outbound]:
        """One idle connection in every pool, by its origin's authority."""
        return {origin.authority: warm(pool) for origin, pool in self.world.pools.items()}


def unified(*keys: KeySpec, **limits: float) -> Gateway:
    """A gateway with one channel, for everybody or for these keys."""
    snapshot = Snapshot(SECRET, "stage", limits, channels=(channel("openai"),), keys=keys, open_to_all=not keys)
    return Gateway(snapshot)


def warm(pool: Pool, wire: Wire | None = None) -> Outbound:
    """One idle connection in this pool."""
    outbound = fresh(pool, wire)
    outbound.counted = outbound.reusable = True
    pool.total += 1
    pool.active += 1
    pool.give_back(outbound)
    return outbound


def fresh(pool: Pool, wire: Wire | None = None) -> Outbound:
    """A connection as a dialler would return it."""
    outbound, used = Outbound(pool), wire or Wire()
    used.protocol = outbound
    outbound.connection_made(used)
    outbound.phase = Phase.IDLE
    return outbound


def pour(wire: Wire, data: bytes) -> None:
    """Let `data` arrive in one burst."""
    for _ in reads(wire, data):
        pass


def reads(wire: Wire, data: bytes) -> Iterator[None]:
    """Let `data` arrive in one burst; stops after every read."""
    while data and wire.reading and not wire.closed:
        protocol = wire.protocol
        count = len(data)
        if isinstance(protocol, asyncio.BufferedProtocol):
            buffer = memoryview(protocol.get_buffer(-1))
            count = min(len(buffer), count)
            buffer[:count] = data[:count]
            protocol.buffer_updated(count)
        else:
            protocol.data_received(data)
        yield
        data = data[count:]


def status_of(reply: bytes) -> int:
    return int(reply[9:12])


def json_of(reply: bytes) -> dict[str, Any]:
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"application/json" in head.lower()
    found: dict[str, Any] = json.loads(body)
    return found
