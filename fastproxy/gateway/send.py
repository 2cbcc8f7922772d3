"""Station 6: give the request to an upstream and wait for the head of its reply.

What may be tried again, and when (RFC 9110 9.2.2, reliability first):
- no connection, or not a byte written: any method, at the next attempt;
- written, but a *reused* connection closed without a byte of reply: once more on a new connection, only for idempotent
  methods or when the client vouches for it with an Idempotency-Key;
- a byte of the reply came: never.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from fastproxy.errors import UpstreamFailed
from fastproxy.gateway.exchange import JOIN_BYTES, Exchange, Upload
from fastproxy.shared import rows
from fastproxy.wire.outbound import IDLE
from fastproxy.wire.pool import unsent
from fastproxy.wire.pump import BUFFER_BYTES

if TYPE_CHECKING:
    from fastproxy.gateway.table import Attempt
    from fastproxy.wire.outbound import Outbound

IDEMPOTENT: Final = frozenset(
    (b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"PROPFIND", b"QUERY", b"REPORT", b"SEARCH")
)


async def send(exchange: Exchange, attempt: Attempt, head: bytes, *, last: bool, sent: Outbound | None) -> bool:
    """True when the reply's head is in `exchange.reply`; False when the next attempt may be tried.

    `sent` is a connection on which the request stands written already. Raises: UpstreamFailed, Limited.
    """
    exchange.attempt = attempt
    exchange.attempts_made += 1
    begun = perf_counter_ns()
    try:
        outbound = sent or attempt.pool.take()
        if outbound is None:
            outbound = await _open(exchange, attempt)
        try:
            if sent is None:
                _write(exchange, outbound, head)
            exchange.outbound = outbound
            exchange.reply = await exchange.pause()
        except UpstreamFailed as error:
            if error.status != 502 or not _was_stale(exchange, outbound):
                raise
            exchange.world.counts[rows.RETRIES] += 1
            _write(exchange, await _open(exchange, attempt), head)
            exchange.reply = await exchange.pause()
    except UpstreamFailed as error:
        if last or error.retry != "if_unsent":
            raise
        exchange.note_failed(error, begun)
        return False
    return True


async def _open(exchange: Exchange, attempt: Attempt) -> Outbound:
    """A new connection that is still alive now. Raises: UpstreamFailed, Limited."""
    outbound = await exchange.wait(attempt.pool.open())
    if outbound.phase is not IDLE:
        outbound.pool.give_back(outbound)
        raise unsent(outbound)
    return outbound


def _write(exchange: Exchange, outbound: Outbound, head: bytes) -> None:
    """Write the request, or its beginning: the body may still be on its way while the reply comes."""
    previous, exchange.outbound = exchange.outbound, outbound
    if previous is not None:
        previous.pool.give_back(previous)
    exchange.upstream_done, exchange.trouble = False, None  # what the last attempt left
    outbound.expect(exchange, exchange.head.method == b"HEAD")
    body = exchange.body
    if not body:
        outbound.transport.write(head)
    elif exchange.head.length < 0 and not exchange.entry.reads_body:
        outbound.transport.writelines((head, b"%x\r\n" % len(body), body, b"\r\n"))
    elif len(body) < JOIN_BYTES:
        outbound.transport.write(b"".join((head, body)))
    else:
        outbound.transport.writelines((head, body))
    if not exchange.entry.reads_body and (len(body) != exchange.head.length or not exchange.inbound.body_complete):
        _stream_upload(exchange, outbound)


def _stream_upload(exchange: Exchange, outbound: Outbound) -> None:
    """Pass on what has come of the body since, and let the rest follow by itself."""
    inbound = exchange.inbound
    chunked = exchange.head.length < 0
    exchange.upload = Upload.CHUNKED if chunked else Upload.LENGTH
    pieces, exchange.pieces = exchange.pieces, []
    for piece in pieces:
        exchange.bytes_in -= len(piece)
        exchange.body_piece(piece)
    if inbound.body_complete:
        if chunked:
            exchange.body_end()
        return
    exchange.resume_early()
    if inbound.body_left > BUFFER_BYTES:
        exchange.pump_upload(outbound)


def _was_stale(exchange: Exchange, outbound: Outbound) -> bool:
    """Whether a kept connection died under an exchange that may be repeated without harm."""
    if not outbound.reused or outbound.got_bytes or not exchange.inbound.body_complete:
        return False
    if exchange.left:
        return False  # nobody waits for it, and it would be paid for
    if exchange.upload is not Upload.KEEP and exchange.bytes_in > len(exchange.body) - exchange.grown:
        return False  # part of the body has been passed on and is gone
    head = exchange.head
    return head.method in IDEMPOTENT or head.get(b"idempotency-key") is not None
