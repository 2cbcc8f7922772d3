"""The mock's side of a connection: HTTP/1.1 on one asyncio Protocol, with the vendor's brain behind it.

A plain request costs one parse (with a known head, none), one look-up and one write. Only a reply that is late, slow or
broken becomes a Delivery; while one is under way, or the client does not read, pipelined requests wait in line.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from fastproxy.loadtest import mock_websocket as websocket
from fastproxy.loadtest.mock_access import framing
from fastproxy.loadtest.mock_books import ABORTED
from fastproxy.loadtest.mock_faults import Fault
from fastproxy.loadtest.mock_pace import Delivery
from fastproxy.loadtest.mock_reader import Reader
from fastproxy.loadtest.mock_reply import Reply, cuts, ends_connection, parts, refusal, whole
from fastproxy.loadtest.mock_request import Request
from fastproxy.loadtest.mock_words import NOTHING

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_heads import Found
    from fastproxy.loadtest.mock_host import Host
    from fastproxy.loadtest.mock_service import Outcome

_LONGEST_LINE = 16
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class MockProtocol(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_data", "_ended", "_host", "_line", "_reader", "_service", "_transport", "_tunnel", "busy", "closed", "paused",
    )  # fmt: skip

    def __init__(self, host: Host) -> None:
        self._host = host
        self._service = host.service
        self._reader = Reader(self._take, self._continue)
        self._line: deque[Request] = deque()
        self._tunnel: websocket.Echo | None = None
        self._ended = False
        self.busy: Delivery | None = None
        self.closed = False
        self.paused = False

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._host.connections.add(self)
        if self._host.stopped:
            self._close()

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return
        if self._tunnel is not None:
            self._echo(data)
            return
        self._data: bytes | None = None
        if not (self._reader.reading or self._line or self.busy or self.paused) and self._service.quick:
            found = self._service.heads.find(data)
            if found is not None:
                self._service.last.append(data)
                self._send(found)
                return
            self._data = data
        try:
            self._reader.feed(data)
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

    # From the reader.

    def _continue(self) -> None:
        if self.busy is None:
            self._transport.write(_CONTINUE)

    def _take(self, request: Request) -> None:
        if self.busy is None and not self.paused and not self._line:
            self._serve(request)
            return
        self._line.append(request)
        if len(self._line) == _LONGEST_LINE:
            self._transport.pause_reading()

    # Replies.

    def _send(self, found: Found) -> None:
        """A reply to a known head: at once, or whole after the latency of the flags."""
        service = self._service
        if service.instant:
            self._transport.write(found.data)
            service.books.add(found.key, found.endpoint, found.tally)
            return
        reply = Reply(200, "", b"", (), key=found.key, endpoint=found.endpoint, tally=found.tally)
        self.busy = Delivery(self, self._host.wheel, reply, service.default, service.rng)
        self.busy.start(b"", [found.data])

    def _serve(self, request: Request) -> None:
        service = self._service
        service.last.append(request)
        if websocket.is_endpoint(request.target) and b"upgrade" in request.fields:
            self._shake_hands(request)
            return
        if service.quick and not request.wishes:
            prepared = service.recall(request)
            if self._data is not None:
                service.heads.learn(self._data, request, prepared)
            if service.instant:
                self._write_whole(prepared.parts, prepared.reply, request)
                return
        outcome = service.answer(request)
        if outcome.behaviour.instant:
            data = outcome.ident.join(cuts(whole(outcome.reply, request, outcome.date)))
            self._write_whole([data], outcome.reply, request)
        else:
            self._deliver(outcome, request)

    def _write_whole(self, around: list[bytes], reply: Reply, request: Request) -> None:
        """`around` are the bytes around the ids."""
        self._transport.write(self._service.ident().join(around))
        if reply.endpoint:
            self._service.books.add(reply.key, reply.endpoint, reply.tally, reply.kind)
        if ends_connection(reply, request):
            self._close()

    def _deliver(self, outcome: Outcome, request: Request) -> None:
        self._ended = self._ended or ends_connection(outcome.reply, request)
        self.busy = Delivery(self, self._host.wheel, outcome.reply, outcome.behaviour, outcome.rng)
        start, *pieces = (outcome.ident.join(cuts(part)) for part in parts(outcome.reply, request, outcome.date))
        self.busy.start(start, pieces)

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
        if reply.endpoint:
            tally = reply.partial(delivery.sent) if delivery.begun else NOTHING
            self._service.books.add(reply.key, reply.endpoint, tally, ABORTED)

    def _refuse(self, fault: Fault) -> None:
        request = Request(b"GET", b"", "1.1", False, [], {}, b"")
        reply = refusal("openai", fault, endpoint="(unreadable)")
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
            self._reader.restart()
        if rest:
            self.data_received(rest)

    def _echo(self, data: bytes) -> None:
        assert self._tunnel is not None
        if answer := self._tunnel.feed(data):
            self._transport.write(answer)
        if self._tunnel.closed:
            self._close()
