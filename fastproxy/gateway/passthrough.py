"""The transparent door: /{provider}/{path} goes to that vendor with the client's own key, byte for byte.

Which host and path that is stands in providers/; here it becomes an attempt, one per origin, remembered by the table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fastproxy.errors import NoRoute
from fastproxy.formats import operations
from fastproxy.gateway.identify import without_query_key
from fastproxy.gateway.table import CREDENTIALS, HIDDEN_FROM_CLIENTS, Attempt
from fastproxy.providers.catalogue import find_transparent
from fastproxy.providers.passthrough import HIDDEN_FROM_PROVIDERS, rebase, resolve
from fastproxy.wire.fields import same_drop
from fastproxy.wire.origin import Origin, parse_origin

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.gateway.table import Channel, Table
    from fastproxy.snapshot import Snapshot

_DROP: Final = frozenset(HIDDEN_FROM_PROVIDERS) | {b"host", b"x-model-provider"}
MAX_ATTEMPTS: Final = 1024


def provider_of(target: bytes) -> str:
    """The first segment of the path where it names a provider, as the client wrote it; else ""."""
    end = target.find(b"/", 1)
    name = target[1 : end if end > 0 else len(target)].partition(b"?")[0].decode("latin-1")
    return name if find_transparent(name) is not None else ""


def operation_of(method: bytes, target: bytes) -> operations.Operation | None:
    """What a transparent request asks for, where its path says so in the usual way: its usage can be read then."""
    start = target.find(b"/v1", 1)
    return operations.find(method, target[start:]) if start > 0 else None


def attempts(exchange: Exchange) -> tuple[Attempt, ...]:
    """The one attempt there is. Raises: NoRoute, BadRequest when the path does not fit the vendor's rule."""
    target = exchange.target
    name = provider_of(target)
    table = exchange.table
    found = resolve(name, target[len(name) + 1 :])
    is_ours = table.snapshot.passthrough == "require-key"
    channel = _channel_for(exchange, found.name) if is_ours else None
    base = _base_of(table, found.name, channel)
    if base is not None:
        found = rebase(found, base)
    origin, prefix = parse_origin(found.origin)
    if base is None:
        origin = replace(origin, public_only=True)
    else:
        origin = _as_trusted(origin, table.snapshot, found.name, base)
    exchange.target = prefix.encode() + found.path
    if is_ours:
        exchange.target = without_query_key(exchange.target)
    place = (origin, found.name, channel.name if channel is not None else "")
    attempt = table.passthrough_attempts.get(place)
    if attempt is None:
        attempt = _make(exchange, origin, found.name, vendor_address=base is None)
        if is_ours:
            _lend(attempt, channel)
        if len(table.passthrough_attempts) < MAX_ATTEMPTS:
            table.passthrough_attempts[place] = attempt
    return (attempt,)


def _channel_for(exchange: Exchange, provider: str) -> Channel | None:
    """The channel that lends its credential; the one whose address is used, if the key may use that.

    Raises: NoRoute (404) when all of the provider's channels are in other sets than the key's.
    """
    table = exchange.table
    theirs = [channel for channel in table.offer_for(exchange.key).channels if channel.provider == provider]
    if not theirs and any(channel.provider == provider for channel in table.channels):
        raise NoRoute(f"the key may not use provider '{provider}'")
    base = table.snapshot.provider_bases.get(provider)
    return next((channel for channel in theirs if channel.spec.base_url == base), theirs[0] if theirs else None)


def _base_of(table: Table, provider: str, channel: Channel | None) -> str | None:
    """The operator's address of the provider; None for the vendor's own. Another's than the channel's is not used if it
    is that of a channel which the key may not use."""
    base = table.snapshot.provider_bases.get(provider)
    if channel is None or base is None or channel.spec.base_url == base:
        return base
    if not any(each.provider == provider and each.spec.base_url == base for each in table.channels):
        return base
    return None if channel.spec.vendor_address else channel.spec.base_url


def _as_trusted(origin: Origin, snapshot: Snapshot, name: str, base: str) -> Origin:
    """The origin with the trust that the operator gave to the channel whose address this is."""
    for spec in snapshot.channels:
        if spec.provider == name and spec.base_url == base:
            return replace(origin, verify=spec.verify, ca_file=spec.ca_file)
    return origin


def _make(exchange: Exchange, origin: Origin, name: str, *, vendor_address: bool) -> Attempt:
    attempt = Attempt(exchange.world.pool(origin), channel=name, provider=name, prefix="")
    attempt.drop = _DROP
    attempt.fixed = b" HTTP/1.1\r\nhost: " + origin.authority.encode() + b"\r\n"
    attempt.via = b"" if vendor_address else b"via: " + exchange.table.via + b"\r\n"
    return attempt


def _lend(attempt: Attempt, channel: Channel | None) -> None:
    """The credential was ours and stays here; the vendor gets the one of its channel, if there is one."""
    attempt.drop = same_drop(_DROP | CREDENTIALS)
    if channel is not None:
        spoken = next(iter(channel.attempts.values()))
        attempt.auth, attempt.secrets = spoken.auth, spoken.secrets
    attempt.reply_drop = same_drop(HIDDEN_FROM_CLIENTS)
