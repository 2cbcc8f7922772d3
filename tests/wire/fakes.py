"""Stand-ins for what the wire talks to: a transport that keeps what is written, a clock, an application, a waiter.

They record and never decide, so that a test reads as a conversation: feed bytes, look at what
was understood and written.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastproxy.errors import GatewayError, UpstreamFailed
from fastproxy.wire.deadlines import Deadlines
from fastproxy.wire.front import Front
from fastproxy.wire.inbound import Inbound, State
from fastproxy.wire.limits import WireLimits
from fastproxy.wire.origin import Origin
from fastproxy.wire.outbound import Outbound, Phase
from fastproxy.wire.pool import Pool, PoolCounts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.wire.reply_head import ReplyHead
    from fastproxy.wire.request_head import RequestHead

Data = bytes | bytearray | memoryview


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Wire(asyncio.Transport):
    """A socket that takes everything at once and remembers what became of it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.writes = 0
        self.closed = self.aborted = self.ended = False
        self.reading = True
        self.unsent = 0
        self.half_close = True
        self.protocol: Any = None

    def write(self, data: Data) -> None:
        self.sent += data
        self.writes += 1

    def writelines(self, list_of_data: Iterable[Data]) -> None:
        self.write(b"".join(list_of_data))

    def take(self) -> bytes:
        """What was written since the last look."""
        sent, self.sent = bytes(self.sent), bytearray()
        return sent

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return self.half_close

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_reading(self) -> bool:
        return self.reading

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self.protocol
        return protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 40000) if name == "peername" else default


@dataclass
class Taken:
    """An exchange that only listens."""

    head: RequestHead
    pieces: list[bytes]
    ended: bool = False
    failures: list[GatewayError] = field(default_factory=list)
    gone: bool = False
    paused: bool = False
    half_closed: bool = False
    stays_after_eof: bool = True
    application: Listener | None = None
    inbound: Inbound | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def body_piece(self, piece: bytes | memoryview) -> None:
        self.pieces.append(bytes(piece))

    def body_end(self) -> None:
        self.ended = True
        if self.application is not None and self.inbound is not None and self.application.reply:
            self.application.answer(self.inbound)

    def client_failed(self, error: GatewayError) -> None:
        self.failures.append(error)

    def client_gone(self) -> None:
        self.gone = True

    def client_half_closed(self) -> bool:
        self.half_closed = True
        return self.stays_after_eof

    def client_paused(self) -> None:
        self.paused = True

    def client_resumed(self) -> None:
        self.paused = False


class Listener:
    """An application that takes every request, and answers each at once when it has a `reply`."""

    def __init__(self, reply: bytes = b"") -> None:
        self.reply = reply
        self.taken: list[Taken] = []
        self.refused: list[GatewayError] = []

    def begin(self, inbound: Inbound, head: RequestHead, body: bytes | memoryview) -> None:
        exchange = Taken(head, [bytes(body)], application=self, inbound=inbound)
        self.taken.append(exchange)
        inbound.exchange = exchange
        if inbound.body_complete:
            exchange.ended = True
            if self.reply:
                self.answer(inbound)

    def answer(self, inbound: Inbound) -> None:
        inbound.transport.write(self.reply)
        inbound.finish()

    def refuse(self, inbound: Inbound, error: GatewayError, head: RequestHead | None) -> bytes:
        self.refused.append(error)
        return b"HTTP/1.1 %d refused\r\n\r\n" % error.status


class Client:
    """An Inbound, the wire under it and the application behind it, under a clock that a test moves."""

    def __init__(self, reply: bytes = b"", limits: WireLimits | None = None) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.application = Listener(reply)
        self.front = Front(self.application, self.deadlines, limits or WireLimits())
        self.wire = Wire()
        self.inbound = Inbound(self.front)
        self.wire.protocol = self.inbound
        self.inbound.connection_made(self.wire)

    def feed(self, *pieces: bytes) -> Client:
        """What arrives, as a transport would bring it: nothing after the end."""
        for piece in pieces:
            if piece and not self.wire.closed:
                self.inbound.data_received(piece)
        return self

    def bytewise(self, data: bytes) -> Client:
        return self.feed(*(data[place : place + 1] for place in range(len(data))))

    def passes(self, seconds: float) -> None:
        self.clock.now += seconds
        self.deadlines.tick()

    def state(self) -> State:
        return self.inbound.state

    @property
    def taken(self) -> list[Taken]:
        return self.application.taken

    @property
    def statuses(self) -> list[int]:
        return [error.status for error in self.application.refused]

    def account(self) -> tuple[object, ...]:
        """Everything that two ways of feeding the same bytes must agree on."""
        told = [(*meaning(exchange.head), exchange.body, exchange.ended) for exchange in self.taken]
        failed = [[error.status for error in exchange.failures] for exchange in self.taken]
        return told, failed, self.statuses, self.inbound.state is State.LINGER


