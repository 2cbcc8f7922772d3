"""The lane of bytes: a request like the last one goes up with its head rewritten, and so does its reply come down."""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from fastproxy.formats.same_model import SameModel
from fastproxy.formats.usage import json_reader
from fastproxy.gateway.admit import reads_model
from fastproxy.gateway.exchange import JOIN_BYTES
from fastproxy.gateway.lane import STATUSES, Lane
from fastproxy.gateway.mask import FIRST_STATUS
from fastproxy.gateway.prepare import forwarded
from fastproxy.gateway.relay import milliseconds, own_lines
from fastproxy.gateway.send import IDEMPOTENT
from fastproxy.gateway.table import EDGE, UNIFIED, Attempt
from fastproxy.wire.digits import digits
from fastproxy.wire.reply_head import MAX_REPLY_HEAD, STATUS_LINES
from fastproxy.wire.stencil import CONSTANTS, extra

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.wire.basin import Basin
    from fastproxy.wire.fields import Reading
    from fastproxy.wire.outbound import Outbound

_BRACE: Final = 0x7B
_METHOD: Final = (0,)
_METHOD_AND_TARGET: Final = (0, 1)
_EDGE_VARIES: Final = (b"content-length", b"content-type")
_VARIES: Final = (b"content-length",)


class RelayLane(Lane):
    """Passes bytes on, both ways."""

    __slots__ = ("_head_end", "_head_start", "_model", "_read_usage", "_repeatable")

    def __init__(self, exchange: Exchange, attempt: Attempt, reading: Reading) -> None:
        is_edge = exchange.entry is EDGE
        super().__init__(exchange, attempt, reading, b"" if is_edge else exchange.target)
        head, inbound = exchange.head, exchange.inbound
        self._stay_same(head, _EDGE_VARIES if is_edge else _VARIES, _METHOD if is_edge else _METHOD_AND_TARGET)
        self._head_start = b"".join((head.method, b" ", attempt.prefix, self.target))
        self._head_end = self._constant_lines(head.host)
        self._read_usage = json_reader(self.operation.format if self.operation is not None else "")
        self._model = SameModel(self.model) if self.entry is UNIFIED and reads_model(exchange) else None
        self._repeatable = inbound.secure or head.method in IDEMPOTENT or b"idempotency-key" in head.shape.index

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
        if match is None or (groups := match.groups())[CONSTANTS] != stencil.constants:
            return self._take_new(data)
        start = match.end()
        length = groups[stencil.length_at] if stencil.length_at >= 0 else b"0"
        if length != digits(len(data) - start):
            return False  # before a model is looked for in half a body
        if self._model is not None and not self._model.asked_by(data, start):
            return False
        outbound = self._set_off(data, len(data) - start, start)
        if outbound is None:
            return False
        if len(data) < JOIN_BYTES:
            outbound.transport.write(stencil.fill(groups, (self._auth(), data[start:])))
        else:
            outbound.transport.writelines((stencil.fill(groups, (self._auth(), b"")), memoryview(data)[start:]))
            if not self._repeatable and (self._model is None or self._model.learnt):
                self.inbound.read_large(self.world.basin)
        self._sent = perf_counter_ns()
        return True

    def take_large(self, basin: Basin, size: int) -> bool:
        """As `take`, for a request of `size` bytes that lies in the basin and is sent from there."""
        if self._repeatable:
            return False
        self._started = perf_counter_ns()
        data, stencil = basin.hold(size), self._habit.stencil
        match = stencil.match(data)
        if match is None or (groups := match.groups())[CONSTANTS] != stencil.constants:
            return False
        start = match.end()
        if stencil.length_at < 0 or groups[stencil.length_at] != digits(size - start):
            return False
        if not (self._model is None or self._model.asked_at(basin.address, data, start)):
            return False
        outbound = self._set_off(bytes(data[:start]), size - start, start)
        if outbound is None:
            return False
        basin.send(outbound.transport, stencil.fill(groups, (self._auth(), b"")), start, size)
        self._sent = perf_counter_ns()
        return True

    def _take_new(self, data: bytes) -> bool:
        """As `take`, for a head that is new in more than its values."""
        reading = self._reading
        match = reading.match(data)
        if match is None or not self._is_like_the_last(groups := match.groups(), data, match.end()):
            self._is_strange()
            return False
        start = match.end()
        length = groups[reading.length_at] if reading.length_at >= 0 else b"0"
        if length != digits(len(data) - start):
            return False  # before a model is looked for in half a body
        if self._model is not None and not self._model.asked_by(data, start):
            return False
        outbound = self._set_off(data, len(data) - start, start)
        if outbound is None:
            return False
        head = self._head(groups, length, self._auth())
        if len(data) < JOIN_BYTES:
            outbound.transport.write(head + data[start:])
        else:
            outbound.transport.writelines((head, memoryview(data)[start:]))
        self._sent = perf_counter_ns()
        self._habit.learn(data[:start], self._rewrite)
        return True

    def _head(self, groups: tuple[bytes, ...], length: bytes, auth: bytes) -> bytes:
        """The head for the upstream, of what the reading has picked out of the client's."""
        reading = self._reading
        parts = [self._head_start]
        if not self.target:
            parts.append(groups[1])
        parts.append(self.attempt.fixed)
        parts += [groups[place] for place in reading.runs]
        parts += (auth, self._head_end)
        parts += (b"content-length: ", length, b"\r\n\r\n") if reading.length_at >= 0 else (b"\r\n",)
        return b"".join(parts)

    def _rewrite(self, head: bytes) -> bytes | None:
        """As `_head`, for a head with marks."""
        match = self._reading.match(head)
        if match is None:
            return None
        groups = match.groups()
        length = groups[self._reading.length_at] if self._reading.length_at >= 0 else b"0"
        return self._head(groups, length, extra(0))

    # --- the reply ------------------------------------------------------------------------------------------------

    def whole_reply(self, outbound: Outbound, data: bytes) -> bool:
        """Relay `data` if it is one whole reply like the last one; False leaves it to the ordinary way."""
        self._heard = perf_counter_ns()
        stencil = self.attempt.replies.stencil
        match = stencil.match(data)
        if match is None or (groups := match.groups())[CONSTANTS] != stencil.constants:
            return self._new_reply(outbound, data)
        start = match.end()
        if groups[stencil.length_at] != digits(len(data) - start) or not self._may_relay(stencil.status, data, start):
            return False
        body, usage = data[start:], None
        if self._is_metered and stencil.status < 300 and (usage := self._read_usage(body)) is None:
            return False  # what does not say its price is estimated on the ordinary way
        self._close_books(stencil.status, len(body), usage)
        if self.operation is not None:
            told = self.world.date_line, self.name(), milliseconds(self._own_us), body
        else:
            told = self.world.date_line, b"", b"", body  # an edge route tells nothing of its own
        self.inbound.transport.write(stencil.fill(groups, told))
        self._settle(outbound, stencil.status, len(body), usage)
        return True

    def _may_relay(self, status: int, data: bytes, start: int) -> bool:
        """Not without a body; and a stream, or what is compressed, is metered by the ordinary way."""
        if len(data) == start or start > MAX_REPLY_HEAD or self.inbound.front.draining:
            return False
        if status >= FIRST_STATUS and self.attempt.secrets:
            return False  # it might show one of them
        return not self._is_metered or status >= 300 or data[start] == _BRACE

    def _new_reply(self, outbound: Outbound, data: bytes) -> bool:
        """As `whole_reply`, for a head that is new in more than its values."""
        reading = outbound.pool.reading
        match = self._recognised(reading, data)
        if match is None or reading is None:
            return False
        groups, start = match.groups(), match.end()
        status = STATUSES[groups[0]]
        if not self._may_relay(status, data, start):
            return False
        body, usage = data[start:], None
        if self._is_metered and status < 300 and (usage := self._read_usage(body)) is None:
            return False
        self._close_books(status, len(body), usage)
        told = (self.name(), milliseconds(self._own_us))
        head = self._reply_head(reading, groups, self.world.date_line, told)
        self.attempt.replies.learn(data[:start], partial(self._rewrite_reply, reading))
        self.inbound.transport.write(head + body)
        self._settle(outbound, status, len(body), usage)
        return True

    def _reply_head(
        self, reading: Reading, groups: tuple[bytes, ...], date_line: bytes, told: tuple[bytes, bytes]
    ) -> bytes:
        """The head for the client, of what the reading has picked out of the upstream's."""
        parts = [STATUS_LINES[int(groups[0])]]
        parts += [groups[place] for place in reading.runs]
        parts.append(self.attempt.reply_lines)
        if self.operation is not None:
            theirs = groups[reading.request_id_at] if reading.request_id_at >= 0 else None
            own_id, own_ms = told
            parts.append(own_lines(own_id, 1, theirs, own_ms))
        if b"date" not in reading.shape.index:
            parts.append(date_line)
        parts += (b"content-length: ", groups[reading.length_at], b"\r\n\r\n")
        return b"".join(parts)

    def _rewrite_reply(self, reading: Reading, head: bytes) -> bytes | None:
        match = reading.match(head)
        return self._reply_head(reading, match.groups(), extra(0), (extra(1), extra(2))) if match is not None else None
