"""What takes a reply in its exchange's place, to read it whole or as it comes: see wire.outbound.Waiter.

reply_piece → inflate → hear          reply_end → complete          anything unreadable → the exchange fails, 502
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from time import perf_counter_ns, time
from typing import TYPE_CHECKING, Any, Final

from fastproxy.errors import FormatError, UpstreamFailed
from fastproxy.formats import exact
from fastproxy.formats.inflate import decoder
from fastproxy.formats.read_error import read_error
from fastproxy.formats.usage import TAIL_BYTES, TAIL_MAX_BYTES
from fastproxy.gateway.books import close_books
from fastproxy.gateway.reply_stream import reply_head
from fastproxy.gateway.watch import Seen
from fastproxy.wire.outbound import IDLE
from fastproxy.wire.reply_head import BY_TUNNEL

if TYPE_CHECKING:
    from fastproxy.formats.inflate import Inflate
    from fastproxy.formats.usage_fields import Usage
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.wire.outbound import Outbound
    from fastproxy.wire.reply_head import ReplyHead

logger = logging.getLogger("fastproxy")
MAX_WHOLE_BYTES: Final = 64 << 20  # of a reply that is held until it is whole
MAX_ERROR_BYTES: Final = 1 << 20
# What a reply of an unforeseen shape shows itself as.
UNREADABLE: Final = (
    UpstreamFailed, FormatError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError
)  # fmt: skip


class ReplyTaker(ABC):
    """Holds what comes, and calls `complete` at its end. Also the meter of what it cost. `speaks` is the format."""

    __slots__ = ("_collected", "_exchange", "_inflate", "_is_error", "_size", "_speaks", "_tail", "_usage")

    def __init__(self, exchange: Exchange, reply: ReplyHead, speaks: str) -> None:
        self._exchange = exchange
        self._speaks = speaks
        self._usage: Usage | None = None
        self._collected: list[bytes] = []
        self._size = 0
        self._tail = bytearray()  # of a stream
        self._is_error = not 200 <= reply.status < 300
        encoding = reply.get(b"content-encoding")
        self._inflate: Inflate | None = decoder(encoding) if encoding is not None else None

    # --- what a subclass does -------------------------------------------------------------------------------------

    def _take(self, piece: bytes) -> None:
        """One piece of the body. Raises: UpstreamFailed, FormatError."""
        if self._inflate is not None:
            piece = self._inflate.feed(piece)
        self._hold(piece)

    @abstractmethod
    def _complete(self) -> None:
        """The upstream has said all. Raises: UpstreamFailed when it was an error, or not all."""

    # --- from the upstream ----------------------------------------------------------------------------------------

    def reply_piece(self, piece: bytes, whole_chunks: bytes | None) -> None:
        try:
            self._take(piece)
        except UNREADABLE as error:
            self._give_up(error)

    def reply_end(self) -> None:
        exchange = self._exchange
        if exchange.upstream_done:
            return
        exchange.upstream_done = True
        try:
            self._complete()
        except UNREADABLE as error:
            self._give_up(error)
            return
        exchange.wake()

    def reply_failed(self, error: UpstreamFailed) -> None:
        self._exchange.reply_failed(error)

    def whole_reply(self, outbound: Outbound, data: bytes) -> bool:
        return False

    def reply_head(self, head: ReplyHead) -> None:
        raise AssertionError("the head has come before")

    def interim(self, status: int) -> None:  # noqa: B027 - for all alike
        """Dropped."""

    def upstream_paused(self) -> None:
        self._exchange.upstream_paused()

    def upstream_resumed(self) -> None:
        self._exchange.upstream_resumed()

    def take_all(self, body: bytes) -> None:
        """A reply that is here already. Raises: UpstreamFailed."""
        try:
            self._take(body)
            self._complete()
        except UNREADABLE as error:
            raise self._as_failure(error) from None

    # --- what subclasses are made of ------------------------------------------------------------------------------

    def _hold(self, piece: bytes) -> None:
        self._collected.append(piece)
        self._size += len(piece)
        if self._size > (MAX_ERROR_BYTES if self._is_error else MAX_WHOLE_BYTES):
            raise UpstreamFailed("a reply too large to be translated", kind="upstream_truncated")

    def _pass(self, piece: bytes) -> None:
        """A piece of a stream that is not held: 60 ns, for the case that it will not say what it cost."""
        self._size += len(piece)
        tail = self._tail
        tail += piece
        if len(tail) > TAIL_MAX_BYTES:
            del tail[:-TAIL_BYTES]

    def _refusal(self) -> UpstreamFailed:
        exchange, reply = self._exchange, self._exchange.reply
        assert reply is not None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in _fields(reply)}
        said = read_error(self._speaks, reply.status, headers, b"".join(self._collected), now=time())
        exchange.upstream_done = True
        return UpstreamFailed(said.message, status=said.status, kind=said.kind, retry_after=said.retry_after)

    def _write(self, reply: dict[str, Any]) -> None:
        """The client's whole reply."""
        self._write_bytes(exact.dumps(reply), b"application/json")

    def _write_bytes(self, body: bytes, kind: bytes) -> None:
        exchange = self._exchange
        exchange.first_byte = perf_counter_ns()
        head = reply_head(exchange, kind, b"content-length: %d\r\n" % len(body))
        exchange.bytes_out = len(body)
        if exchange.kept is not None:
            exchange.kept.feed(body)
        close_books(exchange)
        exchange.inbound.transport.write(head + body)

    def _give_up(self, error: Exception) -> None:
        exchange = self._exchange
        outbound = exchange.outbound
        if outbound is not None and not exchange.upstream_done:
            outbound.cancel()
        exchange.upstream_done = True
        exchange.fail(self._as_failure(error))

    def _as_failure(self, error: Exception) -> UpstreamFailed:
        if isinstance(error, UpstreamFailed):
            return error
        logger.warning("reply of channel %s not understood: %r", self._exchange.the_attempt().channel, error)
        return UpstreamFailed(f"the upstream's reply cannot be read as {self._speaks}")

    # --- the meter ------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:  # noqa: B027 - for all alike
        """Nothing passes here: what was said has been read."""

    def has_ended(self) -> bool:
        """Or the exchange has failed."""
        return True

    def finish(self) -> Usage | None:
        return self._usage

    def seen(self) -> Seen:
        if self._tail:
            return Seen(bytes(self._tail), True, self._size)
        return Seen(b"".join(self._collected), False, self._size)


async def take_over(exchange: Exchange, taker: ReplyTaker) -> None:
    """Let `taker` have the reply, until its end. Raises: UpstreamFailed, before or behind its first byte."""
    reply, outbound = exchange.reply, exchange.outbound
    assert reply is not None
    assert outbound is not None
    if reply.reading is None:
        attempt = exchange.the_attempt()
        attempt.pool.reading = reply.shape.reading(attempt.reply_drop)  # the next of its shape is recognised at once
    if reply.framing is BY_TUNNEL:
        raise UpstreamFailed("the upstream changed the protocol where nobody had asked for it")
    if 200 <= reply.status < 300:
        exchange.meter = taker
    if outbound.phase is IDLE:
        exchange.upstream_done = True
        taker.take_all(outbound.pending)
        return
    outbound.waiter = taker
    outbound.stream()
    if exchange.inbound.write_paused:
        exchange.client_paused()
    if not exchange.upstream_done:
        await exchange.pause()
    exchange.check()


def _fields(reply: ReplyHead) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name in reply.shape.index if (value := reply.get(name)) is not None]
