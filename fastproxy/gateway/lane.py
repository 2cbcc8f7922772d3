"""The express lane: the next request of a connection that is like the last one, without a coroutine or an exchange.

A client on a kept connection mostly repeats itself: same fields, same host, same key, same model; only the body and a
trace id are new. After an ordinary exchange has gone well, it lays a lane for its connection. The lane takes a request
only if everything that decided the last journey is the same again, there is a warm connection, and the body is all
here; it takes the reply only if that is all here too. Anything else becomes an ordinary exchange at the point where
it is, so the lane decides nothing by itself: it only repeats.

A 1 KB edge exchange costs half the Python on the lane that it costs off it (bench/micro/test_lane.py).
"""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from time import perf_counter_ns, time
from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats.same_model import SameModel
from fastproxy.formats.usage import json_reader
from fastproxy.gateway.admit import reads_model
from fastproxy.gateway.exchange import JOIN_BYTES, PASSED_ON, Exchange
from fastproxy.gateway.prepare import forwarded
from fastproxy.gateway.relay import own_lines
from fastproxy.gateway.send import IDEMPOTENT
from fastproxy.gateway.serve import serve
from fastproxy.gateway.settle import count, count_usage, make_record
from fastproxy.gateway.table import EDGE, UNIFIED, Attempt
from fastproxy.wire.deadlines import NEVER
from fastproxy.wire.inbound import AT_REPLY
from fastproxy.wire.reply_head import MAX_REPLY_HEAD, STATUS_LINES, ReplyHead
from fastproxy.wire.request_head import HeadLimits, read_known
from fastproxy.wire.stencil import Habit, extra

if TYPE_CHECKING:
    from fastproxy.errors import GatewayError, UpstreamFailed
    from fastproxy.formats.usage_fields import Usage
    from fastproxy.wire.basin import Basin
    from fastproxy.wire.fields import Reading
    from fastproxy.wire.outbound import Outbound

# Statuses with a body that is framed as it says.
_STATUS: Final = {b"%d" % code: code for code in range(200, 600) if code not in (204, 304)}
MAX_STRANGE: Final = 64  # requests of another kind, after which the lane gives way
_ANY_SIZE: Final = HeadLimits(1 << 30, 1 << 30, 1 << 30)
# A request with one of these is decided anew each time.
_NEVER: Final = frozenset((b"via", b"max-forwards", b"x-forwarded-for", b"x-model-provider"))


def lay(exchange: Exchange) -> None:
    """Lay a lane for the connection of an exchange that has just gone well, if its next request can be foreseen."""
    head, attempt, inbound = exchange.head, exchange.attempt, exchange.inbound
    reading = head.reading
    if attempt is None or reading is None or reading.drop is not attempt.drop or not head.keep_alive:
        return
    if exchange.attempts_made != 1 or attempt.bridges or attempt.api_version:
        return  # the first choice was not to be had; it may be again
    if head.method == b"HEAD" or attempt.rename or head.connection.listed or not _NEVER.isdisjoint(head.shape.index):
        return
    if exchange.entry is EDGE:
        route = exchange.table.catch_all
        same = exchange.choices == (attempt,) and exchange.target is head.target
        foreseen = route is not None and not route.confined and same
    else:
        foreseen = exchange.entry is UNIFIED and head.length > 0 and bool(exchange.model or not reads_model(exchange))
    if foreseen:
        inbound.lane = Lane(exchange, attempt, reading)


