"""A gateway with the classic mistakes, to see that the corpora find them: it relays bytes by Content-Length alone.

It takes bare LF, ignores Transfer-Encoding, sends heads on unchanged, shares one upstream connection between clients,
and takes whatever comes back on it for the answer to the last request.
"""

from __future__ import annotations

import asyncio
import contextlib
import re

_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d+)", re.IGNORECASE)
ANSWER_S = 0.3


class NaiveProxy:
    """Use as `async with NaiveProxy(upstream_port) as proxy`; `port` is where it listens."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._shared: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.port = 0

    async def __aenter__(self) -> NaiveProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        if self._shared is not None:
            self._shared[1].close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                writer.write(await self._ask(head + body))
                await writer.drain()
                if b"connection: close" in head.lower():
                    break
        writer.close()

    async def _ask(self, request: bytes) -> bytes:
        if self._shared is None or self._shared[1].is_closing() or self._shared[0].at_eof():
            self._shared = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        upstream, sink = self._shared
        sink.write(request)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await upstream.read(65536)
        except TimeoutError:
            return b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n"
