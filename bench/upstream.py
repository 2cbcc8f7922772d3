"""The provider stand-in of the measurements: `python -m bench.upstream PORT,… EVENTS_PER_S [CERT KEY]`.

Answers every POST with the reply of traffic.py. Bodies below SMALL_BYTES are looked into (a gateway may have written
them anew): `"stream": true` opens an endless event stream, with `"user": "idle"` one that is silent after its first
event, with `"once"` one that ends there; `"user": "probe"` gets the Authorization that arrived as the answer. The last
two are answered in Anthropic's format below /anthropic/. It reads heads by searching, trusts Content-Length, and drops
what it does not understand: right only between programs that we start ourselves.

The streams are spread over slots, 1,000 a second, so that they do not all speak in the same moment.
"""

from __future__ import annotations

import asyncio
import gc
import re
import ssl
import sys
import time
from functools import partial
from typing import cast

import uvloop

from bench import traffic
from fastproxy.wire.deadlines import Deadlines
from fastproxy.wire.tls import TlsTransport

TURNS_PER_S = 1000
SMALL_BYTES = 600  # all that is to be looked into is smaller, what is measured in requests per second is larger
BUFFER = bytearray(262_144)
VIEW = memoryview(BUFFER)
STREAM = re.compile(rb'"stream":\s*true')
IDLE = re.compile(rb'"user(?:_id)?":\s*"idle"')
ONCE = re.compile(rb'"user(?:_id)?":\s*"once"')
PROBE = re.compile(rb'"user(?:_id)?":\s*"probe"')
KEY = re.compile(rb"\r\n(?:authorization|x-api-key): ?([^\r]*)", re.IGNORECASE)
MESSAGES = b"POST /anthropic/"  # who asks there is answered in Anthropic's format

deadlines = Deadlines()
slots: list[set[asyncio.Transport]] = []


class Upstream(asyncio.BufferedProtocol):
    """One connection. `_missing` counts the bytes of the current body that have not come yet."""

    def __init__(self) -> None:
        self._missing = 0
        self._slot = -1
        self._streams = False
        self._small = False
        self._head = b""

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
            self._small = self._missing < SMALL_BYTES
            if self._small:
                self._head = bytes(BUFFER[:end])
        self._missing -= nbytes - start
        if self._small and nbytes > start and self._look(bytes(BUFFER[start:nbytes])):
            return
        if not self._missing and not self._streams:
            self._transport.write(traffic.REPLY)

    def _look(self, body: bytes) -> bool:
        """Whether the body asked for something else than the reply, which then has been given."""
        if self._head.startswith(MESSAGES):
            return self._look_as_anthropic(body)
        if STREAM.search(body) and ONCE.search(body):
            self._transport.write(traffic.STREAM_HEAD + traffic.event(time.monotonic_ns()) + traffic.STREAM_END)
        elif STREAM.search(body):
            self._open_stream(idle=bool(IDLE.search(body)))
        elif PROBE.search(body):
            key = KEY.search(self._head)
            self._transport.write(traffic.probe_reply(key[1] if key else b""))
        else:
            return False
        return True

    def _look_as_anthropic(self, body: bytes) -> bool:
        if STREAM.search(body) and ONCE.search(body):
            events = traffic.messages_events(time.monotonic_ns())
            self._transport.write(traffic.STREAM_HEAD + events + traffic.MESSAGES_END)
        elif PROBE.search(body):
            key = KEY.search(self._head)
            self._transport.write(traffic.messages_probe_reply(key[1] if key else b""))
        else:
            self._transport.abort()  # nothing else is asked for in that format
        return True

    def _open_stream(self, *, idle: bool) -> None:
        self._streams = True
        self._transport.write(traffic.STREAM_HEAD + traffic.event(time.monotonic_ns()))
        if not idle:
            self._slot = min(range(len(slots)), key=lambda slot: len(slots[slot]))
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
    due += 1 / TURNS_PER_S
    loop.call_at(due, speak, loop, due, (slot + 1) % len(slots))


async def serve(ports: list[int], events_per_s: int, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    slots.extend(set() for _ in range(TURNS_PER_S // events_per_s))
    loop.call_soon(speak, loop, loop.time(), 0)
    gc.freeze()
    async with asyncio.TaskGroup() as group:
        for port in reversed(ports):  # whoever waits for the first port finds the others open
            server = await loop.create_server(partial(accept, tls), "127.0.0.1", port, backlog=4096)
            group.create_task(server.serve_forever())


def accept(tls: ssl.SSLContext | None) -> asyncio.BaseProtocol:
    """With our own encryption, which costs less than uvloop's: the load's core must not be the bottleneck."""
    return TlsTransport(tls, Upstream(), deadlines, timeout=60) if tls is not None else Upstream()


def main(arguments: list[str]) -> None:
    tls = None
    if len(arguments) == 4:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(arguments[2], arguments[3])
    uvloop.run(serve([int(port) for port in arguments[0].split(",")], int(arguments[1]), tls))


if __name__ == "__main__":
    main(sys.argv[1:])
