"""For the tests of the generator: servers whose behaviour is known to the byte, and a way to run a plan against one."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import uvloop

from fastproxy.loadtest.load.generator import Generator
from fastproxy.loadtest.load.shapes import Plan, Request, Stage, Tally

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

JSON = b'{"ok":true,"items":[{"n":1}]}'
LIMIT_S = 8.0


def framed(body: bytes, status: int = 200, extra: str = "") -> bytes:
    return f"HTTP/1.1 {status} Said\r\n{extra}content-length: {len(body)}\r\n\r\n".encode() + body


def chunked(*pieces: bytes, end: bool = True) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + chunks + (b"0\r\n\r\n" if end else b"")


class Client(asyncio.Protocol):
    """One client as its server sees it; `behave` gets it with each whole request."""

    def __init__(self, behave: Callable[[Client, bytes], None], seen: list[bytes], greeting: bytes) -> None:
        self._greeting = greeting
        self._behave = behave
        self._seen = seen
        self._data = b""
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self._greeting:
            self.transport.write(self._greeting)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (head := self._data.partition(b"\r\n\r\n")[0]) != self._data:
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
            end = len(head) + 4 + length
            if len(self._data) < end:
                return
            request, self._data = self._data[:end], self._data[end:]
            self._seen.append(request)
            self._behave(self, request)

    @property
    def number(self) -> int:
        """Of the request that it has just sent, among all that the server has seen."""
        return len(self._seen) - 1

    def reply(self, data: bytes = framed(JSON)) -> None:
        self.transport.write(data)

    def later(self, seconds: float, data: bytes = framed(JSON)) -> None:
        self.loop.call_later(seconds, self.transport.write, data)

    def drop(self) -> None:
        if hasattr(self, "transport"):  # a TLS handshake may have failed
            self.transport.abort()

    def close(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    @property
    def socket(self) -> socket.socket:
        return cast("socket.socket", self.transport.get_extra_info("socket"))


@contextmanager
def serving(
    behave: Callable[[Client, bytes], None],
    seen: list[bytes] | None = None,
    tls: ssl.SSLContext | None = None,
    greeting: bytes = b"",
) -> Iterator[str]:
    """The URL of a server in a thread of its own; `seen` collects all requests."""
    requests: list[bytes] = [] if seen is None else seen
    clients: list[Client] = []

    def client() -> Client:
        clients.append(Client(behave, requests, greeting))
        return clients[-1]

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(client, "127.0.0.1", 0, ssl=tls, backlog=1024))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'http' if tls is None else 'https'}://localhost:{port}"
    finally:

        async def end() -> None:
            server.close()
            for one in clients:
                one.drop()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(end(), loop).result(LIMIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(LIMIT_S)
        loop.close()


def run(plan: Plan, during: Callable[[Generator], None] | None = None, start: int | None = None) -> Tally:
    """Carry a plan out here; `during` is called when it has begun."""

    async def carry_out() -> Tally:
        loop = asyncio.get_running_loop()
        generator = Generator(plan, loop, lambda _tally: None)
        if during is not None:
            loop.call_soon(during, generator)
        async with asyncio.timeout(LIMIT_S):
            return await generator.run(start)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(carry_out())


def counted(url: str, request: Request | None = None, count: int = 20, **fields: Any) -> Plan:
    """A closed loop of two connections that sends so many requests."""
    fields = {"connections": 2, "timeout_s": 2.0} | fields
    return Plan(url=url, requests=(request or Request(body="{}"),), count=count, **fields)


def timed(url: str, seconds: float, level: float, request: Request | None = None, **fields: Any) -> Plan:
    fields = {"timeout_s": 2.0} | fields
    stages = (Stage(seconds, level, level),)
    return Plan(url=url, requests=(request or Request(body="{}"),), stages=stages, **fields)


def balanced(tally: Tally) -> bool:
    """Every request that was sent has had exactly one end."""
    return tally.sent == tally.done + sum(tally.errors.values()) + tally.aborted
