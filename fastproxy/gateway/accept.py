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
        exchange.held_bytes = expected  # what is announced is reserved; what is not is counted as it comes
        world.buffered_bytes += expected
        exchange.pieces.append(exchange.body)
        await _until_complete(exchange)
        exchange.body = b"".join(exchange.pieces)
        exchange.pieces.clear()


async def _until_complete(exchange: Exchange) -> None:
    while not exchange.inbound.body_complete:
        await exchange.pause()
