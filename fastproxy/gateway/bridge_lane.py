"""The lane of translations: a request like the last one of its connection, to a channel that speaks another format.

What repeats is everything around the body: who asks, for which model, on which channel; often also what stands in the
body around the conversation (frame.py). The rest is read and written anew, by the same functions as on the ordinary way
(translate.py, whole.py), and so is a reply that is all here. A stream, an error, a file that has to be fetched: these
are left to the ordinary way.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from fastproxy.errors import GatewayError
from fastproxy.formats import checked, exact
from fastproxy.gateway.bounds import load_bounded
from fastproxy.gateway.frame import Frame, frame_of
from fastproxy.gateway.inline import needs_files
from fastproxy.gateway.lane import Lane
from fastproxy.gateway.relay import milliseconds, own_lines
from fastproxy.gateway.table import TRACE
from fastproxy.gateway.take import UNREADABLE
from fastproxy.gateway.translate import Translation, encoded, lossy_line, understand, upstream_head
from fastproxy.gateway.vault import restore
from fastproxy.gateway.whole import answer
from fastproxy.wire.digits import digits
from fastproxy.wire.reply_head import MAX_REPLY_HEAD, STATUS_LINES
from fastproxy.wire.stencil import CONSTANTS, extra

if TYPE_CHECKING:
    from fastproxy.formats.usage_fields import Usage
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.gateway.table import Attempt
    from fastproxy.wire.basin import Basin
    from fastproxy.wire.fields import Reading
    from fastproxy.wire.outbound import Outbound


MAX_FRAMES: Final = 16  # of one connection: who changes more often repeats nothing


class BridgeLane(Lane):
    """Translates, both ways."""

    __slots__ = ("_frame", "_frames", "_reply_start", "_translation")

    def __init__(self, exchange: Exchange, attempt: Attempt, reading: Reading) -> None:
        super().__init__(exchange, attempt, reading, exchange.target)
        self._stay_same(exchange.head, (b"content-length", *TRACE), (0, 1))
        self._reply_start = STATUS_LINES[200] + b"content-type: application/json\r\n" + attempt.reply_lines
        self._translation: Translation | None = None
        self._frame: Frame | None = None
        self._frames = MAX_FRAMES

    # --- the request ----------------------------------------------------------------------------------------------

    def take(self, data: bytes) -> bool:
        self._started = perf_counter_ns()
        stencil = self._habit.stencil
        match = stencil.match(data)
        if match is None or (groups := match.groups())[CONSTANTS] != stencil.constants:
            return self._take_new(data)
        begun = self._begin(data, match.end(), groups[stencil.length_at])
        if begun is None:
            return False
        outbound, body, path = begun
        outbound.transport.write(stencil.fill(groups, (path, self._auth(), digits(len(body)), body)))
        self._sent = perf_counter_ns()
        return True

    def take_large(self, basin: Basin, size: int) -> bool:
        return False

    def _take_new(self, data: bytes) -> bool:
        """As `take`, for a head that is new in more than its values."""
        match = self._reading.match(data)
        if match is None or not self._is_like_the_last(groups := match.groups(), data, match.end()):
            self._is_strange()
            return False
        begun = self._begin(data, match.end(), groups[self._reading.length_at])
        if begun is None:
            return False
        outbound, body, path = begun
        outbound.transport.write(self._head(groups, path, self._auth(), digits(len(body))) + body)
        self._sent = perf_counter_ns()
        self._habit.learn(data[: match.end()], self._rewrite)
        return True

    def _begin(self, data: bytes, start: int, length: bytes) -> tuple[Outbound, bytes, bytes] | None:
        """On what to send, and the body and the path that go up; None if this is not for the lane, or not now."""
        asked = self._ask(data, start, length)
        outbound = self._set_off(data, len(data) - start, start) if asked is not None else None
        if asked is None or outbound is None:
            self._translation = None
            return None
        return outbound, *asked

    def _ask(self, data: bytes, start: int, length: bytes) -> tuple[bytes, bytes] | None:
        """The body and the path that go up; None if the ordinary way must see to it, be it to say what is wrong."""
        if length != digits(len(data) - start):
            return None
        frame = self._frame
        try:
            body = load_bounded(data[start:])
            framed = frame.put(body) if frame is not None else None
            if frame is None or framed is None:
                return self._ask_anew(body)
        except (GatewayError, *UNREADABLE):
            return None
        self._translation = frame.translation
        return framed

    def _ask_anew(self, body: dict[str, Any]) -> tuple[bytes, bytes] | None:
        """As `_ask`, for a body that has more to it than another conversation. Raises: FormatError, BadRequest."""
        translation = understand(self, body)
        request = translation.request
        if self.model and request.model != self.model:
            return None
        if not translation.only_texts and needs_files(request, self.attempt.format):
            return None
        written, path = translation.put(restore(self, request, self.attempt), self.attempt, self.table)
        if translation.losses and self.key is not None and self.key.lossy == "strict":
            return None
        self._translation = translation
        if self._frames:
            self._frames -= 1
            self._frame = frame_of(translation, written, path) or self._frame
        return encoded(written), path

    def _head(self, groups: tuple[bytes, ...], path: bytes, auth: bytes, length: bytes) -> bytes:
        places = self._reading.places
        trace = [b"%b: %b\r\n" % (name, groups[places[name]]) for name in TRACE if name in places]
        return upstream_head(self.attempt, path, b"".join(trace), (auth, length))

    def _rewrite(self, head: bytes) -> bytes | None:
        """As `_head`, for a head with marks."""
        match = self._reading.match(head)
        return self._head(match.groups(), extra(0), extra(1), extra(2)) if match is not None else None

    # --- the reply ------------------------------------------------------------------------------------------------

    def whole_reply(self, outbound: Outbound, data: bytes) -> bool:
        self._heard = perf_counter_ns()
        stencil = self.attempt.replies.stencil
        match = stencil.match(data)
        if match is None or (groups := match.groups())[CONSTANTS] != stencil.constants:
            return self._new_reply(outbound, data)
        start = match.end()
        if groups[stencil.length_at] != digits(len(data) - start) or stencil.status != 200:
            return False
        answered = self._answer(data, start)
        if answered is None:
            return False
        body, varying, usage = answered
        self._close_books(200, len(body), usage)
        told = (self.name(), milliseconds(self._own_us))
        self.inbound.transport.write(stencil.fill(groups, (varying, digits(len(body)), *told, body)))
        self._close(outbound, len(body), usage)
        return True

    def _new_reply(self, outbound: Outbound, data: bytes) -> bool:
        """As `whole_reply`, for a head that is new in more than its values."""
        reading = outbound.pool.reading
        match = self._recognised(reading, data)
        if match is None or reading is None:
            return False
        groups, start = match.groups(), match.end()
        answered = self._answer(data, start) if groups[0] == b"200" else None
        if answered is None:
            return False
        body, varying, usage = answered
        self._close_books(200, len(body), usage)
        told = (self.name(), milliseconds(self._own_us))
        head = self._reply_head(reading, groups, (varying, digits(len(body))), told)
        self.attempt.replies.learn(data[:start], partial(self._rewrite_reply, reading))
        self.inbound.transport.write(head + body)
        self._close(outbound, len(body), usage)
        return True

    def _answer(self, data: bytes, start: int) -> tuple[bytes, bytes, Usage] | None:
        """The body for the client, the lines that vary, and what it cost; None leaves it to the ordinary way."""
        translation = self._translation
        if translation is None or translation.is_stream or self.inbound.front.draining:
            return None
        if start > MAX_REPLY_HEAD or not data.startswith(b"{", start):
            return None  # what is compressed begins otherwise
        try:
            reply, usage = answer(self, translation, checked.load(data[start:]))
            body = exact.dumps(reply)
        except UNREADABLE:
            return None
        if usage is None:
            return None  # what does not say its price is estimated on the ordinary way
        return body, lossy_line(translation.losses, self.key) + self.world.date_line, usage

    def _reply_head(
        self, reading: Reading, groups: tuple[bytes, ...], rest: tuple[bytes, bytes], told: tuple[bytes, bytes]
    ) -> bytes:
        """The head for the client; of the upstream's, nothing but its request id."""
        theirs = groups[reading.request_id_at] if reading.request_id_at >= 0 else None
        varying, length = rest
        own_id, own_ms = told
        lines = own_lines(own_id, 1, theirs, own_ms)
        return b"".join((self._reply_start, lines, varying, b"content-length: ", length, b"\r\n\r\n"))

    def _rewrite_reply(self, reading: Reading, head: bytes) -> bytes | None:
        match = reading.match(head)
        if match is None:
            return None
        return self._reply_head(reading, match.groups(), (extra(0), extra(1)), (extra(2), extra(3)))

    def _close(self, outbound: Outbound, size: int, usage: Usage) -> None:
        self._settle(outbound, 200, size, usage)
        self._translation = None  # nor must a connection that waits hold a prompt in another form

    # --- back to the ordinary way ---------------------------------------------------------------------------------

    def _exchange(self, *, with_body: bool) -> Exchange:
        exchange = super()._exchange(with_body=with_body)
        exchange.translation, self._translation = self._translation, None
        return exchange
