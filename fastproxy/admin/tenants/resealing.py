"""Everything that is sealed in the database, sealed anew under another master key; in one transaction.

    state.hash_secret     the same secret: keys of clients go on working
    credentials.sealed    each tied to its id as before
    changes               the credentials that the history holds for the way back

Whoever runs meanwhile with the old key cannot write any more (transact.py), and has to be restarted with the new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select, update

from fastproxy.admin.store.tables import changes, credentials, state
from fastproxy.admin.tenants.vault import (
    about_credential,
    about_hash_secret,
    open_credential,
    open_hash_secret,
    sealer_of,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fastproxy.admin.store.engine import Store
    from fastproxy.shared.master_key import MasterKey
    from fastproxy.shared.sealing import Sealer

_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many there were. `is_done`: an earlier run had done it all."""

    credentials: int = 0
    changes: int = 0
    is_done: bool = False


async def reseal(store: Store, old: MasterKey, new: MasterKey) -> Resealed:
    """Raises: VaultError when the database belongs to neither key, or a credential does not open."""
    before, after = sealer_of(old), sealer_of(new)
    async with store.config.begin() as connection:
        wanted = select(state.c.installation, state.c.hash_secret).with_for_update()
        found = (await connection.execute(wanted)).first()
        if found is None:
            return Resealed(is_done=True)
        installation, sealed = found
        about = about_hash_secret(installation)
        if after.open(sealed, about) is not None:
            return Resealed(is_done=True)
        secret = open_hash_secret(before, installation, sealed)
        await connection.execute(update(state).values(hash_secret=after.seal(secret, about)))
        return Resealed(await _credentials(connection, before, after), await _changes(connection, before, after))


async def _credentials(connection: AsyncConnection, before: Sealer, after: Sealer) -> int:
    table = credentials.c
    found = (await connection.execute(select(table.id, table.sealed))).all()
    values = [
        {"ident": ident, "fresh": after.seal(open_credential(before, ident, sealed), about_credential(ident))}
        for ident, sealed in found
    ]
    if values:
        statement = update(credentials).where(table.id == bindparam("ident")).values(sealed=bindparam("fresh"))
        await connection.execute(statement, values)
    return len(values)


async def _changes(connection: AsyncConnection, before: Sealer, after: Sealer) -> int:
    """By pages: the history may be long."""
    column, count, reached = changes.c, 0, (0, 0)
    while True:
        wanted = (
            select(column.revision, column.number, column.before, column.after)
            .where(column.kind == "channels")
            .where((column.revision > reached[0]) | ((column.revision == reached[0]) & (column.number > reached[1])))
            .order_by(column.revision, column.number)
            .limit(_AT_ONCE)
        )
        found = (await connection.execute(wanted)).all()
        if not found:
            return count
        for revision, number, was, now in found:
            fresh = {"before": _anew(was, before, after), "after": _anew(now, before, after)}
            mine = (column.revision == revision) & (column.number == number)
            await connection.execute(update(changes).where(mine).values(fresh))
        count, reached = count + len(found), (found[-1][0], found[-1][1])


def _anew(record: dict[str, Any] | None, before: Sealer, after: Sealer) -> dict[str, Any] | None:
    if record is None:
        return None
    return {**record, "credentials": [_credential(row, before, after) for row in record["credentials"]]}


def _credential(row: dict[str, Any], before: Sealer, after: Sealer) -> dict[str, Any]:
    about = about_credential(row["id"])
    secret = before.open(bytes.fromhex(row["sealed"]), about)
    # what did not open before does not open afterwards; nothing but the way back to it is lost
    return {**row, "sealed": after.seal(secret, about).hex()} if secret is not None else row
