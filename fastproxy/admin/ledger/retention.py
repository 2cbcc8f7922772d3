"""Takes old rows out, a thousand at a time, so that nobody waits long for a lock and no transaction grows large.

Which rows are old says store/retention.py, in terms of the settings; it is the same for the configuration's tables. How
far each setting has deleted in the ledger stands in `ledger_state`, written in the same transaction: what is older may
be there or not, so verify.py looks only at what is newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select, tuple_

from fastproxy.admin.ledger import bulk
from fastproxy.admin.store.ledger_tables import ledger_metadata, ledger_state
from fastproxy.admin.store.retention import RETENTION
from fastproxy.admin.store.tables import config_metadata

if TYPE_CHECKING:
    from sqlalchemy import Delete, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fastproxy.admin.store.engine import Store
    from fastproxy.admin.store.retention import Rule
    from fastproxy.config import Retention

BATCH: Final = 1000
REST_MS: Final = 60_000  # between two rounds


class Sweeper:
    """Goes round the tables; one `step` is one transaction."""

    def __init__(self, store: Store, retention: Retention) -> None:
        self._store = store
        self._retention = retention
        self._rules = [(name, rule) for name, rule in RETENTION.items() if rule.setting]
        self._place = 0
        self._next_round = 0  # Unix ms

    def adopt(self, retention: Retention) -> None:
        """Settings that were read again."""
        self._retention = retention

    def is_due(self, now_ms: int) -> bool:
        return now_ms >= self._next_round

    async def step(self, now_ms: int) -> int:
        """Delete at most one batch of one table; return how many rows went. Raises: what the driver does."""
        name, rule = self._rules[self._place]
        keep_s: float = getattr(self._retention, rule.setting)
        cutoff = now_ms - int(keep_s * 1000)
        is_ours = name in ledger_metadata.tables
        table = (ledger_metadata if is_ours else config_metadata).tables[name]
        engine = self._store.ledger if is_ours else self._store.config
        async with engine.begin() as conn:
            deleted = (await conn.execute(_delete(table, rule, cutoff))).rowcount
            if deleted and is_ours:
                await _remember(conn, rule.setting, cutoff)
        if deleted < BATCH:
            self._place = (self._place + 1) % len(self._rules)
            if self._place == 0:
                self._next_round = now_ms + REST_MS
        return deleted


def _delete(table: Table, rule: Rule, cutoff: int) -> Delete:
    keys = tuple(table.primary_key.columns)
    old = select(*keys).where(table.c[rule.column] < cutoff, *(table.c[key] == value for key, value in rule.where))
    oldest = old.order_by(table.c[rule.column]).limit(BATCH)
    return table.delete().where((tuple_(*keys) if len(keys) > 1 else keys[0]).in_(oldest))


async def _remember(conn: AsyncConnection, setting: str, cutoff: int) -> None:
    before = await watermarks(conn)
    await bulk.replace(conn, ledger_state, [(setting, max(cutoff, before.get(setting, 0)))])


async def watermarks(conn: AsyncConnection) -> dict[str, int]:
    """By setting: rows from before this moment (Unix ms) may have been deleted. Nothing yet: no entry."""
    rows = await conn.execute(select(ledger_state.c.name, ledger_state.c.value))
    return {row.name: row.value for row in rows}
