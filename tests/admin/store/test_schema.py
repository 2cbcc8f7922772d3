"""Migrations: they make exactly the tables that the program works with, on both databases; forth and back again."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from fastproxy.admin.store.connect import create_file
from fastproxy.admin.store.errors import StoreError
from fastproxy.admin.store.schema import BASE, CHAINS, CONFIG, LEDGER, Chain, Version, downgrade, upgrade, version_of
from fastproxy.admin.store.tables import changes, credentials, group_models, groups, keys
from tests.admin.store.rows import ROWS, ask, fill, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection

HEADS = {chain.name: [BASE, *chain.revisions()][-1] for chain in CHAINS}


def tables_of(url: str) -> set[str]:
    found: set[str] = ask(url, lambda connection: set(inspect(connection).get_table_names()))
    return found


def differences(connection: Connection, chain: Chain) -> list[Any]:
    context = MigrationContext.configure(connection, opts={**chain.options(), "compare_server_default": True})
    found: list[Any] = compare_metadata(context, chain.metadata)
    return found


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.name)
def test_migrations_make_the_tables_of_the_program(database_url: str, chain: Chain) -> None:
    assert asyncio.run(upgrade(database_url, [chain])) == {chain.name: HEADS[chain.name]}
    assert ask(database_url, differences, chain) == []
    assert tables_of(database_url) == {*chain.metadata.tables, chain.version_table}


def test_both_chains_in_one_database(database_url: str) -> None:
    assert asyncio.run(upgrade(database_url, CHAINS)) == HEADS
    assert [ask(database_url, differences, chain) for chain in CHAINS] == [[], []]
    asyncio.run(downgrade(database_url, LEDGER, BASE))
    assert tables_of(database_url) == {*CONFIG.metadata.tables, "schema_config", "schema_ledger"}
    assert ask(database_url, version_of, LEDGER) is Version.EMPTY
    assert ask(database_url, version_of, CONFIG) is Version.CURRENT
    assert asyncio.run(upgrade(database_url, CHAINS)) == HEADS


def test_a_planted_difference_is_found(database_url: str) -> None:
    asyncio.run(upgrade(database_url, [CONFIG]))
    ask(database_url, lambda connection: connection.execute(text("ALTER TABLE groups ADD COLUMN extra TEXT")) and None)
    assert [difference[0] for difference in ask(database_url, differences, CONFIG)] == ["remove_column"]


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(database_url: str) -> None:
    asyncio.run(upgrade(database_url, CHAINS))
    ask(database_url, fill)
    assert asyncio.run(upgrade(database_url, CHAINS)) == HEADS
    assert ask(database_url, read_all) == ROWS


SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "c9999"
down_revision = "%s"


def upgrade() -> None:
    with op.batch_alter_table("groups") as batch:
        batch.add_column(sa.Column("colour", sa.String(8), nullable=False, server_default="red"))
        batch.alter_column("note", type_=sa.String(2000), existing_type=sa.Text(), existing_nullable=False)
    with op.batch_alter_table("channels") as batch:
        batch.create_check_constraint("weighty", "weight >= 0")


def downgrade() -> None:
    with op.batch_alter_table("channels") as batch:
        batch.drop_constraint("weighty", type_="check")
    with op.batch_alter_table("groups") as batch:
        batch.alter_column("note", type_=sa.Text(), existing_type=sa.String(2000), existing_nullable=False)
        batch.drop_column("colour")
"""


@pytest.fixture
def later(tmp_path: Path) -> Chain:
    """The configuration's chain of a later program: one step more, that SQLite can only do by copying tables."""
    versions = tmp_path / "100% later"
    shutil.copytree(CONFIG.versions, versions, ignore=shutil.ignore_patterns("__pycache__"))
    (versions / "c9999_second.py").write_text(SECOND % HEADS["config"])
    return replace(CONFIG, versions=versions)


