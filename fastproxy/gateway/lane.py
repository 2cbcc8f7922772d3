"""The express lane: the next request of a connection that is like the last one, without a coroutine or an exchange.

A client on a kept connection mostly repeats itself: same fields, same host, same key, same model; only the body and a
trace id are new. After an ordinary exchange has gone well, it lays a lane for its connection. The lane takes a request
only if everything that decided the last journey is the same again, there is a warm connection, and the body is all
here; it takes the reply only if that is all here too. Anything else becomes an ordinary exchange at the point where
it is, so the lane decides nothing by itself: it only repeats.

Here is what all lanes share: how a request is recognised as like the last, and the way back to the ordinary. There are
two kinds: relay_lane.py passes bytes on, bridge_lane.py translates them. lay.py chooses.
A 1 KB edge exchange costs half the Python on the lane that it costs off it (bench/micro/test_lane.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from operator import itemgetter
from time import perf_counter_ns, time, time_ns
from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats.usage_fields import NOTHING
from fastproxy.gateway.books import agent_of, context_of, count_usage
from fastproxy.gateway.exchange import PASSED_ON, Exchange
from fastproxy.gateway.serve import serve
from fastproxy.gateway.settle import count, make_record
from fastproxy.gateway.table import EDGE
from fastproxy.payloads import end_payload, pack_begin
from fastproxy.wire.deadlines import NEVER
from fastproxy.wire.digits import digits
from fastproxy.wire.inbound import AT_REPLY
from fastproxy.wire.request_head import HeadLimits, read_known
from fastproxy.wire.stencil import Habit

if TYPE_CHECKING:
    import re

    from fastproxy.errors import GatewayError, UpstreamFailed
    from fastproxy.formats.usage_fields import Usage
    from fastproxy.gateway.books import Books
    from fastproxy.gateway.table import Attempt
    from fastproxy.wire.basin import Basin
    from fastproxy.wire.fields import Reading
    from fastproxy.wire.outbound import Outbound
    from fastproxy.wire.reply_head import ReplyHead
    from fastproxy.wire.request_head import RequestHead

# Statuses with a body that is framed as it says.
STATUSES: Final = {b"%d" % code: code for code in range(200, 600) if code not in (204, 304)}
MAX_STRANGE: Final = 64  # requests of another kind, after which the lane gives way
_ANY_SIZE: Final = HeadLimits(1 << 30, 1 << 30, 1 << 30)


def _agent_line(head: RequestHead) -> bytes:
    """What stands in a head, of which the names are known, as long as its user agent is the same; with its name, lest
    the end of another's be taken for it."""
    place = head.shape.index.get(b"user-agent")
    return b"\r\n%b: %b\r\n" % (head.shape.names[place], head.values[place]) if place is not None else b""


