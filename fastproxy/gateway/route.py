"""Station 4: where to. A pure decision from the operation, the model and the table; nothing is sent here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.errors import NoRoute
from fastproxy.gateway import one_shot, passthrough
from fastproxy.gateway.identify import without_query_key
from fastproxy.gateway.patterns import MAX_KNOWN_LENGTH
from fastproxy.gateway.table import EDGE, PROVIDER, Attempt, Channel
from fastproxy.gateway.translate import is_chat
from fastproxy.providers.homes import OWN_MODELS_ONLY, home_of
from fastproxy.providers.quirks import completes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastproxy.formats.operations import Operation
    from fastproxy.gateway.exchange import Exchange

MAX_ROUTED: Final = 4096  # decisions that are remembered: clients choose the models; 0.2 us instead of 4


def route(exchange: Exchange) -> tuple[Attempt, ...]:
    """The attempts in the order in which they are to be made; never empty. Raises: NoRoute."""
    entry = exchange.entry
    if entry is EDGE:
        return exchange.choices
    if entry is PROVIDER:
        return passthrough.attempts(exchange)
    return _channels(exchange)


def _channels(exchange: Exchange) -> tuple[Attempt, ...]:
    operation = exchange.operation
    assert operation is not None
    exchange.target = without_query_key(operation.upstream_path)
    wanted = exchange.head.get(b"x-model-provider")
    if wanted is not None:
        return _decide(exchange, operation, wanted)
    key = exchange.key
    sets = key.sets if key is not None else None
    routed, question = exchange.table.routed, (operation.format, operation.name, exchange.model, sets)
    decided = routed.get(question)
    if decided is None:
        decided = _decide(exchange, operation, None)
        if len(exchange.model) <= MAX_KNOWN_LENGTH:  # in a path there is room for one of 16 KB
            if len(routed) >= MAX_ROUTED:
                routed.clear()
            routed[question] = decided
    return decided


def _decide(exchange: Exchange, operation: Operation, wanted: bytes | None) -> tuple[Attempt, ...]:
    table = exchange.table
    offer = table.offer_for(exchange.key)
    able = _able(offer.channels, operation)
    if operation.name == "completions":
        able = {channel: _for_completion(exchange, channel, attempt) for channel, attempt in able.items()}
    if wanted is not None:
        name = wanted.decode("latin-1").lower()
        able = {channel: attempt for channel, attempt in able.items() if _is_wanted(channel, name)}
    serving = _serving(able, exchange.model)
    if not serving:
        if able or (wanted is None and len(offer.channels) < len(table.channels) and _able(table.channels, operation)):
            raise NoRoute(_unserved(exchange.model), kind="model_not_found")  # so are those of other keys' sets
        raise NoRoute(_nobody(wanted, operation), status=501)
    return tuple(able[channel] for channel in serving)


def _able(channels: Sequence[Channel], operation: Operation) -> dict[Channel, Attempt]:
    """Those that speak the client's format, or that it can be translated for; and how each is spoken to."""
    find = _attempt_for_chat if is_chat(operation) else _attempt_as_it_is
    if one_shot.is_one_shot(operation):
        find = one_shot.attempt_for
    return {channel: attempt for channel in channels if (attempt := find(channel, operation)) is not None}


def _attempt_for_chat(channel: Channel, operation: Operation) -> Attempt | None:
    return channel.attempt_for(operation.format)


def _for_completion(exchange: Exchange, channel: Channel, attempt: Attempt) -> Attempt:
    """By chat, where the vendor would not complete a prompt with this model."""
    model = attempt.rename.get(exchange.model, exchange.model)
    if attempt.bridges or channel.bridge is None:
        return attempt
    return attempt if completes(channel.provider, model, exchange.table.snapshot.facts) else channel.bridge


def _attempt_as_it_is(channel: Channel, operation: Operation) -> Attempt | None:
    return channel.attempts.get(operation.format)


def _unserved(model: str) -> str:
    return f"model '{model[:100]}' has no channel" if model else "no channel that the key may use serves this"


def _nobody(wanted: bytes | None, operation: Operation) -> str:
    who = f"channel or provider '{wanted.decode('latin-1')[:100]}'" if wanted is not None else "configured channel"
    if is_chat(operation) or one_shot.is_one_shot(operation):
        return f"no {who} speaks {operation.format} or a format that it can be translated to"
    return f"no {who} speaks {operation.format}, and '{operation.name}' is not translated"


def _serving(able: dict[Channel, Attempt], model: str) -> list[Channel]:
    """Those that name the model, then those that take any: the vendor of the model first, then who speaks the format.

    A channel of another vendor that would need a translation is asked only when there is nobody else, and not if it is
    known to serve its own models alone.
    """
    naming = [channel for channel in able if channel.models is not None and model in channel.models]
    others = [channel for channel in able if channel.models is None or not model]
    home = home_of(model)
    at_home = [channel for channel in others if home and channel.provider == home]
    native = [channel for channel in others if not able[channel].bridges and channel not in at_home]
    served = [*_native_first(naming, able), *_native_first(at_home, able), *native]
    return served or [channel for channel in others if not model or channel.provider not in OWN_MODELS_ONLY]


def _native_first(channels: list[Channel], able: dict[Channel, Attempt]) -> list[Channel]:
    """Among equals in priority, who needs no translation."""
    return sorted(channels, key=lambda channel: (-channel.priority, able[channel].bridges))


def _is_wanted(channel: Channel, name: str) -> bool:
    return name in (channel.name.lower(), channel.provider.lower())
