"""Faults of large bodies and of ends that only real sockets show; the rest of what was found is in test_found.py."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from fastproxy.gateway.door import Door
from fastproxy.gateway.world import World
from fastproxy.wire.deadlines import Deadlines
from fastproxy.wire.front import Front
from fastproxy.wire.inbound import LINGER_S, Inbound
from fastproxy.wire.tls import client_context
from tests.wire.certificates import Authority
from tests.wire.fakes import Clock
from tests.wire.live_loop import run, until
from tests.wire.stage import edge_snapshot
from tests.wire.test_tls import Server, Talker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fastproxy.wire.pool import Pool

BODY = random.Random(5).randbytes(5_000_000)


class Origin:
    """An upstream that reads a head and then does what the test says."""

    def __init__(self, reply: bytes, *, reads_body: int = 0, closes: bool = False) -> None:
        self.reply = reply
        self.reads_body = reads_body
        self.closes = closes
        self.digest = ""
        self.beyond = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            if self.reads_body:
                self.digest = hashlib.sha256(await reader.readexactly(self.reads_body)).hexdigest()
            writer.write(self.reply)
            await writer.drain()
            if not self.closes:
                self.beyond = await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()


class Gateway:
    def __init__(self, world: World, front: Front, clock: Clock, port: int) -> None:
        self.world = world
        self.front = front
        self.clock = clock
        self.port = port

    @property
    def pool(self) -> Pool:
        (pool,) = self.world.pools.values()
        return pool

    def lingering_ends(self) -> None:
        """Let the time pass that a connection lingers after its last reply."""
        self.clock.now += LINGER_S + 0.1
        self.world.deadlines.tick()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def gateway_to(origin: Origin) -> AsyncIterator[Gateway]:
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[Any]] = set()

    def spawn(work: Any) -> asyncio.Task[Any]:
        task = loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    upstream = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    clock = Clock()
    deadlines = Deadlines(clock)
    address = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
    world = World(edge_snapshot(address), deadlines, spawn)
    front = Front(Door(world), deadlines, world.limits)
    server = await loop.create_server(lambda: Inbound(front), "127.0.0.1", 0)
    yield Gateway(world, front, clock, server.sockets[0].getsockname()[1])
    server.close()
    upstream.close()
    for peer in list(deadlines.live):
        cast("Any", peer).transport.abort()
    await until(lambda: not deadlines.live)


GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % len(BODY)
LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
SMALL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_large_reply_arrives_whole_and_the_connection_is_kept() -> None:
    async def scenario() -> None:
        async with gateway_to(Origin(LARGE)) as gateway:
            reader, writer = await gateway.connect()
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(BODY)) == BODY
            await until(lambda: gateway.pool.active == 0)
            assert gateway.pool.take() is not None
            writer.close()

    run(scenario)


def test_a_large_request_arrives_whole_and_the_connection_is_kept() -> None:
    async def scenario() -> None:
        origin = Origin(SMALL, reads_body=len(BODY))
        async with gateway_to(origin) as gateway:
            reader, writer = await gateway.connect()
            writer.write(POST + BODY)
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(2) == b"ok"
            assert origin.digest == hashlib.sha256(BODY).hexdigest()
            await until(lambda: gateway.pool.active == 0)
            assert gateway.pool.take() is not None
            writer.close()

    run(scenario)


def test_a_client_that_leaves_a_large_reply_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        async with gateway_to(Origin(LARGE)) as gateway:
            reader, writer = await gateway.connect()
            writer.write(GET)
            await reader.readexactly(500_000)
            writer.transport.abort()
            await until(lambda: not gateway.front.open)
            await until(lambda: gateway.pool.total == 0)
            assert (gateway.pool.active, gateway.world.deadlines.live) == (0, set())

    run(scenario)


def test_a_client_that_leaves_a_large_request_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        async with gateway_to(Origin(SMALL, reads_body=len(BODY))) as gateway:
            _, writer = await gateway.connect()
            writer.write(POST + BODY[:500_000])
            await until(lambda: gateway.pool.active)
            writer.transport.abort()
            await until(lambda: gateway.pool.total == 0)
            gateway.lingering_ends()
            await until(lambda: not gateway.front.open)
            assert (gateway.pool.active, gateway.world.deadlines.live) == (0, set())

    run(scenario)


def test_an_upstream_that_dies_in_a_large_reply_cuts_the_client() -> None:
    async def scenario() -> None:
        async with gateway_to(Origin(LARGE[:1_000_000], closes=True)) as gateway:
            reader, writer = await gateway.connect()
            writer.write(GET)
            received = await reader.read(-1)
            assert len(received.partition(b"\r\n\r\n")[2]) <= 1_000_000
            await until(lambda: gateway.pool.total == 0)
            assert gateway.pool.active == 0
            writer.close()

    run(scenario)


def test_an_upstream_that_refuses_a_large_request_is_heard() -> None:
    async def scenario() -> None:
        refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
        async with gateway_to(Origin(refusal, closes=True)) as gateway:
            reader, writer = await gateway.connect()
            writer.write(POST + BODY[:400_000])
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 413 ")
            assert await reader.readexactly(2) == b"no"
            writer.write(BODY[400_000:600_000])
            writer.close()
            await until(lambda: not gateway.front.open)
            await until(lambda: gateway.pool.total == 0)

    run(scenario)


def test_what_a_client_sends_after_an_early_reply_reaches_nobody() -> None:
    async def scenario() -> None:
        origin = Origin(SMALL)
        async with gateway_to(origin) as gateway:
            reader, writer = await gateway.connect()
            writer.write(POST + b"begin")
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"GET /smuggled HTTP/1.1\r\n\r\n")
            await until(lambda: gateway.pool.total == 0)
            assert b"smuggled" not in origin.beyond
            writer.close()

    run(scenario)


def test_a_tls_client_that_has_said_all_may_still_be_answered(tmp_path: Path) -> None:
    """close_notify and FIN after a whole request: the inner protocol stays, so the transport has to."""

    async def scenario() -> None:
        authority = Authority(tmp_path)
        server = Server(authority.issue("localhost"), echo=False, stays=True)
        port = await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        engine = Handmade(authority.file)
        await engine.exchange(reader, writer, engine.ssl.do_handshake)
        engine.ssl.write(b"all I have to say")
        engine.say_goodbye()
        writer.write(engine.outgoing.read())
        writer.write_eof()
        await until(lambda: server.talkers and server.talker.ends)
        for _ in range(20):
            await asyncio.sleep(0.001)
        talker: Talker = server.talker
        assert talker.heard == b"all I have to say"
        assert talker.lost == [], "cut off before it was answered"
        talker.say(b"the answer")
        assert talker.transport is not None
        talker.transport.close()
        engine.incoming.write(await reader.read(-1))
        assert engine.ssl.read(100) == b"the answer"
        writer.close()
        await until(lambda: talker.lost)
        server.server.close()

    run(scenario)


class Handmade:
    """A TLS client that says close_notify without waiting for the other side's."""

    def __init__(self, ca_file: str) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = client_context(ca_file).wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, step: Any) -> None:
        while True:
            try:
                step()
            except ssl.SSLWantReadError:
                writer.write(self.outgoing.read())
                self.incoming.write(await reader.read(65536))
                continue
            writer.write(self.outgoing.read())
            return

    def say_goodbye(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            self.ssl.unwrap()