class Lane(ABC):
    """What the last exchange of a connection decided, and under which circumstances. Stands in for an Exchange."""

    __slots__ = ("_agent", "_auth", "_begun_at", "_books", "_context", "_duration", "_expires", "_habit", "_heard",
                 "_is_metered", "_kept", "_max_body", "_max_head", "_metered_as",
                 "_outbound", "_own_us", "_reading", "_request_id", "_row", "_same", "_same_places", "_sent",
                 "_size", "_started",
                 "_strange", "attempt", "choices", "entry", "inbound", "key", "model", "operation", "table", "target",
                 "world")  # fmt: skip

    def __init__(self, exchange: Exchange, attempt: Attempt, reading: Reading, target: bytes) -> None:
        inbound = exchange.inbound
        self.world = exchange.world
        self.table = exchange.table
        self.inbound = inbound
        self.attempt = attempt
        self.entry = exchange.entry
        self.choices = (attempt,)
        self.key = exchange.key
        self.model = exchange.model
        self.operation = exchange.operation
        self.target = target  # what the upstream is asked for, if it does not vary
        self._reading = reading
        limits = inbound.front.limits.head
        self._max_head = min(limits.max_head, limits.max_target)
        self._max_body = inbound.front.limits.max_body
        self._auth = attempt.auth or bytes
        self._habit = Habit()
        self._kept = b""
        self._size = 0  # of the body
        self._row = exchange.entry.row
        self._is_metered = self.operation is not None and self.operation.metered
        self._metered_as = exchange.metered_as()
        self._expires = self.key.expires if self.key is not None else 0.0
        self._request_id = b""
        self._outbound: Outbound | None = None
        self._started = self._sent = self._heard = 0  # as perf_counter_ns
        self._own_us = 0
        self._strange = 0
        self._books = self.world.books if self.entry is not EDGE else None
        self._context = self._agent = b""
        self._begun_at = self._duration = 0
        if self._books is not None:
            self._context = context_of(self, attempt, exchange.client_ip(), agent_of(exchange))
            self._agent = _agent_line(exchange.head)

    def _stay_same(self, head: RequestHead, vary: tuple[bytes, ...], places: tuple[int, ...]) -> None:
        """Note the groups that must be as they were: `places`, and every field that has a group but those that `vary`.

        That is Host, Connection and whatever stops here, which includes the credentials; where they decided, path and
        content type. This compares a client with itself, not with a key.
        """
        named = [place for name, place in self._reading.places.items() if name not in vary]
        compared = [*places, *named, 0]
        self._same_places = itemgetter(*compared)
        self._same: Any = self._same_places(head.groups)

    # --- the request ----------------------------------------------------------------------------------------------

    @abstractmethod
    def take(self, data: bytes) -> bool:
        """Send `data`, one whole request, upstream. False: it is not like the last one, or not ready for the lane."""

    @abstractmethod
    def take_large(self, basin: Basin, size: int) -> bool:
        """As `take`, for a request of `size` bytes that lies in the basin and is sent from there."""

    def _is_like_the_last(self, groups: tuple[bytes, ...], data: bytes, start: int) -> bool:
        """What the reading has picked out of a head, of `start` bytes. Only such heads are learnt from, so what is
        compared here is the same in every head that fits the stencil.
        """
        return bool(self._same_places(groups) == self._same) and data.find(self._agent, 0, start) >= 0

    def _is_strange(self) -> None:
        """A client may turn to requests of another kind: they get a lane of their own."""
        self._strange += 1
        if self._strange == MAX_STRANGE or self.world.table is not self.table:
            self.inbound.lane = None

    def _set_off(self, kept: bytes, size: int, start: int) -> Outbound | None:
        """Be the exchange of a request with `size` bytes of body from `start` on; None if it may not pass, or not now.

        `kept` is the request, or its head if the body is not kept. The caller has seen that Content-Length is `size`.
        """
        inbound, world = self.inbound, self.world
        if world.table is not self.table:
            inbound.lane = None  # decided under a configuration that is no longer in force
            return None
        if start > self._max_head or size > self._max_body or inbound.front.draining:
            return None
        if self._expires and time() > self._expires:
            return None
        outbound = self.attempt.pool.take()
        if outbound is None:
            return None
        self._size = size
        self._request_id = b""
        if self._books is not None and not self._open_books(self._books):
            outbound.pool.give_back(outbound)
            return None
        self._kept = kept
        self._outbound = outbound
        inbound.exchange = self
        inbound.state = AT_REPLY
        inbound.deadline = NEVER
        outbound.expect(self, to_head_request=False)
        return outbound

    def _open_books(self, books: Books) -> bool:
        """Write the BEGIN; False if that cannot be."""
        self._request_id = request_id = self.world.next_id()
        self._begun_at = begun_at = time_ns() // 1_000_000
        return books.begin(pack_begin(request_id, begun_at, self._size) + self._context)

    # --- the reply ------------------------------------------------------------------------------------------------

    @abstractmethod
    def whole_reply(self, outbound: Outbound, data: bytes) -> bool:
        """Answer with `data` if it is one whole reply like the last one; False leaves it to the ordinary way."""

    def _recognised(self, reading: Reading | None, data: bytes) -> re.Match[bytes] | None:
        """The head of `data`, if it is one whole reply of a known shape that may leave by this lane."""
        if reading is None or reading.drop is not self.attempt.reply_drop or reading.length_at < 0:
            return None
        match = reading.match(data)
        if match is None:
            return None
        groups, start = match.groups(), match.end()
        if groups[0] not in STATUSES or groups[reading.length_at] != digits(len(data) - start):
            return None
        if reading.connection_at >= 0 and groups[reading.connection_at].lower() != b"keep-alive":
            return None
        if reading.request_id_at >= 0 and not groups[reading.request_id_at].strip(b" \t"):
            return None
        return match

    def _close_books(self, status: int, size: int, usage: Usage | None) -> None:
        """To be called before a reply of `size` bytes is written; `usage` stays None where none is metered."""
        took_ns = perf_counter_ns() - self._started
        self._duration = took = took_ns // 1000
        self._own_us = own = (took_ns - self._heard + self._sent) // 1000
        if self._books is None:
            return
        cost = usage or NOTHING
        counts = (cost.input, cost.cache_read, cost.cache_write, cost.output, cost.reasoning)
        numbers = (self._begun_at, status, 0, 1, *counts, 0.0, took, took, own, self._size, size)
        self._books.end(end_payload(self._request_id, numbers, None, self._context))

    def _settle(self, outbound: Outbound, status: int, size: int, usage: Usage | None) -> None:
        """Count what `_close_books` has been told, and be ready for the next request."""
        outbound.done()
        self._outbound = None
        world = self.world
        duration = self._duration
        count(world.counts, self._row, status, duration, (self._size, size))
        if self._is_metered and status < 300:
            count_usage(world, self._metered_as, usage)
        if world.log is not None:
            self._log(status, duration, size, usage)
        self._kept = b""  # a connection that waits must not hold a prompt
        self.inbound.finish()

    def _log(self, status: int, duration: int, size: int, usage: Usage | None) -> None:
        """Hand the access log what an ordinary exchange would have."""
        exchange = self._exchange(with_body=False)
        exchange.attempt, exchange.attempts_made = self.attempt, 1
        exchange.status, exchange.bytes_out, exchange.usage = status, size, usage
        exchange.gateway_us = self._own_us
        if self.world.log is not None:
            self.world.log(make_record(exchange, duration))

    # --- small questions, as an exchange answers them --------------------------------------------------------------

    def name(self) -> bytes:
        """The request's id, made when somebody first asks for it."""
        if not self._request_id:
            self._request_id = self.world.next_id()
        return self._request_id

    def the_attempt(self) -> Attempt:
        return self.attempt

    # --- back to the ordinary way ---------------------------------------------------------------------------------

    def _ordinary(self) -> Exchange:
        """The exchange that this would have been, waiting for the reply to what has been sent. The lane stays."""
        outbound = self._outbound
        assert outbound is not None
        exchange = self._exchange(with_body=True)
        self._kept, self._outbound = b"", None
        if outbound.waiter is self:  # not when the reply is here: an idle connection must not hold a prompt either
            outbound.waiter = exchange
        exchange.begin(serve(exchange, outbound))
        return exchange

    def _exchange(self, *, with_body: bool) -> Exchange:
        inbound = self.inbound
        head = read_known(self._reading, self._kept, _ANY_SIZE)  # it was within the limits when it was taken
        assert head is not None
        body = self._kept[head.size :] if with_body else b""
        exchange = Exchange(self.world, inbound, head, body, self.entry)
        if exchange.bytes_in < self._size:  # sent from the basin, and gone: nothing that may be sent again
            exchange.upload, exchange.bytes_in = PASSED_ON, self._size
        exchange.started, exchange.request_id = self._started, self._request_id
        exchange.waited_ns = perf_counter_ns() - self._sent
        exchange.table = self.table
        if self._books is not None:
            exchange.admitted, exchange.begun_at = True, self._begun_at
            exchange.context, exchange.context_for = self._context, self.attempt
        exchange.target = self.target or head.target
        exchange.operation, exchange.key, exchange.model, exchange.choices = (
            self.operation,
            self.key,
            self.model,
            self.choices,
        )
        return exchange

    def reply_head(self, head: ReplyHead) -> None:
        self._ordinary().reply_head(head)

    def reply_failed(self, error: UpstreamFailed) -> None:
        self.inbound.lane = None
        self._ordinary().reply_failed(error)

    def reply_piece(self, piece: bytes, whole_chunks: bytes | None) -> None:
        raise AssertionError("a lane has no streamed reply")

    def reply_end(self) -> None:
        raise AssertionError("a lane has no streamed reply")

    def interim(self, status: int) -> None:  # noqa: B027 - for all alike
        """As in an exchange: dropped."""

    def upstream_paused(self) -> None:  # noqa: B027 - for all alike
        """The whole body is on its way; there is nothing to hold back."""

    def upstream_resumed(self) -> None:  # noqa: B027 - for all alike
        """Nothing was paused."""

    def body_piece(self, piece: bytes | memoryview) -> None:
        raise AssertionError("a lane has its whole body")

    def body_end(self) -> None:
        raise AssertionError("a lane has its whole body")

    def client_failed(self, error: GatewayError) -> None:
        self.inbound.lane = None
        self._ordinary().client_failed(error)

    def client_gone(self) -> None:
        self.inbound.lane = None
        self._ordinary().client_gone()

    def client_half_closed(self) -> bool:
        self.inbound.lane = None
        return self._ordinary().client_half_closed()

    def client_paused(self) -> None:  # noqa: B027 - for all alike
        """Nothing comes before the reply; the one that is being written is whole."""

    def client_resumed(self) -> None:  # noqa: B027 - for all alike
        """Nothing was paused."""
