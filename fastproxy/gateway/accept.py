"""Station 1: the whole body in memory, where routing has to read it. Everything else is streamed and never held.

What a worker holds in this way is bounded over all exchanges (`limits.max_buffer`), so a thousand large prompts at once
are refused with 503 rather than killing the worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.errors import Limited

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange


async def collect_body(exchange: Exchange) -> None:
    """Put the whole request body into `exchange.body`. Raises: Limited (503) when too much is held already."""
    world = exchange.world
    expected = exchange.head.length if exchange.head.length >= 0 else exchange.bytes_in
    if world.buffered_bytes + expected > world.max_buffered_bytes:
        raise Limited("too many request bodies are held in memory", status=503, kind="overloaded", retry_after=1)
    if not exchange.inbound.body_complete:
        world.buffered_bytes += expected
        exchange.held_bytes = expected
        await _rest_of_body(exchange)


async def _rest_of_body(exchange: Exchange) -> None:
    world, inbound, pieces = exchange.world, exchange.inbound, exchange.pieces
    pieces.append(exchange.body)
    while not inbound.body_complete:
        await exchange.pause()
        grown = exchange.bytes_in - exchange.held_bytes
        if grown > 0:  # chunked: the size is only known as it comes
            world.buffered_bytes += grown
            exchange.held_bytes += grown
    exchange.body = b"".join(pieces)
    pieces.clear()
