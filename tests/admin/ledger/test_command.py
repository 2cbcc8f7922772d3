from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import text

from fastproxy.__main__ import main
from fastproxy.admin.store.engine import StoreUrls, open_store
from fastproxy.payloads import END
from tests.admin.ledger.books import everything
from tests.admin.ledger.journals import Room, end

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def _fill(url: str, change: str) -> None:
    store = await open_store(StoreUrls(url, url), migrate=True)
    try:
        room = Room()
        room.add("0").append(END, end(1))
        await everything(room.collector(store))
        if change:
            async with store.ledger.begin() as conn:
                await conn.execute(text(change))
    finally:
        await store.close()


def _verify(url: str, tmp_path: Path) -> int:
    state = ["--state-dir", str(tmp_path)]
    return main(["ledger", "verify", "--database", url, "--ledger-database", url, *state])


def test_a_ledger_that_agrees(database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(_fill(database_url, ""))
    assert _verify(database_url, tmp_path) == 0
    assert capsys.readouterr().out == "1 records in 1 hours: records, roll-ups and usage agree\n"


def test_a_ledger_that_does_not(database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(_fill(database_url, "UPDATE usage SET requests = 7 WHERE period = 'total' AND owner = 'key'"))
    assert _verify(database_url, tmp_path) == 1
    assert capsys.readouterr().out == (
        "1 records in 1 hours: 1 sums differ\ntotal key team/ci: requests: usage by month 1, usage in all 7\n"
    )


def test_a_database_without_tables(database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _verify(database_url, tmp_path) == 1
    told = capsys.readouterr().err
    assert ("no such file" if database_url.startswith("sqlite") else "run `fastproxy db upgrade` first") in told
