"""Pumps on real sockets: no byte changes however slow the other side is, and ends are told once."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket

import pytest

from fastproxy.wire.pump import BUFFER_BYTES, Pump, Reservoir
from tests.wire.live_loop import run, until


class End(asyncio.Protocol):
    """One end of a relay; it stops the other end's reads while it cannot write, as the connections do."""

    def __init__(self) -> None:
        self.other: asyncio.Transport | None = None
        self.lost: list[Exception | None] = []
        self.received = b""
        self.pauses = 0

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.append(error)

    def pause_writing(self) -> None:
        self.pauses += 1
        if self.other is not None:
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.is_closing():
            self.other.resume_reading()


class Relay:
    """far writer → source ⇒ pump ⇒ sink → far reader"""

    def __init__(self, reservoir: Reservoir, left: int) -> None:
        self.reservoir = reservoir
        self.left = left
        self.moved: list[int] = []
        self.ended: list[bytes | None] = []

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.writer, near_source = socket.socketpair()
        near_sink, self.reader = socket.socketpair()
        near_sink.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for sock in (self.writer, self.reader, near_source, near_sink):
            sock.setblocking(False)
        source, source_end = await loop.create_connection(End, sock=near_source)
        sink, sink_end = await loop.create_connection(End, sock=near_sink)
        self.source, self.sink = source, sink
        self.source_end, self.sink_end = source_end, sink_end
        sink_end.other = self.source
        self.pump = Pump(self.source, self.sink, self.reservoir, self.moved.append, self._done)
        self.pump.start(self.left)

    def _done(self, surplus: bytes | None) -> None:
        self.ended.append(surplus)

    async def send(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        view = memoryview(data)
        while view:
            size = random.Random(len(view)).randrange(1, 200_000)
            await loop.sock_sendall(self.writer, view[:size])
            view = view[size:]

    async def receive(self, count: int, piece: int) -> str:
        """The digest of the next `count` bytes, read in small pieces so that the sink is always full."""
        loop, digest = asyncio.get_running_loop(), hashlib.sha256()
        while count:
            data = await loop.sock_recv(self.reader, min(piece, count))
            assert data, "the relay ended early"
            digest.update(data)
            count -= len(data)
        return digest.hexdigest()

    async def close(self) -> None:
        self.source.abort()
        self.sink.abort()
        self.writer.close()
        self.reader.close()
        await until(lambda: self.source_end.lost and self.sink_end.lost)


def data_of(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def test_nothing_changes_on_the_way_to_slow_and_fast_readers() -> None:
    async def scenario() -> None:
        reservoir, size = Reservoir(), 3_000_000
        relays = [Relay(reservoir, size) for _ in range(4)]
        for relay in relays:
            await relay.start()
        bodies = [data_of(number, size) for number in range(4)]
        sends = [relay.send(body) for relay, body in zip(relays, bodies, strict=True)]
        reads = [relay.receive(size, piece) for relay, piece in zip(relays, (3001, 9000, 65536, 500_000), strict=True)]
        results = await asyncio.gather(*reads, *sends)
        assert results[:4] == [hashlib.sha256(body).hexdigest() for body in bodies]
        for relay in relays:
            assert relay.ended == [b""]
            assert sum(relay.moved) == size
            await relay.close()
        assert relays[0].sink_end.pauses > 10, "or the readers were not slow"

    run(scenario)


def test_a_stuck_reader_holds_one_buffer_and_stops_the_source() -> None:
    async def scenario() -> None:
        relay = Relay(Reservoir(), 10_000_000)
        await relay.start()
        sending = asyncio.ensure_future(relay.send(data_of(1, 10_000_000)))
        await until(lambda: relay.sink_end.pauses and not relay.source.is_reading())
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert relay.sink.get_write_buffer_size() <= BUFFER_BYTES
        assert sum(relay.moved) < 1_000_000
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await relay.close()

    run(scenario)


def test_bytes_beyond_a_counted_body_go_to_the_protocol_below() -> None:
    async def scenario() -> None:
        relay = Relay(Reservoir(), 100_000)
        await relay.start()
        body = data_of(2, 100_000)
        reading = asyncio.ensure_future(relay.receive(100_000, 50_000))
        await relay.send(body + b"next")
        assert await reading == hashlib.sha256(body).hexdigest()
        await until(lambda: relay.ended and relay.ended[0] is not None)
        surplus = relay.ended[0]
        assert surplus is not None
        await until(lambda: surplus + relay.source_end.received == b"next")
        await relay.close()

    run(scenario)


@pytest.mark.parametrize("left", [-1, 100_000])
def test_the_end_of_the_source_is_told(left: int) -> None:
    async def scenario() -> None:
        relay = Relay(Reservoir(), left)
        await relay.start()
        await relay.send(b"abc")
        relay.writer.shutdown(socket.SHUT_WR)
        await until(lambda: relay.ended)
        assert (relay.ended, relay.moved) == ([None], [3])
        assert relay.source_end.lost == []
        await relay.close()

    run(scenario)


def test_the_protocol_below_hears_of_a_lost_connection() -> None:
    async def scenario() -> None:
        relay = Relay(Reservoir(), -1)
        await relay.start()
        relay.source.abort()
        await until(lambda: relay.source_end.lost)
        assert len(relay.source_end.lost) == 1
        relay.sink.abort()
        relay.writer.close()
        relay.reader.close()

    run(scenario)
