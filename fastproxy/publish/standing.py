"""What is in force, and what single changes make of it: which entries of the register, and whether the snapshot is new.

A hundred thousand keys are not held here, only which entries belong to which of them: 0.2 KB each. It decides and
remembers; the publisher reads the database, writes the register and the board.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from fastproxy.publish.compose import merge
from fastproxy.publish.entries import declared_entries, group_entries, key_entries, taken_keys
from fastproxy.snapshot import entry_name_of_group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.publish.declared import Declared
    from fastproxy.publish.stored import Changes, Stored, StoredChannel, StoredGroup, StoredKey, StoredModel
    from fastproxy.snapshot import Snapshot

_NAME_BYTES = 16


@dataclass(frozen=True, slots=True)
class Step:
    """From what was in force to what is. `entries`: changes of the register, None for what goes. `needs_load`: a name
    that the file has taken or given back may be one of the database's keys, which only a full load brings."""

    entries: dict[bytes, bytes | None]
    is_snapshot_new: bool
    needs_load: bool = False


class Standing:
    """`stored` None: there is no database, or it has never been read. `may_have_keys`: it has keys, as far as anybody
    knows, though `stored` has none."""

    def __init__(self, declared: Declared, stored: Stored | None = None, *, may_have_keys: bool = False) -> None:
        self.declared = declared
        self._may_have_keys = may_have_keys
        self.stored = _without_keys(stored)
        self._taken = taken_keys(declared)
        self._channels = {one.id: one for one in stored.channels} if stored is not None else {}
        self._models = {one.id: one for one in stored.models} if stored is not None else {}
        self._groups = {one.id: one for one in stored.groups} if stored is not None else {}
        self._keys: dict[str, bytes] = {}  # the names of a key's entries, one behind the other
        for key in stored.keys if stored is not None else ():
            self._note(key)
        self._own = declared_entries(declared, self._group_names())

    @property
    def secret(self) -> bytes:
        return self.declared.snapshot.secret

    @property
    def has_keys(self) -> bool:
        """The database has keys or groups, or has had some, so that whoever asks must have a key: removing the last one
        must not open the gateway, not even to the one that was removed."""
        return self._may_have_keys or bool(self._keys) or bool(self._groups)

    @property
    def own_entries(self) -> Mapping[bytes, bytes]:
        """The register's entries that the file declares."""
        return self._own

    def snapshot(self) -> tuple[Snapshot, tuple[str, ...]]:
        """The snapshot, and what of the database was left out of it."""
        made, left_out = merge(self.declared, self._channels.values(), self._models.values(), has_keys=self.has_keys)
        if self.stored is None and self._may_have_keys:
            made = msgspec.structs.replace(made, is_unread=True)
        return made, left_out

    def take(self, changes: Changes) -> Step:
        """Follow the database."""
        had_keys = self._may_have_keys = self.has_keys
        touched: dict[bytes, bytes | None] = {}
        for ident, group in changes.groups.items():
            self._take_group(ident, group, touched)
        for ident, key in changes.keys.items():
            self._take_key(ident, key, touched)
        _replace(self._channels, changes.channels)
        _replace(self._models, changes.models)
        if self.stored is not None:
            self.stored = msgspec.structs.replace(
                self.stored,
                revision=changes.revision,
                channels=tuple(self._channels.values()),
                models=tuple(self._models.values()),
                groups=tuple(self._groups.values()) if changes.groups else self.stored.groups,
            )
        is_new = bool(changes.channels or changes.models) or self.has_keys != had_keys
        return Step(self._settled(touched, is_own_old=bool(changes.groups)), is_new)

    def redeclare(self, declared: Declared) -> Step:
        """Follow the file. The secret of the hashes must be the same."""
        old_taken, old_digests = self._taken, {key.digest for key in self.declared.keys}
        self.declared, self._taken = declared, taken_keys(declared)
        entries = self._settled({}, is_own_old=True)
        is_moved = self._taken != old_taken or {key.digest for key in declared.keys} != old_digests
        return Step(entries, is_snapshot_new=True, needs_load=is_moved and self.has_keys)

    def _take_group(self, ident: str, group: StoredGroup | None, touched: dict[bytes, bytes | None]) -> None:
        old = self._groups.pop(ident, None)
        if old is not None:
            touched[entry_name_of_group(self.secret, old.name)] = None
        if group is not None:
            self._groups[ident] = group
            touched.update(group_entries(group, self.secret))

    def _take_key(self, ident: str, key: StoredKey | None, touched: dict[bytes, bytes | None]) -> None:
        names = self._keys.pop(ident, b"")
        for place in range(0, len(names), _NAME_BYTES):
            touched.setdefault(names[place : place + _NAME_BYTES], None)
        if key is not None:
            touched.update(self._note(key))

    def _note(self, key: StoredKey) -> dict[bytes, bytes]:
        entries = key_entries(key) if (key.group, key.name) not in self._taken else {}
        self._keys[key.id] = b"".join(entries)
        return entries

    def _settled(self, touched: dict[bytes, bytes | None], *, is_own_old: bool) -> dict[bytes, bytes | None]:
        """What the file declares wins; `is_own_old`: that must be made anew."""
        if is_own_old:
            old, self._own = self._own, declared_entries(self.declared, self._group_names())
            stored = self._stored_groups() if old.keys() - self._own.keys() else {}
            for name in old.keys() - self._own.keys():
                touched.setdefault(name, stored.get(name))
            touched.update((name, data) for name, data in self._own.items() if old.get(name) != data)
        return {name: self._own.get(name, data) for name, data in touched.items()}

    def _stored_groups(self) -> dict[bytes, bytes]:
        entries: dict[bytes, bytes] = {}
        for group in self._groups.values():
            entries.update(group_entries(group, self.secret))
        return entries

    def _group_names(self) -> set[str]:
        return {group.name for group in self._groups.values()}


def _without_keys(stored: Stored | None) -> Stored | None:
    return msgspec.structs.replace(stored, keys=()) if stored is not None else None


def _replace(
    objects: dict[str, StoredChannel] | dict[str, StoredModel],
    changed: Mapping[str, StoredChannel | None] | Mapping[str, StoredModel | None],
) -> None:
    for ident, one in changed.items():
        if one is None:
            objects.pop(ident, None)
        else:
            objects[ident] = one  # type: ignore[assignment]  # both are of one kind
