"""The mock's side of a connection: HTTP/1.1 on one asyncio Protocol, with the vendor's brain behind it.

A plain request costs one parse, one look-up and one write. Only a reply that is late, slow or broken becomes a
Delivery; while one is under way, or the client does not read, pipelined requests wait in line.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from fastproxy.loadtest import mock_websocket as websocket
from fastproxy.loadtest.mock_access import framing
from fastproxy.loadtest.mock_books import ABORTED
from fastproxy.loadtest.mock_faults import Fault
from fastproxy.loadtest.mock_pace import Delivery, Wheel
from fastproxy.loadtest.mock_pages import is_echo
from fastproxy.loadtest.mock_reply import Reply, cuts, ends_connection, frame, head, is_chunked, whole
from fastproxy.loadtest.mock_request import Headers, Request
from fastproxy.loadtest.mock_words import Tally

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_behaviour import Behaviour
    from fastproxy.loadtest.mock_service import Service

_LARGEST_BODY = 64 * 1024 * 1024
_LONGEST_LINE = 16
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Host:
    """What all connections of one process share."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self.service = service
        self.wheel = Wheel(loop)
        self.connections: set[MockProtocol] = set()
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._tick()

    def _tick(self) -> None:
        """Once a second: the date moves on, and remembered replies are forgotten."""
        self.service.tick(int(time.time()))
        self._timer = self._loop.call_later(1.0, self._tick)

    def stop(self) -> None:
        """Close what is left and let the loop end."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self.connections):
            connection.break_off(reset=False)


class MockProtocol(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_body", "_digest", "_ended", "_fields", "_headers", "_host", "_length", "_line", "_method", "_parser",
        "_service", "_target", "_transport", "_tunnel", "_wishes", "busy", "closed", "paused",
    )  # fmt: skip

    def __init__(self, host: Host) -> None:
        # For the whole process
        self._host = host
        self._service = host.service
        # For the connection
        self._parser = httptools.HttpRequestParser(self)
        self._line: deque[Request] = deque()
        self._tunnel: websocket.Echo | None = None
        self._ended = False
        self.busy: Delivery | None = None
        self.closed = False
        self.paused = False
        # For the request that is being read
        self.on_message_begin()

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._host.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return
        if self._tunnel is not None:
            self._echo(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgraded(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            sys.stderr.write(f"mock: {error.__context__!r}\n")
            self._refuse(Fault(500, "the mock itself failed; its standard error says how"))
        except httptools.HttpParserError as error:
            self._refuse(Fault(400, f"not HTTP: {error}"))

    def eof_received(self) -> bool:
        """A half-closed client still gets the replies that it waits for."""
        self._ended = True
        return self.busy is not None or bool(self._line)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._host.connections.discard(self)
        self._line.clear()
        if self.busy is not None:
            self._settle_aborted(self.busy)
            self.busy = None

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.busy is not None:
            self.busy.resume()
        else:
            self._next()

    # From the parser.

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: Headers = []
        self._fields: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._length = 0
        self._digest: hashlib._Hash | None = None
        self._wishes = False

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name[:7] == b"x-mock-":
            self._wishes = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._method = self._parser.get_method()
        self._fields = dict(self._headers)
        if is_echo(self._target):
            self._digest = hashlib.sha256()
        if self._fields.get(b"expect", b"").lower() == b"100-continue" and self.busy is None:
            self._transport.write(_CONTINUE)

    def on_body(self, data: bytes) -> None:
        self._length += len(data)
        if self._digest is not None:
            self._digest.update(data)
        elif self._length <= _LARGEST_BODY:
            self._body.append(data)

    def on_message_complete(self) -> None:
        request = Request(
            self._method,
            self._target,
            self._parser.get_http_version(),
            self._parser.should_keep_alive(),
            self._headers,
            self._fields,
            b"".join(self._body),
            self._wishes or b"x-mock-" in self._target,
        )
        self._body = []
        if self._digest is not None:
            request.digest = (self._digest.hexdigest(), self._length)
        if self.busy is None and not self.paused and not self._line:
            self._serve(request)
            return
        self._line.append(request)
        if len(self._line) == _LONGEST_LINE:
            self._transport.pause_reading()

    # Replies.

    def _serve(self, request: Request) -> None:
        service = self._service
        service.last.append(request)
        if websocket.is_endpoint(request.target) and b"upgrade" in request.fields:
            self._shake_hands(request)
            return
        if service.instant and not request.wishes:
            prepared = service.recall(request)
            self._write_whole(prepared.parts, prepared.reply, request)
            return
        reply, behaviour = service.answer(request)
        if behaviour.instant:
            self._write_whole(cuts(whole(reply, request, service.date)), reply, request)
        else:
            self._deliver(reply, behaviour, request)

    def _write_whole(self, parts: list[bytes], reply: Reply, request: Request) -> None:
        self._transport.write(self._service.ident().join(parts))
        if reply.endpoint:
            self._service.books.add(reply.key, reply.endpoint, reply.tally, reply.kind)
        if ends_connection(reply, request):
            self._close()

    def _deliver(self, reply: Reply, behaviour: Behaviour, request: Request) -> None:
        """A plain body goes in two halves, so that it can be cut or stalled in the middle."""
        pieces = list(reply.pieces)
        if not reply.stream:
            middle = len(pieces[0]) // 2
            pieces = [pieces[0][:middle], pieces[0][middle:]]
        start = head(reply, request, self._service.date)
        if is_chunked(reply, request):
            pieces = frame(pieces)
            pieces[-1] += b"0\r\n\r\n"
        if request.method == b"HEAD":
            pieces = []
        ident = self._service.ident()
        stamped = [ident.join(cuts(piece)) for piece in (start, *pieces)]
        self._ended = self._ended or ends_connection(reply, request)
        self.busy = Delivery(self, self._host.wheel, reply, behaviour)
        self.busy.start(stamped[0], stamped[1:])

    def write(self, data: bytes) -> None:
        """For the Delivery."""
        self._transport.write(data)

    def delivered(self) -> None:
        """The Delivery is complete: count it, and turn to the next request in line."""
        if self.busy is None:
            return
        reply = self.busy.reply
        self.busy = None
        if reply.endpoint:
            self._service.books.add(reply.key, reply.endpoint, reply.tally, reply.kind)
        self._next()

    def break_off(self, *, reset: bool) -> None:
        """End in the middle: with a reset, or cleanly on the TCP level but with a reply that is not complete."""
        if self.closed:
            return
        if not reset:
            self._close()
            return
        self.closed = True
        linger = struct.pack("ii", 1, 0)  # On, zero seconds: close() sends RST.
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()

    def _next(self) -> None:
        while self._line and self.busy is None and not self.paused and not self.closed:
            if len(self._line) == _LONGEST_LINE:
                self._transport.resume_reading()
            self._serve(self._line.popleft())
        if self._ended and self.busy is None and not self._line:
            self._close()

    def _settle_aborted(self, delivery: Delivery) -> None:
        """What went out before the end: nothing, or the prompt and as many words as were sent."""
        reply = delivery.reply
        if not reply.endpoint:
            return
        tally = Tally()
        if delivery.begun:
            sent = max(0, min(delivery.sent - reply.lead, reply.words)) if reply.stream else reply.tally.output
            tally = Tally(reply.tally.input, reply.tally.cache_read, reply.tally.cache_write, sent)
        self._service.books.add(reply.key, reply.endpoint, tally, ABORTED)

    def _refuse(self, fault: Fault) -> None:
        request = Request(b"GET", b"", "1.1", False, [], {}, b"")
        reply = self._service.fault("openai", fault, endpoint="(unreadable)")
        self._write_whole(cuts(whole(reply, request, self._service.date)), reply, request)

    def _close(self) -> None:
        self.closed = True
        self._transport.close()

    # WebSocket.

    def _shake_hands(self, request: Request) -> None:
        reply = websocket.handshake(request)
        try:
            framing(request)
        except Fault as fault:
            self._refuse(fault)
            return
        if reply is None:
            self._refuse(Fault(400, "not a WebSocket handshake"))
            return
        self._tunnel = websocket.Echo()
        self._transport.write(reply)

    def _upgraded(self, rest: bytes) -> None:
        """The parser stops at every upgrade offer; one that was not taken (h2c) is HTTP as before."""
        if self._tunnel is None:
            self._parser = httptools.HttpRequestParser(self)
        if rest:
            self.data_received(rest)

    def _echo(self, data: bytes) -> None:
        assert self._tunnel is not None
        if answer := self._tunnel.feed(data):
            self._transport.write(answer)
        if self._tunnel.closed:
            self._close()
