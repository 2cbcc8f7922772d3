"""Who is known: client keys, found by the hash of what a client sends, compiled together with their groups.

    snapshot.keys, .groups    a few, for a gateway that publishes them there
    the register              all of them, as they change one by one (shared/register.py)

What has been found is kept compiled, the latest MAX_KEYS of them; what is not known is not kept, so that guessing costs
no memory. Ten times a second the worker asks whether the register has changed, and what has changed is dropped. Express
lanes repeat a decision that was made for a key: if one that was dropped is still in somebody's hands, they must look
anew, which is what a new table makes them do (World.look_at_keys). That is seen by weak references, so a change of a
key or group that nobody is using disturbs nobody.
"""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Final

import msgspec

from fastproxy.gateway.client_address import networks
from fastproxy.gateway.patterns import models_of
from fastproxy.gateway.table import Key
from fastproxy.snapshot import ENABLED, GroupSpec, entry_name_of_group, unpack_group, unpack_key

if TYPE_CHECKING:
    from fastproxy.shared.register import Register
    from fastproxy.snapshot import KeySpec, Snapshot

MAX_KEYS: Final = 4096

_log = logging.getLogger("fastproxy")


class KeyBook:
    """One worker's."""

    __slots__ = ("_complained", "_groups", "_in_hand", "_kept", "_keys", "_register", "_secret", "_version")

    def __init__(self, register: Register) -> None:
        self._register = register
        self._version = register.version
        self._kept: dict[bytes, Key] = {}
        self._in_hand: weakref.WeakValueDictionary[bytes, Key] = weakref.WeakValueDictionary()  # and all that are kept
        self._keys: dict[bytes, KeySpec] = {}
        self._groups: dict[str, GroupSpec] = {}
        self._secret = b""
        self._complained = -1

    def use(self, snapshot: Snapshot) -> None:
        """Another configuration is in force."""
        self._version = self._register.version
        self._kept = {}
        self._in_hand = weakref.WeakValueDictionary()
        self._keys = {spec.digest: spec for spec in snapshot.keys}
        self._groups = {spec.name: spec for spec in snapshot.groups}
        self._secret = snapshot.secret

    def find(self, digest: bytes) -> Key | None:
        """The key of this hash, whatever its state; None: unknown."""
        return self._kept.get(digest) or self._keep(digest)

    def look(self) -> bool:
        """Take over what has changed in the register; whether any of it is in use."""
        register, version = self._register, self._version
        if register.version == version:
            return False
        self._version = register.version  # before the names: what changes meanwhile comes once more
        names = register.changed_since(version)
        changed = frozenset(names) if names is not None else None
        dropped = [weakref.ref(key) for key in self._drop(changed)]
        return any(ref() is not None for ref in dropped)

    def _drop(self, changed: frozenset[bytes] | None) -> list[Key]:
        """None: everything."""
        stale = [
            key
            for key in self._in_hand.values()
            if changed is None or key.digest in changed or key.group_entry in changed
        ]
        for key in stale:
            self._kept.pop(key.digest, None)
            self._in_hand.pop(key.digest, None)
        return stale

    def _keep(self, digest: bytes) -> Key | None:
        key = self._in_hand.get(digest)
        if key is None:
            key = self._compiled(digest)
            if key is None:
                return None
            self._in_hand[digest] = key
        if len(self._kept) >= MAX_KEYS:
            del self._kept[next(iter(self._kept))]  # lanes that have it in hand go on
        self._kept[digest] = key
        return key

    def _compiled(self, digest: bytes) -> Key | None:
        declared = self._keys.get(digest)
        if declared is not None:
            return compiled(declared, self._groups.get(declared.group) or GroupSpec(declared.group), b"")
        entry = self._register.get(digest)
        if entry is None:
            return None
        try:
            spec = unpack_key(entry, digest)
            group_entry = entry_name_of_group(self._secret, spec.group)
            return compiled(spec, self._group(spec.group, group_entry), group_entry)
        except (msgspec.DecodeError, ValueError) as error:
            self._complain(error)
            return None

    def _group(self, name: str, entry_name: bytes) -> GroupSpec:
        """A group that is not there, or cannot be read, is a disabled one: nobody knows what it would forbid."""
        entry = self._register.get(entry_name)
        if entry is None:
            return self._groups.get(name) or GroupSpec(name, status="")
        return unpack_group(entry)

    def _complain(self, error: Exception) -> None:
        """Once for each state of the register."""
        if self._complained != self._version:
            self._complained = self._version
            _log.error("a key of the register cannot be used: %s", error)


def compiled(spec: KeySpec, group: GroupSpec, group_entry: bytes) -> Key:
    """Raises ValueError for what is no network."""
    ends = [end for end in (spec.expires, spec.until / 1000) if end]
    is_enabled = spec.status == ENABLED and group.status == ENABLED
    return Key(
        spec.name,
        spec.group,
        models_of(spec.models, group.models),
        networks(spec.subnets),
        min(ends, default=0.0),
        spec.lossy,
        id=spec.id,
        sets=frozenset(spec.sets or group.sets),
        until=spec.until / 1000,
        is_plain=is_enabled and not ends and not spec.subnets,
        disabled="" if is_enabled else "key" if spec.status != ENABLED else "group",
        digest=spec.digest,
        group_entry=group_entry,
    )
