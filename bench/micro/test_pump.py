"""The pump: what relaying a large body costs, and why a buffer with an unfinished write must change owner.

`Careless` is the shortcut that looks right in every test with one connection: the buffer is kept although the kernel
has not taken all of it. As soon as another connection of the worker reads, the slow client gets the other one's bytes.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
import uvloop

from fastproxy.wire.pump import Pump, Reservoir

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

BODY_BYTES = 8 << 20


class Careless(Reservoir):
    """A reservoir that never gives its buffer away."""

    def renew(self) -> None:
        """Keep the buffer."""


class End(asyncio.Protocol):
    """Either end of a relay. As a sink it pauses its source while the kernel takes no more."""

    def __init__(self) -> None:
        self.source: asyncio.Transport | None = None

    def pause_writing(self) -> None:
        if self.source:
            self.source.pause_reading()

    def resume_writing(self) -> None:
        if self.source:
            self.source.resume_reading()


async def open_relay(reservoir: Reservoir, length: int) -> tuple[socket.socket, socket.socket]:
    """A running pump between two socket pairs; returns the outer ends: write here, read there."""
    loop = asyncio.get_running_loop()
    writer, inner_source = socket.socketpair()
    inner_sink, reader = socket.socketpair()
    writer.setblocking(False)
    reader.setblocking(False)
    source, _ = await loop.create_connection(End, sock=inner_source)
    sink, end = await loop.create_connection(End, sock=inner_sink)
    end.source = source
    pump = Pump(source, sink, reservoir, lambda count: None, lambda surplus: None)
    pump.start(length)
    return writer, reader


async def read_all(reader: socket.socket, length: int) -> bytes:
    loop, got = asyncio.get_running_loop(), bytearray()
    while len(got) < length:
        got += await loop.sock_recv(reader, 1 << 20)
    return bytes(got)


async def slow_beside_fast(reservoir: Reservoir) -> bytes:
    """What a client gets that reads only after another one, on the same buffer, is served."""
    loop = asyncio.get_running_loop()
    slow_writer, slow_reader = await open_relay(reservoir, BODY_BYTES)
    sending = asyncio.ensure_future(loop.sock_sendall(slow_writer, b"s" * BODY_BYTES))
    await asyncio.sleep(0.05)  # until the slow one's pump is stuck
    fast_writer, fast_reader = await open_relay(reservoir, BODY_BYTES)
    await asyncio.gather(loop.sock_sendall(fast_writer, b"f" * BODY_BYTES), read_all(fast_reader, BODY_BYTES))
    got = await read_all(slow_reader, BODY_BYTES)
    await sending
    close(slow_writer, slow_reader, fast_writer, fast_reader)
    return got


async def relay_once(reservoir: Reservoir) -> int:
    loop = asyncio.get_running_loop()
    writer, reader = await open_relay(reservoir, BODY_BYTES)
    _, got = await asyncio.gather(loop.sock_sendall(writer, bytes(BODY_BYTES)), read_all(reader, BODY_BYTES))
    close(writer, reader)
    return len(got)


def close(*ends: socket.socket) -> None:
    for end in ends:
        end.close()


@pytest.mark.parametrize(("reservoir", "intact"), [(Reservoir, True), (Careless, False)])
def test_a_slow_reader_gets_its_own_bytes_only_if_the_buffer_changes_owner(
    reservoir: type[Reservoir], intact: bool
) -> None:
    got = uvloop.run(slow_beside_fast(reservoir()))
    assert (got == b"s" * BODY_BYTES) is intact


def test_relay_eight_megabytes(benchmark: BenchmarkFixture) -> None:
    def relay() -> int:
        return uvloop.run(relay_once(Reservoir()))

    assert benchmark(relay) == BODY_BYTES
