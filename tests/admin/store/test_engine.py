"""The open store: two databases or one, what each transaction may rely on, and what is said when there is none."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from fastproxy.admin.store import connect
from fastproxy.admin.store.engine import Store, StoreError, StoreUrls, brief, open_store
from fastproxy.admin.store.schema import CHAINS, upgrade
from fastproxy.admin.store.tables import groups, keys, state
from fastproxy.config import load
from tests.admin.postgres import cluster
from tests.admin.store.rows import ROWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

STATE = ROWS["state"][0]


@asynccontextmanager
async def opened(config: str, ledger: str | None = None) -> AsyncIterator[Store]:
    store = await open_store(StoreUrls(config, ledger or config), migrate=True)
    try:
        yield store
    finally:
        await store.close()


def test_one_database_or_two(database_url: str, tmp_path: Path) -> None:
    async def tables(url: str) -> set[str]:
        async with opened(database_url, url) as store:
            assert store.is_one == (url == database_url)
            assert set(StoreUrls(database_url, url).places()) == {database_url, url}
            async with store.ledger.connect() as connection:
                found = await connection.execute(text("SELECT count(*) FROM schema_ledger"))
                assert found.scalar_one() <= 1
            return {engine.url.get_backend_name() for engine in (store.config, store.ledger)}

    own = f"sqlite:///{tmp_path}/records.db"
    assert "sqlite" in asyncio.run(tables(own))
    assert len(asyncio.run(tables(database_url))) == 1


def test_urls_of_settings(tmp_path: Path) -> None:
    settings = load({"state_dir": str(tmp_path), "migrate": True}, {})
    assert StoreUrls.of(settings) == StoreUrls(
        f"sqlite:///{tmp_path}/fastproxy.db", f"sqlite:///{tmp_path}/fastproxy-ledger.db", migrate=True
    )
    assert "fastproxy.db" not in repr(StoreUrls.of(settings))


def test_a_sqlite_file_is_ours_alone_and_every_commit_is_on_the_disk(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state/deep/fastproxy.db"

    async def pragmas() -> list[object]:
        async with opened(url) as store, store.config.connect() as connection:
            names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            return [(await connection.execute(text(f"PRAGMA {name}"))).scalar_one() for name in names]

    assert asyncio.run(pragmas()) == ["wal", 2, 1, connect.PATIENCE_S * 1000]
    assert stat.S_IMODE(os.stat(tmp_path / "state/deep/fastproxy.db").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(tmp_path / "state/deep").st_mode) == 0o700


def test_a_path_may_hold_what_means_something_in_urls(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/50% of #1? & ünï/a b.db"

    async def write() -> None:
        async with opened(url) as store, store.config.begin() as connection:
            await connection.execute(state.insert(), [STATE])

    asyncio.run(write())
    assert os.listdir(tmp_path / "50% of #1? & ünï") == ["a b.db"]


def test_writers_that_read_first_wait_for_each_other(database_url: str) -> None:
    """On SQLite the second would otherwise fail at once: what it has read is no longer so."""

    async def add(store: Store) -> None:
        async with store.config.begin() as connection:
            seen = (await connection.execute(select(state.c.revision).with_for_update())).scalar_one()
            await connection.execute(update(state).values(revision=seen + 1))

    async def run() -> int:
        async with opened(database_url) as store:
            async with store.config.begin() as connection:
                await connection.execute(state.insert(), [{**STATE, "revision": 0}])
            await asyncio.gather(*(add(store) for _ in range(20)))
            async with store.config.connect() as connection:
                reached: int = (await connection.execute(select(state.c.revision))).scalar_one()
                return reached

    assert asyncio.run(run()) == 20


def test_a_new_file_was_locked_to_all_but_the_first_who_opened_it(tmp_path: Path) -> None:
    async def look(engine: AsyncEngine) -> object:
        async with engine.connect() as connection:
            found = (await connection.execute(text("PRAGMA journal_mode"))).scalar_one()
        await engine.dispose()
        return found

    async def all_at_once(url: str) -> list[object]:
        return await asyncio.gather(*(look(connect.make_engine(url)) for _ in range(8)))

    for number in range(30):
        assert asyncio.run(all_at_once(f"sqlite:///{tmp_path}/{number}.db")) == ["wal"] * 8


def test_reading_goes_on_while_somebody_writes(database_url: str) -> None:
    async def run() -> tuple[int, int]:
        async with opened(database_url) as store, store.config.begin() as writing:
            await writing.execute(state.insert(), [STATE])
            async with store.config.connect() as reading:
                before = (await reading.execute(select(func.count()).select_from(state))).scalar_one()
            await writing.commit()
            async with store.config.connect() as reading:
                return before, (await reading.execute(select(func.count()).select_from(state))).scalar_one()

    assert asyncio.run(run()) == (0, 1)


def test_foreign_keys_are_minded(database_url: str) -> None:
    async def run() -> int:
        async with opened(database_url) as store:
            with pytest.raises(IntegrityError):
                async with store.config.begin() as connection:
                    await connection.execute(keys.insert(), ROWS["keys"])
            async with store.config.begin() as connection:
                await connection.execute(groups.insert(), ROWS["groups"])
                await connection.execute(keys.insert(), ROWS["keys"])
                await connection.execute(groups.delete().where(groups.c.name == "team"))
                return (await connection.execute(select(func.count()).select_from(keys))).scalar_one()

    assert asyncio.run(run()) == 1


def test_no_row_is_in_an_error_or_a_log(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    secret = {**ROWS["groups"][0], "note": "canary-row"}

    async def write(store: Store) -> None:
        async with store.config.begin() as connection:
            await connection.execute(groups.insert(), [secret])
            await connection.execute(groups.insert(), [{**secret, "id": "9" * 32}])

    async def run() -> DBAPIError:
        async with opened(database_url) as store:
            with pytest.raises(IntegrityError) as caught:
                await write(store)
            return caught.value

    caplog.set_level(logging.DEBUG, "sqlalchemy")
    error = asyncio.run(run())
    assert "canary" not in repr(error) + brief(error) + caplog.text
    assert "unique" in brief(error).lower()
    assert "\n" not in brief(error)
    assert "<class" not in brief(error)


# --- what is said when there is no database


def refusal(urls: StoreUrls, *, migrate: bool | None = None) -> str:
    with pytest.raises(StoreError) as caught:
        asyncio.run(open_store(urls, migrate=migrate))
    return str(caught.value)


def test_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, but long enough to be taken for one" * 99)
    (tmp_path / "directory.db").mkdir()
    (tmp_path / "file").write_text("")
    for name, expected in (
        ("text.db", "file is not a database"),
        ("directory.db", "is a directory"),
        ("file/below.db", "its directory is a file"),
    ):
        path = tmp_path / name
        assert refusal(StoreUrls(f"sqlite:///{path}", "")) == f"SQLite file {path}: {expected}"


def test_a_directory_without_rights(tmp_path: Path) -> None:
    url, user = f"sqlite:///{tmp_path}/forbidden/fastproxy.db", os.geteuid()
    (tmp_path / "forbidden").mkdir(mode=0o500)
    if user == 0:
        os.seteuid(65534)  # root may write anywhere
    try:
        with pytest.raises(StoreError, match="permission denied"):
            connect.create_file(url)
    finally:
        os.seteuid(user)


def test_a_server_that_is_not_there() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"postgresql://me:canary@127.0.0.1:{taken.getsockname()[1]}/db?password=canary"
        text = refusal(StoreUrls(url, url))
    assert text.startswith("PostgreSQL postgresql://me:***@127.0.0.1:")
    assert "connect call failed" in text
    assert "canary" not in text


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "PATIENCE_S", 0.05)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"postgresql://me:canary@127.0.0.1:{silent.getsockname()[1]}/db"
        assert refusal(StoreUrls(url, url)).endswith("no answer within 0.05 s")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("/test_", "/nowhere_"), 'database "nowhere_'),
        (("postgres:", "postgres:canary"), 'password authentication failed for user "postgres"'),
        (("postgresql://postgres:", "postgresql://nobody:canary"), 'password authentication failed for user "nobody"'),
        (("/test_", "/test_?sslmode=canary&x="), "this is not a URL that PostgreSQL's clients understand"),
        (("/test_", "/test_?sslmode=require&application_name="), "rejected SSL upgrade"),
    ],
)
def test_what_a_server_refuses(postgres_url: str, change: tuple[str, str], expected: str) -> None:
    url = postgres_url.replace(*change, 1)
    text = refusal(StoreUrls(url, url))
    assert expected in text
    assert "canary" not in text.replace("sslmode=canary", "")
    assert cluster().password not in text


def test_a_user_without_rights(postgres_url: str) -> None:
    cluster().say("CREATE ROLE guest LOGIN PASSWORD 'canary'")
    url = postgres_url.replace(f"postgres:{cluster().password}", "guest:canary")
    try:
        text = refusal(StoreUrls(url, url), migrate=True)
    finally:
        cluster().say("DROP ROLE guest")
    assert "permission denied for schema public" in text
    assert "canary" not in text


def test_postgresql_waits_for_the_command_and_sqlite_does_not(database_url: str) -> None:
    urls = StoreUrls(database_url, database_url)
    if database_url.startswith("sqlite"):
        asyncio.run(asyncio.wait_for(_open_and_close(urls), 9))
        return
    assert "has no tables of fastproxy yet; run `fastproxy db upgrade` first, or start with --migrate" in refusal(urls)
    asyncio.run(upgrade(database_url, CHAINS))
    asyncio.run(_open_and_close(urls))


def test_postgresql_migrates_at_start_when_the_settings_say_so(postgres_url: str) -> None:
    asyncio.run(_open_and_close(StoreUrls(postgres_url, postgres_url, migrate=True)))
    asyncio.run(_open_and_close(StoreUrls(postgres_url, postgres_url)))


def test_whoever_must_not_migrate_does_not(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/fastproxy.db"
    assert refusal(StoreUrls(url, url), migrate=False) == f"SQLite file {tmp_path}/fastproxy.db: no such file"
    assert os.listdir(tmp_path) == []


async def _open_and_close(urls: StoreUrls) -> None:
    await (await open_store(urls)).close()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql+asyncpg"])
def test_other_spellings_of_the_scheme(postgres_url: str, scheme: str) -> None:
    url = f"{scheme}://{postgres_url.partition('://')[2]}"
    asyncio.run(_open_and_close(StoreUrls(url, url, migrate=True)))


def test_a_statement_without_an_end_is_given_up(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(upgrade(postgres_url, CHAINS))
    monkeypatch.setattr(connect, "COMMAND_S", 0.2)

    async def wait(store: Store) -> None:
        async with store.config.begin() as connection:
            await connection.execute(text("SELECT pg_sleep(3600)"))

    async def run() -> tuple[str, int]:
        store = await open_store(StoreUrls(postgres_url, postgres_url))
        with pytest.raises((SQLAlchemyError, OSError)) as caught:
            await wait(store)
        async with store.config.connect() as connection:
            working = (await connection.execute(select(func.count()).select_from(state))).scalar_one()
        await store.close()
        return brief(caught.value), working

    assert asyncio.run(run()) == ("no answer in time", 0)


@pytest.mark.parametrize("at_once", [False, True])
def test_an_outage_ends_by_itself(postgres_url: str, *, at_once: bool) -> None:
    """Connections of before are noticed and replaced; nobody has to open the store again."""

    async def count(store: Store) -> int:
        async with store.config.connect() as connection:
            return (await connection.execute(select(func.count()).select_from(state))).scalar_one()

    async def cut_off(store: Store) -> None:
        async with store.config.begin() as connection:
            await connection.execute(state.insert(), [STATE])
            cluster().stop(at_once=at_once)
            await connection.execute(select(state))

    async def run() -> list[int]:
        async with opened(postgres_url) as store:
            before = await count(store)
            with pytest.raises((StoreError, SQLAlchemyError)) as caught:
                await cut_off(store)
            assert brief(caught.value)
            with pytest.raises(StoreError, match="connect call failed"):
                await count(store)
            cluster().start()
            return [before, await count(store)]

    try:
        assert asyncio.run(run()) == [0, 0]
    finally:
        cluster().start()


def test_a_task_that_is_cancelled_in_the_middle_leaves_no_lock(database_url: str) -> None:
    """The admin process ends its tasks this way when it is told to stop, and one that died is started again."""
    slow = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000) SELECT max(i) FROM n",
        "postgresql": "SELECT pg_sleep(3600)",
    }

    async def hold(store: Store, started: asyncio.Event) -> None:
        async with store.config.begin() as connection:
            await connection.execute(state.insert(), [STATE])
            started.set()
            await connection.execute(text(slow[connection.dialect.name]))

    async def run() -> int:
        async with opened(database_url) as store:
            started = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                holding = group.create_task(hold(store, started))
                await started.wait()
                holding.cancel()
            async with store.config.begin() as connection:
                await connection.execute(state.insert(), [STATE])
            async with store.config.connect() as connection:
                rows: int = (await connection.execute(select(func.count()).select_from(state))).scalar_one()
                return rows

    assert asyncio.run(run()) == 1
