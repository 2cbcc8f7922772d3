"""What SQLite and PostgreSQL spell differently: inserts that meet a row which is there already.

    insert_or_ignore(table, conn)                    the row that is there stays
    upsert_adding(table, conn, keys, added)          its numbers are added to: counters and sums
    upsert(table, conn, keys, replaced)              its columns are replaced

Each is a statement for `conn.execute(statement, rows)`; the values are named after the columns. `conn` only says which
dialect it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    Insert = sqlite.Insert | postgresql.Insert


def _insert(table: Table, conn: Connection | AsyncConnection) -> Insert:
    if conn.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def insert_or_ignore(table: Table, conn: Connection | AsyncConnection) -> Insert:
    """`rowcount` is the number of rows that were new, when one row is given or all are given in one VALUES."""
    return _insert(table, conn).on_conflict_do_nothing()


def upsert_adding(
    table: Table, conn: Connection | AsyncConnection, keys: Iterable[str], added: Iterable[str]
) -> Insert:
    """`keys` name the columns of a unique index; columns in neither list stay as they are."""
    insert = _insert(table, conn)
    sums: dict[str, Any] = {name: table.c[name] + insert.excluded[name] for name in added}
    return insert.on_conflict_do_update(index_elements=list(keys), set_=sums)


def upsert(table: Table, conn: Connection | AsyncConnection, keys: Iterable[str], replaced: Iterable[str]) -> Insert:
    """`keys` and the others as in upsert_adding."""
    insert = _insert(table, conn)
    fresh: dict[str, Any] = {name: insert.excluded[name] for name in replaced}
    return insert.on_conflict_do_update(index_elements=list(keys), set_=fresh)
