"""What stands in the ledger, for assertions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from fastproxy.admin.ledger.verify import verify
from fastproxy.admin.store.ledger_tables import ledger_metadata, records, usage

if TYPE_CHECKING:
    from sqlalchemy import Table

    from fastproxy.admin.ledger.collector import Collector
    from fastproxy.admin.store.engine import Store

SUMS = ("series", "rollup_minutes", "rollup_hours", "latency_minutes", "latency_hours", "usage")


async def everything(collector: Collector) -> None:
    """Collect until there is nothing more to do."""
    while await collector.collect():
        pass
    await collector.collect()  # what the last one found dead


async def rows_of(store: Store, table: Table) -> list[dict[str, Any]]:
    async with store.ledger.connect() as conn:
        result = await conn.execute(select(table).order_by(*table.primary_key.columns))
        return [dict(row) for row in result.mappings()]


async def count(store: Store, table: Table) -> int:
    async with store.ledger.connect() as conn:
        return (await conn.execute(select(func.count()).select_from(table))).scalar_one()


async def stored(store: Store) -> dict[str, dict[str, Any]]:
    """Records by their id."""
    return {row["request_id"]: row for row in await rows_of(store, records)}


async def all_sums(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table of sums."""
    return {name: await rows_of(store, ledger_metadata.tables[name]) for name in SUMS}


async def used(store: Store, owner: str, name: str, period: str = "total") -> dict[str, Any]:
    found = [
        row
        for row in await rows_of(store, usage)
        if (row["owner"], row["owner_name"], row["period"]) == (owner, name, period)
    ]
    return found[0]


async def agrees(store: Store) -> None:
    report = await verify(store.ledger)
    assert report.differences == []
