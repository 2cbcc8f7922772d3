"""The listening sockets of a worker: which of them it accepts on, and with which certificate.

The master owns all sockets and says in the arena who accepts on which slot's; a worker that is told to take over
another slot's sockets does so without a connection being lost, because the sockets themselves are never closed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import TYPE_CHECKING

from fastproxy.wire.inbound import Inbound
from fastproxy.wire.tls import TlsTransport, server_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastproxy.server.seat import Seat
    from fastproxy.wire.front import Front

logger = logging.getLogger("fastproxy")

BACKLOG = 4096


class Shut(asyncio.Protocol):
    """What a client gets where encryption is due and cannot be had: nothing, and never plain text."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class Doorways:
    """Starts and stops accepting as the master's OWNER rows say."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seat: Seat, front: Front) -> None:
        self._loop = loop
        self._seat = seat
        self._front = front
        self._topology = -1
        self._servers: dict[int, asyncio.Server | None] = {}  # by the socket's number; None while it opens
        self._contexts: dict[int, ssl.SSLContext] = {}
        self._encrypted: set[int] = set()  # listen addresses that must never speak in the clear
        self._opening: set[asyncio.Task[None]] = set()

    def use_certificates(self, tls: Sequence[tuple[str, str] | None]) -> None:
        """Load the certificates again; connections made from now on get them. A bad file keeps the old one."""
        self._encrypted = {place for place, pair in enumerate(tls) if pair is not None}
        for place, pair in enumerate(tls):
            if pair is None:
                continue
            try:
                self._contexts[place] = server_context(*pair)
            except (OSError, ssl.SSLError) as error:
                logger.error("certificate of listen address %d not loaded: %s", place, error)

    def look(self) -> None:
        """Compare what we accept on with what we should; called at every tick."""
        topology = self._seat.topology
        if topology == self._topology:
            return
        self._topology = topology
        mine = {listening.fileno(): (place, listening) for place, listening in self._seat.listeners()}
        for number in set(self._servers) - set(mine):
            server = self._servers.pop(number)
            if server is not None:
                server.close()
        for number in set(mine) - set(self._servers):
            self._servers[number] = None
            task = self._loop.create_task(self._open(number, *mine[number]))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, number: int, place: int, listening: socket.socket) -> None:
        copy = listening.dup()  # closing the server must not close the slot's own socket
        server = await self._serve(copy, place)
        if number in self._servers:
            self._servers[number] = server
        else:
            server.close()

    async def _serve(self, listening: socket.socket, place: int) -> asyncio.Server:
        def factory() -> asyncio.Protocol:
            if place not in self._encrypted:
                return Inbound(self._front)
            context = self._contexts.get(place)
            if context is None:
                return Shut()
            return self._encrypted_inbound(context)

        if listening.family == socket.AF_UNIX:
            return await self._loop.create_unix_server(factory, sock=listening, backlog=BACKLOG)
        return await self._loop.create_server(factory, sock=listening, backlog=BACKLOG)

    def _encrypted_inbound(self, context: ssl.SSLContext) -> asyncio.Protocol:
        """A connection that counts from its first byte on: a handshake holds more memory than a request."""
        front = self._front
        if len(front.open) + front.shaking >= front.limits.max_connections:
            front.refused += 1
            return Shut()
        inner = Inbound(front, secure=True)
        timeout = front.limits.tls_timeout
        encrypted = TlsTransport(context, inner, front.deadlines, timeout=timeout, connected=self._shaken)
        front.shaking += 1
        return encrypted

    def _shaken(self, error: Exception | None) -> None:
        self._front.shaking -= 1

    def close(self) -> None:
        """Accept nothing more; what waits in the queues is for whoever else holds the sockets."""
        for server in self._servers.values():
            if server is not None:
                server.close()
        self._servers.clear()
        self._seat.close_sockets()
