"""Versions of the tables, and the way from one to the next.

    Chain     the tables of one kind, their migrations (migrations/<name>/versions), and the table schema_<name>, in
              which a database says how far it has come. Two chains may live in one database.
    CHAINS    config, ledger

A change of tables.py or ledger_tables.py needs a new file of migrations, named <c|l><number>_<what>.py and pointing at
the one before; `python -m tests.admin.store.draft config|ledger` writes what has to stand in it, and a test compares
what all of them make with the tables. Written with `op.batch_alter_table`, which SQLite needs.
A migration is one transaction on both databases: it happens whole or not at all, and by one process at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect, text

from fastproxy.admin.store.connect import create_file, expect_file, make_engine
from fastproxy.admin.store.errors import StoreError, clear_errors, place_of
from fastproxy.admin.store.ledger_tables import ledger_metadata
from fastproxy.admin.store.tables import config_metadata
from fastproxy.config.urls import database_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.engine import Connection

MIGRATIONS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x66617374  # any number, the same in all processes: "fast"
BASE: Final = "base"  # Alembic's name for a database without our tables


class Version(Enum):
    """How a database stands to this program."""

    EMPTY = "has no tables of fastproxy yet"
    OLDER = "has tables of an earlier version"
    CURRENT = "fits"
    NEWER = "has tables of a later version"
    FOREIGN = "has tables of something else"


@dataclass(frozen=True)
class Chain:
    name: str
    metadata: MetaData
    versions: Path

    @property
    def version_table(self) -> str:
        return f"schema_{self.name}"

    def options(self) -> dict[str, Any]:
        """For Alembic's contexts. A SQLite transaction covers changes of tables too, unless Alembic ends it."""
        return {
            "version_table": self.version_table,
            "target_metadata": self.metadata,
            "render_as_batch": True,
            "transactional_ddl": True,
            "include_name": self._is_ours,
        }

    def _is_ours(self, name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name in self.metadata.tables

    def alembic(self, connection: Connection | None = None) -> Config:
        config = Config(attributes={"chain": self, "connection": connection})
        config.set_main_option("script_location", _plain(MIGRATIONS))
        config.set_main_option("version_locations", _plain(self.versions))
        config.set_main_option("path_separator", "newline")
        return config

    def revisions(self) -> list[str]:
        """The oldest first."""
        script = ScriptDirectory.from_config(self.alembic())
        return [revision.revision for revision in script.walk_revisions()][::-1]


def _plain(path: Path) -> str:
    return str(path).replace("%", "%%")


CONFIG: Final = Chain("config", config_metadata, MIGRATIONS / "config" / "versions")
LEDGER: Final = Chain("ledger", ledger_metadata, MIGRATIONS / "ledger" / "versions")
CHAINS: Final = (CONFIG, LEDGER)


def current_revision(connection: Connection, chain: Chain) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": chain.version_table}).get_current_revision()


def version_of(connection: Connection, chain: Chain) -> Version:
    current, known = current_revision(connection, chain), chain.revisions()
    if current is None:
        taken = chain.metadata.tables.keys() & set(inspect(connection).get_table_names())
        return Version.FOREIGN if taken else Version.EMPTY
    if current not in known:
        return Version.NEWER
    return Version.CURRENT if current == known[-1] else Version.OLDER


def is_empty(connection: Connection) -> bool:
    return not inspect(connection).get_table_names()


async def upgrade(url: str, chains: Iterable[Chain]) -> dict[str, str]:
    """Brings a database to the newest version; makes a SQLite file that is not there. Chain → its revision now.

    Raises StoreError: not reachable, not ours, of a later version.
    """
    if database_file(url):
        create_file(url)

    def run(connection: Connection, chain: Chain) -> None:
        refuse(version_of(connection, chain), url)
        command.upgrade(chain.alembic(connection), "head")

    return await _migrate(url, chains, run)


async def downgrade(url: str, chain: Chain, revision: str) -> dict[str, str]:
    """Back to an earlier version; what only later ones have is lost. Raises StoreError as upgrade does, and when there
    is no such revision or it is not an earlier one."""
    expect_file(url)

    def run(connection: Connection, chain: Chain) -> None:
        refuse(version_of(connection, chain), url)
        known = [BASE, *chain.revisions()]
        current = known.index(current_revision(connection, chain) or BASE)
        if revision not in known[: current + 1]:
            earlier = ", ".join(known[: current + 1])
            raise StoreError(f"{place_of(url)}: cannot go back to {chain.name}={revision}; it has been at {earlier}")
        command.downgrade(chain.alembic(connection), revision)

    return await _migrate(url, [chain], run)


def refuse(version: Version, url: str) -> None:
    """Raises StoreError for tables that this program must not touch."""
    if version is Version.NEWER:
        raise StoreError(
            f"{place_of(url)} {version.value} than this program knows; use that version, or let it "
            "go back first with `fastproxy db downgrade`"
        )
    if version is Version.FOREIGN:
        raise StoreError(f"{place_of(url)} {version.value} under the names of ours; expected a database of our own")


async def _migrate(url: str, chains: Iterable[Chain], run: Callable[[Connection, Chain], None]) -> dict[str, str]:
    engine = make_engine(url, migrates=True)
    reached = {}
    try:
        with clear_errors(url):
            async with engine.begin() as connection:
                await connection.run_sync(_wait_for_others)
                for chain in chains:
                    await connection.run_sync(run, chain)
                    now: str | None = await connection.run_sync(current_revision, chain)
                    reached[chain.name] = now or BASE
                await connection.run_sync(_check_references, url)
    finally:
        await engine.dispose()
    return reached


def _wait_for_others(connection: Connection) -> None:
    """SQLite's write lock is taken already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _check_references(connection: Connection, url: str) -> None:
    """SQLite changes a table by copying it, with foreign keys off: here is what that could have broken."""
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise StoreError(f"{place_of(url)}: rows of {broken[0]} would lose what they refer to; nothing was changed")
