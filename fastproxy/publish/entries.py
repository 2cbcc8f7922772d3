"""Keys and groups as entries of the register: one for each secret of a key, one for each group.

A group that a key of the file names, and that stands nowhere, is one that allows everything: the file needs none.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from fastproxy.shared.register import MAX_DATA
from fastproxy.snapshot import GroupSpec, KeySpec, entry_name_of_group, pack_group, pack_key

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from fastproxy.publish.declared import Declared
    from fastproxy.publish.stored import StoredGroup, StoredKey


_log: Final = logging.getLogger("fastproxy")


def key_entries(key: StoredKey) -> dict[bytes, bytes]:
    """One entry, or two while a rotated key's previous secret still counts."""
    entries = {}
    if key.previous_digest is not None:
        entries[key.previous_digest] = pack_key(_key_spec(key, key.previous_until))
    entries[key.digest] = pack_key(_key_spec(key, 0))
    return entries


def group_entries(group: StoredGroup, secret: bytes) -> dict[bytes, bytes]:
    return {entry_name_of_group(secret, group.name): pack_group(group_spec(group))}


def group_spec(group: StoredGroup) -> GroupSpec:
    """A group of the database, as workers get it."""
    return GroupSpec(
        name=group.name,
        status=group.status,
        models=group.models,
        sets=group.sets,
        rpm=group.rpm,
        tpm=group.tpm,
        concurrency=group.concurrency,
        budget_amount=group.budget_amount,
        budget_period=group.budget_period or "monthly",
        rpm_ratio=group.rpm_ratio,
        tpm_ratio=group.tpm_ratio,
        overrides=group.overrides,
    )


def declared_entries(declared: Declared, stored_groups: Container[str]) -> dict[bytes, bytes]:
    """`stored_groups`: names of the database's groups, which serve keys of the file as well."""
    secret = declared.snapshot.secret
    named = {group.name for group in declared.groups}
    missing = {key.group for key in declared.keys} - named
    groups = [*declared.groups, *(GroupSpec(name) for name in sorted(missing) if name not in stored_groups)]
    entries = {entry_name_of_group(secret, group.name): pack_group(group) for group in groups}
    entries.update((key.digest, pack_key(key)) for key in declared.keys)
    return entries


def taken_keys(declared: Declared) -> frozenset[tuple[str, str]]:
    """(group, name) of the file's keys."""
    return frozenset((key.group, key.name) for key in declared.keys)


def differences(wanted: Mapping[bytes, bytes], present: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes | None]]:
    """What makes the second one the first one."""
    changes: list[tuple[bytes, bytes | None]] = [
        (name, data) for name, data in wanted.items() if present.get(name) != data
    ]
    changes += [(name, None) for name in present if name not in wanted]
    return changes


def groups_first(changes: Iterable[tuple[bytes, bytes | None]]) -> list[tuple[bytes, bytes | None]]:
    """The order in which they are applied: a key never stands there without its group.

    One that is too large for the register is left out, and told: nobody can use it, and the others must go on.
    """
    return sorted(map(_fitting, changes), key=_rank)


def _fitting(change: tuple[bytes, bytes | None]) -> tuple[bytes, bytes | None]:
    name, data = change
    if data is None or len(data) <= MAX_DATA:
        return change
    _log.error("a key or group of %d bytes is left out: the register takes %d", len(data), MAX_DATA)
    return name, None


def _rank(change: tuple[bytes, bytes | None]) -> int:
    data = change[1]
    if data is None:
        return 2
    return 0 if data.startswith(b"g") else 1


def _key_spec(key: StoredKey, until: int) -> KeySpec:
    return KeySpec(
        name=key.name,
        digest=b"",
        group=key.group,
        models=key.models,
        subnets=key.subnets,
        expires=key.expires_at / 1000 if key.expires_at is not None else 0.0,
        lossy=key.lossy,
        id=key.id,
        status=key.status,
        sets=key.sets,
        until=until,
        rpm=key.rpm,
        tpm=key.tpm,
        concurrency=key.concurrency,
        quota_total=key.quota_total,
        quota_daily=key.quota_daily,
        quota_weekly=key.quota_weekly,
        quota_monthly=key.quota_monthly,
    )
