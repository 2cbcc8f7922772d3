"""Events mode, the way back: an upstream's reply in the client's format, streamed or whole, whichever was asked for.

    upstream \\ client     whole                     stream
    whole                 events → fold → reply     events → writer, at once
    stream                events → fold → reply     events → writer, as they come

The head goes to the client with the first event, so that an error before it still has its own status; an error behind
it becomes one event of the client's format and an abnormal end (refuse.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.errors import UpstreamFailed
from fastproxy.formats import checked
from fastproxy.formats.ndjson import Lines
from fastproxy.gateway.one_shot import OneShot
from fastproxy.gateway.reply_stream import ReplyStream
from fastproxy.gateway.take import UNREADABLE, ReplyTaker, take_over
from fastproxy.gateway.vault import keep
from fastproxy.gateway.whole import NOTED, SIGNABLE, Ear, answer, check_end, write
from fastproxy.wire.sse import SseReader

if TYPE_CHECKING:
    from fastproxy.formats.events import Event
    from fastproxy.formats.registry import StreamReader
    from fastproxy.formats.usage_fields import Usage
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.gateway.translate import Translation
    from fastproxy.wire.reply_head import ReplyHead

MAX_EVENTS: Final = 200_000


def splitter(content_type: bytes) -> SseReader | Lines | None:
    """What cuts a stream of that type into its events; None for what is no stream."""
    kind = content_type.lower()
    if kind.startswith(b"text/event-stream"):
        return SseReader()
    return Lines() if kind.startswith(b"application/x-ndjson") else None


async def deliver(exchange: Exchange, translation: Translation | OneShot) -> None:
    """Translate the reply in `exchange.reply`. Raises: UpstreamFailed, before or behind its first byte."""
    reply = exchange.reply
    assert reply is not None
    if isinstance(translation, OneShot):
        await take_over(exchange, WholeTaker(exchange, translation, reply))
    else:
        await take_over(exchange, Taker(exchange, translation, reply))


class WholeTaker(ReplyTaker):
    """Takes the reply whole, for what is asked once."""

    __slots__ = ("_question",)

    def __init__(self, exchange: Exchange, one_shot: OneShot, reply: ReplyHead) -> None:
        super().__init__(exchange, reply, exchange.the_attempt().format)
        assert one_shot.question is not None
        self._question = one_shot.question

    def _complete(self) -> None:
        if self._is_error:
            raise self._refusal()
        answer = self._question.read(checked.load(b"".join(self._collected), keeps_numbers=False))
        self._usage = answer.usage
        if answer.data is None:
            self._write(answer.body)
        else:
            self._write_bytes(answer.data, answer.kind.encode())


class Taker(ReplyTaker):
    """Takes the reply as events."""

    __slots__ = ("_ear", "_events", "_holds", "_is_signed", "_kept", "_may_sign", "_reader", "_sink", "_split",
                 "_translation")  # fmt: skip

    def __init__(self, exchange: Exchange, translation: Translation, reply: ReplyHead) -> None:
        super().__init__(exchange, reply, translation.upstream.NAME)
        self._translation = translation
        self._ear = Ear(exchange, translation.names)
        self._split = None if self._is_error else splitter(reply.get(b"content-type") or b"")
        self._reader: StreamReader = translation.upstream.StreamReader(**translation.reading)
        self._events: list[Event] = []
        self._kept: list[Event] = []
        self._may_sign = translation.upstream.NAME != "openai-chat"
        self._is_signed = False
        self._sink = ReplyStream(exchange, translation) if translation.request.stream else None
        self._holds = self._sink is None or translation.stores

    def _take(self, piece: bytes) -> None:
        if self._inflate is not None:
            piece = self._inflate.feed(piece)
        if self._split is None:
            self._hold(piece)
            return
        self._pass(piece)
        try:
            for name, data in self._split.feed(piece):
                self._hear(self._reader.feed(name, data))
        except UNREADABLE:
            if self._sink is not None and self._exchange.status:
                self._sink.flush()  # what stood in front of the error was said
            raise
        if self._sink is not None:
            self._sink.flush()

    def reply_failed(self, error: UpstreamFailed) -> None:
        """A connection that breaks behind the last event has done its work."""
        exchange = self._exchange
        if self._sink is None or not self._sink.is_whole or not exchange.status:
            exchange.reply_failed(error)
            return
        exchange.upstream_done = True
        self._sink.end()
        exchange.wake()

    def _hear(self, events: list[Event]) -> None:
        """Note what concerns the gateway, and pass the events on."""
        sink = self._sink
        for event in events:
            heard = self._ear.hear(event) if type(event) in NOTED else event
            if self._may_sign and type(heard) in SIGNABLE:
                self._keep(heard)
            if self._holds:
                self._hold_event(heard)
            if sink is not None:
                sink.write(heard)

    def _hold_event(self, event: Event) -> None:
        """For a client that wants all at once, or comes back to it; a stream of that length is not remembered."""
        self._events.append(event)
        if len(self._events) > MAX_EVENTS:
            if self._sink is None:
                raise UpstreamFailed("a reply too large to be translated", kind="upstream_truncated")
            self._holds = self._translation.stores = False
            self._events.clear()

    def _keep(self, event: Event) -> None:
        """For the vault: what may bear a signature, and the text it would be found by."""
        self._kept.append(event)
        if len(self._kept) > MAX_EVENTS:
            self._may_sign = self._is_signed = False
            self._kept.clear()
        elif getattr(event, "signature", None) is not None:
            self._is_signed = True

    def _complete(self) -> None:
        """The upstream has said all. Raises: UpstreamFailed when it was an error, or not all."""
        if self._is_error:
            raise self._refusal()
        sink, translation = self._sink, self._translation
        if self._split is None and sink is None:
            reply, self._ear.usage = answer(self._exchange, translation, self._said())
            self._write(reply)
            return
        self._hear_rest()
        if self._is_signed:
            keep(self._exchange, translation.request, self._kept)
        if sink is None:
            check_end(self._events)
            self._write(write(self._exchange, translation, self._events))
            return
        if translation.stores and sink.is_whole:
            write(self._exchange, translation, self._events)
        sink.end()

    def _hear_rest(self) -> None:
        if self._split is None:
            self._hear(self._translation.upstream.read_reply(self._said(), **self._translation.reading))
            return
        for name, data in self._split.end():
            self._hear(self._reader.feed(name, data))
        self._hear(self._reader.end())

    def _said(self) -> dict[str, Any]:
        return checked.load(b"".join(self._collected))

    def finish(self) -> Usage | None:
        return self._ear.usage
