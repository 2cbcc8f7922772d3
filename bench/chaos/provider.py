"""A provider of chat completions that notes what each request cost it, by the tag in its `user` field."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random

_HEAD: Final = "HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%s\r\n\r\n"


@dataclass
class Provider:
    """`asked`: tag → (prompt tokens, completion tokens) of every request that came here whole."""

    rng: random.Random
    asked: dict[str, tuple[int, int]] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def start(self) -> int:
        """Returns the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                await self._answer(json.loads(await reader.readexactly(length)), writer)
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            pass  # a worker died, or its client left
        finally:
            writer.close()

    async def _answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        tag, rng = body["user"], self.rng
        if tag in self.asked:
            self.twice.append(tag)
        prompt, completion = rng.randrange(3, 4000), rng.randrange(3, 40)
        self.asked[tag] = (prompt, completion)
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        await asyncio.sleep(rng.random() * 0.03)
        if body.get("stream"):
            await self._stream(body["model"], completion, usage, writer)
            return
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "word " * completion},
            "finish_reason": "stop",
        }
        text = json.dumps({"id": tag, "object": "chat.completion", "model": body["model"], "choices": [choice],
                           "usage": usage}).encode()  # fmt: skip
        writer.write((_HEAD % ("application/json", f"content-length: {len(text)}")).encode() + text)
        await writer.drain()

    async def _stream(self, model: str, words: int, usage: dict[str, int], writer: asyncio.StreamWriter) -> None:
        writer.write((_HEAD % ("text/event-stream", "transfer-encoding: chunked")).encode())
        event: dict[str, Any] = {"id": "x", "object": "chat.completion.chunk", "model": model, "usage": None}
        for _ in range(words):
            delta = {"index": 0, "delta": {"content": "word "}, "finish_reason": None}
            writer.write(_chunk(event | {"choices": [delta]}))
            await writer.drain()
            await asyncio.sleep(self.rng.random() * 0.01)
        last = {"index": 0, "delta": {}, "finish_reason": "stop"}
        writer.write(_chunk(event | {"choices": [last]}) + _chunk(event | {"choices": [], "usage": usage}))
        writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        await writer.drain()


def _chunk(event: dict[str, Any]) -> bytes:
    text = f"data: {json.dumps(event)}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(text), text)
