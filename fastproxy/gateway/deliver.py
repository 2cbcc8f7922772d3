"""Events mode, the way back: an upstream's reply in the client's format, streamed or whole, whichever was asked for.

    upstream \\ client     whole                     stream
    whole                 events → fold → reply     events → writer, at once
    stream                events → fold → reply     events → writer, as they come

The head goes to the client with the first event, so that an error before it still has its own status; an error behind
it becomes one event of the client's format and an abnormal end (refuse.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.errors import UpstreamFailed
from fastproxy.formats import checked
from fastproxy.formats.events import (
    Begin,
    Done,
    End,
    Event,
    Failure,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolBegin,
    UsageReport,
)
from fastproxy.formats.fold import fold
from fastproxy.gateway.one_shot import OneShot
from fastproxy.gateway.reply_stream import ReplyStream
from fastproxy.gateway.stored import remember
from fastproxy.gateway.take import UNREADABLE, ReplyTaker, take_over
from fastproxy.gateway.translate import Translation, reply_context
from fastproxy.gateway.vault import keep
from fastproxy.wire.sse import SseReader

if TYPE_CHECKING:
    from fastproxy.formats.registry import StreamReader
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.wire.reply_head import ReplyHead

MAX_EVENTS: Final = 200_000
_KEPT: Final = frozenset((TextDelta, ThinkingDelta, ThinkingSignature, ToolBegin))
_NOTED: Final = frozenset((UsageReport, Begin, Failure, ToolBegin))


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
        answer = self._question.read(checked.load(b"".join(self._collected)))
        self._usage = answer.usage
        self._write(answer.body)


class Taker(ReplyTaker):
    """Takes the reply as events."""

    __slots__ = ("_calls", "_events", "_holds", "_is_signed", "_kept", "_may_sign", "_reader", "_sink", "_split",
                 "_translation")  # fmt: skip

    def __init__(self, exchange: Exchange, translation: Translation, reply: ReplyHead) -> None:
        super().__init__(exchange, reply, translation.upstream.NAME)
        self._translation = translation
        self._calls = 0
        kind = (reply.get(b"content-type") or b"").lower()
        self._split: SseReader | None = None
        if kind.startswith(b"text/event-stream") and not self._is_error:
            self._split = SseReader()
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
        """Note what concerns the gateway, undo renamings, and pass the events on."""
        sink = self._sink
        for event in events:
            heard = self._note(event) if type(event) in _NOTED else event
            if self._may_sign and type(heard) in _KEPT:
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

    def _note(self, event: Event) -> Event:
        if isinstance(event, UsageReport):
            self._usage = event.usage
        elif isinstance(event, Begin):
            self._usage = event.usage or self._usage
        elif isinstance(event, Failure):
            raise UpstreamFailed(event.message, status=event.status, kind=event.kind, retry_after=event.retry_after)
        elif isinstance(event, ToolBegin):
            return self._named(event)
        return event

    def _named(self, event: ToolBegin) -> ToolBegin:
        """By the client's name for the tool; with an id of ours where the upstream gives none (Gemini)."""
        self._calls += 1
        given = event.id or f"call_{self._exchange.name().decode()}_{self._calls}"
        return replace(event, id=given, name=self._translation.names.back(event.name))

    def _complete(self) -> None:
        """The upstream has said all. Raises: UpstreamFailed when it was an error, or not all."""
        if self._is_error:
            raise self._refusal()
        if self._split is None:
            said = checked.load(b"".join(self._collected))
            self._hear(self._translation.upstream.read_reply(said, **self._translation.reading))
        else:
            for name, data in self._split.end():
                self._hear(self._reader.feed(name, data))
            self._hear(self._reader.end())
        if self._is_signed:
            keep(self._exchange, self._translation.request, self._kept)
        if self._sink is not None:
            if self._translation.stores and self._sink.is_whole:
                self._remember(self._whole())
            self._sink.end()
        else:
            self._write_whole()

    def _write_whole(self) -> None:
        kinds = {type(event) for event in self._events}
        if Done not in kinds or End not in kinds:
            raise UpstreamFailed("the upstream's reply ended before its end", kind="upstream_truncated")
        reply = self._whole()
        if self._translation.stores and not self._remember(reply):
            reply["store"] = False  # it is too large to be kept
        self._write(reply)

    def _whole(self) -> dict[str, Any]:
        translation = self._translation
        return translation.source.write_reply(fold(self._events), reply_context(self._exchange, translation))

    def _remember(self, reply: dict[str, Any]) -> bool:
        return remember(self._exchange, dict(self._translation.request.body), reply)
