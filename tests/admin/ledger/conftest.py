"""An open ledger for each test, with everything in one database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fastproxy.admin.store.connect import make_engine
from fastproxy.admin.store.engine import Store
from fastproxy.admin.store.ledger_tables import ledger_metadata
from fastproxy.admin.store.tables import config_metadata

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    Play = Callable[[Callable[[Store], Awaitable[Any]]], Any]


@pytest.fixture
def play(database_url: str) -> Play:
    """Runs a coroutine function with the open store, in a loop of its own, and closes the store behind it."""

    def run(scene: Callable[[Store], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            engine = make_engine(database_url)
            store = Store(engine, engine)
            try:
                async with engine.begin() as conn:  # quicker than the migrations, which make the same (test_schema.py)
                    for metadata in (config_metadata, ledger_metadata):
                        await conn.run_sync(metadata.create_all)
                return await scene(store)
            finally:
                await store.close()

        return asyncio.run(whole())

    return run
