"""A translated reply on its way to the client: its head, and its events as a stream of the client's format."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

from fastproxy.errors import UpstreamFailed
from fastproxy.formats.events import Begin, Done, Event
from fastproxy.gateway.books import close_books
from fastproxy.gateway.exchange import AS_CHUNKS, AS_IT_COMES
from fastproxy.gateway.relay import milliseconds, own_lines
from fastproxy.gateway.translate import Translation, lossy_line, reply_context, wants_array
from fastproxy.wire.chunked import LAST_CHUNK
from fastproxy.wire.inbound import AT_REPLY
from fastproxy.wire.reply_head import STATUS_LINES

if TYPE_CHECKING:
    from fastproxy.formats.registry import StreamWriter
    from fastproxy.gateway.exchange import Exchange


class ReplyStream:
    """The client's stream: one write for all events of one read.

    What a bare Begin says is held back until the upstream says more, be it a ping: an error that follows at once then
    still has a status of its own.
    """

    __slots__ = ("_exchange", "_out", "_translation", "_waits", "_writer", "is_whole")

    def __init__(self, exchange: Exchange, translation: Translation) -> None:
        self._exchange = exchange
        self._translation = translation
        self._writer: StreamWriter = translation.source.StreamWriter(reply_context(exchange, translation))
        self._out: list[bytes] = []
        self._waits = True
        self.is_whole = False  # the upstream has said that this was all

    def write(self, event: Event) -> None:
        kind = type(event)
        if kind is not Begin:
            self._waits = False
            self.is_whole = self.is_whole or kind is Done
        written = self._writer.write(event)
        if written:
            self._out.append(written)

    def flush(self) -> None:
        if not self._out:
            return
        if self._waits:
            self._waits = False
            return
        exchange = self._exchange
        payload = b"".join(self._out)
        self._out.clear()
        head = b""
        if not exchange.status:
            head = self._begin()
        exchange.bytes_out += len(payload)
        if exchange.kept is not None:
            exchange.kept.feed(payload)
        if self.is_whole:
            close_books(exchange)  # an SDK does not wait for the end of the last chunk
        if exchange.download is AS_CHUNKS:
            payload = b"%x\r\n%b\r\n" % (len(payload), payload)
        exchange.inbound.transport.write(head + payload)

    def _begin(self) -> bytes:
        exchange = self._exchange
        exchange.first_byte = perf_counter_ns()
        kind = b"text/event-stream"
        if exchange.operation is not None and wants_array(exchange.operation):
            kind = b"application/json"
        if exchange.head.minor == 0:
            exchange.inbound.keep_alive = False
            exchange.download = AS_IT_COMES
            return reply_head(exchange, kind, b"")
        exchange.download = AS_CHUNKS
        return reply_head(exchange, kind, b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n")

    def end(self) -> None:
        """Raises: UpstreamFailed when the upstream's stream was cut; a stream of ours must not look whole then."""
        if not self.is_whole:
            if self._exchange.status:
                self.flush()
            raise UpstreamFailed("the upstream's stream ended before its end", kind="upstream_truncated")
        self.flush()
        if self._exchange.download is AS_CHUNKS:
            self._exchange.inbound.transport.write(LAST_CHUNK)


def reply_head(exchange: Exchange, kind: bytes, framing: bytes) -> bytes:
    """The head of a translated reply: nothing of the upstream's but its request id."""
    inbound, reply = exchange.inbound, exchange.reply
    exchange.status = 200
    if inbound.state is not AT_REPLY or inbound.front.draining:
        inbound.keep_alive = False
    losses = exchange.translation.losses if exchange.translation is not None else ()
    theirs = None
    if reply is not None:
        theirs = reply.get(b"x-request-id") or reply.get(b"request-id")
    end = b"\r\n"
    if not inbound.keep_alive:
        end = b"connection: close\r\n\r\n"
    elif exchange.head.minor == 0:
        end = b"connection: keep-alive\r\n\r\n"
    return b"".join(
        (
            STATUS_LINES[200],
            b"content-type: " + kind + b"\r\n",
            exchange.the_attempt().reply_lines,
            own_lines(exchange.name(), exchange.attempts_made, theirs, milliseconds(exchange.own_us())),
            lossy_line(losses, exchange.key),
            exchange.world.date_line,
            framing,
            end,
        )
    )
