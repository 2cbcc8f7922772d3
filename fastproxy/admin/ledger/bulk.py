"""Many rows in one statement, for both databases, without SQLAlchemy's work per row.

SQLite gets the rows as they are (`executemany` of the driver); PostgreSQL gets one array per column and unnests them,
which is one round trip and one plan, whatever their number. Rows are tuples in the order of the table's columns. They
go in slices, so that packing them never holds the event loop for long.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    Rows = Sequence[tuple[Any, ...]]

_SLICE: Final = 500


async def insert_new(conn: AsyncConnection, table: Table, rows: Rows) -> set[str]:
    """Insert those whose key is not there yet, and return the keys (the first column) of these."""
    if conn.dialect.name == "sqlite":
        known = await _stored(conn, table, [row[0] for row in rows])
        fresh = [row for row in rows if row[0] not in known]
        await _run(conn, table, fresh, "")
        return {row[0] for row in fresh}
    # Not by looking first: PostgreSQL may have planned that look when the table was empty, and reads all of it.
    found: set[str] = set()
    sql = (
        f"{_postgresql_head(table)} ON CONFLICT ({_keys(table)}) DO NOTHING RETURNING {_quoted(table.columns[0].name)}"
    )
    for part in _slices(rows):
        result = await conn.exec_driver_sql(sql, _by_column(part))
        found.update(name for (name,) in result)
    return found


async def insert_missing(conn: AsyncConnection, table: Table, rows: Rows) -> None:
    """Leave those alone that are already there."""
    await _run(conn, table, rows, f" ON CONFLICT ({_keys(table)}) DO NOTHING")


async def replace(conn: AsyncConnection, table: Table, rows: Rows) -> None:
    """The newest row wins."""
    await _run(conn, table, rows, _on_conflict(table, "{0} = excluded.{0}"))


async def add(conn: AsyncConnection, table: Table, rows: Rows) -> None:
    """Add every column that is not of the key to what is there."""
    await _run(conn, table, rows, _on_conflict(table, "{0} = {1}.{0} + excluded.{0}"))


async def delete(conn: AsyncConnection, table: Table, names: Sequence[str]) -> None:
    """Delete by the key, which is one column."""
    key = _keys(table)
    for part in _slices(names):
        if conn.dialect.name == "sqlite":
            await conn.exec_driver_sql(f"DELETE FROM {table.name} WHERE {key} = ?", [(name,) for name in part])
        else:
            sql = f"DELETE FROM {table.name} USING unnest($1::varchar[]) AS gone(name) WHERE {key} = gone.name"
            await conn.exec_driver_sql(sql, (list(part),))


async def _stored(conn: AsyncConnection, table: Table, names: Sequence[str]) -> set[str]:
    """For SQLite, whose executemany does not return rows."""
    key = _keys(table)
    found: set[str] = set()
    for part in _slices(names):
        sql = f"SELECT {key} FROM {table.name} WHERE {key} IN ({','.join('?' * len(part))})"
        found.update(name for (name,) in await conn.exec_driver_sql(sql, tuple(part)))
    return found


async def _run(conn: AsyncConnection, table: Table, rows: Rows, conflict: str) -> None:
    is_sqlite = conn.dialect.name == "sqlite"
    head = _sqlite_head(table) if is_sqlite else _postgresql_head(table)
    for part in _slices(rows):
        await conn.exec_driver_sql(head + conflict, list(part) if is_sqlite else _by_column(part))


def _by_column(rows: Rows) -> Any:
    """SQLAlchemy's types know of no parameter that is a list."""
    return tuple(map(list, zip(*rows, strict=True)))


def _slices(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[first : first + _SLICE] for first in range(0, len(rows), _SLICE))


@lru_cache(32)
def _sqlite_head(table: Table) -> str:
    return f"INSERT INTO {table.name} ({_names(table)}) VALUES ({','.join('?' * len(table.columns))})"


@lru_cache(32)
def _postgresql_head(table: Table) -> str:
    from sqlalchemy.dialects import postgresql

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = (column.type.compile(dialect) for column in table.columns)
    arrays = ",".join(f"${place}::{kind}[]" for place, kind in enumerate(types, 1))
    return f"INSERT INTO {table.name} ({_names(table)}) SELECT * FROM unnest({arrays})"


def _on_conflict(table: Table, change: str) -> str:
    changes = (change.format(_quoted(c.name), table.name) for c in table.columns if not c.primary_key)
    return f" ON CONFLICT ({_keys(table)}) DO UPDATE SET {', '.join(changes)}"


def _names(table: Table) -> str:
    return ", ".join(_quoted(column.name) for column in table.columns)


def _keys(table: Table) -> str:
    return ", ".join(_quoted(column.name) for column in table.primary_key.columns)


def _quoted(name: str) -> str:
    return f'"{name}"'
