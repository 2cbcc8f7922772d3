"""A connection that a client opened: bytes become requests, one after the other.

    HEAD --head complete--> BODY --body complete--> REPLY --finish()--> HEAD | LINGER | CLOSED
    any --upgrade accepted--> TUNNEL

It frames requests and knows when a reply may be followed by the next request; what a request means is the application's
business, reached through `Application.begin`. Pipelined requests wait in the socket buffer and one bounded buffer here.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

from httptools import HttpParserError, HttpRequestParser

from fastproxy.errors import BadRequest, GatewayError, Limited
from fastproxy.wire.basin import LargeReads
from fastproxy.wire.chunked import ChunkError, ChunkReader
from fastproxy.wire.deadlines import NEVER
from fastproxy.wire.request_head import RequestHead, parse_request, probe, read_known, unreadable
from fastproxy.wire.under import reset, unsent_bytes

if TYPE_CHECKING:
    from fastproxy.wire.basin import Basin
    from fastproxy.wire.fields import Reading
    from fastproxy.wire.front import Exchange, Front, Lane

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LINGER_S: Final = 2.0
MIN_BODY_RATE: Final = 512  # bytes a second that a client must manage, over windows of `limits.body_window`
MAX_LINGER_BYTES: Final = 1 << 20
MAX_EARLY_BYTES: Final = 65536  # pipelined bytes kept while a reply is under way; beyond it the socket waits
MAX_LEADING_BYTES: Final = 8  # empty lines before a request line (RFC 9112 2.2)


class State(Enum):
    """What the next byte from the client means."""

    HEAD = "head"
    BODY = "body"
    REPLY = "reply"
    TUNNEL = "tunnel"
    LINGER = "linger"
    CLOSED = "closed"


# Bound once: looking a member up on its Enum costs 70 ns on CPython 3.11, and these are asked for several times a
# request.
AT_HEAD, AT_BODY, AT_REPLY, AT_TUNNEL, AT_LINGER, AT_CLOSED = State


class Inbound(asyncio.Protocol):
    """One client connection. The application writes to `transport` and ends with `finish` or `abort`."""

    __slots__ = ("_arrived", "_buffer", "_chunks", "_half_closed", "_left", "_lingered", "_probe", "_running",
                 "_unwritten", "deadline", "exchange", "forwarded", "front", "keep_alive", "lane", "memory",
                 "peer", "reading", "secure", "state", "transport", "write_paused")  # fmt: skip

    def __init__(self, front: Front, secure: bool = False) -> None:
        self.front = front
        self.secure = secure
        self.state = AT_HEAD
        self.transport = cast("asyncio.Transport", None)  # set by connection_made, before anything can use it
        self.exchange: Exchange | None = None
        self.deadline = NEVER
        self.keep_alive = True
        self.memory: object | None = None  # what the application keeps of one request for the next
        self.lane: Lane | None = None  # the application's short way for requests like the last one
        self.reading: Reading | None = None  # fits the last head; the application puts it here
        self.write_paused = False
        self.peer = ""
        self.forwarded = b""  # what applications say of this client to upstreams, made once per connection
        self._buffer = b""
        self._left = 0  # bytes of the present body still to come
        self._chunks: ChunkReader | None = None
        self._probe: HttpRequestParser | None = None
        self._lingered = 0
        self._arrived = 0  # bytes of the body in the present window
        self._unwritten = 0  # bytes that the client had not taken when we last looked
        self._running = False
        self._half_closed = False  # the client sends nothing more, but what it has sent is still to be answered

    # --- from the transport ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        front = self.front
        peername = transport.get_extra_info("peername")
        self.peer = peername[0] if isinstance(peername, tuple) else "unix"
        front.open.add(self)
        front.accepted += 1
        front.deadlines.live.add(self)
        self.deadline = front.deadlines.now + front.limits.header_timeout
        # An encrypted one has been counted before its handshake.
        if len(front.open) + (0 if self.secure else front.shaking) > front.limits.max_connections:
            front.refused += 1
            text = f"{front.limits.max_connections} connections are open, no more are taken"
            self._refuse(Limited(text, status=503, kind="overloaded", retry_after=1), None)

    def data_received(self, data: bytes) -> None:
        state = self.state
        if state is AT_HEAD and not self.write_paused:
            if self.lane is not None and not self._buffer and self.lane.take(data):
                return
            if self.reading is not None and not self._buffer and self._begin_known(self.reading, data):
                return
            self._read_heads(self._buffer + data if self._buffer else data, len(data))
        elif state is AT_BODY:
            self._read_body(data)
        elif state is AT_REPLY or state is AT_HEAD:
            self._keep_early(data)  # who takes no replies gets no more of them
        elif state is AT_LINGER:
            self._lingered += len(data)
            if self._lingered > MAX_LINGER_BYTES:
                self.abort()

    def read_large(self, basin: Basin) -> None:
        """The application expects more large requests: read them where they need not be copied."""
        if self.transport.get_protocol() is self:
            LargeReads(self, basin).start()

    def take_large(self, basin: Basin, size: int) -> bool:
        """Serve what lies in the basin; False: it must come the ordinary way."""
        lane = self.lane
        if lane is None or self.state is not AT_HEAD or self._buffer or self.write_paused:
            return False
        return lane.take_large(basin, size)

    def _begin_known(self, reading: Reading, data: bytes) -> bool:
        """The warm path: a client repeats the names of its last head."""
        head = read_known(reading, data, self.front.limits.head)
        if head is None:
            return False
        rest = self._begin(head, data)
        if rest:
            self._next(rest)
        return True

    def eof_received(self) -> bool:
        """The client sent FIN. True keeps our side open: it may only have shut down its sending half."""
        if self.state is not AT_REPLY or self.exchange is None:
            return False
        self._half_closed = True
        self.keep_alive = self.keep_alive and bool(self._buffer)
        return self.exchange.client_half_closed()

    def connection_lost(self, error: Exception | None) -> None:
        self.state = AT_CLOSED
        self.front.open.discard(self)
        self.front.deadlines.live.discard(self)
        exchange, self.exchange = self.exchange, None
        self._buffer = b""
        if exchange is not None:
            exchange.client_gone()
        self.lane = None  # it knows us: the cycle would keep both until the collector comes round, 10 MB an hour

    def pause_writing(self) -> None:
        self.write_paused = True
        self._watch_writing()
        if self.exchange is not None:
            self.exchange.client_paused()

    def _watch_writing(self) -> None:
        self._unwritten = unsent_bytes(self.transport)
        self.deadline = self.front.deadlines.now + self.front.limits.write_timeout

    def resume_writing(self) -> None:
        self.write_paused = False
        self._rearm()
        if self.exchange is not None:
            self.exchange.client_resumed()
        elif self.state is AT_HEAD and not self._running:
            self.transport.resume_reading()
            if self._buffer:
                self._read_heads(self._buffer, len(self._buffer))

    def hold(self) -> None:
        """Read nothing for now: what is sent cannot be passed on. The client is not to blame for the silence."""
        self.transport.pause_reading()
        if self.state is AT_BODY:
            self.deadline = NEVER

    def let_go(self) -> None:
        """Read on."""
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self._rearm()

    def _rearm(self) -> None:
        """Set the deadline that belongs to the state."""
        limits = self.front.limits
        state = self.state
        if self.write_paused or state is AT_CLOSED:
            self._watch_writing()
            return
        seconds = NEVER
        if state is AT_HEAD:
            seconds = limits.header_timeout if self._buffer else limits.idle_timeout
        elif state is AT_BODY:
            seconds = limits.body_window
            self._arrived = 0
        elif state is AT_LINGER:
            seconds = LINGER_S
            self._unwritten = unsent_bytes(self.transport)
        elif state is AT_TUNNEL:
            seconds = limits.stream_idle_timeout
        self.deadline = self.front.deadlines.now + seconds

    def expire(self) -> None:
        """The deadline has passed: which one it was follows from the state."""
        left = unsent_bytes(self.transport)
        takes_something = left < self._unwritten and (left > 0 or self.write_paused)
        if (self.write_paused or self.state in (AT_CLOSED, AT_LINGER)) and takes_something:
            self._watch_writing()  # slow, but alive
        elif self.state is AT_LINGER:
            self.transport.abort()  # without a reset, which would destroy what is still on its way
        elif self.write_paused or self.state in (AT_TUNNEL, AT_CLOSED):
            self.abort()
        elif self.state is AT_HEAD and not self._buffer:
            self._close()  # idle between requests, or silent from the start
        elif self.state is AT_BODY and self._arrived >= self.front.limits.body_window * MIN_BODY_RATE:
            self._rearm()
        elif self.exchange is not None:
            self.exchange.client_failed(BadRequest("the request body stopped arriving", status=408, kind="timeout"))
        else:
            self._refuse(BadRequest("the request head did not arrive in time", status=408, kind="timeout"), None)

    # --- heads ----------------------------------------------------------------------------------------------------

    def _read_heads(self, data: bytes, fresh: int) -> None:
        """Serve the requests in `data`, of which the last `fresh` bytes are new, until one needs more time."""
        self._running = True
        self._buffer = b""
        while data and self.state is AT_HEAD and not self.write_paused:
            if data[:1] in (b"\r", b"\n"):
                data = self._skip_empty_lines(data)
                self._probe = None  # it has seen bytes that are gone; the next one is fed all that is left
            end = data.find(b"\r\n\r\n", max(0, len(data) - fresh - 3))
            if end < 0 or end > self.front.limits.head.max_head:
                self._await_head(data, fresh)
                break
            self._probe = None
            try:
                head = parse_request(data[: end + 4], self.front.limits.head)
            except BadRequest as error:
                self._refuse(error, None)
                return
            data = self._begin(head, data)
            fresh = len(data)
        else:
            if data and self.state is not AT_CLOSED:
                self._keep_early(data)
        self._running = False
        if self._half_closed and not self._buffer:
            self._answer_the_last()

    def _answer_the_last(self) -> None:
        """The client has shut down its sending half, and there is no further request in the buffer."""
        self.keep_alive = False
        if self.state is AT_HEAD:
            self._close()

    def _skip_empty_lines(self, data: bytes) -> bytes:
        """Drop a few CRLFs in front of a request; b"" when nothing is left to read, or when it is something else."""
        rest = data.lstrip(b"\r\n")
        lead = data[: len(data) - len(rest)]
        lines, odd = divmod(len(lead), 2)
        if len(lead) > MAX_LEADING_BYTES or lead != b"\r\n" * lines + b"\r" * odd or (odd and rest):
            self._refuse(BadRequest("a stray byte or too many empty lines where a request should begin"), None)
            return b""
        return rest or lead[len(lead) - odd :]

    def _await_head(self, data: bytes, fresh: int) -> None:
        """Keep an unfinished head, unless it can already be seen to be wrong or too long."""
        limits = self.front.limits.head
        if not data:
            return
        if len(data) > limits.max_head:
            too_long = data.find(b"\r\n", 0, limits.max_target + 64) < 0
            status, what = (414, "request target") if too_long else (431, "request head")
            self._refuse(
                BadRequest(f"a {what} of more than {limits.max_head} bytes", status=status, kind="too_large"), None
            )
            return
        if self._probe is None:
            self._probe = probe()
            fresh = len(data)
            self.deadline = self.front.deadlines.now + self.front.limits.header_timeout
        try:
            self._probe.feed_data(data[len(data) - fresh :])
        except HttpParserError as error:
            self._refuse(unreadable(data, error), None)
            return
        self._buffer = data

    def _next(self, data: bytes) -> None:
        """`data` stands behind a request that has been handed over: serve it, or keep it until its turn."""
        if self.state is AT_HEAD:
            self._read_heads(data, len(data))
        elif self.state is AT_REPLY:
            self._keep_early(data)

    def _begin(self, head: RequestHead, data: bytes) -> bytes:
        """Hand over the request at the beginning of `data`; return what belongs to the next one."""
        front = self.front
        start = head.size
        length = head.length
        if length > front.limits.max_body:
            text = f"a body of {length} bytes, {front.limits.max_body} allowed"
            self._refuse(BadRequest(text, status=413, kind="too_large"), head)
            return b""
        self.keep_alive = head.keep_alive and not front.draining
        self.deadline = NEVER
        if length < 0:
            return self._begin_chunked(head, data)
        stop = start + length
        if len(data) >= stop:
            self.state = AT_REPLY
            body = memoryview(data)[start:stop] if length else b""
            front.application.begin(self, head, body)
            return data[stop:] if len(data) > stop else b""
        self.state = AT_BODY
        self._left = stop - len(data)
        self._rearm()
        if head.expects and len(data) == start:
            self.transport.write(CONTINUE)
        front.application.begin(self, head, memoryview(data)[start:])
        return b""

    def _begin_chunked(self, head: RequestHead, data: bytes) -> bytes:
        front = self.front
        start = head.size
        self.state = AT_BODY
        self._chunks = ChunkReader()
        self._rearm()
        if head.expects and len(data) == start:
            self.transport.write(CONTINUE)
        try:
            rest = data[start:]
            spans = self._chunks.feed(rest)
        except ChunkError as error:
            self._refuse(BadRequest(f"unreadable chunked body: {error}"), head)
            return b""
        chunks = self._chunks
        if chunks.payload_bytes > front.limits.max_body:
            self._refuse(self._too_long(), head)
            return b""
        body = b"".join([rest[first:last] for first, last in spans])
        if chunks.done:
            self.state, self._chunks = AT_REPLY, None
            self.deadline = NEVER
        front.application.begin(self, head, body)
        return rest[chunks.end :] if chunks.done else b""

    # --- bodies ---------------------------------------------------------------------------------------------------

    def _read_body(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        self._arrived += len(data)
        if self._chunks is not None:
            self._read_chunks(exchange, self._chunks, data)
            return
        extra = len(data) - self._left
        if extra < 0:
            self._left = -extra
            exchange.body_piece(data)
            return
        self._left = 0
        self._end_body()
        exchange.body_piece(memoryview(data)[: len(data) - extra] if extra else data)
        exchange.body_end()
        if extra:
            self._next(data[len(data) - extra :])

    def _too_long(self) -> BadRequest:
        text = f"a body of more than {self.front.limits.max_body} bytes"
        return BadRequest(text, status=413, kind="too_large")

    def _read_chunks(self, exchange: Exchange, chunks: ChunkReader, data: bytes) -> None:
        try:
            spans = chunks.feed(data)
        except ChunkError as error:
            exchange.client_failed(BadRequest(f"unreadable chunked body: {error}"))
            return
        if chunks.payload_bytes > self.front.limits.max_body:
            exchange.client_failed(self._too_long())
            return
        if chunks.done:
            self._chunks = None
            self._end_body()
        if spans:
            exchange.body_piece(b"".join([data[first:last] for first, last in spans]))
        if chunks.done:
            exchange.body_end()
            if data[chunks.end :]:
                self._next(data[chunks.end :])

    def _end_body(self) -> None:
        self.state = AT_REPLY
        self.deadline = NEVER

    def body_taken(self, surplus: bytes) -> None:
        """The rest of the body was moved by a pump, which counted it; `surplus` stands behind it."""
        self._left = 0
        self._end_body()
        if surplus:
            self._keep_early(surplus)

    def count_body(self, count: int) -> None:
        """Bytes of the body have come through a pump."""
        self._arrived += count

    @property
    def body_left(self) -> int:
        """Bytes of a body of known length that have not arrived; 0 also when it is chunked."""
        return self._left if self._chunks is None else 0

    def _keep_early(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > MAX_EARLY_BYTES:
            self.transport.pause_reading()

    # --- replies --------------------------------------------------------------------------------------------------

    @property
    def body_complete(self) -> bool:
        """Whether the client has sent all of the present request."""
        return self.state is AT_REPLY

    def finish(self) -> None:
        """The reply is written whole: on to the next request, or close."""
        self.exchange = None
        if self.state is AT_REPLY and self.keep_alive and not self._buffer and not self.write_paused:
            self.state = AT_HEAD
            self.deadline = self.front.deadlines.now + self.front.limits.idle_timeout
            return
        if self.state is not AT_REPLY:
            if self.state is AT_BODY:
                self.linger()
            return
        if not self.keep_alive:
            self._close_softly()
            return
        self.state = AT_HEAD
        self._rearm()
        if self.write_paused:
            self.transport.pause_reading()
        elif self._buffer and not self._running:
            self.transport.resume_reading()
            self._read_heads(self._buffer, len(self._buffer))

    def _close_softly(self) -> None:
        if self._buffer:
            self.linger()  # closing over unread bytes would reset the connection and may destroy the reply
        else:
            self._close()

    def _close(self) -> None:
        """Close once everything is written; a client that does not take it is cut after `write_timeout`."""
        self.state = AT_CLOSED
        self.transport.close()
        self._watch_writing()

    def linger(self) -> None:
        """Close our side, and read on for a while so that the client gets the reply (RFC 9112 9.6)."""
        if self.state is AT_CLOSED:
            return
        self.state = AT_LINGER
        self._buffer = b""
        self._rearm()
        self.transport.write_eof()
        self.transport.resume_reading()

    def close_if_idle(self) -> None:
        """Draining: a connection between two requests has nothing to wait for."""
        if self.state is AT_HEAD and not self._buffer:
            self._close()

    def cut(self) -> None:
        """Close after what is written, without the end of the body that its framing promises."""
        self.keep_alive = False
        self._close()

    def take_early(self) -> bytes:
        """What the client has sent beyond the present request."""
        early, self._buffer = self._buffer, b""
        return early

    def abort(self) -> None:
        """Reset the connection, so that the client sees that the reply is not whole even where a close ends it."""
        self.state = AT_CLOSED
        reset(self.transport)

    def _refuse(self, error: GatewayError, head: RequestHead | None) -> None:
        self.transport.write(self.front.application.refuse(self, error, head))
        self.linger()
