"""An upstream that writes down every byte it gets and answers what the case asks for.

It reads strictly, one message after the other per connection. A path `/r/ID` is answered with the bytes of the reply
case ID; every other path with a small JSON text that repeats the path, so that an answer shows which request it is for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.live.conformance.corpus import ReplyCase, expand
from tests.live.conformance.parser_models import Message, read

if TYPE_CHECKING:
    from collections.abc import Mapping

HOLD_S = 5.0
APART_S = 0.02  # so that the last bytes and the end of a connection are two reads for the gateway
_RESET = struct.pack("ii", 1, 0)
_ID = re.compile(rb"/r/([a-z0-9-]+)")


@dataclass(slots=True)
class _Heard:
    """One connection."""

    writer: asyncio.StreamWriter
    raw: bytearray = field(default_factory=bytearray)
    answered: int = 0  # bytes of `raw` that belong to answered messages
    mark: int = 0
    tainted: str = ""  # the case after which nobody may use this connection again


class Upstream:
    """Use as `async with Upstream(cases) as upstream`; `port` is where it listens."""

    def __init__(self, cases: Mapping[str, ReplyCase]) -> None:
        self.cases = cases
        self.port = 0
        self.reused: list[str] = []  # tainting cases whose connection was used again
        self._open: list[_Heard] = []
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20, backlog=256)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)
        await self._server.wait_closed()

    def mark(self) -> None:
        """From here on counts for `since_mark`."""
        for heard in self._open:
            heard.mark = len(heard.raw)

    def since_mark(self) -> list[bytes]:
        """Per connection, what came since the mark."""
        return [bytes(heard.raw[heard.mark :]) for heard in self._open if len(heard.raw) > heard.mark]

    def forget(self) -> None:
        """End connections with an unfinished message: the next case is not to blame for it."""
        for heard in self._open:
            if heard.answered < len(heard.raw):
                heard.writer.transport.abort()
        self._open = [heard for heard in self._open if not heard.writer.transport.is_closing()]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        heard = _Heard(writer)
        self._open.append(heard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while piece := await reader.read(1 << 18):
                heard.raw += piece
                if await self._answer_all(heard):
                    break
        writer.close()

    async def _answer_all(self, heard: _Heard) -> bool:
        """Answer what is whole; True when the connection is to end."""
        messages, rest = read(bytes(heard.raw[heard.answered :]))
        heard.answered = len(heard.raw) - len(rest)
        for message in messages:
            if await self._answer(heard, message):
                return True
        early = _ID.search(rest[: rest.find(b"\r\n")]) if b"\r\n\r\n" in rest else None
        case = self.cases.get(early[1].decode()) if early else None
        return case is not None and case.early and await self._play(heard, case)

    async def _answer(self, heard: _Heard, message: Message) -> bool:
        if heard.tainted:
            self.reused.append(heard.tainted)
        found = _ID.search(message.target)
        case = self.cases.get(found[1].decode()) if found else None
        if case is not None:
            return await self._play(heard, case)
        host = b",".join(message.get_all(b"host")).decode("latin-1")
        body = json.dumps({"path": message.target.decode("latin-1")[:200], "host": host}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        heard.writer.write(head if message.line.startswith(b"HEAD ") else head + body)
        await heard.writer.drain()
        return False

    async def _play(self, heard: _Heard, case: ReplyCase) -> bool:
        """Send the bytes of a case and do what it says next."""
        writer, raw = heard.writer, expand(case.raw, {})
        if case.no_reuse:
            heard.tainted = case.id
        for place in range(0, len(raw), 1 if case.drip else max(len(raw), 1)):
            writer.write(raw[place : place + 1] if case.drip else raw)
            await writer.drain()
            if case.drip:
                await asyncio.sleep(0.0005)  # each byte a read of its own
        if case.then in ("close", "rst"):
            await asyncio.sleep(APART_S)
        if case.then == "rst":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        elif case.then == "hold":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HOLD_S):
                    await writer.wait_closed()
        return bool(case.then)
