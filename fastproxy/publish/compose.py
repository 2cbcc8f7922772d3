"""What is declared and what is stored, put together: the Snapshot on the board, and the entries of the register.

    Settings ──declare──► Declared ┐
                                   ├──compose──► Composition(snapshot, entries, left_out)
    database ───────────► Stored ──┘

Names of the file win: a channel, model, group or key of the database that has the name of one in the file is not in
use. What is wrong in the file is refused as a whole; what has gone wrong in the database since it was checked there (a
vendor that left the catalogue) is left out and told, because the rest must go on.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fastproxy.errors import ConfigError
from fastproxy.publish.channels import address_of, as_configured, stored_spec
from fastproxy.publish.declared import Declared, check_facts, declare
from fastproxy.publish.entries import declared_entries, group_entries, key_entries, taken_keys
from fastproxy.shared.master_key import MasterKey
from fastproxy.snapshot import BodyRule, ChannelSpec, Snapshot
from fastproxy.wire.origin import parse_origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastproxy.config import Settings
    from fastproxy.publish.stored import Stored, StoredChannel, StoredModel

# for whoever only checks the settings
_ONLY_HERE: Final = MasterKey(secrets.token_bytes(32))
PSEUDONYM: Final = f"fastproxy-{secrets.token_hex(6)}"


@dataclass(frozen=True, slots=True)
class Composition:
    """`entries` are the register's, by name; `left_out` says what of the database cannot be used, and why."""

    snapshot: Snapshot
    entries: Mapping[bytes, bytes]
    left_out: tuple[str, ...] = ()


def hash_secret(master_key: MasterKey) -> bytes:
    """What keys the hashes of client keys and the names on the shelf, unless the database has its own.

    It is the same after a restart: what the shelf has kept is found by names that are hashed with it.
    """
    return master_key.derive("hashes of client keys, names on the shelf")


def make_snapshot(
    settings: Settings, stored: Stored | None = None, mock: str = "", master_key: MasterKey = _ONLY_HERE
) -> Composition:
    """Everything at once. Raises: ConfigError as `declare`."""
    secret = stored.hash_secret if stored is not None else hash_secret(master_key)
    return compose(declare(settings, secret, PSEUDONYM, mock), stored)


def compose(declared: Declared, stored: Stored | None) -> Composition:
    """`stored` must be hashed with the secret that `declared` was made with."""
    if stored is None:
        return Composition(merge(declared, (), (), has_keys=False)[0], declared_entries(declared, ()))
    snapshot, left_out = merge(declared, stored.channels, stored.models, has_keys=bool(stored.keys or stored.groups))
    secret, taken = declared.snapshot.secret, taken_keys(declared)
    entries: dict[bytes, bytes] = {}
    for key in stored.keys:
        if (key.group, key.name) not in taken:
            entries.update(key_entries(key))
    for group in stored.groups:
        entries.update(group_entries(group, secret))
    entries.update(declared_entries(declared, {group.name for group in stored.groups}))
    return Composition(snapshot, entries, left_out)


def merge(
    declared: Declared, channels: Iterable[StoredChannel], models: Iterable[StoredModel], *, has_keys: bool
) -> tuple[Snapshot, tuple[str, ...]]:
    """The snapshot, and what was left out. `has_keys`: the database has a client key, so that one is asked for.

    The file's channels come first, in its order; the database's by name, whichever changed last.
    """
    base, left_out = declared.snapshot, list[str]()
    added = sorted((one for one in channels if one.name not in declared.channels), key=attrgetter("name"))
    specs = (*base.channels, *_specs(added, left_out))
    own = sorted((one for one in models if one.name not in declared.models), key=attrgetter("name"))
    facts, bodies = _of_models(own, left_out)
    is_open = not declared.keys and not has_keys and (declared.is_private or not specs)
    merged = msgspec.structs.replace(
        base,
        channels=specs,
        provider_bases=_bases(base.provider_bases, added),
        facts={**base.facts, **facts},
        bodies=(*bodies, *base.bodies),
        open_to_all=is_open,
    )
    return merged, tuple(left_out)


def _specs(channels: Iterable[StoredChannel], left_out: list[str]) -> list[ChannelSpec]:
    specs = []
    for channel in channels:
        try:
            spec = stored_spec(channel)
            if spec is not None:
                parse_origin(spec.base_url)  # workers would refuse all of a snapshot for it
                specs.append(spec)
        except ConfigError as error:
            left_out.append(str(error))
        except ValueError as error:
            left_out.append(f"channel '{channel.name}': base_url: {error}")
    return specs


def _bases(declared: Mapping[str, str], channels: Iterable[StoredChannel]) -> dict[str, str]:
    bases = dict(declared)
    for channel in channels:
        for provider, address in address_of(as_configured(channel)):
            with suppress(ValueError):
                parse_origin(address)
                bases.setdefault(provider, address)
    return bases


def _of_models(
    models: Iterable[StoredModel], left_out: list[str]
) -> tuple[dict[str, Mapping[str, Any]], list[BodyRule]]:
    facts: dict[str, Mapping[str, Any]] = {}
    rules = []
    for model in models:
        try:
            if model.facts:
                check_facts(model.name, {model.name: model.facts}, f"model '{model.name}'")
                facts[model.name] = model.facts
            if model.bodies:
                rules.append(msgspec.convert({**model.bodies, "models": (model.name,)}, BodyRule))
        except (ConfigError, msgspec.ValidationError) as error:
            left_out.append(str(error))
    return facts, rules
