"""A whole reply of an upstream as a whole reply in the client's format, and what the gateway hears in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.errors import UpstreamFailed
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
from fastproxy.formats.fold import fold, plain_reply
from fastproxy.gateway.stored import remember
from fastproxy.gateway.translate import reply_context
from fastproxy.gateway.vault import keep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastproxy.formats.events import Reply
    from fastproxy.formats.tool_names import ToolNames
    from fastproxy.formats.usage_fields import Usage
    from fastproxy.gateway.asker import Asker
    from fastproxy.gateway.translate import Translation

SIGNABLE: Final = frozenset((TextDelta, ThinkingDelta, ThinkingSignature, ToolBegin))  # what the vault is made of
NOTED: Final = frozenset((UsageReport, Begin, Failure, ToolBegin))


class Ear:
    """Notes what a reply cost, raises what it reports as failed, and calls tools by the client's names."""

    __slots__ = ("_asker", "_calls", "_names", "usage")

    def __init__(self, asker: Asker, names: ToolNames) -> None:
        self._asker = asker
        self._names = names
        self._calls = 0
        self.usage: Usage | None = None

    def hear(self, event: Event) -> Event:
        """The event as the client is to get it. Raises: UpstreamFailed."""
        if isinstance(event, UsageReport):
            self.usage = event.usage
        elif isinstance(event, Begin):
            self.usage = event.usage or self.usage
        elif isinstance(event, Failure):
            raise UpstreamFailed(event.message, status=event.status, kind=event.kind, retry_after=event.retry_after)
        elif isinstance(event, ToolBegin):
            return self._named(event)
        return event

    def _named(self, event: ToolBegin) -> ToolBegin:
        """By the client's name for the tool; with an id of ours where the upstream gives none (Gemini)."""
        self._calls += 1
        given = event.id or f"call_{self._asker.name().decode()}_{self._calls}"
        return replace(event, id=given, name=self._names.back(event.name))


def answer(asker: Asker, translation: Translation, said: dict[str, Any]) -> tuple[dict[str, Any], Usage | None]:
    """What `said` is in the client's format, and what it cost. Raises: UpstreamFailed, FormatError."""
    upstream = translation.upstream
    events = upstream.read_reply(said, **translation.reading)
    plain = plain_reply(events)
    if plain is not None:  # as most are: there is nothing to be heard in it but what it cost
        return _written(asker, translation, plain), plain.usage
    ear = Ear(asker, translation.names)
    for place, event in enumerate(events):
        if type(event) in NOTED:
            events[place] = ear.hear(event)
    if upstream.NAME != "openai-chat":
        signed = [event for event in events if type(event) in SIGNABLE]
        if any(getattr(event, "signature", None) is not None for event in signed):
            keep(asker, translation.request, signed)
    check_end(events)
    return write(asker, translation, events), ear.usage


def check_end(events: Sequence[Event]) -> None:
    """Raises: UpstreamFailed when the events have no end."""
    kinds = [type(event) for event in events]
    if Done not in kinds or End not in kinds:
        raise UpstreamFailed("the upstream's reply ended before its end", kind="upstream_truncated")


def write(asker: Asker, translation: Translation, events: Sequence[Event]) -> dict[str, Any]:
    """The client's whole reply, kept if that is asked for."""
    return _written(asker, translation, fold(events))


def _written(asker: Asker, translation: Translation, answered: Reply) -> dict[str, Any]:
    reply = translation.source.write_reply(answered, reply_context(asker, translation))
    if translation.stores and not remember(asker, dict(translation.request.body), reply):
        reply["store"] = False  # it is too large to be kept
    return reply
