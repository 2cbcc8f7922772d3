"""Light, steady traffic whose every answer is checked, to see whether anything fails while a gateway restarts.

    kept      clients that keep their connection and ask again
    fresh     clients that open a connection for each request
    streams   clients that read event streams to their end, one after the other

A failure knows the client's port, so that it can be told whose connection it was. A server may close a kept connection
after an answer that says so (`connection: close`); any other end is a failure. Use as `async with SteadyLoad(port) as
load`; it speaks to a gateway in front of `fastproxy mock`.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_S = 10.0
PAUSE_S = 0.01  # between two requests of a client: this is about failures, not about speed
_HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nhost: load.test\r\nauthorization: Bearer sk-load-0123456789\r\n"
    "content-type: application/json\r\n{more}content-length: {length}\r\n\r\n"
)


def request(*, stream: bool = False, close: bool = False, tokens: int = 4, delay_ms: int = 0) -> bytes:
    """One chat request for the mock."""
    asked = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    body = json.dumps(asked).encode()
    more = f"x-mock-tokens: {tokens}\r\n" + ("connection: close\r\n" if close else "")
    more += f"x-mock-chunk-delay: {delay_ms}\r\n" if delay_ms else ""
    return _HEAD.format(more=more, length=len(body)).encode() + body


@dataclass(frozen=True, slots=True)
class Mix:
    """How many clients of each kind, and how long a stream is."""

    kept: int = 4
    fresh: int = 2
    streams: int = 20
    words: int = 30
    gap_ms: int = 50


@dataclass(frozen=True, slots=True)
class Failure:
    """`port` is the client's end of the connection, 0 when there never was one."""

    kind: str
    port: int
    what: str


@dataclass(slots=True)
class _Client:
    """One open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def port(self) -> int:
        return int(self.writer.get_extra_info("sockname")[1])


@dataclass(slots=True)
class SteadyLoad:
    port: int
    mix: Mix = field(default_factory=Mix)
    good: int = 0
    streams_read: int = 0
    failures: list[Failure] = field(default_factory=list)
    _running: list[asyncio.Task[None]] = field(default_factory=list)
    _streams_open: set[int] = field(default_factory=set)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        for kind, count in (
            (self._keep, self.mix.kept),
            (self._refresh, self.mix.fresh),
            (self._read, self.mix.streams),
        ):
            self._running += [asyncio.create_task(kind()) for _ in range(count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for writer in self._open:
            writer.transport.abort()
        await asyncio.sleep(0)  # one turn of the loop, in which aborted transports close their sockets

    @property
    def streams_open(self) -> int:
        """Streams of which something has been read, but not all."""
        return len(self._streams_open)

    async def grows_by(self, count: int) -> None:
        """Wait until so many more requests went well. Raises: TimeoutError."""
        goal = self.good + count
        await poll(lambda: self.good >= goal)

    async def _keep(self) -> None:
        client: _Client | None = None
        while True:
            await asyncio.sleep(PAUSE_S)
            client = await self._try("kept", client, self._once(request()))

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(PAUSE_S)
            await self._try("fresh", None, self._once(request(close=True)))

    async def _read(self) -> None:
        wanted = request(stream=True, close=True, tokens=self.mix.words, delay_ms=self.mix.gap_ms)
        while True:
            await self._try("stream", None, self._stream(wanted))

    async def _try(
        self, kind: str, client: _Client | None, work: Callable[[_Client], Awaitable[bool]]
    ) -> _Client | None:
        """Do one piece of work on a connection; the connection comes back when it can be used again."""
        keep = False
        try:
            async with asyncio.timeout(PATIENCE_S):
                client = client or await self._connect()
                keep = await work(client)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            await self._note(Failure(kind, client.port if client else 0, repr(error)))
        else:
            self.good += 1
        finally:
            if client is not None and not keep:
                self._streams_open.discard(client.port)
                self._open.discard(client.writer)
                client.writer.transport.abort()
        return client if keep else None

    async def _connect(self) -> _Client:
        client = _Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._open.add(client.writer)
        return client

    async def _note(self, failure: Failure) -> None:
        self.failures.append(failure)
        await asyncio.sleep(PAUSE_S)  # a gateway that is gone must not be asked in a busy loop

    def _once(self, wanted: bytes) -> Callable[[_Client], Awaitable[bool]]:
        async def work(client: _Client) -> bool:
            client.writer.write(wanted)
            head = (await client.reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200 "):
                raise ValueError(head[:200])
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            json.loads(await client.reader.readexactly(int(length)))
            return b"\r\nconnection: close\r\n" not in head

        return work

    def _stream(self, wanted: bytes) -> Callable[[_Client], Awaitable[bool]]:
        async def work(client: _Client) -> bool:
            client.writer.write(wanted)
            head = await client.reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise ValueError(head[:200])
            self._streams_open.add(client.port)
            tail = b""
            while piece := await client.reader.read(65536):
                tail = (tail + piece)[-200:]
            if b"data: [DONE]\n\n" not in tail or not tail.endswith(b"0\r\n\r\n"):
                raise ValueError(f"cut: {tail[-60:]!r}")
            self.streams_read += 1
            return False

        return work


async def poll(condition: Callable[[], object], within: float = PATIENCE_S) -> float:
    """Wait until the condition holds; return how long it took. Raises: TimeoutError."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    while not condition():
        if loop.time() - started > within:
            raise TimeoutError(f"not within {within:g} s")
        await asyncio.sleep(0.002)
    return loop.time() - started
