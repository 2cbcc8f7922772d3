"""Inserts that meet a row which is there: the same on both databases."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Float, MetaData, String, Table, select

from fastproxy.admin.store.connect import create_file, make_engine
from fastproxy.admin.store.dialect import insert_or_ignore, upsert, upsert_adding

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

metadata = MetaData()
SUMS = Table(
    "sums",
    metadata,
    Column("group", String(8), primary_key=True),  # a reserved word, as some of ours are
    Column("model", String(8), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("cost", Float, nullable=False),
    Column("first", BigInteger, nullable=False),
)
ROWS = [
    {"group": "a", "model": "x", "requests": 1, "cost": 0.5, "first": 1},
    {"group": "a", "model": "y", "requests": 2, "cost": 1.5, "first": 2},
    {"group": "a", "model": "x", "requests": 2**40, "cost": 0.25, "first": 3},
]


def written(url: str, statement: Callable[[AsyncConnection], Any]) -> list[tuple[Any, ...]]:
    """The rows of an empty table after `statement` was executed with ROWS, twice."""

    async def run() -> list[tuple[Any, ...]]:
        if url.startswith("sqlite"):
            create_file(url)
        engine = make_engine(url)
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            for _ in range(2):
                await connection.execute(statement(connection), ROWS)
            rows = await connection.execute(select(SUMS).order_by(SUMS.c.model))
            found = [tuple(row) for row in rows]
        await engine.dispose()
        return found

    return asyncio.run(run())


def test_a_row_that_is_there_stays(database_url: str) -> None:
    assert written(database_url, lambda c: insert_or_ignore(SUMS, c)) == [("a", "x", 1, 0.5, 1), ("a", "y", 2, 1.5, 2)]


def test_numbers_are_added_up_and_the_rest_stays(database_url: str) -> None:
    found = written(database_url, lambda c: upsert_adding(SUMS, c, ("group", "model"), ("requests", "cost")))
    assert found == [("a", "x", 2 + 2**41, 1.5, 1), ("a", "y", 4, 3.0, 2)]


def test_columns_are_replaced_and_the_rest_stays(database_url: str) -> None:
    found = written(database_url, lambda c: upsert(SUMS, c, ("group", "model"), ("cost",)))
    assert found == [("a", "x", 1, 0.25, 1), ("a", "y", 2, 1.5, 2)]


def test_new_rows_are_counted(database_url: str) -> None:
    async def run() -> list[int]:
        if database_url.startswith("sqlite"):
            create_file(database_url)
        engine = make_engine(database_url)
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            counts = [
                (await connection.execute(insert_or_ignore(SUMS, connection).values(ROWS[:2]))).rowcount,
                (await connection.execute(insert_or_ignore(SUMS, connection), ROWS[0])).rowcount,
            ]
        await engine.dispose()
        return counts

    assert asyncio.run(run()) == [2, 0]
