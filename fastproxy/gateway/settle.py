"""Station 8: the books are closed. Runs exactly once for every exchange, however it ended."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Final

from fastproxy.formats.usage_fields import Estimated
from fastproxy.gateway.books import close_books, note_left
from fastproxy.gateway.identify import without_query_key
from fastproxy.gateway.refuse import error_row
from fastproxy.record import Record
from fastproxy.shared import rows

if TYPE_CHECKING:
    from fastproxy.errors import GatewayError
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.wire.request_head import RequestHead

_REQUESTS, _BYTES_IN, _BYTES_OUT, _DURATION_SUM = rows.REQUESTS, rows.BYTES_IN, rows.BYTES_OUT, rows.DURATION_SUM
_LAST_BUCKET: Final = len(rows.LATENCY_BOUNDS)
_REQUESTS_BY: Final = [rows.REQUESTS_BY + row * rows.STATUS_CLASSES for row in range(len(rows.ENTRIES))]
_DURATION: Final = [rows.DURATION + row * (_LAST_BUCKET + 1) for row in range(len(rows.ENTRIES))]


def settle(exchange: Exchange) -> None:
    """Close the books, give the upstream connection back, count, and free the client's for its next request."""
    try:
        _settle(exchange)
    finally:
        if exchange.inbound.exchange is exchange:
            exchange.inbound.finish()


def _settle(exchange: Exchange) -> None:
    inbound, world = exchange.inbound, exchange.world
    try:
        close_books(exchange)  # unless it was done before the last byte was written
    finally:
        world.buffered_bytes -= exchange.held_bytes
        exchange.release()
    duration = exchange.duration_us
    count(world.counts, exchange.entry.row, exchange.status, duration, (exchange.bytes_in, exchange.bytes_out))
    note_left(exchange)
    if exchange.error_kind:
        world.counts[rows.ERRORS_BY + error_row(exchange.error_kind)] += 1
    if world.log is not None:
        world.log(make_record(exchange, duration))
    if inbound.lane is None and exchange.head.reading is not None and not exchange.error_kind:
        world.lay(exchange)


def count(counts: list[int], row: int, status: int, duration: int, sizes: tuple[int, int]) -> None:
    """One more request through the door of that row: its status, its microseconds, its bytes in and out."""
    counts[_REQUESTS] += 1
    counts[_REQUESTS_BY[row] + status // 100] += 1
    # The bounds double from 100 us on, so the bucket is the length of a number: cheaper than a search.
    bucket = ((duration - 1) // 100).bit_length()
    counts[_DURATION[row] + (bucket if bucket < _LAST_BUCKET else _LAST_BUCKET)] += 1
    counts[_DURATION_SUM + row] += duration
    counts[_BYTES_IN] += sizes[0]
    counts[_BYTES_OUT] += sizes[1]


def make_record(exchange: Exchange, duration: int) -> Record:
    head, key, operation, usage = exchange.head, exchange.key, exchange.operation, exchange.usage
    attempt = exchange.attempt
    wire_format = operation.format if operation is not None else ""
    agent = head.get(b"user-agent") or b""
    return Record(
        exchange.name().decode(),
        int(time() * 1000) - duration // 1000,
        key.group if key is not None else "",
        key.name if key is not None else "",
        exchange.model,
        attempt.rename.get(exchange.model, exchange.model) if attempt is not None else "",
        attempt.channel if attempt is not None else "",
        attempt.provider if attempt is not None else "",
        wire_format,
        attempt.format if attempt is not None and wire_format else wire_format,
        operation.name if operation is not None else "",
        exchange.is_stream(),
        exchange.status,
        exchange.error_kind,
        exchange.attempts_made,
        usage.input if usage is not None else 0,
        usage.cache_read if usage is not None else 0,
        usage.cache_write if usage is not None else 0,
        usage.output if usage is not None else 0,
        usage.reasoning if usage is not None else 0,
        type(usage) is Estimated,
        0.0,
        (exchange.first_byte - exchange.started) / 1e6 if exchange.first_byte else None,
        duration / 1000,
        exchange.gateway_us,
        exchange.bytes_in,
        exchange.bytes_out,
        exchange.client_ip(),
        agent.decode("latin-1")[:256],
        head.method.decode("ascii"),
        without_query_key(head.target).partition(b"?")[0].decode("latin-1"),
        exchange.entry.name,
    )


def refused_record(request_id: bytes, error: GatewayError, peer: str, head: RequestHead | None) -> Record:
    """The record of a request that could not be read, or not be taken: no exchange was made of it."""
    return Record(
        request_id.decode(),
        int(time() * 1000),
        status=error.status,
        error_kind=error.kind,
        client_ip=peer,
        method=head.method.decode("ascii") if head is not None else "",
        path=head.target.partition(b"?")[0].decode("latin-1") if head is not None else "",
        entry="local",
    )
