"""Station 7: the reply to the client. Its head is rewritten; its body is passed on as the bytes that came.

A reply whose end has already been read leaves in one write. A longer one is moved by callbacks: chunk by chunk through
`Exchange.reply_piece`, or by a pump when its length is known and nothing of it needs to be read on the way.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from fastproxy.gateway.books import close_books
from fastproxy.gateway.exchange import AS_CHUNKS, JOIN_BYTES, ClientGone, Exchange
from fastproxy.gateway.mask import FIRST_STATUS, mask_for, masked
from fastproxy.gateway.table import PROVIDER
from fastproxy.gateway.tunnel import check_acceptance, tunnel
from fastproxy.gateway.watch import watch_reply
from fastproxy.wire.fields import Plan
from fastproxy.wire.inbound import AT_REPLY
from fastproxy.wire.outbound import IDLE, Outbound
from fastproxy.wire.pump import BUFFER_BYTES, Pump
from fastproxy.wire.reply_head import BY_CHUNKED, BY_LENGTH, BY_NONE, BY_TUNNEL, STATUS_LINES, ReplyHead

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN_LINES: Final = (
    b"x-request-id: %b\r\nrequest-id: %b\r\nx-fastproxy-attempts: %d\r\nserver-timing: gateway;dur=%b\r\n"
)

_BELOW_ONE: Final = [b"0.%03d" % us for us in range(1000)]


def relay_at_once(exchange: Exchange) -> bool:
    """Write a reply that has been read whole. False when there is more of it to come."""
    reply, outbound = exchange.reply, exchange.outbound
    if outbound is None or reply is None or outbound.phase is not IDLE:
        return False
    exchange.status = reply.status
    exchange.upstream_done = True
    if exchange.operation is not None:
        watch_reply(exchange, reply)
    body = outbound.pending
    head = reply_head(exchange, reply)
    if reply.status >= FIRST_STATUS:
        secrets = exchange.the_attempt().secrets
        head, body = masked(head, secrets), masked(body, secrets)
    exchange.bytes_out = len(body)
    if exchange.meter is not None:
        exchange.first_byte = perf_counter_ns()
        exchange.meter.feed(body)
    if exchange.kept is not None:
        exchange.kept.expect(reply)
        exchange.kept.feed(body)
    close_books(exchange)
    if len(body) < JOIN_BYTES:
        exchange.inbound.transport.write(head + body)
    else:
        exchange.inbound.transport.writelines((head, body))
    return True


async def relay(exchange: Exchange) -> None:
    """Write a reply piece by piece as it comes. Raises: UpstreamFailed when it breaks on the way."""
    reply, outbound = exchange.reply, exchange.outbound
    assert reply is not None
    assert outbound is not None
    if reply.framing is BY_TUNNEL:
        check_acceptance(exchange, reply)
        exchange.status = reply.status
        await tunnel(exchange, outbound, reply_head(exchange, reply))
        return
    exchange.status = reply.status
    head = reply_head(exchange, reply)
    watch_reply(exchange, reply)
    if exchange.kept is not None:
        exchange.kept.expect(reply)
    exchange.mask = mask_for(exchange, reply.status)
    if exchange.mask is not None:
        head = masked(head, exchange.the_attempt().secrets)
    if exchange.left and exchange.meter is None:
        raise ClientGone  # it will not say what it cost
    exchange.first_byte = perf_counter_ns()
    exchange.inbound.transport.write(head)
    await _stream(exchange, outbound)


async def _stream(exchange: Exchange, outbound: Outbound) -> None:
    if outbound.framing is BY_LENGTH and exchange.reply is not None:
        exchange.due = exchange.reply.length
    if exchange.download is AS_CHUNKS and outbound.framing is BY_CHUNKED and exchange.mask is None:
        outbound.relay_chunks(exchange.inbound.transport.write, _listener(exchange))
    outbound.stream()
    exchange.check()
    if exchange.upstream_done:
        return
    is_heard = exchange.mask is not None or _listener(exchange) is not None
    if outbound.framing is BY_LENGTH and outbound.left > BUFFER_BYTES and not is_heard:
        _pump(exchange, outbound)
    elif exchange.inbound.write_paused:
        exchange.client_paused()
    await exchange.pause()


def _listener(exchange: Exchange) -> Callable[[bytes], None] | None:
    """Who must hear what passes."""
    meter, kept = exchange.meter, exchange.kept
    if kept is None:
        return meter.feed if meter is not None else None
    if meter is None:
        return kept.feed

    def hear(piece: bytes) -> None:
        meter.feed(piece)
        kept.feed(piece)

    return hear


def _pump(exchange: Exchange, outbound: Outbound) -> None:
    def moved(count: int) -> None:
        exchange.bytes_out += count
        outbound.body_moved(count)
        if exchange.bytes_out == exchange.due:
            close_books(exchange)

    def done(surplus: bytes | None) -> None:
        if surplus is None:
            outbound.eof_received()
            return
        if surplus:
            outbound.reusable = False  # bytes beyond the end poison the connection
        outbound.body_pumped()

    sink = exchange.inbound.transport
    Pump(outbound.transport, sink, exchange.world.reservoir, moved, done).start(outbound.left)
    if exchange.inbound.write_paused:
        exchange.client_paused()


def reply_head(exchange: Exchange, reply: ReplyHead) -> bytes:
    """The head for the client, and the decision how its body is framed and whether the connection stays open."""
    inbound, attempt, shape = exchange.inbound, exchange.the_attempt(), reply.shape
    parts = [STATUS_LINES[reply.status]]
    reading = reply.reading
    if reading is not None and reading.drop is attempt.reply_drop and not reply.connection.listed:
        groups = reply.groups
        parts += [groups[place] for place in reading.runs]
    else:
        parts.append(_lines(exchange, reply))
    parts.append(attempt.reply_lines)
    if exchange.operation is not None and exchange.entry is not PROVIDER:
        theirs = reply.get(b"x-request-id") or reply.get(b"request-id")
        parts.append(own_lines(exchange.name(), exchange.attempts_made, theirs, milliseconds(exchange.own_us())))
    if b"date" not in shape.index:
        parts.append(exchange.world.date_line)
    if inbound.state is not AT_REPLY or inbound.front.draining:
        inbound.keep_alive = False  # the rest of the request would stand in front of the next one
    if reply.framing is BY_LENGTH:
        parts.append(b"content-length: %d\r\n" % reply.length)
    else:
        parts.append(_framing(exchange, reply))
    parts.append(_end(exchange, reply))
    return b"".join(parts)


def _end(exchange: Exchange, reply: ReplyHead) -> bytes:
    """What becomes of the connection, and the empty line."""
    if reply.status == 101:
        return b"upgrade: websocket\r\nconnection: upgrade\r\n\r\n"
    if not exchange.inbound.keep_alive:
        return b"connection: close\r\n\r\n"
    return b"connection: keep-alive\r\n\r\n" if exchange.head.minor == 0 else b"\r\n"


def _lines(exchange: Exchange, reply: ReplyHead) -> bytes:
    """The lines that pass on, from a head that was taken apart; the next of its shape may be recognised at once."""
    attempt, shape, listed = exchange.the_attempt(), reply.shape, reply.connection.listed
    attempt.pool.reading = shape.reading(attempt.reply_drop)
    plan = Plan(shape, attempt.reply_drop | listed) if listed else shape.plan(attempt.reply_drop)
    return plan.lines % plan.pick(reply.values)


def _framing(exchange: Exchange, reply: ReplyHead) -> bytes:
    """The framing lines of everything but a counted body."""
    framing = reply.framing
    if framing is BY_NONE:
        if exchange.head.method == b"HEAD" or reply.status == 304:
            length = reply.get(b"content-length")
            return b"content-length: " + length + b"\r\n" if length is not None and length.isdigit() else b""
        return b"" if reply.status == 204 else b"content-length: 0\r\n"
    if framing is BY_TUNNEL:
        return b""
    if exchange.head.minor == 1:
        exchange.download = AS_CHUNKS
        return b"transfer-encoding: chunked\r\n"
    exchange.inbound.keep_alive = False  # HTTP/1.0 knows no chunks: the end is the end of the connection
    return b""


def own_lines(request_id: bytes, attempts: int, theirs: bytes | None, own_ms: bytes) -> bytes:
    """What the gateway says of an exchange: its id, how many attempts, the milliseconds of its own up to here, and what
    the upstream called it.

    OpenAI's SDK looks for the id in x-request-id, Anthropic's in request-id. Server-Timing is W3C's, 2023-04-11.
    """
    form = _OWN_LINES % (request_id, request_id, attempts, own_ms)
    return form if theirs is None else b"%bx-upstream-request-id: %b\r\n" % (form, theirs)


def milliseconds(us: int) -> bytes:
    """As Server-Timing wants them."""
    return _BELOW_ONE[us] if us < 1000 else b"%d.%03d" % divmod(us, 1000)
