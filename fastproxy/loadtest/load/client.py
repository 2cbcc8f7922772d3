"""One connection of the load: sends a request, reads its reply exactly as framed, says to the meter what it saw.

    holder.send(…) → Connection.send() → bytes out
    bytes in → httptools, and a StreamReader or the frames of a WebSocket → _finish() or _fail() → holder.finished()

A request that was in flight when its connection broke is an error and is never sent again. A connection that breaks
between requests is only reported as lost. A timeout's time counts as a latency, since the reply took at least that
long; so latencies are those of right replies and timeouts. Callbacks all the way: no task, future or timer per request.
"""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol, cast

import httptools

from fastproxy.loadtest.load.websocket import Frames, WebSocketError, frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.load.kind import Kind
    from fastproxy.loadtest.load.meter import Meter
    from fastproxy.loadtest.load.stream import StreamReader

_now = time.monotonic_ns
_NS: Final = 1_000_000_000


class Job:
    """A request to be made. A conversation keeps its job from turn to turn."""

    __slots__ = ("history", "intended", "kind", "number", "turn")

    def __init__(self, kind: Kind, number: int, intended: int) -> None:
        self.kind = kind
        self.number = number
        self.intended = intended
        self.turn = 0
        self.history: list[str] = []


class Holder(Protocol):
    """Who uses a connection."""

    def opened(self, connection: Connection, now: int) -> None: ...

    def finished(self, connection: Connection, job: Job, now: int, *, right: bool) -> None:
        """Exactly once per request sent."""

    def lost(self, connection: Connection) -> None:
        """It broke between requests."""


class Clock(Protocol):
    """Who calls back later: for slow readers."""

    def later(self, when: int, action: Callable[[int], None]) -> None: ...


class State(Enum):
    """`GONE` counts for the holder at once, even while the socket is still closing."""

    IDLE = "idle"
    BUSY = "busy"
    GONE = "gone"


# Naming the members once saves 0.4 us of the 4.4 that a request costs here: Python 3.11 is slow to find them in an Enum
IDLE: Final = State.IDLE
BUSY: Final = State.BUSY
GONE: Final = State.GONE


