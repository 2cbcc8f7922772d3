"""Two gateways side by side, one without lanes: what they write, close and count for the same bytes must agree.

`Pair.step` feeds both with the same reads and compares everything that came out; `learn` repeats usual exchanges until
whatever can be learnt of them has been learnt.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fastproxy.gateway.lane import Lane
from fastproxy.shared import rows
from fastproxy.wire.inbound import AT_HEAD
from fastproxy.wire.outbound import IDLE
from tests.gateway.gateway_stage import pour, warm
from tests.wire.fakes import Wire, wire_of
from tests.wire.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastproxy.gateway.exchange import Exchange
    from fastproxy.wire.stencil import Stencil

Fields = tuple[tuple[bytes, bytes], ...]
Values = dict[bytes, bytes]
WARM_UP = 40  # a shape is compiled after 16 sightings, a stencil is cut after 16 more heads
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Id: 1\r\nContent-Length: 2\r\n\r\nok"
_OWN_ID = re.compile(rb"(?<=\r\n)((?:x-)?request-id|server-timing): [^\r]*")


def _lay_nothing(exchange: Exchange) -> None:
    return None


class Side:
    """One gateway with one client and one upstream connection; both are replaced when they are of no more use."""

    def __init__(self, stage: Stage, *, lanes: bool) -> None:
        self.stage = stage
        if not lanes:
            stage.world.lay = _lay_nothing
        self.client = stage.client()
        self.outbound = warm(stage.pool, Wire())

    def step(self, request: Sequence[bytes], reply: Sequence[bytes]) -> tuple[object, ...]:
        """Feed one read after the other; answer everything that goes up. What became of it all."""
        client, outbound = self.client, self.outbound
        sent, received = wire_of(outbound), wire_of(client)
        ups, downs = [], []
        for piece in request:
            if received.closed or received.ended:
                break
            pour(received, piece)
            while up := sent.take():
                ups.append(up)
                if not up.endswith((b"\r\n\r\n", b"}", b"!")):
                    continue  # the end of the body is still to come
                for part in reply:
                    if not sent.closed:
                        outbound.data_received(part)
            downs.append(_OWN_ID.sub(rb"\1: own", received.take()))
        told = (b"".join(ups), b"".join(downs), received.closed, received.ended, client.state, outbound.phase)
        self._replace()
        return told

    def _replace(self) -> None:
        client, outbound = self.client, self.outbound
        if client.state is not AT_HEAD or client._buffer or wire_of(client).closed or wire_of(client).ended:
            client.connection_lost(None)
            self.client = self.stage.client()
        if outbound.phase is not IDLE or wire_of(outbound).closed:
            outbound.connection_lost(None)
            self.outbound = warm(self.stage.pool, Wire())

    @property
    def counts(self) -> list[int]:
        counts = self.stage.world.counts
        return [*counts[rows.REQUESTS : rows.DURATION], *counts[rows.TOKENS : rows.USAGE_UNREAD + 1]]

    @property
    def lane(self) -> Lane:
        assert isinstance(self.client.lane, Lane)
        return self.client.lane

    @property
    def asked(self) -> Stencil:
        return self.lane._habit.stencil

    @property
    def answered(self) -> Stencil:
        return self.lane.attempt.replies.stencil


class Pair:
    """A gateway with lanes and one without."""

    def __init__(self, make: Callable[[], Stage] = Stage) -> None:
        self.fast, self.slow = Side(make(), lanes=True), Side(make(), lanes=False)

    def step(self, request: bytes | Sequence[bytes], reply: bytes | Sequence[bytes] = OK) -> tuple[Any, ...]:
        """What both made of it, which is the same but for the spaces around values, which mean nothing."""
        pieces = [request] if isinstance(request, bytes) else request
        parts = [reply] if isinstance(reply, bytes) else reply
        fast, slow = self.fast.step(pieces, parts), self.slow.step(pieces, parts)
        assert [bare(told) for told in fast] == [bare(told) for told in slow], (pieces, parts)
        if not re.search(rb":[ \t]{2}|[ \t]\r\n|:[ \t]*\r\n", b"".join((*pieces, *parts))):
            assert fast == slow, (pieces, parts)
        assert self.fast.counts == self.slow.counts
        return fast

    def learn(self, request: Callable[[int], bytes], reply: Callable[[int], bytes] = lambda number: OK) -> Pair:
        for number in range(WARM_UP):
            self.step(request(number), reply(number))
        return self


def bare(told: object) -> object:
    if not isinstance(told, bytes):
        return told
    head, end, rest = told.partition(b"\r\n\r\n")
    return re.sub(rb"(\r\n[^:\r]+:)[ \t]*([^\r]*?)[ \t]*(?=\r\n|\Z)", rb"\1 \2", head) + end + rest


def head_of(start: bytes, fields: Fields, values: Values, body: bytes) -> bytes:
    """`fields` with other values where `values` has some, and the length of the body where Content-Length stands."""
    known = {b"Content-Length": b"%d" % len(body)} | values
    lines = [b"%b: %b\r\n" % (name, known.get(name, value)) for name, value in fields]
    return start + b"\r\n" + b"".join(lines) + b"\r\n" + body
