"""Copies of a database in use: complete as of one moment, never in the place of something else, no password shown."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
from contextlib import closing
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from fastproxy.admin.store.backup import back_up, without_password
from fastproxy.admin.store.connect import make_engine
from fastproxy.admin.store.errors import StoreError
from fastproxy.admin.store.schema import CONFIG, upgrade
from tests.admin.postgres import cluster, program
from tests.admin.store.rows import ROWS, ask, fill, read_all

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def filled(database_url: str) -> str:
    asyncio.run(upgrade(database_url, [CONFIG]))
    ask(database_url, fill)
    return database_url


def restored(url: str, file: Path, tmp_path: Path) -> str:
    """The URL of a database made from the copy."""
    if url.startswith("sqlite"):
        return f"sqlite:///{file.rename(tmp_path / 'restored.db')}"
    fresh = cluster().new_database()
    subprocess.run([program("pg_restore"), "--no-owner", f"--dbname={fresh}", file], check=True, timeout=30)
    return fresh


def test_a_copy_holds_everything(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "copy"
    size = back_up(filled, str(file), os.environ)
    assert file.stat().st_size == size > 10_000
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    url = restored(filled, file, tmp_path)
    assert ask(url, read_all) == ROWS
    assert asyncio.run(upgrade(url, [CONFIG])) == {"config": CONFIG.revisions()[-1]}
    if not url.startswith("sqlite"):
        cluster().drop(url)


def test_a_copy_is_of_one_moment_and_keeps_nobody_from_writing(tmp_path: Path) -> None:
    """Each transaction writes to the first and to the last page; a copy with only one of both would be torn."""
    path = tmp_path / "busy.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "PRAGMA journal_mode=WAL; CREATE TABLE a (n); CREATE TABLE filler (x); CREATE TABLE b (n);"
            "INSERT INTO a VALUES (0); INSERT INTO b VALUES (0);"
        )
        database.executemany("INSERT INTO filler VALUES (?)", [("x" * 4000,)] * 2000)
        database.commit()
    stop, written, failures = Event(), Event(), []

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=0)) as database:
            while not stop.is_set():
                try:
                    database.execute("UPDATE a SET n = n + 1")
                    database.execute("UPDATE b SET n = n + 1")
                    database.commit()
                except sqlite3.Error as error:
                    failures.append(error)
                written.set()

    writer = Thread(target=write)
    writer.start()
    try:
        seen = []
        for number in range(5):
            written.clear()
            written.wait(5)
            back_up(f"sqlite:///{path}", str(tmp_path / f"copy-{number}"), {})
            with closing(sqlite3.connect(tmp_path / f"copy-{number}")) as copy:
                assert copy.execute("PRAGMA quick_check").fetchall() == [("ok",)]
                seen.append(copy.execute("SELECT a.n, b.n FROM a, b").fetchone())
    finally:
        stop.set()
        writer.join()
    assert failures == []
    assert all(first == second > 0 for first, second in seen)
    assert seen == sorted(seen)


def refusal(url: str, target: Path, **environ: str) -> str:
    with pytest.raises(StoreError) as caught:
        back_up(url, str(target), environ)
    return str(caught.value)


def test_nothing_is_overwritten_and_nothing_half_done_stays(filled: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("precious")
    (tmp_path / "dangling").symlink_to("nowhere")
    before = set(os.listdir(tmp_path))
    for name in ("taken", "dangling"):
        assert refusal(filled, tmp_path / name) == f"{tmp_path / name} is there already; expected a new name"
    assert refusal(filled, tmp_path / "no/copy") == f"{tmp_path}/no/copy: no such file or directory"
    (tmp_path / "copy.part").write_text("another one")
    assert "another backup is being written, or one was cut off" in refusal(filled, tmp_path / "copy")
    (tmp_path / "copy.part").unlink()
    assert set(os.listdir(tmp_path)) == before
    assert (tmp_path / "taken").read_text() == "precious"


def test_what_cannot_be_copied(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database" * 99)
    assert refusal(f"sqlite:///{tmp_path}/none.db", tmp_path / "copy").endswith("none.db: no such file")
    assert refusal(f"sqlite:///{tmp_path}/text.db", tmp_path / "copy").endswith("text.db: file is not a database")
    url = "postgresql://me:canary@127.0.0.1:1/db"
    assert "pg_dump is not in PATH; install" in refusal(url, tmp_path / "copy", PATH=str(tmp_path))
    shown = refusal(url, tmp_path / "copy", PATH=os.environ["PATH"])
    assert shown.startswith("PostgreSQL postgresql://me:***@127.0.0.1:1/db: pg_dump: error: connection to server")
    assert os.listdir(tmp_path) == ["text.db"]


def test_the_password_is_not_on_the_command_line(tmp_path: Path) -> None:
    fake = tmp_path / "pg_dump"
    fake.write_text('#!/bin/sh\necho "$PGPASSWORD" "$@" >&2\nexit 1\n')
    fake.chmod(0o700)
    path = f"{tmp_path}:{os.environ['PATH']}"
    shown = refusal("postgres://me:can%20ary@h/db", tmp_path / "copy", PATH=path)
    command = f"--format=custom --no-password --file={tmp_path}/copy.part --dbname=postgresql://me@h/db"
    assert shown == f"PostgreSQL postgres://me:***@h/db: can ary {command}"


@pytest.mark.parametrize(
    ("url", "name", "password"),
    [
        ("postgresql://h/db", "postgresql://h/db", ""),
        ("postgresql+asyncpg://me@h:1/db", "postgresql://me@h:1/db", ""),
        ("postgres://me:a%40b@[::1]:1/db?sslmode=require", "postgresql://me@[::1]:1/db?sslmode=require", "a@b"),
        ("postgres:///db?host=/run/x&password=a%26b", "postgresql:///db?host=/run/x", "a&b"),
        ("postgres://:x@h/db", "postgresql://@h/db", "x"),
    ],
)
def test_without_password(url: str, name: str, password: str) -> None:
    assert without_password(url) == (name, password)
    with pytest.raises(StoreError, match="sslpassword cannot be kept from a command line") as caught:
        without_password(f"{url}{'&' if '?' in url else '?'}sslpassword=canary")
    assert "canary" not in str(caught.value)


def test_a_copy_of_an_engine_in_use_is_complete(filled: str, tmp_path: Path) -> None:
    """What is committed but still in SQLite's log belongs to it."""

    async def run() -> None:
        engine = make_engine(filled)
        async with engine.begin() as connection:
            await connection.run_sync(lambda c: c.exec_driver_sql("UPDATE groups SET note = 'new'"))
        await asyncio.to_thread(back_up, filled, str(tmp_path / "copy"), os.environ)
        await engine.dispose()

    asyncio.run(run())
    url = restored(filled, tmp_path / "copy", tmp_path)
    assert {row["note"] for row in ask(url, read_all)["groups"]} == {"new"}
    if not url.startswith("sqlite"):
        cluster().drop(url)
