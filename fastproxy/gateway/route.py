"""Station 4: where to. A pure decision from the operation, the model and the table; nothing is sent here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.errors import NoRoute
from fastproxy.gateway import passthrough
from fastproxy.gateway.identify import without_query_key
from fastproxy.gateway.table import EDGE, PROVIDER, Attempt, Channel

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange


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
    wire_format = operation.format
    exchange.target = without_query_key(operation.upstream_path)
    wanted = exchange.head.get(b"x-model-provider")
    speaking = exchange.table.channels_for(wire_format)
    if wanted is not None:
        speaking = [channel for channel in speaking if _is_wanted(channel, wanted.decode("latin-1").lower())]
    if not speaking:
        who = (
            f"channel or provider '{wanted.decode('latin-1')[:100]}'" if wanted is not None else "a configured channel"
        )
        raise NoRoute(f"no {who} speaks {wire_format}; translation is not part of this version", status=501)
    serving = _serving(speaking, exchange.model)
    if not serving:
        raise NoRoute(f"model '{exchange.model[:100]}' has no channel", kind="model_not_found")
    return tuple(channel.attempts[wire_format] for channel in serving)


def _serving(channels: list[Channel], model: str) -> list[Channel]:
    """Those that name the model before those that take any."""
    if not model:
        return channels
    naming = [channel for channel in channels if channel.models is not None and model in channel.models]
    return naming + [channel for channel in channels if channel.models is None]


def _is_wanted(channel: Channel, name: str) -> bool:
    return name in (channel.name.lower(), channel.provider.lower())
