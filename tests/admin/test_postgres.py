"""The PostgreSQL of the tests: real, repeatable, and loud when it cannot be had."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.admin import postgres
from tests.admin.postgres import Missing, cluster, program

if TYPE_CHECKING:
    from pathlib import Path


async def ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def test_databases_are_empty_and_apart(postgres_url: str) -> None:
    other = cluster().new_database()
    asyncio.run(ask(other, "CREATE TABLE here (a int)"))
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    assert asyncio.run(ask(postgres_url, tables)) == 0
    assert asyncio.run(ask(other, tables)) == 1
    cluster().drop(other)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        asyncio.run(ask(other, tables))


def test_what_was_committed_survives_the_hardest_stop(postgres_url: str) -> None:
    asyncio.run(ask(postgres_url, "CREATE TABLE here AS SELECT 7 AS a"))
    cluster().stop(at_once=True)
    with pytest.raises(OSError, match="Connect call failed"):
        asyncio.run(ask(postgres_url, "SELECT 1"))
    cluster().start()
    assert asyncio.run(ask(postgres_url, "SELECT a FROM here")) == 7


def test_without_the_programs_the_tests_fail_and_say_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgres, "PLACES", f"{tmp_path}/*/bin")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match=r"initdb is neither in .* nor in PATH: .* Debian's package `postgresql`"):
        program("initdb")


def test_the_newest_version_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number in ("9.6", "15", "9.10", "17"):
        path = tmp_path / number / "bin"
        path.mkdir(parents=True)
        (path / "initdb").touch(mode=0o700)
    monkeypatch.setattr(postgres, "PLACES", f"{tmp_path}/*/bin")
    assert program("initdb") == f"{tmp_path}/17/bin/initdb"
