"""Writers of one process: in SQLite they take turns, in the order of asking."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from fastproxy.admin.store.connect import make_engine

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine


def test_a_dozen_writers_starved_each_other_and_the_readers(tmp_path: Path) -> None:
    """SQLite's own waiting is sleeping and trying again: some slept for five seconds, holding all connections."""

    async def run() -> None:
        engine = make_engine(f"sqlite:///{tmp_path}/w.db")
        order: list[int] = []
        out: list[int] = []
        try:
            await asyncio.gather(*(write(engine, number, order, out) for number in range(12)))
        finally:
            await engine.dispose()
        assert order == list(range(12))
        assert set(out) == {1}

    asyncio.run(run())


async def write(engine: AsyncEngine, number: int, order: list[int], out: list[int]) -> None:
    async with engine.begin() as connection:
        order.append(number)
        await connection.execute(text("create table if not exists t (a integer)"))
        out.append(engine.sync_engine.pool.checkedout())  # type: ignore[attr-defined]  # a pool with a queue has it


def test_a_connection_closed_in_the_middle_of_a_statement_kept_the_lock(tmp_path: Path) -> None:
    """As it happens to a task that is cancelled: SQLite waited for somebody to collect the statement."""
    path = tmp_path / "w.db"

    async def run() -> object:
        engine = make_engine(f"sqlite:///{path}")
        try:
            async with engine.connect() as connection:
                await connection.execute(text("create table t (a integer)"))
                await connection.execute(text("insert into t values (1), (2)"))
                await connection.commit()
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await driver.execute("begin immediate")
                unread = await driver.execute("update t set a = a + 1 returning a")
                await driver.close()
                await connection.invalidate()
        finally:
            await engine.dispose()
        return unread

    unread = asyncio.run(run())
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("begin immediate")
        assert other.execute("select a from t").fetchall() == [(1,), (2,)]
    assert unread is not None  # it was there until now
