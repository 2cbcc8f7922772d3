"""Usage on the side: what a reply says of its tokens, read from a copy of its bytes without changing or delaying one.

A meter is chosen once per reply by the wire format of the operation and the reply's content type; it is read in settle,
when the client has long had its last byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from fastproxy.formats.inflate import decoder
from fastproxy.formats.usage import TAIL_MAX_BYTES, WHOLE_BYTES, StreamUsage, read_json, read_tail

if TYPE_CHECKING:
    from fastproxy.formats.usage_fields import Usage
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.wire.reply_head import ReplyHead


class Seen(NamedTuple):
    """What a meter has kept of a reply, for the case that it did not say what it cost.

    `total`: the bytes of which `text` is the end; 0 where that is what was relayed.
    """

    text: bytes
    is_stream: bool
    total: int = 0


class Meter(Protocol):
    """Fed with every piece of a reply body; asked once, at the end or where it broke off.

    `has_ended`: it was not cut short.
    """

    def feed(self, data: bytes) -> None: ...
    def has_ended(self) -> bool: ...
    def finish(self) -> Usage | None: ...
    def seen(self) -> Seen: ...


class StreamMeter(StreamUsage):
    """Usage of a reply that is a stream of events."""

    __slots__ = ()

    def seen(self) -> Seen:
        return Seen(self.kept(), True)


class JsonMeter:
    """Usage of a reply that is one JSON document."""

    __slots__ = ("_bytes", "_format", "_pieces")

    def __init__(self, wire_format: str) -> None:
        self._format = wire_format
        self._pieces: list[bytes] = []
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._bytes += len(data)
        if self._bytes > WHOLE_BYTES and len(self._pieces) > 1:
            tail = b"".join(self._pieces)[-TAIL_MAX_BYTES:]
            self._pieces = [tail]

    def has_ended(self) -> bool:
        """The framing has said so."""
        return True

    def finish(self) -> Usage | None:
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._bytes > WHOLE_BYTES:
            return read_tail(self._format, body[-TAIL_MAX_BYTES:])
        return read_json(self._format, body)

    def seen(self) -> Seen:
        return Seen(b"".join(self._pieces), False)


class InflatingMeter:
    """Decompresses on the side; stops looking, never relaying, when the data is broken or blows up."""

    __slots__ = ("_inflate", "_inner", "_size")

    def __init__(self, inner: Meter, encoding: bytes) -> None:
        self._inner = inner
        self._inflate = decoder(encoding)
        self._size = 0

    def feed(self, data: bytes) -> None:
        if self._inflate is not None:
            plain = self._inflate.feed(data)
            if plain:
                self._size += len(plain)
                self._inner.feed(plain)

    def has_ended(self) -> bool:
        return self._inflate is None or self._inflate.stopped or self._inner.has_ended()

    def finish(self) -> Usage | None:
        return self._inner.finish()

    def seen(self) -> Seen:
        return self._inner.seen()._replace(total=self._size)


def watch_reply(exchange: Exchange, reply: ReplyHead) -> None:
    """Put a meter on the reply if its format says what it cost."""
    operation = exchange.operation
    if operation is None or not operation.metered or not 200 <= reply.status < 300:
        return
    kind = reply.get(b"content-type") or b""
    exchange.streams = kind.startswith(b"text/event-stream")
    meter: Meter
    if kind.startswith(b"application/json"):
        meter = JsonMeter(operation.format)
    elif exchange.streams:
        meter = StreamMeter(operation.format)
    else:
        return
    encoding = reply.get(b"content-encoding")
    exchange.meter = meter if encoding is None else InflatingMeter(meter, encoding)
