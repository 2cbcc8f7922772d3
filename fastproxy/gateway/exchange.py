"""One request on its journey: what is known of it, and the thread of control that carries it from station to station.

The journey is a coroutine without a task. It suspends in `pause`; the connection at either end wakes it with `wake` or
`fail`. That costs 0.4 us where a task and a future cost 3.6, and leaves serve.py readable. Waiting for something that
really takes time (opening a connection) goes through `wait`, which runs it as a task.
"""

from __future__ import annotations

from enum import IntEnum
from time import perf_counter_ns
from types import coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from fastproxy.errors import Limited, UpstreamFailed
from fastproxy.gateway.books import close_books
from fastproxy.gateway.client_address import client_address
from fastproxy.gateway.leave import read_on
from fastproxy.payloads import Try
from fastproxy.payloads import text as short
from fastproxy.wire.chunked import LAST_CHUNK
from fastproxy.wire.outbound import Outbound
from fastproxy.wire.pump import Pump

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Generator

    from fastproxy.errors import GatewayError
    from fastproxy.formats.operations import Operation
    from fastproxy.formats.usage_fields import Usage
    from fastproxy.gateway.bodies import Kept
    from fastproxy.gateway.mask import Mask
    from fastproxy.gateway.one_shot import OneShot
    from fastproxy.gateway.table import Attempt, Entry, Key, Table
    from fastproxy.gateway.translate import Translation
    from fastproxy.gateway.watch import Meter
    from fastproxy.gateway.world import World
    from fastproxy.wire.inbound import Inbound
    from fastproxy.wire.reply_head import ReplyHead
    from fastproxy.wire.request_head import RequestHead

Result = TypeVar("Result")
JOIN_BYTES = 32768  # up to here one joined write is cheaper than a vectored one
EARLY_PIECE_BYTES = 65536  # of a request body kept while its upstream connection is being opened


class ClientGone(Exception):
    """The client has left; nobody is there to be answered."""


class Upload(IntEnum):
    """What happens to the pieces of the request body."""

    KEEP = 0  # kept until the journey takes them
    LENGTH = 1  # passed on as they are
    CHUNKED = 2  # passed on as chunks


class Download(IntEnum):
    """How the reply body is written to the client."""

    PLAIN = 0  # as it comes: counted, or until close
    CHUNKED = 1


# Bound once: looking a member up on its Enum costs 70 ns on CPython 3.11, and these are asked for several times a
# request.
KEPT, PASSED_ON, PASSED_IN_CHUNKS = Upload
AS_IT_COMES, AS_CHUNKS = Download


def _give_back(task: asyncio.Future[Any]) -> None:
    """A connection that was opened for somebody who has left in the meantime."""
    if not task.cancelled() and task.exception() is None and isinstance(task.result(), Outbound):
        task.result().reusable = True
        task.result().pool.give_back(task.result())


class _Rare:
    """What most exchanges never set. Reading falls back to these values, so making an exchange does not pay for
    them."""

    key: Key | None = None
    operation: Operation | None = None
    model = ""
    error_kind = ""
    request_id = b""
    usage: Usage | None = None
    meter: Meter | None = None
    first_byte = 0  # when the reply's first body byte came, as perf_counter_ns
    fetched_bytes = 0  # of files that the request names by URL
    held_bytes = 0  # of the body, counted in the worker's bound
    grown = 0  # bytes by which the body goes upstream longer than it came, another model being named in it
    translation: Translation | OneShot | None = None  # of a request whose channel speaks another format
    asked: tuple[bytes | memoryview, bytes] | None = None  # body and target, if an attempt has put its own there
    tunnelled = False  # the client asked for a WebSocket
    streams: bool | None = None  # whether the reply does, once it has been looked at
    address = ""  # the client's, once somebody has asked for it
    protocols: bytes | None = None  # the line of its sub-protocols, if not all of them go on; see identify.py
    waited_for: asyncio.Future[Any] | None = None
    upload_pump: Pump | None = None
    upstream_held = False  # its reads are paused, because the client takes no more
    early_held = False  # the client's reads are paused, because there is no upstream connection yet
    client_held = False  # its reads are paused, because the upstream takes no more
    left = False  # the client has, and its reply is read on without it: see leave.py
    choices: tuple[Attempt, ...] = ()  # filled at the door when it alone decides them
    # The books, see books.py
    admitted = False  # only the upstream can refuse it any more
    begun_at = 0  # when its BEGIN was written, in Unix milliseconds
    duration_us = -1  # known when the books are closed
    gateway_us = 0  # of it, likewise
    due = -1  # bytes of the body, where the client will count them: with the last of them it has all
    noted_at = 0  # the last PROGRESS, as perf_counter_ns
    context = b""  # the texts of its record, as packed for
    context_for: Attempt | None = None
    earlier: tuple[Try, ...] = ()  # attempts that did not serve
    kept: Kept | None = None  # collects the reply, where a rule wants bodies
    mask: Mask | None = None  # of an upstream's error that might show our credential


