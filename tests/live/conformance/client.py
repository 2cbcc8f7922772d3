"""Say some bytes to a server, listen until its answers are there (and a little longer, for one too many), and leave."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.live.conformance.answers import Answer, read_answers

if TYPE_CHECKING:
    from tests.live.conformance.corpus import RequestCase

PATIENCE_S = 3.0  # longer than any timeout that the gateway under test is given
AFTERWARDS_S = 0.1  # for an answer that should not come; nothing tells when it will not
CLOSING_S = 1.0


@dataclass(frozen=True, slots=True)
class Manner:
    """How to speak, and for how many answers to wait."""

    answers: int = 1
    drip: int = 0
    fin: bool = False
    to_head: bool = False
    must_close: bool = False

    @classmethod
    def of(cls, case: RequestCase) -> Manner:
        return cls(case.responses, case.drip, case.fin, case.head, case.must_close)


@dataclass(frozen=True, slots=True)
class Talk:
    """What was heard. `reset` tells that the connection ended by RST."""

    answers: list[Answer]
    interim: list[int]
    junk: bytes
    raw: bytes
    closed: bool
    reset: bool

    @property
    def said(self) -> int | str:
        """The first status, or what happened instead of one."""
        if self.answers:
            return self.answers[0].status
        if self.junk:
            return "junk"
        return "close" if self.closed else "hang"


ONCE = Manner()
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(port: int) -> Streams:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return reader, writer


async def warm_up(streams: Streams, data: bytes, times: int) -> bool:
    """Ask the same harmless thing again and again; False when something else than 200 comes."""
    reader, writer = streams
    for _ in range(times):
        writer.write(data)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200 ") or b"\r\nconnection: close" in head:
            return False
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    return True


async def talk(port: int, data: bytes, manner: Manner = ONCE, streams: Streams | None = None) -> Talk:
    """One conversation, on a new connection or on the one given; the connection ends with it."""
    reader, writer = streams or await connect(port)
    speaking = asyncio.create_task(_speak(writer, data, manner))
    try:
        return await _listen(reader, manner)
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        writer.transport.abort()


async def _speak(writer: asyncio.StreamWriter, data: bytes, manner: Manner) -> None:
    step = manner.drip or max(len(data), 1)
    try:
        for place in range(0, len(data), step):
            writer.write(data[place : place + step])
            await writer.drain()
            if manner.drip:
                await asyncio.sleep(0.0005)  # so that each piece is a read of its own
        if manner.fin:
            writer.write_eof()
    except OSError:
        pass  # the server has heard enough; what it said about it is what counts


async def _listen(reader: asyncio.StreamReader, manner: Manner) -> Talk:
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE_S
    raw, closed, reset, satisfied = b"", False, False, False
    while not closed:
        try:
            async with asyncio.timeout_at(until):
                piece = await reader.read(1 << 18)
        except TimeoutError:
            break
        except OSError:
            closed = reset = True
            break
        raw += piece
        closed = not piece
        final = read_answers(raw, ended=False, to_head=manner.to_head).final
        if not satisfied and len(final) >= manner.answers and final[-1].complete:
            satisfied = True
            until = loop.time() + (CLOSING_S if manner.must_close else AFTERWARDS_S)
    found = read_answers(raw, ended=closed and not reset, to_head=manner.to_head)
    return Talk(found.final, found.interim, found.junk, raw, closed, reset)
