"""A real gateway under light load while its workers are killed, stopped, replaced, added and taken away.

The rounds and the load are those of bench/restarts.py, which runs fifty of each; here a few of each are enough to see a
promise broken. Further: TERM lets streams end, and slow readers cost a bounded amount of memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from typing import TYPE_CHECKING

import psutil
import pytest

from bench import restarts
from bench.serving import Serving
from bench.steady_load import Mix, SteadyLoad, poll, request
from fastproxy.loadtest.mock import MockOptions, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.live

STREAMS = 6
READERS = 50
BODY_BYTES = 20 << 20
# per reader the buffers of two connections and what a pump holds; a body held whole would be twenty times as much
BYTES_PER_READER = 512 << 10


@pytest.mark.parametrize(
    ("name", "repetitions", "most_s"),
    [("kill", 3, 1.0), ("stop", 3, 3.0), ("reload", 5, 2.0), ("upgrade", 2, 5.0), ("more", 4, 2.0), ("fewer", 3, 9.0)],
)
def test_nothing_else_fails(tmp_path: Path, name: str, repetitions: int, most_s: float) -> None:
    rounds = asyncio.run(restarts.repeat(tmp_path, name, repetitions))
    print(f"{name}: {[f'{result.seconds * 1000:.0f} ms' for result in rounds]}")
    assert len(rounds) == repetitions
    assert [failure for result in rounds for failure in result.inexcusable] == []
    assert all(len(result.failures) <= len(result.excused) for result in rounds)
    assert max(result.seconds for result in rounds) < most_s


def test_a_failure_would_be_seen(tmp_path: Path) -> None:
    """The load counts as it should: a gateway that is gone fails everybody."""

    async def run() -> int:
        mock = await start(MockOptions())
        with Serving(tmp_path, "--workers", "1", "--upstream", f"http://127.0.0.1:{mock.port}") as serving:
            async with SteadyLoad(serving.port) as load:
                await poll(lambda: load.streams_open == load.mix.streams)
                serving.signal(signal.SIGQUIT)
                await poll(lambda: len(load.failures) > load.mix.streams)
        mock.close()
        await mock.wait_closed()
        return sum("IncompleteRead" in failure.what or "cut" in failure.what for failure in load.failures)

    assert asyncio.run(run()) >= Mix().streams


def test_term_lets_streams_end(tmp_path: Path) -> None:
    async def run() -> tuple[list[bytes], int]:
        mock = await start(MockOptions())
        with Serving(tmp_path, "--workers", "2", "--upstream", f"http://127.0.0.1:{mock.port}") as serving:
            begun = asyncio.Semaphore(0)
            async with asyncio.TaskGroup() as group:
                reading = [group.create_task(_read_stream(serving.port, begun)) for _ in range(STREAMS)]
                for _ in range(STREAMS):
                    await begun.acquire()
                serving.signal(signal.SIGTERM)
            await poll(lambda: serving.process.poll() is not None)
            code = serving.process.returncode
        mock.close()
        await mock.wait_closed()
        return [task.result() for task in reading], code

    streams, code = asyncio.run(run())
    assert code == 0
    assert all(b"data: [DONE]\n\n" in stream and stream.endswith(b"0\r\n\r\n") for stream in streams)


async def _read_stream(port: int, begun: asyncio.Semaphore) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(stream=True, tokens=20, delay_ms=50))
    found = await reader.read(65536)
    begun.release()
    while piece := await reader.read(65536):
        found += piece
    writer.close()
    return found


def test_slow_readers_cost_a_bounded_amount_of_memory(tmp_path: Path) -> None:
    asyncio.run(_slow_readers(tmp_path))


async def _slow_readers(folder: Path) -> None:
    async with _large_bodies() as port:
        with Serving(folder, "--workers", "1", "--upstream", f"http://127.0.0.1:{port}") as serving:
            worker = psutil.Process(serving.workers()[0])
            assert await _whole_body(serving.port) == BODY_BYTES  # everything that is loaded once is loaded now
            before = worker.memory_info().rss
            readers = [await _slow_reader(serving.port) for _ in range(READERS)]
            await _is_steady(worker)
            grown = worker.memory_info().rss - before
            print(f"{grown / READERS / 1024:.0f} KiB per reader")
            assert grown < READERS * BYTES_PER_READER
            # the others are not held up, and a slow reader gets all of it in the end
            assert await asyncio.wait_for(_whole_body(serving.port), 5) == BODY_BYTES
            assert await _rest_of_body(readers[0]) == BODY_BYTES
            for sock in readers:
                sock.close()


@contextlib.asynccontextmanager
async def _large_bodies() -> AsyncIterator[int]:
    """The port of an upstream that answers everything with BODY_BYTES, as fast as they are taken."""
    block = bytes(1 << 18)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % BODY_BYTES)
                for _ in range(BODY_BYTES // len(block)):
                    writer.write(block)
                    await writer.drain()
        writer.close()

    serving: set[asyncio.Task[None]] = set()
    server = await asyncio.start_server(lambda r, w: serving.add(asyncio.create_task(answer(r, w))), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving)


async def _slow_reader(port: int) -> socket.socket:
    """A client that asks and then reads nothing."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", port))
    await loop.sock_sendall(sock, b"GET /slow HTTP/1.1\r\nhost: load.test\r\n\r\n")
    return sock


async def _is_steady(worker: psutil.Process) -> None:
    """Wait until the worker has used no processor time for a while: whatever it may read ahead, it has."""
    loop = asyncio.get_running_loop()
    seen, since = -1.0, loop.time()

    def steady() -> bool:
        nonlocal seen, since
        times = worker.cpu_times()
        used = times.user + times.system
        if used > seen + 0.01:
            seen, since = used, loop.time()
        return loop.time() - since > 0.3

    await poll(steady)


async def _rest_of_body(sock: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    head, _, body = (await loop.sock_recv(sock, 65536)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    count = len(body)
    while count < BODY_BYTES:
        piece = await loop.sock_recv(sock, 1 << 18)
        assert piece, f"cut after {count} bytes"
        count += len(piece)
    return count


async def _whole_body(port: int) -> int:
    sock = await _slow_reader(port)
    with sock:
        return await _rest_of_body(sock)