class Connection(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_accept", "_body", "_clock", "_complete", "_feed", "_first", "_first_content", "_frames", "_head", "_holder",
        "_keeps", "_kind", "_last_content", "_message", "_messages", "_meter", "_now", "_parser", "_reader",
        "_status", "_tokens", "_transport", "began", "busy_since", "job", "measured", "sent", "serial", "state",
    )  # fmt: skip

    def __init__(self, holder: Holder, meter: Meter, clock: Clock, began: int) -> None:
        # For the connection
        self._holder = holder
        self._meter = meter
        self._clock = clock
        self._parser = httptools.HttpResponseParser(self)
        self._feed: Callable[[bytes], None] = self._parser.feed_data
        self._frames: Frames | None = None
        self._accept = b""  # what `sec-websocket-accept` must say
        self._message = b""  # waits for the upgrade
        self.began = began
        self.state = IDLE
        self.serial = 0  # of requests, so that a timer knows whether its request still runs
        # For the request
        self.job: Job | None = None
        self.measured = False
        self.sent = self.busy_since = self._first = 0
        # For the reply
        self._messages = 0
        self._complete = self._keeps = False
        self._status = 0
        self._head = b""
        self._body: list[bytes] | None = None
        self._reader: StreamReader | None = None
        self._first_content = self._last_content = self._tokens = self._now = 0

    # From the holder.

    def send(self, job: Job, data: bytes, now: int) -> None:
        """Send a request; only while idle."""
        kind = job.kind
        self.job = job
        self._kind = kind
        self.state = BUSY
        self.serial += 1
        self.sent = self.busy_since = now
        self._first = self._messages = self._status = 0
        self._complete = False
        self._head = b""
        if not kind.plain:
            self._body = [] if kind.keeps_body else None
            self._reader = kind.reader() if kind.streams else None
            self._first_content = self._last_content = self._tokens = 0
        meter = self._meter
        self.measured = measured = job.intended >= meter.measured_from
        if kind.upgrade is not None:
            data = self._framed(kind, job, data)
        if measured:
            meter.sent += 1
            meter.bytes_out += len(data)
        self._transport.write(data)

    def _framed(self, kind: Kind, job: Job, message: bytes) -> bytes:
        """A message; the first one of a connection waits for the upgrade, which is a part of its request."""
        if self._frames is not None:
            return frame(message)
        assert kind.upgrade is not None
        data, self._accept = kind.upgrade.make(job.number)
        self._message = message
        return data

    def close(self) -> None:
        """Close it without a word to the holder."""
        self.state = GONE
        self._transport.close()

    def abort(self) -> None:
        """Close it at once."""
        self.state = GONE
        self._transport.abort()

    def time_out(self, text: str) -> None:
        """Give its request up."""
        now = _now()
        if self.measured:
            assert self.job is not None
            self._meter.timed_out(self._kind.latencies, now - self.job.intended, now - self.sent, now)
        self._fail("timeout", text, now)

    def abandon(self, serial: int) -> None:
        """Leave in the middle of a reply, on purpose: no error. Nothing if that request is over."""
        if self.serial != serial or self.state is not BUSY:
            return
        if self.measured:
            self._meter.broken_off(_now())
        self._break(_now())

    def _resume(self, now: int) -> None:
        """A slow reader reads on."""
        if self.state is not GONE:
            self._transport.resume_reading()

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not registered as one
        now = _now()
        if now >= self._meter.measured_from:
            self._meter.connected(now - self.began)
        self._holder.opened(self, now)

    def data_received(self, data: bytes) -> None:
        self._now = now = _now()
        if self.state is not BUSY:
            self._unexpected()
            return
        if not self._first:
            self._first = now
        if self.measured and now < self._meter.ends:
            self._meter.bytes_in += len(data)
        if not self._status:
            self._head = self._head + data if self._head else data
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, WebSocketError) as error:
            self._not_read(error, data, now)
        if self._complete and self._messages == 1 and self.state is BUSY:
            self._finish(now)
        elif self.state is BUSY:
            self._look(len(data), now)

    def _not_read(self, error: Exception, data: bytes, now: int) -> None:
        if isinstance(error, httptools.HttpParserUpgrade):
            self._upgraded(data[error.args[0] :], now)
        elif isinstance(error, httptools.HttpParserCallbackError):
            self._fail("other", f"the harness itself failed: {error.__context__!r}", now)
        else:
            self._fail("protocol", f"not a reply: {error}", now)

    def _look(self, size: int, now: int) -> None:
        """The reply is not complete, or more than that."""
        if self._messages > 1:
            self._fail("protocol", "a second reply where one was asked for", now)
        elif self._kind.request.read_bytes_per_s:
            self._transport.pause_reading()
            self.busy_since = now + size * _NS // self._kind.request.read_bytes_per_s
            self._clock.later(self.busy_since, self._resume)

    def eof_received(self) -> bool:
        if self.state is IDLE:
            self._unexpected()
        return False  # close it

    def connection_lost(self, exc: Exception | None) -> None:
        if self.state is IDLE:
            self._unexpected()
        if self.state is not BUSY:
            return
        now = _now()
        if exc is None and self._ends_with_connection():
            self._finish(now)
        elif isinstance(exc, OSError):
            self._fail("reset", f"{exc.strerror or exc}", now)
        elif exc is not None:
            self._fail("other", repr(exc), now)
        elif self._first and self._frames is None:
            self._fail("incomplete", "the connection was closed in the middle of the reply", now)
        else:
            self._fail("closed", "the connection was closed before the reply began", now)

    def _unexpected(self) -> None:
        """Bytes or an end that nobody asked for. After a reply that said `close` they are the end of it."""
        if self.state is IDLE:
            self.state = GONE
            self._holder.lost(self)
        self._transport.close()

    # From the parser.

    def on_message_begin(self) -> None:
        self._messages += 1
        self._first = self._first or self._now  # of a reply behind an interim one, in the same read

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 and status != 101:
            return
        self._status = status
        self._keeps = self._parser.should_keep_alive()  # it has forgotten when the message is complete
        if status >= 400 and self._body is None:
            self._body = []
        if self._kind.head_only:
            self._complete = True

    def on_body(self, data: bytes) -> None:
        if self._reader is not None:
            self._take_content(self._reader, data)
        if self._body is not None and (self._kind.keeps_body or not self._body):  # of a refusal only a glimpse
            self._body.append(data)

    def on_message_complete(self) -> None:
        if self._status:
            self._complete = True
        else:  # it was 100 Continue or 103 Early Hints
            self._messages -= 1
            self._first = 0  # the target has still said nothing

    def _take_content(self, reader: StreamReader, data: bytes) -> None:
        before = reader.events
        count = reader.feed(data)
        if self.measured:
            self._meter.events += reader.events - before
        self.busy_since = now = self._now
        if not count:
            return
        if self.measured:
            assert self.job is not None
            self._meter.content(self.job.intended, self._last_content, now, count)
        self._first_content = self._first_content or now
        self._last_content = now
        self._tokens += count

    # WebSocket.

    def _upgraded(self, rest: bytes, now: int) -> None:
        if not self._accept or self._accept not in self._head:
            self._fail("protocol", "a switch of protocols that does not fit the request", now)
            return
        self._complete = False
        self._messages = self._status = 0
        self._frames = Frames()
        self._feed = self._take_frames
        self._keeps = True
        data = frame(self._message)
        if self.measured:
            self._meter.bytes_out += len(data)
        self._transport.write(data)
        if rest:
            self._take_frames(rest)

    def _take_frames(self, data: bytes) -> None:
        frames = self._frames
        assert frames is not None
        messages = frames.feed(data)
        if frames.answers:
            self._transport.write(frames.answers)
            frames.answers = b""
        if messages:
            self._status = 101
            self._complete = True
            self._messages = len(messages)
            if self._body is not None:
                self._body.append(messages[0])
        elif frames.closed:
            self._fail("closed", "the server has closed the WebSocket", self._now)

    # The end of a reply.

    def _ends_with_connection(self) -> bool:
        """A reply without any framing ends where its connection does."""
        head, _, rest = self._head.lower().partition(b"\r\n\r\n")
        while head[9:10] == b"1":  # 100 Continue
            head, _, rest = rest.partition(b"\r\n\r\n")
        framed = b"\r\ncontent-length:" in head or b"\r\ntransfer-encoding:" in head
        return self._status >= 200 and not framed

    def _finish(self, now: int) -> None:
        job, kind, meter = self.job, self._kind, self._meter
        assert job is not None
        body = b"".join(self._body) if self._body is not None else b""
        status = self._status
        plain_right = kind.plain and status < 400
        wrong = None if plain_right else kind.judge(status, body, self._reader)
        if self.measured and now >= meter.ends:
            meter.left_out()
        elif self.measured:
            meter.statuses[status] += 1
            if wrong is None:
                intended = job.intended
                bucket = meter.right(kind.latencies, now - intended, now - self.sent, now)
                if self._first == now:  # the whole reply in one read
                    meter.first_byte[bucket] += 1
                else:
                    meter.first(self._first - intended)
                if not plain_right:
                    self._count_content(body)
            else:
                meter.wrong(*wrong, now)
        if wrong is None and kind.talks:
            job.history.append(kind.said(body, self._reader))
        self._body = None
        self._reader = None
        self.state = IDLE if self._keeps else GONE  # closed by Dialer.sweep, unless the server does
        if kind.head_only:  # the parser waits for a body
            self._parser = httptools.HttpResponseParser(self)
            self._feed = self._parser.feed_data
        self._holder.finished(self, job, now, right=wrong is None)

    def _count_content(self, body: bytes) -> None:
        meter, reader = self._meter, self._reader
        if reader is None:
            meter.tokens_out += self._kind.tokens(body)
            return
        tokens = reader.tokens or self._tokens
        meter.tokens_out += tokens
        took = self._last_content - self._first_content
        if took > 0 and self._tokens > 1:
            meter.speed(round((tokens - 1) * _NS / took))

    def _fail(self, kind: str, text: str, now: int) -> None:
        if self.measured:
            if self._status:
                self._meter.statuses[self._status] += 1
            self._meter.wrong(kind, text, now)
        self._break(now)

    def _break(self, now: int) -> None:
        """Its request is over, and so is the connection."""
        job = self.job
        assert job is not None
        self.state = GONE
        self._body = None
        self._reader = None
        self._transport.abort()
        self._holder.finished(self, job, now, right=False)
