"""The provider stand-in of the measurements: `python -m bench.upstream PORT [CERT KEY]`.

Answers every POST with the reply or the endless event stream of traffic.py, chosen by `"stream":true` near the start of
the body; `"user":"idle"` gives a stream that stays silent after its first event. It reads heads by searching, trusts
Content-Length, and drops what it does not understand: right only between programs that we start ourselves.

A stream sends EVENTS_PER_S events; the streams are spread over SLOTS so that they do not all speak in the same moment.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
import time
from typing import cast

import uvloop

from bench import traffic

EVENTS_PER_S = 100
SLOTS = 10
BUFFER = bytearray(262_144)
VIEW = memoryview(BUFFER)
PEEK_BYTES = 200  # `stream` and `user` stand in the first bytes of the bodies that traffic.py writes

slots: list[set[asyncio.Transport]] = [set() for _ in range(SLOTS)]


class Upstream(asyncio.BufferedProtocol):
    """One connection. `_missing` counts the bytes of the current body that have not come yet."""

    def __init__(self) -> None:
        self._missing = 0
        self._slot = -1
        self._streams = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not registered as one

    def connection_lost(self, exc: Exception | None) -> None:
        if self._slot >= 0:
            slots[self._slot].discard(self._transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return VIEW

    def buffer_updated(self, nbytes: int) -> None:
        start = 0
        if not self._missing:
            end = BUFFER.find(b"\r\n\r\n", 0, nbytes)
            if end < 0:
                self._transport.abort()
                return
            start = end + 4
            self._missing = _content_length(BUFFER[:end])
        if nbytes > start:
            self._missing -= nbytes - start
            if BUFFER.find(b'"stream":true', start, min(nbytes, start + PEEK_BYTES)) >= 0:
                self._open_stream(idle=BUFFER.find(b'"idle"', start, min(nbytes, start + PEEK_BYTES)) >= 0)
                return
        if not self._missing and not self._streams:
            self._transport.write(traffic.REPLY)

    def _open_stream(self, *, idle: bool) -> None:
        self._streams = True
        self._transport.write(traffic.STREAM_HEAD + traffic.event(time.monotonic_ns()))
        if not idle:
            self._slot = min(range(SLOTS), key=lambda slot: len(slots[slot]))
            slots[self._slot].add(self._transport)


def _content_length(head: bytearray) -> int:
    at = head.find(b"Content-Length: ")
    if at < 0:
        head = head.lower()
        at = head.find(b"content-length: ")
        if at < 0:
            return 0
    end = head.find(b"\r\n", at)
    return int(head[at + 16 : end if end >= 0 else len(head)])


def speak(loop: asyncio.AbstractEventLoop, due: float, slot: int) -> None:
    """Send one event on every stream of a slot, and plan the next slot on the same grid, so that no time is lost."""
    if slots[slot]:
        data = traffic.event(time.monotonic_ns())
        for transport in slots[slot]:
            transport.write(data)
    due += 1 / (EVENTS_PER_S * SLOTS)
    loop.call_at(due, speak, loop, due, (slot + 1) % SLOTS)


async def serve(port: int, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, ssl=tls, backlog=4096)
    loop.call_soon(speak, loop, loop.time(), 0)
    gc.freeze()
    await server.serve_forever()


def main(arguments: list[str]) -> None:
    tls = None
    if len(arguments) == 3:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(arguments[1], arguments[2])
    uvloop.run(serve(int(arguments[0]), tls))


if __name__ == "__main__":
    main(sys.argv[1:])
