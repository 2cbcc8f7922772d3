"""Rows as the publisher's values (publish/stored.py); pure but for the vault, which opens credentials here."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, cast

from fastproxy.admin.store import tables
from fastproxy.admin.tenants.vault import VaultError
from fastproxy.publish.stored import StoredChannel, StoredCredential, StoredGroup, StoredKey, StoredModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import ColumnElement

    from fastproxy.admin.tenants.objects import State
    from fastproxy.admin.tenants.vault import Vault

_LISTS: Final = frozenset({"models", "sets", "subnets", "fallback"})
_SHORT: Final = 500  # characters of a list that is worth remembering
_log: Final = logging.getLogger("fastproxy")


def _picked(row: Mapping[str, Any], kind: type) -> dict[str, Any]:
    fields = {name: row[name] for name in kind.__struct_fields__ if name in row}  # type: ignore[attr-defined]  # msgspec's
    return {name: tuple(value) if name in _LISTS else value for name, value in fields.items()}


def stored_channel(row: State, vault: Vault) -> StoredChannel:
    credentials = tuple(_credential(one, row["name"], vault) for one in row["credentials"])
    return StoredChannel(**{**_picked(row, StoredChannel), "credentials": credentials})


def _credential(row: State, channel: str, vault: Vault) -> StoredCredential:
    """One that does not open is as good as switched off: the others must not stop with it."""
    try:
        secret = vault.open_credential(row["id"], row["sealed"])
    except VaultError as error:
        _log.error("channel %r: %s; give it its secret again", channel, error)
        return StoredCredential(row["id"], row["label"], "", "disabled")
    return StoredCredential(row["id"], row["label"], secret, row["status"])


def stored_model(row: State) -> StoredModel:
    return StoredModel(**_picked(row, StoredModel))


def stored_group(row: State, own: Iterable[State]) -> StoredGroup:
    """`own`: what it has for single models."""
    hidden = ("group_id", "model", "version")
    overrides = {
        each["model"]: {name: value for name, value in each.items() if name not in hidden and value is not None}
        for each in own
    }
    return StoredGroup(**_picked(row, StoredGroup), overrides=overrides)


def stored_key(row: State, group: str) -> StoredKey:
    fields = _picked(row, StoredKey)
    return StoredKey(**{**fields, "group": group, "previous_until": fields["previous_until"] or 0})


# --- many keys at once


def _key_column(name: str) -> ColumnElement[Any]:
    column = tables.keys.c["group_id" if name == "group" else name]
    return cast(column, Text) if name in _LISTS else column


KEY_COLUMNS: Final = tuple(_key_column(name) for name in StoredKey.__struct_fields__)
_GROUP: Final = StoredKey.__struct_fields__.index("group")
_UNTIL: Final = StoredKey.__struct_fields__.index("previous_until")
_TEXTS: Final = tuple(index for index, name in enumerate(StoredKey.__struct_fields__) if name in _LISTS)


def listed_key(row: Iterable[Any], names: Mapping[str, str]) -> StoredKey:
    """A row of KEY_COLUMNS."""
    values = list(row)
    values[_GROUP] = names[values[_GROUP]]
    values[_UNTIL] = values[_UNTIL] or 0
    for index in _TEXTS:
        values[index] = _words(values[index])
    return StoredKey(*values)


def _words(text: str) -> tuple[str, ...]:
    return _few_words(text) if len(text) <= _SHORT else tuple(json.loads(text))


@lru_cache(4096)
def _few_words(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
