"""Clients that ask without a pause, and write down what they got. Half of them say who they are in every request."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random

LEAVES: Final = 0.12  # of all requests, their client goes before the reply is whole
_READ_S: Final = 30.0


@dataclass(frozen=True)
class Got:
    """What a client knows of one request. `tokens` only of a reply that came whole."""

    tag: str
    is_named: bool  # the tag is the user agent as well, so its row can be found by it
    request_id: str = ""
    status: int = 0
    is_whole: bool = False
    tokens: tuple[int, int] | None = None


@dataclass
class Clients:
    """`port` may change under them, when a killed master is started again."""

    port: int
    key: str
    rng: random.Random
    got: list[Got] = field(default_factory=list)
    stopping: bool = False  # set from outside
    _count: int = 0

    async def run(self, count: int) -> None:
        await asyncio.gather(*(self._client(number % 2 == 0) for number in range(count)))

    async def _client(self, is_named: bool) -> None:
        while not self.stopping:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.05)  # nobody listens: the gateway is being started again
                continue
            try:
                while await self._ask(is_named, reader, writer):
                    pass
            finally:
                writer.close()

    async def _ask(self, is_named: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False when the connection is of no more use."""
        self._count += 1
        tag = f"chaos-{self._count}"
        is_stream = self.rng.random() < 0.5
        body = {"model": "m", "user": tag, "stream": is_stream, "messages": [{"role": "user", "content": "hi"}]}
        if is_stream:
            body["stream_options"] = {"include_usage": True}
        text = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: chaos.test\r\nAuthorization: Bearer {self.key}\r\n"
        head += f"User-Agent: {tag if is_named else 'chaos'}\r\nContent-Type: application/json\r\n"
        leaves = self.rng.random() < LEAVES
        known: dict[str, Any] = {}
        try:
            writer.write(f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text)
            await writer.drain()
            if leaves and self.rng.random() < 0.3:
                return False
            whole = await asyncio.wait_for(_read_reply(reader, known, leaves=leaves), _READ_S)
            known["is_whole"] = whole is not None
            known["tokens"] = (
                _tokens(whole, is_stream=is_stream) if whole is not None and known["status"] == 200 else None
            )
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            self.got.append(Got(tag, is_named, **known))
        if known.get("status") == 503:
            await asyncio.sleep(0.05)
        return not self.stopping and bool(known.get("is_whole")) and known["status"] == 200


async def _read_reply(reader: asyncio.StreamReader, known: dict[str, Any], *, leaves: bool) -> bytes | None:
    """The body, once it is whole by its framing; None for a client that leaves. Raises IncompleteReadError."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    known["status"] = int(head[9:12])
    with contextlib.suppress(IndexError):
        known["request_id"] = head.split(b"\r\nx-request-id: ")[1].split(b"\r\n")[0].decode()
    if b"content-length:" in head:
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        return None if leaves else await reader.readexactly(length)
    body = b""
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        piece = (await reader.readexactly(size + 2))[:-2]
        if not size:
            return body
        body += piece
        if leaves:
            return None


def _tokens(body: bytes, *, is_stream: bool) -> tuple[int, int]:
    events = [body]
    if is_stream:
        events = [line[6:] for line in body.split(b"\n\n") if line.startswith(b"data: {")]
    usage = next(found for event in reversed(events) if (found := json.loads(event).get("usage")))
    return usage["prompt_tokens"], usage["completion_tokens"]