def bare(values: list[bytes]) -> tuple[bytes, ...]:
    """Values without the optional whitespace around them, which the parser leaves at their end."""
    return tuple(value.strip(b" \t") for value in values)


def meaning(head: RequestHead) -> tuple[object, ...]:
    """A request head, field by field, however it was read."""
    connection = head.connection
    return (
        head.method, head.target, head.minor, head.host, head.length, head.keep_alive, head.expects, head.size,
        head.shape.names, bare(head.values), connection.close, connection.keep, connection.upgrade, connection.listed,
    )  # fmt: skip


def reply_meaning(head: ReplyHead) -> tuple[object, ...]:
    """A reply head, field by field, however it was read."""
    connection = head.connection
    return (
        head.status, head.framing, head.length, head.keep_alive, head.size, head.shape.names, bare(head.values),
        connection.close, connection.listed,
    )  # fmt: skip


class Waiting:
    """Who waits for a reply, and does what the relay does: ask for the body once the head is there."""

    def __init__(self, outbound: Outbound) -> None:
        self.outbound = outbound
        self.heads: list[ReplyHead] = []
        self.interims: list[int] = []
        self.pieces: list[bytes] = []
        self.whole: list[bytes | None] = []
        self.failures: list[UpstreamFailed] = []
        self.ended = 0
        self.paused = False

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def whole_reply(self, outbound: Outbound, data: bytes) -> bool:
        return False

    def reply_head(self, head: ReplyHead) -> None:
        self.heads.append(head)
        if self.outbound.phase is Phase.IDLE:
            self.pieces.append(bytes(self.outbound.pending))
            self.ended += 1
        elif self.outbound.phase is Phase.BODY:
            self.outbound.stream()

    def interim(self, status: int) -> None:
        self.interims.append(status)

    def reply_piece(self, piece: bytes, whole_chunks: bytes | None) -> None:
        self.pieces.append(bytes(piece))
        self.whole.append(whole_chunks)

    def reply_end(self) -> None:
        self.ended += 1

    def reply_failed(self, error: UpstreamFailed) -> None:
        self.failures.append(error)

    def upstream_paused(self) -> None:
        self.paused = True

    def upstream_resumed(self) -> None:
        self.paused = False


async def no_dial(pool: Pool) -> Outbound:
    raise UpstreamFailed("nobody dials here", retry="if_unsent")


class Upstream:
    """A pool with connections over fake wires, under a clock that a test moves."""

    def __init__(self, limits: WireLimits | None = None) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.counts = PoolCounts()
        self.limits = limits or WireLimits()
        self.dialled: list[Outbound] = []
        self.pool = Pool(Origin("origin.test", 80), self.deadlines, self.limits, self.dial, self.counts)

    async def dial(self, pool: Pool) -> Outbound:
        outbound = self.connection()
        self.dialled.append(outbound)
        return outbound

    def connection(self) -> Outbound:
        outbound = Outbound(self.pool)
        outbound.connection_made(Wire())
        return outbound

    def passes(self, seconds: float) -> None:
        self.clock.now += seconds
        self.deadlines.tick()


class Ask:
    """One request that was sent over one connection, and what comes back."""

    def __init__(self, *, to_head_request: bool = False, limits: WireLimits | None = None) -> None:
        self.upstream = Upstream(limits)
        self.outbound = self.upstream.connection()
        self.wire = wire_of(self.outbound)
        self.waiting = Waiting(self.outbound)
        self.outbound.expect(self.waiting, to_head_request)

    def feed(self, *pieces: bytes) -> Ask:
        for piece in pieces:
            if piece and not self.wire.closed:
                self.outbound.data_received(piece)
        return self

    def bytewise(self, data: bytes) -> Ask:
        return self.feed(*(data[place : place + 1] for place in range(len(data))))

    def account(self) -> tuple[object, ...]:
        waiting = self.waiting
        heads = [reply_meaning(head) for head in waiting.heads]
        failed = [(error.status, error.kind) for error in waiting.failures]
        return heads, waiting.interims, waiting.body, waiting.ended, failed, self.outbound.phase


def wire_of(connection: Outbound | Inbound) -> Wire:
    wire = connection.transport
    assert isinstance(wire, Wire)
    return wire