class Exchange(_Rare):
    """One request. Stations fill it in; see design: accept, identify, admit, route, prepare, send, relay, settle."""

    __slots__ = ("attempt", "attempts_made", "body", "bytes_in", "bytes_out", "download", "entry",
                 "head", "inbound", "journey", "outbound", "paused_at", "pieces", "reply", "started", "status",
                 "suspended", "table", "target", "trouble", "upload", "upstream_done", "waited_ns",
                 "world")  # fmt: skip

    def __init__(
        self, world: World, inbound: Inbound, head: RequestHead, body: bytes | memoryview, entry: Entry
    ) -> None:
        self.started = perf_counter_ns()
        self.world = world
        self.table: Table = world.table  # one configuration for the whole journey, whatever is reloaded meanwhile
        self.inbound = inbound
        self.head = head
        self.body = body  # all of it, or what came with the head
        self.entry = entry
        self.target = head.target  # what the upstream is asked for, without the attempt's prefix
        self.attempt: Attempt | None = None
        self.attempts_made = 0
        self.outbound: Outbound | None = None
        self.reply: ReplyHead | None = None
        self.status = 0
        self.bytes_in = len(body)
        self.bytes_out = 0
        self.upload = KEPT
        self.download = AS_IT_COMES
        self.pieces: list[bytes | memoryview] = []
        self.suspended = False
        self.paused_at = 0  # of the present pause, as perf_counter_ns
        self.waited_ns = 0  # in the pauses before
        self.upstream_done = False
        self.trouble: Exception | None = None

    # --- the thread of control ------------------------------------------------------------------------------------

    def begin(self, journey: Coroutine[Any, Any, None]) -> None:
        """Run the journey up to its first pause."""
        self.inbound.exchange = self
        self.journey = journey
        self._step(None)

    @coroutine
    def pause(self) -> Generator[Any, Any, Any]:
        """Wait for `wake` (its value is returned) or `fail` (its error is raised)."""
        if self.trouble is not None:
            self.check()
        self.suspended = True
        self.paused_at = begun = perf_counter_ns()
        try:
            return (yield None)
        finally:
            self.waited_ns += perf_counter_ns() - begun
            self.paused_at = 0

    def check(self) -> None:
        """Raise what has gone wrong while the journey was not waiting."""
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble

    async def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for `work`, run as a task of its own; a client that leaves cancels it."""
        if self.trouble is not None:
            work.close()
            self.check()
        task: asyncio.Task[Result] = self.world.spawn(work)
        self.waited_for = task
        task.add_done_callback(self._waited)
        try:
            while not task.done():
                await self.pause()
        except BaseException:
            task.cancel()
            task.add_done_callback(_give_back)
            raise
        finally:
            self.waited_for = None
        return task.result()

    def _waited(self, task: asyncio.Future[Any]) -> None:
        if self.waited_for is task:
            self.wake()

    def wake(self, value: object = None) -> None:
        if self.suspended:
            self.suspended = False
            self._step(value)

    def fail(self, error: Exception) -> None:
        """Raise `error` in the journey: now if it waits, at its next pause if it runs."""
        if not self.suspended:
            self.trouble = error
            return
        self.suspended = False
        try:
            self.journey.throw(error)
        except StopIteration:
            return

    def _step(self, value: object) -> None:
        try:
            self.journey.send(value)
        except StopIteration:
            return

    # --- the client's side: see wire.inbound.Exchange -------------------------------------------------------------

    def body_piece(self, piece: bytes | memoryview) -> None:
        self.bytes_in += len(piece)
        if self.entry.reads_body and self.bytes_in > self.held_bytes:
            self.hold_bytes(self.bytes_in - self.held_bytes)
        outbound = self.outbound
        if self.upload is KEPT or outbound is None:
            self.pieces.append(piece)
            if not self.entry.reads_body and self.bytes_in > EARLY_PIECE_BYTES and not self.early_held:
                self.early_held = True  # until there is a connection to pass it on to
                self.inbound.hold()
            return
        outbound.touch()
        if self.upload is PASSED_ON:
            outbound.transport.write(piece)
        elif piece:
            outbound.transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))

    def hold_bytes(self, count: int) -> None:
        """Count what is kept of bodies, over all exchanges of the worker."""
        world = self.world
        self.held_bytes += count
        world.buffered_bytes += count
        if world.buffered_bytes > world.max_buffered_bytes:
            text = "too many request bodies are held in memory"
            self.client_failed(Limited(text, status=503, kind="overloaded", retry_after=1))

    def body_end(self) -> None:
        if self.upload is PASSED_IN_CHUNKS and self.outbound is not None:
            self.outbound.transport.write(LAST_CHUNK)
        elif self.upload is KEPT:
            self.wake()

    def resume_early(self) -> None:
        """There is a connection now: read on, unless it is slow to take what it has got already."""
        if self.early_held:
            self.early_held = False
            if not self.client_held:
                self.inbound.let_go()

    def pump_upload(self, outbound: Outbound) -> None:
        """Let a pump carry the rest of a large body of known length."""
        inbound = self.inbound

        def moved(count: int) -> None:
            self.bytes_in += count
            outbound.touch()
            inbound.count_body(count)

        def done(surplus: bytes | None) -> None:
            self.upload_pump = None
            if surplus is None:
                self.client_gone()
            else:
                inbound.body_taken(surplus)

        self.upload_pump = Pump(inbound.transport, outbound.transport, self.world.reservoir, moved, done)
        self.upload_pump.start(inbound.body_left)
        if self.client_held:
            inbound.hold()  # the pump has begun to read, but the upstream takes nothing

    def client_failed(self, error: GatewayError) -> None:
        self.fail(error)

    def client_gone(self) -> None:
        if not read_on(self, self._cancel):
            self._cancel()

    def _cancel(self) -> None:
        self.fail(ClientGone())

    def client_half_closed(self) -> bool:
        """FIN after a whole request. An edge route goes on; a model call is cancelled, because tokens cost money."""
        if self.entry.name == "edge":
            return True
        self.inbound.keep_alive = False  # nor is a request behind it begun
        self.client_gone()
        return False

    def has_asked(self) -> bool:
        """Whether all of the request has gone upstream."""
        return self.upload is KEPT or (self.upload is PASSED_ON and self.bytes_in + self.grown == self.head.length)

    def client_paused(self) -> None:
        if self.outbound is not None and not self.upstream_done:
            self.upstream_held = True
            self.outbound.transport.pause_reading()

    def client_resumed(self) -> None:
        if self.outbound is not None and self.upstream_held:
            self.upstream_held = False
            self.outbound.transport.resume_reading()

    # --- the upstream's side: see wire.outbound.Waiter ------------------------------------------------------------

    def whole_reply(self, outbound: Outbound, data: bytes) -> bool:
        return False

    def reply_head(self, head: ReplyHead) -> None:
        if self.suspended:
            self.suspended = False
            try:
                self.journey.send(head)
            except StopIteration:
                return

    def interim(self, status: int) -> None:
        """100 was answered by us already, 102 and 103 are hints that may be dropped (RFC 9110 15.2)."""

    def reply_piece(self, piece: bytes, whole_chunks: bytes | None) -> None:
        self.bytes_out += len(piece)
        if self.mask is not None:
            piece = self.mask.feed(piece) if self.bytes_out != self.due else self.mask.feed(piece) + self.mask.end()
            whole_chunks = None
        if self.kept is not None:
            self.kept.feed(piece)
        if self.bytes_out == self.due:
            self._last_piece(piece)
            return
        self._pass_on(piece, whole_chunks)
        if self.meter is not None:
            self.meter.feed(piece)

    def _pass_on(self, piece: bytes, whole_chunks: bytes | None) -> None:
        if not piece:
            return  # a mask holds it back
        if self.download is AS_IT_COMES:
            self.inbound.transport.write(piece)
        elif whole_chunks is not None:
            self.inbound.transport.write(whole_chunks)
        else:
            self.inbound.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def _last_piece(self, piece: bytes) -> None:
        """Close the books before the client has all that it counts on, unless a stream breaks off with it."""
        meter = self.meter
        if meter is not None:
            meter.feed(piece)
        if meter is None or meter.has_ended():
            close_books(self)
        self._pass_on(piece, None)

    def reply_end(self) -> None:
        self.upstream_done = True
        self.count_payload()
        if self.meter is not None and not self.meter.has_ended():
            self.fail(UpstreamFailed("the upstream's stream ended before its end", kind="upstream_truncated"))
            return
        close_books(self)
        if self.mask is not None and (rest := self.mask.end()):
            self._pass_on(rest, None)
        if self.download is AS_CHUNKS:
            self.inbound.transport.write(LAST_CHUNK)
        self.wake()

    def count_payload(self) -> None:
        """Whole chunks do not pass through `reply_piece`; their reader has counted all of them."""
        if self.outbound is not None and self.translation is None:
            self.bytes_out = max(self.bytes_out, self.outbound.payload_bytes)

    def reply_failed(self, error: UpstreamFailed) -> None:
        self.upstream_done = True
        self.count_payload()
        self.fail(error)

    def upstream_paused(self) -> None:
        self.client_held = True
        self.inbound.hold()

    def upstream_resumed(self) -> None:
        self.client_held = False
        self.inbound.let_go()

    def release(self) -> None:
        """Let both connections go in a state in which the next exchange can use them, or not at all."""
        outbound, inbound = self.outbound, self.inbound
        if self.upload_pump is not None:
            self.upload_pump.stop()
        if self.client_held or self.early_held:
            inbound.let_go()
        if outbound is None:
            return
        if self.upstream_held and not outbound.transport.is_closing():
            outbound.transport.resume_reading()  # a paused connection in the pool would hang the next exchange
        if not inbound.body_complete:
            outbound.reusable = False  # the upstream still waits for the rest of this request
        self.outbound = None
        outbound.pool.give_back(outbound)

    def ask_else(self, body: bytes | memoryview, target: bytes) -> None:
        """An attempt asks in its own words; `rewind` gives the next one the client's."""
        if self.asked is None:
            self.asked = (self.body, self.target)
        self.body, self.target = body, target

    def rewind(self) -> None:
        if self.asked is not None:
            self.body, self.target = self.asked

    def note_failed(self, error: GatewayError, begun: int) -> None:
        """An attempt begun then (perf_counter_ns) did not serve, and another one will be made."""
        attempt, number = self.the_attempt(), self.attempts_made
        model = short(attempt.rename.get(self.model, self.model))
        took = (perf_counter_ns() - begun) // 1000
        tried = Try(number, attempt.channel, attempt.provider, model, attempt.format, error.status, error.kind, took)
        self.earlier = (*self.earlier, tried)

    # --- small questions ------------------------------------------------------------------------------------------

    def name(self) -> bytes:
        """The request's id, made when somebody first asks for it."""
        if not self.request_id:
            self.request_id = self.world.next_id()
        return self.request_id

    def own_us(self) -> int:
        """Microseconds in which the journey waited for nobody. What is done for a piece of a body in the middle of a
        pause counts as waiting."""
        return max(0, (self.paused_at or perf_counter_ns()) - self.started - self.waited_ns) // 1000

    def client_ip(self) -> str:
        """Where the client is, as far as its proxies are believed; "unix" when that is a Unix socket."""
        if not self.address:
            self.address = client_address(self.inbound.peer, self.head, self.table.proxies)
        return self.address

    def is_stream(self) -> bool:
        if self.translation is not None and self.attempt is not None and self.attempt.bridges:
            return self.translation.is_stream
        if self.streams is not None:
            return self.streams
        kind = self.reply.get(b"content-type") if self.reply is not None else None
        return kind is not None and kind.startswith(b"text/event-stream")

    def metered_as(self) -> str:
        """The format in which the upstream says what a reply cost; "" where nothing is metered."""
        spoken = self.attempt.format if self.attempt is not None else ""
        return spoken or (self.operation.format if self.operation is not None else "")

    def the_attempt(self) -> Attempt:
        return cast("Attempt", self.attempt)
