"""Opening a connection to an origin: resolve, connect, and the TLS handshake, each with its timeout."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING

from fastproxy.errors import UpstreamFailed
from fastproxy.wire.outbound import Outbound
from fastproxy.wire.tls import TlsTransport, client_context

if TYPE_CHECKING:
    from fastproxy.wire.pool import Pool
    from fastproxy.wire.resolve import Resolver

_context = lru_cache(maxsize=256)(client_context)


class Dialer:
    """Opens connections for the pools of one worker."""

    __slots__ = ("_resolver",)

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def dial(self, pool: Pool) -> Outbound:
        """A fresh connection. Raises: UpstreamFailed (502, 504) with retry "if_unsent": no byte of a request went
        out."""
        limits = pool.limits
        try:
            async with asyncio.timeout(limits.connect_timeout):
                return await self._connect(pool)
        except TimeoutError:
            text = f"no connection to the upstream within {limits.connect_timeout:g} s"
            raise UpstreamFailed(text, status=504, kind="upstream_timeout", retry="if_unsent") from None
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or (error.reason or "error").lower().replace("_", " ")
            raise UpstreamFailed(f"the upstream's tls cannot be trusted: {reason}", retry="if_unsent") from None
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else "refused"  # its own text may name the address
            raise UpstreamFailed(f"the upstream cannot be reached: {why}", retry="if_unsent") from None

    async def _connect(self, pool: Pool) -> Outbound:
        origin = pool.origin
        loop = asyncio.get_running_loop()
        if origin.unix:
            _, plain = await loop.create_unix_connection(lambda: Outbound(pool), origin.unix)
            return plain
        addresses = await self._resolver.addresses(origin.host, origin.port, public_only=origin.public_only)
        connection = await self._first_that_answers(pool, addresses)
        raw = connection.transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection

    async def _first_that_answers(self, pool: Pool, addresses: tuple[str, ...]) -> Outbound:
        """Try the addresses in turn; the timeout is for all of them."""
        for address in addresses[:-1]:
            try:
                return await self._open(pool, address)
            except OSError:
                continue
        return await self._open(pool, addresses[-1])

    async def _open(self, pool: Pool, address: str) -> Outbound:
        origin = pool.origin
        loop = asyncio.get_running_loop()
        connection = Outbound(pool)
        if not origin.tls:
            await loop.create_connection(lambda: connection, address, origin.port)
            return connection
        ready: asyncio.Future[None] = loop.create_future()

        def connected(error: Exception | None) -> None:
            if ready.done():
                return
            if error is None:
                ready.set_result(None)
            else:
                ready.set_exception(error)

        context = _context(origin.ca_file, verify=origin.verify)
        tls = TlsTransport(
            context,
            connection,
            pool.deadlines,
            timeout=pool.limits.tls_timeout,
            server_name=origin.host,
            connected=connected,
        )
        await loop.create_connection(lambda: tls, address, origin.port)
        try:
            await ready
        except BaseException:
            tls.abort()
            raise
        return connection
