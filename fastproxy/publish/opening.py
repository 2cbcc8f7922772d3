"""What a master publishes before it forks: the settings of now, and of the database what an earlier run has saved.

So a restart serves the channels and keys of the database at once, before anybody has opened it, or when nobody can. The
register belongs to what is saved (`Saved.lineage`): without the one the other begins empty.
"""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from fastproxy.config.urls import database_file
from fastproxy.publish.compose import PSEUDONYM, hash_secret
from fastproxy.publish.declared import Declared, declare
from fastproxy.publish.entries import group_entries, group_spec
from fastproxy.publish.saved import Saved, SavedFile, database_hash
from fastproxy.publish.standing import Standing
from fastproxy.snapshot import Snapshot, pack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.config import Settings
    from fastproxy.publish.stored import Stored
    from fastproxy.shared.master_key import MasterKey

_log: Final = logging.getLogger("fastproxy")


@dataclass(frozen=True, slots=True)
class Opening:
    """`snapshot` goes on the board, packed; `entries` into the register, out of which `gone` goes. `carrying` is a
    snapshot that brings the keys and groups itself, for as long as somebody else still writes the register. `saved` is
    what is to be saved of it, and what the admin process begins with; `fingerprint` is the register's."""

    snapshot: bytes
    carrying: bytes
    entries: Mapping[bytes, bytes]
    gone: tuple[bytes, ...]
    saved: Saved

    @property
    def fingerprint(self) -> bytes:
        return self.saved.lineage


def open_with(settings: Settings, master_key: MasterKey, mock: str = "") -> Opening:
    """Raises: ConfigError as `declare`."""
    found = _found(settings, master_key) if settings.admin is not None else None
    stored = found.stored if found is not None else None
    secret = stored.hash_secret if stored is not None else hash_secret(master_key)
    declared = declare(settings, secret, PSEUDONYM, mock)
    has_keys = found.has_keys if found is not None else settings.admin is not None and may_have_keys(settings.database)
    standing = Standing(declared, stored, may_have_keys=has_keys)
    snapshot, left_out = standing.snapshot()
    for text in left_out:
        _log.error("left out: %s", text)
    entries = dict(standing.own_entries)
    for group in stored.groups if stored is not None else ():
        for name, data in group_entries(group, secret).items():
            entries.setdefault(name, data)
    saved = Saved(
        lineage=found.lineage if found is not None else secrets.token_bytes(16),
        database=database_hash(settings.database),
        boot=secrets.token_bytes(16),
        declared=declared,
        stored=stored,
        has_keys=has_keys,
    )
    return Opening(pack(snapshot), pack(_carrying(snapshot, declared, stored)), entries, _gone(found, entries), saved)


def keep(opening: Opening, settings: Settings, master_key: MasterKey) -> None:
    """Write down what is about to be in force; what fails is told, and does not keep the gateway from starting."""
    try:
        SavedFile(settings.state_dir, master_key).write(opening.saved)
    except OSError as error:
        _log.error("what is published cannot be saved for the next start: %s", error)


def may_have_keys(database: str) -> bool:
    """Whether a database that has never been read may have client keys: all but a file that does not exist."""
    file = database_file(database)
    return not file or os.path.exists(file)


def _found(settings: Settings, master_key: MasterKey) -> Saved | None:
    """What was saved with this database."""
    file = SavedFile(settings.state_dir, master_key)
    saved = file.read()
    if saved is None:
        if file.exists:
            _log.error(
                "%s cannot be read (another master key or version, or damaged): "
                "channels and keys of the database are served once it has been read", file.path,
            )  # fmt: skip
        return None
    if saved.database != database_hash(settings.database):
        _log.warning("the database is another one than before: its channels and keys are served once it has been read")
        return None
    return saved


def _carrying(snapshot: Snapshot, declared: Declared, stored: Stored | None) -> Snapshot:
    groups = {group.name: group_spec(group) for group in (stored.groups if stored is not None else ())}
    groups.update((group.name, group) for group in declared.groups)
    return msgspec.structs.replace(snapshot, keys=declared.keys, groups=tuple(groups.values()))


def _gone(found: Saved | None, entries: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    """Entries that the file declared when it was saved, and that it does not declare any more."""
    if found is None:
        return ()
    return tuple(name for name in Standing(found.declared, found.stored).own_entries if name not in entries)
