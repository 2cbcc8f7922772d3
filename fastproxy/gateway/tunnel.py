"""After a checked 101: bytes both ways until both sides have ended, or nothing has moved for too long."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from fastproxy.errors import BadRequest, UpstreamFailed
from fastproxy.gateway.books import close_books
from fastproxy.shared import rows
from fastproxy.wire.inbound import State
from fastproxy.wire.pump import Pump

if TYPE_CHECKING:
    import asyncio

    from fastproxy.gateway.exchange import Exchange
    from fastproxy.wire.outbound import Outbound
    from fastproxy.wire.reply_head import ReplyHead
    from fastproxy.wire.request_head import RequestHead

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def wants_tunnel(head: RequestHead) -> bool:
    """Whether this is a WebSocket handshake (RFC 6455 4.1). Other upgrades are ignored, as RFC 9110 7.8 allows.

    Raises: BadRequest (400, 426) for a handshake that no server may accept.
    """
    upgrade = head.get(b"upgrade")
    if upgrade is None or not head.connection.upgrade or upgrade.lower() != b"websocket" or head.minor == 0:
        return False
    if head.method != b"GET" or head.length != 0:
        raise BadRequest("a websocket handshake is a GET without a body")
    if head.get(b"sec-websocket-version") != b"13":
        raise BadRequest("sec-websocket-version is not 13", status=426)
    key = head.get(b"sec-websocket-key") or b""
    if len(key) != 24:
        raise BadRequest("sec-websocket-key is not 16 bytes in base64")
    return True


def accept_of(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that answers `key` (RFC 6455 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def check_acceptance(exchange: Exchange, reply: ReplyHead) -> None:
    """Whether the 101 answers the handshake that was sent. Raises: UpstreamFailed."""
    key = exchange.head.get(b"sec-websocket-key") or b""
    upgrade = reply.get(b"upgrade") or b""
    once = b"sec-websocket-accept" not in reply.shape.repeated
    accepted = once and upgrade.lower() == b"websocket" and reply.get(b"sec-websocket-accept") == accept_of(key)
    if not exchange.tunnelled or not accepted:
        raise UpstreamFailed("the upstream switched protocols without being asked to, or not to websocket")


async def tunnel(exchange: Exchange, outbound: Outbound, head: bytes) -> None:
    """Pass the 101 on, and relay both ways until the end."""
    inbound = exchange.inbound
    counts = exchange.world.counts
    counts[rows.TUNNELS_OPEN] += 1
    try:
        inbound.state = State.TUNNEL
        inbound.keep_alive = False
        inbound.transport.write(head + outbound.pending)
        early = inbound.take_early()
        if early:
            outbound.transport.write(early)
        await _both_ways(exchange, outbound)
    finally:
        counts[rows.TUNNELS_OPEN] -= 1


async def _both_ways(exchange: Exchange, outbound: Outbound) -> None:
    tunnel = _Tunnel(exchange, exchange.inbound.transport, outbound.transport)
    tunnel.start()
    await exchange.pause()
    outbound.finish_tunnel()
    close_books(exchange)
    exchange.inbound.transport.close()


class _Tunnel:
    """Two pumps, and which of them has come to its end."""

    def __init__(self, exchange: Exchange, client: asyncio.Transport, server: asyncio.Transport) -> None:
        self.exchange = exchange
        self.client = client
        self.server = server
        self.one_ended = False

    def start(self) -> None:
        exchange, client, server = self.exchange, self.client, self.server
        reservoir = exchange.world.reservoir
        Pump(client, server, reservoir, self._up, lambda surplus: self._ended(server)).start()
        Pump(server, client, reservoir, self._down, lambda surplus: self._ended(client)).start()
        if exchange.inbound.write_paused:
            exchange.client_paused()
        if exchange.client_held:
            client.pause_reading()
        self._touch()

    def _touch(self) -> None:
        inbound, world = self.exchange.inbound, self.exchange.world
        if not inbound.write_paused:
            inbound.deadline = world.deadlines.now + world.limits.stream_idle_timeout

    def _up(self, count: int) -> None:
        self.exchange.bytes_in += count
        self._touch()

    def _down(self, count: int) -> None:
        self.exchange.bytes_out += count
        self._touch()

    def _ended(self, sink: asyncio.Transport) -> None:
        """One side has sent FIN: pass it on; TLS has no half-close, so there one end is both."""
        if self.one_ended or not sink.can_write_eof():
            self.exchange.wake()
            return
        self.one_ended = True
        sink.write_eof()