def test_forth_and_back_and_forth_keeps_rows_and_what_refers_to_them(database_url: str, later: Chain) -> None:
    asyncio.run(upgrade(database_url, [CONFIG]))
    ask(database_url, fill)
    assert asyncio.run(upgrade(database_url, [later])) == {"config": "c9999"}
    assert ask(database_url, read_all) == ROWS
    paint = text("UPDATE groups SET colour = 'blue'")
    ask(database_url, lambda connection: connection.execute(paint) and None)
    assert asyncio.run(downgrade(database_url, later, HEADS["config"])) == {"config": HEADS["config"]}
    assert ask(database_url, read_all) == ROWS
    assert ask(database_url, differences, CONFIG) == []
    asyncio.run(upgrade(database_url, [later]))
    colours = ask(database_url, lambda c: c.execute(text("SELECT colour FROM groups")).scalars().all())
    assert set(colours) == {"red"}  # what only the later version had is lost
    assert ask(database_url, read_all) == ROWS
    # and removing a group still takes along what hangs on it
    ask(database_url, lambda connection: connection.execute(groups.delete()) and None)
    left = ask(database_url, read_all)
    assert [len(left[table.name]) for table in (groups, group_models, keys)] == [0, 0, 0]
    assert [left[table.name] for table in (credentials, changes)] == [
        ROWS[table.name] for table in (credentials, changes)
    ]


def test_tables_of_a_later_program_are_left_alone(database_url: str, later: Chain) -> None:
    asyncio.run(upgrade(database_url, [later]))
    assert ask(database_url, version_of, CONFIG) is Version.NEWER
    for attempt in (upgrade(database_url, [CONFIG]), downgrade(database_url, CONFIG, BASE)):
        with pytest.raises(StoreError, match="has tables of a later version than this program knows"):
            asyncio.run(attempt)
    assert ask(database_url, version_of, later) is Version.CURRENT


def test_tables_of_somebody_else_are_left_alone(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        create_file(database_url)
    ask(database_url, lambda connection: connection.execute(text("CREATE TABLE keys (a INTEGER)")) and None)
    with pytest.raises(StoreError, match="has tables of something else under the names of ours"):
        asyncio.run(upgrade(database_url, [CONFIG]))
    assert tables_of(database_url) == {"keys"}


@pytest.mark.parametrize("target", ["c0000", "c9999", "head", "-1", ""])
def test_there_is_no_way_back_to_what_never_was(database_url: str, target: str) -> None:
    asyncio.run(upgrade(database_url, [CONFIG]))
    with pytest.raises(StoreError, match=f"cannot go back to config={target}; it has been at base, c0001"):
        asyncio.run(downgrade(database_url, CONFIG, target))


BROKEN = SECOND.replace(
    '    with op.batch_alter_table("channels")',
    '    op.execute("nonsense")\n    with op.batch_alter_table("channels")',
    1,
)


def test_a_migration_that_fails_leaves_everything_as_it_was(database_url: str, later: Chain) -> None:
    asyncio.run(upgrade(database_url, [CONFIG]))
    ask(database_url, fill)
    (later.versions / "c9999_second.py").write_text(BROKEN % HEADS["config"])
    with pytest.raises(StoreError, match="syntax error"):
        asyncio.run(upgrade(database_url, [later]))
    assert ask(database_url, differences, CONFIG) == []
    assert ask(database_url, read_all) == ROWS
    assert ask(database_url, version_of, CONFIG) is Version.CURRENT


LOSING = """
from alembic import op

revision = "c9999"
down_revision = "%s"


def upgrade() -> None:
    op.execute("DELETE FROM groups")


def downgrade() -> None:
    pass
"""


def test_a_migration_that_loses_what_others_refer_to_is_refused_on_sqlite(tmp_path: Path, later: Chain) -> None:
    url = f"sqlite:///{tmp_path}/fastproxy.db"
    asyncio.run(upgrade(url, [CONFIG]))
    ask(url, fill)
    (later.versions / "c9999_second.py").write_text(LOSING % HEADS["config"])
    with pytest.raises(StoreError, match="would lose what they refer to; nothing was changed"):
        asyncio.run(upgrade(url, [later]))
    assert ask(url, read_all) == ROWS


def test_several_nodes_may_migrate_at_once(database_url: str) -> None:
    async def all_at_once() -> list[dict[str, str]]:
        return await asyncio.gather(*(upgrade(database_url, CHAINS) for _ in range(4)))

    assert asyncio.run(all_at_once()) == [HEADS] * 4
    assert [ask(database_url, differences, chain) for chain in CHAINS] == [[], []]
