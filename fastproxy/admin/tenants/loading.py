"""Everything that the publisher needs of the database, as of one revision.

    load            all of it, in one transaction that sees one state of the database
    changes_since   what became of single objects, by the history; keys by the thousand are not read for one of them

Both raise SQLAlchemyError, OSError or StoreError while the database is away, VaultError (a StoreError) when it has been
sealed under another master key.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from fastproxy.admin.store import tables
from fastproxy.admin.tenants import rows
from fastproxy.admin.tenants.as_stored import (
    KEY_COLUMNS,
    listed_key,
    stored_channel,
    stored_group,
    stored_key,
    stored_model,
)
from fastproxy.admin.tenants.rollback import reaches
from fastproxy.admin.tenants.vault import VaultError
from fastproxy.publish.stored import (
    Changes,
    Stored,
    StoredGroup,
    StoredKey,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fastproxy.admin.tenants.objects import State
    from fastproxy.admin.tenants.transact import Desk
    from fastproxy.admin.tenants.vault import Vault

MOST_CHANGES: Final = 5000  # of single objects; more are quicker loaded as a whole
_AT_ONCE: Final = 500
_ROWS_AT_ONCE: Final = 1000


async def current_revision(desk: Desk) -> int:
    async with desk.store.config.connect() as connection:
        return await _revision(connection, desk.vault)


async def _revision(connection: AsyncConnection, vault: Vault) -> int:
    """Raises: VaultError when the master key was changed since this process has started: nothing opens any more."""
    state = tables.state.c
    revision, sealed = (await connection.execute(select(state.revision, state.hash_secret))).one()
    if sealed != vault.sealed_hash_secret:
        raise VaultError("the database was sealed under another master key meanwhile; restart with the new one")
    return int(revision)


@asynccontextmanager
async def _one_state(desk: Desk) -> AsyncIterator[AsyncConnection]:
    """A connection whose statements all see the same state of the database."""
    async with desk.store.config.connect() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            yield connection


async def load(desk: Desk) -> Stored:
    async with _one_state(desk) as connection:
        revision = await _revision(connection, desk.vault)
        channels = await _all(connection, select(tables.channels))
        channels = await rows.with_credentials(connection, "channels", channels)
        return Stored(
            revision=revision,
            installation=desk.vault.installation,
            hash_secret=desk.vault.hash_secret,
            channels=tuple(stored_channel(row, desk.vault) for row in channels),
            models=tuple(stored_model(row) for row in await _all(connection, select(tables.models))),
            groups=await _groups(connection),
            keys=await _keys(connection),
        )


async def _all(connection: AsyncConnection, wanted: Select[Any]) -> list[State]:
    return [dict(row) for row in (await connection.execute(wanted)).mappings()]


async def _groups(connection: AsyncConnection) -> tuple[StoredGroup, ...]:
    own: dict[str, list[State]] = {}
    for row in await _all(connection, select(tables.group_models)):
        own.setdefault(row["group_id"], []).append(row)
    found = await _all(connection, select(tables.groups))
    return tuple(stored_group(row, own.get(row["id"], ())) for row in found)


async def _keys(connection: AsyncConnection) -> tuple[StoredKey, ...]:
    """A hundred thousand: never as rows all at once, and their lists, which are nearly all alike, decoded once."""
    names = {row[0]: row[1] for row in await connection.execute(select(tables.groups.c.id, tables.groups.c.name))}
    kept: list[StoredKey] = []
    async with connection.stream(select(*KEY_COLUMNS)) as found:
        async for part in found.partitions(_ROWS_AT_ONCE):
            kept += [listed_key(row, names) for row in part]
    return tuple(kept)


# --- what single objects are now


async def changes_since(desk: Desk, revision: int) -> Changes | None:
    async with _one_state(desk) as connection:
        current = await _revision(connection, desk.vault)
        if revision == current:
            return Changes(current)
        if not 0 <= revision < current or not await reaches(connection, revision, current):
            return None
        touched = await _touched(connection, revision)
        return None if touched is None else await _now(connection, desk.vault, current, touched)


async def _touched(connection: AsyncConnection, revision: int) -> dict[str, list[str]] | None:
    """Ids by kind; an override's group for it. None for too many."""
    column = tables.changes.c
    wanted = select(column.kind, column.object_id).distinct().where(column.revision > revision).limit(MOST_CHANGES + 1)
    found = (await connection.execute(wanted)).all()
    if len(found) > MOST_CHANGES:
        return None
    touched: dict[str, dict[str, None]] = {}
    for kind, ident in found:
        is_override = kind == "group_models"
        touched.setdefault("groups" if is_override else kind, {})[ident.partition("/")[0]] = None
    return {kind: list(idents) for kind, idents in touched.items()}


async def _now(connection: AsyncConnection, vault: Vault, revision: int, touched: Mapping[str, list[str]]) -> Changes:
    found = {kind: await _of(connection, rows.TABLES[kind], ids) for kind, ids in touched.items()}
    channels = await rows.with_credentials(connection, "channels", found.get("channels", []))
    groups, own = found.get("groups", []), await _overrides(connection, touched.get("groups", []))
    keys = found.get("keys", [])
    names = await _names(connection, {row["group_id"] for row in keys})
    return Changes(
        revision=revision,
        channels=_by_id(touched.get("channels", ()), channels, lambda row: stored_channel(row, vault)),
        models=_by_id(touched.get("models", ()), found.get("models", []), stored_model),
        groups=_by_id(touched.get("groups", ()), groups, lambda row: stored_group(row, own.get(row["id"], ()))),
        keys=_by_id(touched.get("keys", ()), keys, lambda row: stored_key(row, names[row["group_id"]])),
    )


def _by_id(ids: Iterable[str], found: Iterable[State], make: Callable[[State], Any]) -> dict[str, Any]:
    made = {row["id"]: make(row) for row in found}
    return {ident: made.get(ident) for ident in ids}


async def _of(connection: AsyncConnection, table: Any, ids: list[str], column: str = "id") -> list[State]:
    found: list[State] = []
    for start in range(0, len(ids), _AT_ONCE):
        wanted = select(table).where(table.c[column].in_(ids[start : start + _AT_ONCE]))
        found += await _all(connection, wanted)
    return found


async def _overrides(connection: AsyncConnection, group_ids: list[str]) -> dict[str, list[State]]:
    own: dict[str, list[State]] = {}
    for row in await _of(connection, tables.group_models, group_ids, "group_id"):
        own.setdefault(row["group_id"], []).append(row)
    return own


async def _names(connection: AsyncConnection, group_ids: Iterable[str]) -> dict[str, str]:
    return {row["id"]: row["name"] for row in await _of(connection, tables.groups, list(group_ids))}