class Lane:
    """What the last exchange of a connection decided, and under which circumstances. Stands in for an Exchange."""

    __slots__ = ("_auth", "_expires", "_habit", "_head_end", "_head_start", "_kept", "_max_body", "_max_head",
                 "_metered", "_model", "_outbound", "_read_usage", "_reading", "_repeatable", "_request_id",
                 "_row", "_same", "_same_places", "_size", "_started", "_strange", "attempt", "choices",
                 "entry", "inbound", "key", "model", "operation", "table", "target", "world")  # fmt: skip

    def __init__(self, exchange: Exchange, attempt: Attempt, reading: Reading) -> None:
        head, inbound = exchange.head, exchange.inbound
        self.world = exchange.world
        self.table = exchange.table
        self.inbound = inbound
        self.attempt = attempt
        self.entry = exchange.entry
        self.choices = (attempt,)
        self.key = exchange.key
        self.model = exchange.model
        self.operation = exchange.operation
        self._reading = reading
        limits = inbound.front.limits.head
        self._max_head = min(limits.max_head, limits.max_target)
        self._max_body = inbound.front.limits.max_body
        # The groups that must be as they were: the method, Host, Connection and every field that stops here, which
        # includes the credentials; where they decided, path and content type. This compares a client with itself, not
        # with a key.
        self.target = b"" if exchange.entry is EDGE else exchange.target
        places = [0] if exchange.entry is EDGE else [0, 1]
        varies = (b"content-length", b"content-type") if exchange.entry is EDGE else (b"content-length",)
        places += [place for name, place in reading.places.items() if name not in varies]
        self._same_places = itemgetter(*places, 0)
        self._same: Any = self._same_places(head.groups)
        self._head_start = b"".join((head.method, b" ", attempt.prefix, self.target))
        self._head_end = self._constant_lines(head.host)
        self._auth = attempt.auth or bytes
        self._habit = Habit()
        self._kept = b""
        self._size = 0  # of the body
        self._row = exchange.entry.row
        self._read_usage = json_reader(self.operation.format if self.operation is not None else "")
        self._metered = self.operation is not None and self.operation.metered
        self._expires = self.key.expires if self.key is not None else 0.0
        self._model = SameModel(self.model) if self.entry is UNIFIED and reads_model(exchange) else None
        self._repeatable = inbound.secure or head.method in IDEMPOTENT or b"idempotency-key" in head.shape.index
        self._request_id = b""
        self._outbound: Outbound | None = None
        self._started = 0
        self._strange = 0

    def _constant_lines(self, host: bytes) -> bytes:
        """What `prepare` puts behind the client's own lines, as far as it is the same for every request."""
        attempt, inbound = self.attempt, self.inbound
        lines = b""
        if attempt.forwarded != "off":
            lines = b"x-forwarded-for: " + (inbound.forwarded or forwarded(inbound)) + host + b"\r\n"
        return lines + attempt.via

    # --- the request ----------------------------------------------------------------------------------------------

    def take(self, data: bytes) -> bool:
        """Send `data`, one whole request, upstream. False: it is not like the last one, or not ready for the lane."""
        self._started = perf_counter_ns()
        stencil = self._habit.stencil
        match = stencil.match(data)
        if match is None or (groups := match.groups())[::2] != stencil.constants:
            return self._take_new(data)
        values, start = groups[1::2], match.end()
        digits = values[stencil.length_at] if stencil.length_at >= 0 else b"0"
        if digits != b"%d" % (len(data) - start):
            return False  # before a model is looked for in half a body
        if self._model is not None and not self._model.asked_by(data, start):
            return False
        outbound = self._set_off(data, len(data) - start, start, digits)
        if outbound is None:
            return False
        values = (*values, self._auth())
        if len(data) < JOIN_BYTES:
            outbound.transport.write(stencil.fill(values, data[start:]))
        else:
            outbound.transport.writelines((stencil.fill(values, b""), memoryview(data)[start:]))
            if not self._repeatable and (self._model is None or self._model.learnt):
                self.inbound.read_large(self.world.basin)
        return True

    def take_large(self, basin: Basin, size: int) -> bool:
        """As `take`, for a request of `size` bytes that lies in the basin and is sent from there."""
        if self._repeatable:
            return False
        self._started = perf_counter_ns()
        data, stencil = basin.hold(size), self._habit.stencil
        match = stencil.match(data)
        if match is None or (groups := match.groups())[::2] != stencil.constants:
            return False
        values, start = groups[1::2], match.end()
        if stencil.length_at < 0 or not (self._model is None or self._model.asked_at(basin.address, data, start)):
            return False
        outbound = self._set_off(bytes(data[:start]), size - start, start, values[stencil.length_at])
        if outbound is None:
            return False
        basin.send(outbound.transport, stencil.fill((*values, self._auth()), b""), start, size)
        return True

    def _take_new(self, data: bytes) -> bool:
        """As `take`, for a head that is new in more than its values."""
        reading = self._reading
        match = reading.match(data)
        if match is None or self._same_places(groups := match.groups()) != self._same:
            self._is_strange()
            return False
        start = match.end()
        digits = groups[reading.length_at] if reading.length_at >= 0 else b"0"
        if digits != b"%d" % (len(data) - start):
            return False  # before a model is looked for in half a body
        if self._model is not None and not self._model.asked_by(data, start):
            return False
        outbound = self._set_off(data, len(data) - start, start, digits)
        if outbound is None:
            return False
        head = self._head(groups, digits, self._auth())
        if len(data) < JOIN_BYTES:
            outbound.transport.write(head + data[start:])
        else:
            outbound.transport.writelines((head, memoryview(data)[start:]))
        self._habit.learn(data[:start], self._rewrite)
        return True

    def _is_strange(self) -> None:
        """A client may turn to requests of another kind: they get a lane of their own."""
        self._strange += 1
        if self._strange == MAX_STRANGE or self.world.table is not self.table:
            self.inbound.lane = None

    def _set_off(self, kept: bytes, size: int, start: int, digits: bytes) -> Outbound | None:
        """Be the exchange of a request with `size` bytes of body from `start` on; None if it may not pass, or not now.

        `kept` is the request, or its head if the body is not kept.
        """
        inbound, world = self.inbound, self.world
        if world.table is not self.table:
            inbound.lane = None  # decided under a configuration that is no longer in force
            return None
        if digits != b"%d" % size or start > self._max_head or size > self._max_body or inbound.front.draining:
            return None
        if self._expires and time() > self._expires:
            return None
        outbound = self.attempt.pool.take()
        if outbound is None:
            return None
        self._kept = kept
        self._size = size
        self._request_id = b""
        self._outbound = outbound
        inbound.exchange = self
        inbound.state = AT_REPLY
        inbound.deadline = NEVER
        outbound.expect(self, to_head_request=False)
        return outbound

    def _head(self, groups: tuple[bytes, ...], digits: bytes, auth: bytes) -> bytes:
        """The head for the upstream, of what the reading has picked out of the client's."""
        reading = self._reading
        parts = [self._head_start]
        if not self.target:
            parts.append(groups[1])
        parts.append(self.attempt.fixed)
        parts += [groups[place] for place in reading.runs]
        parts += (auth, self._head_end)
        parts += (b"content-length: ", digits, b"\r\n\r\n") if reading.length_at >= 0 else (b"\r\n",)
        return b"".join(parts)

    def _rewrite(self, head: bytes) -> bytes | None:
        """As `_head`, for a head with marks."""
        match = self._reading.match(head)
        if match is None:
            return None
        groups = match.groups()
        digits = groups[self._reading.length_at] if self._reading.length_at >= 0 else b"0"
        return self._head(groups, digits, extra(0))

    # --- the reply ------------------------------------------------------------------------------------------------

    def whole_reply(self, outbound: Outbound, data: bytes) -> bool:
        """Relay `data` if it is one whole reply like the last one; False leaves it to the ordinary way."""
        stencil = self.attempt.replies.stencil
        match = stencil.match(data)
        if match is None or (groups := match.groups())[::2] != stencil.constants:
            return self._new_reply(outbound, data)
        values, start = groups[1::2], match.end()
        if values[stencil.length_at] != b"%d" % (len(data) - start) or not self._may_relay(stencil.status, data, start):
            return False
        self._request_id = self.world.next_id()
        body = data[start:]
        self.inbound.transport.write(stencil.fill((*values, self._request_id, self.world.date_line), body))
        self._settle(outbound, stencil.status, body)
        return True

    def _may_relay(self, status: int, data: bytes, start: int) -> bool:
        """Not without a body; and a stream, or what is compressed, is metered by the ordinary way."""
        if len(data) == start or start > MAX_REPLY_HEAD or self.inbound.front.draining:
            return False
        return not self._metered or status >= 300 or data.startswith(b"{", start)

    def _new_reply(self, outbound: Outbound, data: bytes) -> bool:
        """As `whole_reply`, for a head that is new in more than its values."""
        reading = outbound.pool.reading
        if reading is None or reading.drop is not self.attempt.reply_drop or reading.length_at < 0:
            return False
        match = reading.match(data)
        if match is None:
            return False
        groups, start = match.groups(), match.end()
        status = _STATUS.get(groups[0])
        if status is None or groups[reading.length_at] != b"%d" % (len(data) - start):
            return False
        if reading.connection_at >= 0 and groups[reading.connection_at].lower() != b"keep-alive":
            return False
        if reading.request_id_at >= 0 and not groups[reading.request_id_at].strip(b" \t"):
            return False
        if not self._may_relay(status, data, start):
            return False
        self._request_id = self.world.next_id()
        body = data[start:]
        head = self._reply_head(reading, groups, self._request_id, self.world.date_line)
        self.attempt.replies.learn(data[:start], partial(self._rewrite_reply, reading))
        self.inbound.transport.write(head + body)
        self._settle(outbound, status, body)
        return True

    def _reply_head(self, reading: Reading, groups: tuple[bytes, ...], own_id: bytes, date_line: bytes) -> bytes:
        """The head for the client, of what the reading has picked out of the upstream's."""
        parts = [STATUS_LINES[int(groups[0])]]
        parts += [groups[place] for place in reading.runs]
        parts.append(self.attempt.reply_lines)
        if self.operation is not None:
            theirs = groups[reading.request_id_at] if reading.request_id_at >= 0 else None
            parts.append(own_lines(own_id, 1, theirs))
        if b"date" not in reading.shape.index:
            parts.append(date_line)
        parts += (b"content-length: ", groups[reading.length_at], b"\r\n\r\n")
        return b"".join(parts)

    def _rewrite_reply(self, reading: Reading, head: bytes) -> bytes | None:
        match = reading.match(head)
        return self._reply_head(reading, match.groups(), extra(0), extra(1)) if match is not None else None

    def _settle(self, outbound: Outbound, status: int, body: bytes) -> None:
        outbound.done()
        self._outbound = None
        world = self.world
        duration = (perf_counter_ns() - self._started) // 1000
        count(world.counts, self._row, status, duration, (self._size, len(body)))
        usage = None
        if self._metered and status < 300 and self.operation is not None:
            usage = self._read_usage(body)
            count_usage(world, self.operation.format, usage)
        if self.world.log is not None:
            self._log(status, duration, body, usage)
        self._kept = b""  # a connection that waits must not hold a prompt
        self.inbound.finish()

    def _log(self, status: int, duration: int, body: bytes, usage: Usage | None) -> None:
        """Hand the access log what an ordinary exchange would have."""
        exchange = self._exchange(with_body=False)
        exchange.attempt, exchange.attempts_made = self.attempt, 1
        exchange.status, exchange.bytes_out, exchange.usage = status, len(body), usage
        exchange.request_id = self._request_id
        if self.world.log is not None:
            self.world.log(make_record(exchange, duration))

    # --- back to the ordinary way ---------------------------------------------------------------------------------

    def _ordinary(self) -> Exchange:
        """The exchange that this would have been, waiting for the reply to what has been sent. The lane stays."""
        outbound = self._outbound
        assert outbound is not None
        exchange = self._exchange(with_body=True)
        self._kept, self._outbound = b"", None
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
        exchange.started = self._started
        exchange.table = self.table
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

    def interim(self, status: int) -> None:
        """As in an exchange: dropped."""

    def upstream_paused(self) -> None:
        """The whole body is on its way; there is nothing to hold back."""

    def upstream_resumed(self) -> None:
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

    def client_paused(self) -> None:
        """Nothing comes before the reply; the one that is being written is whole."""

    def client_resumed(self) -> None:
        """Nothing was paused."""
