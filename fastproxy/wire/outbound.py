"""A connection that we opened to an upstream: one request at a time, its reply back to whoever waits for it.

    IDLE --send()--> SENT --final head--> BODY --end of body--> IDLE | CLOSED
                       \\--101--> TUNNEL

Replies are cut by our own count, so that bytes beyond the end of one can never begin another: they close the
connection.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol, cast

from fastproxy.errors import UpstreamFailed
from fastproxy.wire.chunked import ChunkError, ChunkReader
from fastproxy.wire.deadlines import NEVER
from fastproxy.wire.reply_head import (
    BY_CHUNKED,
    BY_CLOSE,
    BY_LENGTH,
    BY_NONE,
    BY_TUNNEL,
    MAX_REPLY_HEAD,
    ReplyHead,
    parse_reply,
    read_known_reply,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.wire.pool import Pool

MAX_INTERIM: Final = 16


class Phase(Enum):
    """What the next byte from the upstream means."""

    IDLE = "idle"
    SENT = "sent"
    BODY = "body"
    TUNNEL = "tunnel"
    CLOSED = "closed"


# Bound once: looking a member up on its Enum costs 70 ns on CPython 3.11, and these are asked for several times a
# request.
IDLE, SENT, BODY, TUNNEL, CLOSED = Phase


class Waiter(Protocol):
    """Who waits for a reply. `reply_head` gets the final head; the body is then in `Outbound.pending` and still to
    come."""

    def whole_reply(self, outbound: Outbound, data: bytes) -> bool:
        """Take `data` as one whole reply, before it is looked at; False leaves it to the connection."""

    def reply_head(self, head: ReplyHead) -> None: ...
    def interim(self, status: int) -> None: ...
    def reply_piece(self, piece: bytes, whole_chunks: bytes | None) -> None: ...
    def reply_end(self) -> None: ...
    def reply_failed(self, error: UpstreamFailed) -> None: ...
    def upstream_paused(self) -> None: ...
    def upstream_resumed(self) -> None: ...


class Outbound(asyncio.Protocol):
    """One upstream connection, owned by its pool when idle and by one waiter otherwise."""

    __slots__ = ("_chunks", "_head", "_heard", "_interims", "_relay", "_tap", "_to_head", "born",
                 "counted", "deadline", "framing", "generation", "got_bytes", "left", "pending",
                 "phase", "pool", "reusable", "reused", "sent_at", "transport", "waiter")  # fmt: skip

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.transport = cast("asyncio.Transport", None)  # set by connection_made
        self.phase = IDLE
        self.waiter: Waiter | None = None
        self.deadline = NEVER
        self.sent_at = NEVER  # when the present exchange began, as `Deadlines.now`
        self.generation = pool.generation
        self.born = pool.deadlines.now
        self.counted = False  # among the pool's open connections
        self.reused = False  # this exchange is not the first on this connection
        self.reusable = False
        self.got_bytes = False  # of the present reply
        self.framing = BY_NONE
        self.left = 0  # bytes of a body of known length still to come
        self.pending = b""  # body bytes that came with the head
        self._head = b""
        self._to_head = False
        self._interims = 0
        self._chunks: ChunkReader | None = None
        self._relay: Callable[[bytes], None] | None = None
        self._tap: Callable[[bytes], None] | None = None
        self._heard = 0.0  # when the last byte of a body came

    def __repr__(self) -> str:
        return f"<Outbound {self.phase.value} to {self.pool.origin}>"

    # --- sending --------------------------------------------------------------------------------------------------

    def expect(self, waiter: Waiter, to_head_request: bool) -> None:
        """Say who waits for the reply to what is about to be written. The caller then writes to `transport`."""
        pool = self.pool
        self.waiter = waiter
        self.phase = SENT
        self._to_head = to_head_request
        self.got_bytes = False
        self.sent_at = now = pool.deadlines.now
        self.deadline = now + pool.first_timeout

    @property
    def total_deadline(self) -> float:
        """When the present exchange must be over."""
        return self.sent_at + self.pool.limits.total_timeout

    def touch(self) -> None:
        """The request is still being sent: the reply is not overdue."""
        self.deadline = min(self.pool.deadlines.now + self.pool.limits.first_byte_timeout, self.total_deadline)

    # --- from the transport ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.pool.deadlines.live.add(self)

    def data_received(self, data: bytes) -> None:
        if self.phase is BODY:
            if self._relay is None or not self._relay_event(data):
                self._read_body(data)
        elif self.phase is SENT:
            self.got_bytes = True
            if not self._head and self.waiter is not None and self.waiter.whole_reply(self, data):
                return
            reading = self.pool.reading
            if reading is not None and not self._to_head and not self._head:
                # The warm path: an origin repeats the names of its last reply.
                head = read_known_reply(reading, data)
                if head is not None:
                    self._take_head(head, data[head.size :])
                    return
            self._read_head(self._head + data if self._head else data)
        else:
            self.close()  # nobody asked for these bytes (RFC 9112 9.2): they must never answer a later request

    def eof_received(self) -> bool:
        if self.phase is BODY and self.framing is BY_CLOSE:
            self._end()
        elif self.phase in (SENT, BODY):
            self._fail(self._broken("closed the connection"))
        else:
            self.phase = CLOSED
        return False

    def connection_lost(self, error: Exception | None) -> None:
        pool = self.pool
        pool.deadlines.live.discard(self)
        if self.phase in (SENT, BODY, TUNNEL):
            self._fail(self._broken("reset the connection" if error else "closed the connection"))
        self.phase = CLOSED
        pool.gone(self)

    def pause_writing(self) -> None:
        if self.waiter is not None:
            self.waiter.upstream_paused()

    def resume_writing(self) -> None:
        if self.waiter is not None:
            self.waiter.upstream_resumed()

    def expire(self) -> None:
        """Idle too long, or the upstream is too slow."""
        if self.waiter is None:
            self.close()
            return
        pool = self.pool
        due = min(self._heard + pool.limits.stream_idle_timeout, self.total_deadline)
        if self.phase is BODY and due > pool.deadlines.now:
            self.deadline = due  # it has been heard since: noting the time is cheaper than moving the deadline
            return
        what = "the first byte of its reply" if self.phase is SENT else "more of its reply"
        limits = self.pool.limits
        seconds = limits.first_byte_timeout if self.phase is SENT else limits.stream_idle_timeout
        text = f"the upstream sent nothing for {seconds:g} s where {what} was due"
        if self.pool.deadlines.now >= self.total_deadline:
            text = f"the exchange took more than {limits.total_timeout:g} s"
        self._fail(UpstreamFailed(text, status=504, kind="upstream_timeout"))

    # --- heads ----------------------------------------------------------------------------------------------------

    def _read_head(self, data: bytes) -> None:
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0 or end > MAX_REPLY_HEAD:
                self._await_head(data)
                return
            try:
                head = parse_reply(data if end + 4 == len(data) else data[: end + 4], self._to_head)
            except UpstreamFailed as error:
                self._fail(error)
                return
            data = data[end + 4 :]
            if head.status >= 200 or head.status == 101:
                break
            self._interims += 1
            if self._interims > MAX_INTERIM:
                self._fail(UpstreamFailed(f"more than {MAX_INTERIM} interim replies"))
                return
            assert self.waiter is not None
            self.waiter.interim(head.status)
        self._head = b""
        self._take_head(head, data)

    def _await_head(self, data: bytes) -> None:
        if len(data) > MAX_REPLY_HEAD:
            self._fail(UpstreamFailed(f"a reply head of more than {MAX_REPLY_HEAD} bytes"))
        elif not b"HTTP/1.".startswith(data[:7]):
            self._fail(UpstreamFailed("a reply that does not begin with HTTP/1."))
        else:
            self._head = data

    def _take_head(self, head: ReplyHead, rest: bytes) -> None:
        """Frame the body, then wake who waits. What came with the head is left in `pending`."""
        waiter = self.waiter
        assert waiter is not None
        self.framing = framing = head.framing
        self.reusable = head.keep_alive
        if framing is BY_LENGTH and head.length == len(rest):
            self._complete()
        else:
            rest = self._begin_body(head, rest)
        self.pending = rest
        waiter.reply_head(head)

    def _begin_body(self, head: ReplyHead, rest: bytes) -> bytes:
        """Set up for what is still to come; return the part of `rest` that belongs to this reply."""
        pool = self.pool
        framing = head.framing
        self.phase = BODY
        self._relay = None
        self._heard = pool.deadlines.now
        self.deadline = min(pool.deadlines.now + pool.limits.stream_idle_timeout, self.total_deadline)
        if framing is BY_CHUNKED:
            self._chunks = ChunkReader()
        elif framing is BY_TUNNEL:
            self.phase = TUNNEL
            self.deadline = NEVER
        elif framing is not BY_CLOSE:
            self.left = head.length  # `stream` counts what came with the head
            if len(rest) >= head.length:
                self.reusable = self.reusable and len(rest) == head.length  # bytes beyond the end poison it
                self._complete()
                return rest[: head.length]
        return rest

    def done(self) -> None:
        """The waiter has taken a whole reply that leaves the connection open."""
        self.reusable = True
        self.phase = IDLE
        self.waiter = None
        self._interims = 0
        self.pool.give_back(self)

    def _complete(self) -> None:
        """All of the reply is here: no later byte belongs to it."""
        self.phase = IDLE
        self.waiter = None
        self.deadline = NEVER
        self._interims = 0

    # --- bodies ---------------------------------------------------------------------------------------------------

    def relay_chunks(self, write: Callable[[bytes], None], tap: Callable[[bytes], None] | None) -> None:
        """Hand whole chunks straight to `write` and their payload to `tap`; the rest goes to the waiter."""
        self._relay = write
        self._tap = tap

    def redirect(self, write: Callable[[bytes], None]) -> None:
        """Hand whole chunks to another `write`, if they are handed to one."""
        if self._relay is not None:
            self._relay = write

    def _relay_event(self, data: bytes) -> bool:
        """The usual read of a stream: exactly one chunk. It goes on as it is, without passing through the waiter."""
        chunks, relay = self._chunks, self._relay
        if chunks is None or relay is None:
            return False
        start = chunks.whole_chunk(data)
        if not start:
            return False
        self._heard = self.pool.deadlines.now
        relay(data)
        if self._tap is not None:
            self._tap(data[start:-2])
        return True

    @property
    def payload_bytes(self) -> int:
        """Of the present chunked body, so far."""
        return self._chunks.payload_bytes if self._chunks is not None else 0

    def stream(self) -> None:
        """Deliver `pending` and then everything that comes, piece by piece, to the waiter."""
        rest, self.pending = self.pending, b""
        if rest:
            self._read_body(rest)

    def _read_body(self, data: bytes) -> None:
        waiter = self.waiter
        if waiter is None:
            return
        self._heard = self.pool.deadlines.now
        framing = self.framing
        if framing is BY_CHUNKED:
            self._read_chunks(waiter, data)
        elif framing is BY_LENGTH:
            self._read_counted(waiter, data)
        else:
            waiter.reply_piece(data, None)

    def _read_counted(self, waiter: Waiter, data: bytes) -> None:
        self.left -= len(data)
        if self.left > 0:
            waiter.reply_piece(data, None)
            return
        if self.left < 0:
            self.reusable = False
            data = data[: self.left]
        waiter.reply_piece(data, None)
        self._end()

    def _read_chunks(self, waiter: Waiter, data: bytes) -> None:
        chunks = self._chunks
        assert chunks is not None
        try:
            spans = chunks.feed(data)
        except ChunkError as error:
            self._fail(UpstreamFailed(f"unreadable chunked reply: {error}", kind="upstream_truncated"))
            return
        if chunks.end < len(data):
            self.reusable = False
            data = data[: chunks.end]
        if spans:
            first, last = spans[0]
            piece = data[first:last] if len(spans) == 1 else b"".join([data[first:last] for first, last in spans])
            waiter.reply_piece(piece, data if chunks.whole and not chunks.done else None)
        if chunks.done:
            self._end()

    def _end(self) -> None:
        waiter = self.waiter
        if self.framing is BY_CLOSE:
            self.reusable = False
        self._relay = None
        self._complete()
        if waiter is not None:
            waiter.reply_end()
        self._chunks = None

    def body_moved(self, count: int) -> None:
        """A pump has moved `count` bytes of a counted body."""
        self.left -= count
        self._heard = self.pool.deadlines.now

    def body_pumped(self) -> None:
        """A pump has moved the last byte."""
        self._end()

    # --- ends -----------------------------------------------------------------------------------------------------

    def _broken(self, what: str) -> UpstreamFailed:
        if self.phase is not SENT:
            return UpstreamFailed(f"the upstream {what} in the middle of its reply", kind="upstream_truncated")
        where = "in its reply head" if self.got_bytes else "before a reply"
        return UpstreamFailed(f"the upstream {what} {where}")

    def _fail(self, error: UpstreamFailed) -> None:
        waiter, self.waiter = self.waiter, None
        self.phase = CLOSED
        self.reusable = False
        self.transport.abort()
        if waiter is not None:
            waiter.reply_failed(error)

    def cancel(self) -> None:
        """Nobody wants the rest of the reply."""
        self.waiter = None
        self.reusable = False
        self.phase = CLOSED
        if not self.transport.is_closing():
            self.transport.abort()

    def close(self) -> None:
        self.phase = CLOSED
        self.reusable = False
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # close() would wait for a peer that takes nothing
        else:
            self.transport.close()

    def finish_tunnel(self) -> None:
        """Both sides have said all: close once it is written, and not later than after `write_timeout`."""
        self.waiter = None
        self.phase = CLOSED
        self.deadline = self.pool.deadlines.now + self.pool.limits.write_timeout
        self.transport.close()
