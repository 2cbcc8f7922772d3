"""The transparent door: /{provider}/{path} goes to that vendor with the client's own key, byte for byte.

Which host and path that is stands in providers/; here it becomes an attempt, one per origin, remembered by the table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fastproxy.formats import operations
from fastproxy.gateway.identify import without_query_key
from fastproxy.gateway.table import CREDENTIALS, HIDDEN_FROM_CLIENTS, Attempt
from fastproxy.providers.catalogue import find_transparent
from fastproxy.providers.passthrough import HIDDEN_FROM_PROVIDERS, rebase, resolve
from fastproxy.wire.fields import same_drop
from fastproxy.wire.origin import Origin, parse_origin

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange
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
    base = table.snapshot.provider_bases.get(found.name)
    if base is not None:
        found = rebase(found, base)
    origin, prefix = parse_origin(found.origin)
    if base is None:
        origin = replace(origin, public_only=True)
    else:
        origin = _as_trusted(origin, table.snapshot, found.name, base)
    exchange.target = prefix.encode() + found.path
    if table.snapshot.passthrough == "require-key":
        exchange.target = without_query_key(exchange.target)
    attempt = table.passthrough_attempts.get((origin, found.name))
    if attempt is None:
        attempt = _make(exchange, origin, found.name, vendor_address=base is None)
        if len(table.passthrough_attempts) < MAX_ATTEMPTS:
            table.passthrough_attempts[origin, found.name] = attempt
    return (attempt,)


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
    if exchange.table.snapshot.passthrough == "require-key":
        # The credential was ours and stays here; the vendor gets the one of its channel, if there is one.
        attempt.drop = same_drop(_DROP | CREDENTIALS)
        attempt.auth = exchange.table.auth_of(name)
        attempt.reply_drop = same_drop(HIDDEN_FROM_CLIENTS)
    attempt.via = b"" if vendor_address else b"via: " + exchange.table.via + b"\r\n"
    return attempt
