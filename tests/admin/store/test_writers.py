"""Writers of one process: in SQLite they take turns, in the order of asking."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

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
