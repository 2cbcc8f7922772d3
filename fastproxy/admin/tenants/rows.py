"""States of objects in their tables: the SQL of one object. No judgement here, and no transaction.

A channel's state is its row with those of its credentials; every other object is one row. An override of a model has
no id of its own: it is found by its group's and the model's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, delete, insert, select, update

from fastproxy.admin.store import tables
from fastproxy.admin.tenants.credentials import in_order

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Executable, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fastproxy.admin.tenants.objects import State

TABLES: Final = {
    "groups": tables.groups,
    "keys": tables.keys,
    "channels": tables.channels,
    "models": tables.models,
    "group_models": tables.group_models,
}
_AT_ONCE: Final = 500  # ids of one statement; SQLite takes at most 32,766 parameters


async def find(connection: AsyncConnection, kind: str, ident: str, model: str = "") -> State | None:
    """By id; an override by its group's id and its model."""
    table = TABLES[kind]
    wanted = _is(table, {"id": ident, "group_id": ident, "model": model})
    return await _one(connection, kind, wanted)


async def find_named(connection: AsyncConnection, kind: str, name: str, group_id: str | None = None) -> State | None:
    table = TABLES[kind]
    wanted = table.c.name == name
    return await _one(connection, kind, wanted if group_id is None else and_(wanted, table.c.group_id == group_id))


async def _one(connection: AsyncConnection, kind: str, wanted: ColumnElement[bool]) -> State | None:
    row = (await connection.execute(select(TABLES[kind]).where(wanted))).mappings().first()
    return (await with_credentials(connection, kind, [dict(row)]))[0] if row is not None else None


async def with_credentials(connection: AsyncConnection, kind: str, found: list[State]) -> list[State]:
    """Rows of channels become states; others are states already."""
    if kind != "channels":
        return found
    mine: dict[str, list[State]] = {row["id"]: [] for row in found}
    table, ids = tables.credentials, list(mine)
    for start in range(0, len(ids), _AT_ONCE):
        wanted = select(table).where(table.c.channel_id.in_(ids[start : start + _AT_ONCE]))
        for row in (await connection.execute(wanted)).mappings():
            mine[row["channel_id"]].append(_without_channel(row))
    return [{**row, "credentials": in_order(mine[row["id"]])} for row in found]


def _without_channel(row: Any) -> State:
    return {name: value for name, value in row.items() if name != "channel_id"}


async def put(connection: AsyncConnection, kind: str, before: State | None, after: State | None) -> None:
    """Insert, update or delete; what the two have in common is not touched."""
    if kind == "channels" and before is not None:
        await _drop_credentials(connection, before, after)
    await _put_row(connection, TABLES[kind], _row(before), _row(after))
    if kind == "channels" and after is not None:
        await _put_credentials(connection, before, after)


async def put_many(connection: AsyncConnection, kind: str, states: list[State], *, are_new: bool) -> None:
    """Insert or delete many of one kind in few statements. What belongs to a deleted one goes with it."""
    table = TABLES[kind]
    keys = [column.name for column in table.primary_key.columns]
    if not are_new:
        statement = delete(table).where(and_(*(table.c[name] == bindparam(f"of_{name}") for name in keys)))
        await _in_parts(connection, statement, [{f"of_{name}": state[name] for name in keys} for state in states])
        return
    await _in_parts(connection, insert(table), [_row(state) or {} for state in states])
    belongings = [{**row, "channel_id": state["id"]} for state in states for row in state.get("credentials", ())]
    await _in_parts(connection, insert(tables.credentials), belongings)


async def _in_parts(connection: AsyncConnection, statement: Executable, values: list[State]) -> None:
    for start in range(0, len(values), _AT_ONCE):
        await connection.execute(statement, values[start : start + _AT_ONCE])


def _row(found: State | None) -> State | None:
    return None if found is None else {name: value for name, value in found.items() if name != "credentials"}


async def _put_row(connection: AsyncConnection, table: Table, before: State | None, after: State | None) -> None:
    if before is None and after is not None:
        await connection.execute(insert(table).values(after))
    elif before is not None and after is None:
        await connection.execute(delete(table).where(_is(table, before)))
    elif before is not None and after is not None:
        fresh = {name: value for name, value in after.items() if before.get(name) != value}
        if fresh:
            await connection.execute(update(table).where(_is(table, before)).values(fresh))


def _is(table: Table, row: State) -> ColumnElement[bool]:
    return and_(*(column == row[column.name] for column in table.primary_key.columns))


async def _drop_credentials(connection: AsyncConnection, before: State, after: State | None) -> None:
    kept = {row["id"] for row in after["credentials"]} if after is not None else set()
    for row in before["credentials"]:
        if row["id"] not in kept:
            await _put_row(connection, tables.credentials, row, None)


async def _put_credentials(connection: AsyncConnection, before: State | None, after: State) -> None:
    present = {row["id"]: row for row in before["credentials"]} if before is not None else {}
    for row in after["credentials"]:
        old = present.get(row["id"])
        await _put_row(
            connection, tables.credentials, old, row if old is not None else {**row, "channel_id": after["id"]}
        )
