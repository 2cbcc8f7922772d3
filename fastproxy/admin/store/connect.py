"""Engines: how the two kinds of databases are opened.

    SQLite       one file, 0600, for any number of processes: write-ahead log, every commit on the disk before it
                 counts (synchronous=FULL), foreign keys minded
    PostgreSQL   asyncpg with the URL as libpq understands it (sslmode, host=/run/postgresql, …)

`engine.begin()` is for changes, `engine.connect()` for reading as of one moment. On SQLite a transaction that reads
first and writes later fails when somebody else wrote in between; so `begin()` takes the write lock at once, and waits
for it for as long as PATIENCE_S. PostgreSQL takes neither NUL nor lone surrogates in texts: clean them before.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from fastproxy.admin.store.errors import StoreError, brief, place_of
from fastproxy.config.urls import database_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.pool import ConnectionPoolEntry

PATIENCE_S: Final = 10  # for a lock, a connection, a server that does not answer
COMMAND_S: Final = 60  # a statement; a server behind a broken line would be waited for without end
_WRITES: Final = "fastproxy_writes"
_PRAGMAS: Final = ("synchronous=FULL", "journal_size_limit=67108864")
_PAUSE_S: Final = 0.01


class WritingEngine(AsyncEngine):
    """An engine whose `begin()` says that it is going to write.

    Of this process one writes at a time, in the order of asking: SQLite lets whoever finds the file locked sleep and
    try again, so that of a dozen some wait for seconds, and with the connections that readers need.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._turns = asyncio.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with self._turns, self.connect() as connection:
            await connection.execution_options(**{_WRITES: True})
            async with connection.begin():
                yield connection


def make_engine(url: str, *, migrates: bool = False) -> AsyncEngine:
    """Opens nothing yet. `migrates`: for a change of the tables themselves, which takes its time, on one connection."""
    # parameters are rows, and rows hold what nobody should find in a log
    options: dict[str, Any] = {"hide_parameters": True}
    options |= {"poolclass": NullPool} if migrates else {"pool_size": 5, "max_overflow": 5, "pool_timeout": PATIENCE_S}
    if database_file(url):
        return _sqlite(url, options, migrates)
    options |= {"async_creator": _connector(url, None if migrates else COMMAND_S), "pool_pre_ping": not migrates}
    return WritingEngine(create_async_engine("postgresql+asyncpg://", **options).sync_engine)


class _Connection(sqlite3.Connection):
    """Of a task that was cancelled it is closed in the middle of a statement. SQLite then keeps it, and its lock on the
    file, until somebody collects the statement."""

    def close(self) -> None:
        with suppress(sqlite3.Error):
            if self.in_transaction:
                self.rollback()
        super().close()


def _sqlite(url: str, options: dict[str, Any], migrates: bool) -> AsyncEngine:
    path = URL.create("sqlite+aiosqlite", database=database_file(url))
    arguments = {"timeout": PATIENCE_S, "factory": _Connection}
    engine = create_async_engine(path, connect_args=arguments, **options).sync_engine
    pragmas = (*_PRAGMAS, f"foreign_keys={'OFF' if migrates else 'ON'}")

    def connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # BEGIN is said below, not when the driver thinks so
        cursor = connection.cursor()
        _use_wal(cursor)
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return WritingEngine(engine)


def _use_wal(cursor: DBAPICursor) -> None:
    """Of those who open a new file at once one turns it to a write-ahead log. The others fail while it does: SQLite
    does not wait for a lock that has to grow."""
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
        await_only(asyncio.sleep(_PAUSE_S))


def create_file(url: str) -> None:
    """Makes the file of a SQLite database, and its directory, for us alone. Raises StoreError."""
    path = database_file(url)
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise StoreError(f"{place_of(url)}: its directory is a file") from None
    except OSError as error:
        raise StoreError(f"{place_of(url)}: {brief(error)}") from None


def expect_file(url: str) -> None:
    """Of a SQLite database; opening one that is not there would make it. Raises StoreError."""
    if database_file(url) and not os.path.exists(database_file(url)):
        raise StoreError(f"{place_of(url)}: no such file")


def _connector(url: str, command_s: int | None) -> Callable[[], Awaitable[Any]]:
    try:
        import asyncpg
    except ImportError:
        raise StoreError(f"{place_of(url)}: its driver is missing; pip install 'fastproxy[postgres]'") from None
    name = f"postgresql://{url.partition('://')[2]}"
    settings = {"application_name": "fastproxy"}

    async def connect() -> Any:
        try:
            return await asyncpg.connect(name, timeout=PATIENCE_S, command_timeout=command_s, server_settings=settings)
        except TimeoutError:
            raise StoreError(f"{place_of(url)}: no answer within {PATIENCE_S} s") from None
        except (asyncpg.PostgresError, OSError) as error:
            raise StoreError(f"{place_of(url)}: {brief(error)}") from None
        except (asyncpg.InterfaceError, ValueError):
            # what it says quotes parts of the URL, among them the password
            raise StoreError(f"{place_of(url)}: this is not a URL that PostgreSQL's clients understand") from None

    return connect
