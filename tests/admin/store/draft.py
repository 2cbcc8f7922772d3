"""Writes what a new migration has to do: `python -m tests.admin.store.draft config|ledger`, after tables.py or
ledger_tables.py has been changed. To be read, put into migrations/<chain>/versions and given a name."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from typing import TYPE_CHECKING

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext

from fastproxy.admin.store.connect import make_engine
from fastproxy.admin.store.schema import CHAINS, Chain, upgrade

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def draft(connection: Connection, chain: Chain) -> str:
    context = MigrationContext.configure(connection, opts=chain.options())
    operations = produce_migrations(context, chain.metadata)
    parts = [
        render_python_code(half, render_as_batch=True)
        for half in (operations.upgrade_ops, operations.downgrade_ops)
        if half is not None
    ]
    return "\n\n# --- downgrade\n".join(parts)


async def main(name: str) -> str:
    chain = next(chain for chain in CHAINS if chain.name == name)
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/draft.db"
        if chain.revisions():
            await upgrade(url, [chain])
        engine = make_engine(url, migrates=True)
        async with engine.begin() as connection:
            text = await connection.run_sync(draft, chain)
        await engine.dispose()
    return text


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1])))
