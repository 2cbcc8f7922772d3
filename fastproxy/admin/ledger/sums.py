"""Sums as the tables have them, for one span of time: what verify.py compares. A side is name → sums."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, case, cast, func, literal_column, select

from fastproxy.admin.ledger.rows import ABORTED
from fastproxy.admin.store.ledger_tables import STATUS_EXACT, SUMS, TOKENS, USED, records, series, usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Select, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    Sums = tuple[float, ...]
    Name = tuple[Any, ...]
    Side = dict[Name, Sums]

_WHO: Final = ("group", "key_id", "key_name", "channel")


def counted() -> dict[str, ColumnElement[Any]]:
    """How each sum of a roll-up is made of records."""
    c = records.c
    classes = {f"status_{number}xx": c.status.between(number * 100, number * 100 + 99) for number in range(1, 5)}
    tests: dict[str, ColumnElement[bool]] = {
        "status_none": c.status.between(0, 99),
        **classes,
        "status_5xx": c.status >= 500,
        **{f"status_{number}": c.status == number for number in STATUS_EXACT},
        "errors": c.error_kind != "",
        "aborted": c.error_kind == ABORTED,
        "streams": c.stream,
        "estimated": c.estimated,
        "cache_hits": c.cache_read_tokens > 0,
        "ttft_requests": c.ttft_ms.is_not(None),
    }
    plain = ("attempts", *TOKENS, "bytes_in", "bytes_out", "gateway_us", "cost_usd")
    return {
        "requests": func.count(),
        **{name: func.sum(case((test, 1), else_=0)) for name, test in tests.items()},
        **{name: func.sum(c[name]) for name in plain},
        **{name: func.sum(cast(func.round(column * 1000), BigInteger)) for name, column in _times().items()},
    }


def _times() -> dict[str, ColumnElement[Any]]:
    return {"duration_us": records.c.duration_ms, "ttft_us": func.coalesce(records.c.ttft_ms, 0.0)}


async def of_records(conn: AsyncConnection, start: int, end: int, length: int) -> dict[Name, Sums]:
    at = records.c.started_at
    first = at - at % literal_column(str(length))  # PostgreSQL knows two parameters as two expressions
    made = counted()
    who = [records.c[name] for name in _WHO]
    query = select(first, *who, *(made[name] for name in SUMS)).where(at >= start, at < end)
    return await read(conn, query.group_by(first, *who), 5)


async def of_rollup(
    conn: AsyncConnection, table: Table, start: int, end: int, names: tuple[str, ...] = SUMS
) -> dict[Name, Sums]:
    at, who = table.c.start_ms, [series.c[name] for name in _WHO]
    query = select(at, *who, *(func.sum(table.c[name]) for name in names)).where(at >= start, at < end)
    # an outer join: a row whose series is gone has to be seen
    return await read(conn, query.outerjoin_from(table, series, table.c.series == series.c.id).group_by(at, *who), 5)


async def owned(conn: AsyncConnection, period: str, start: int, end: int) -> dict[Name, Sums]:
    """What each owner has used in all periods of this kind that begin in the span."""
    owner = (usage.c.owner, usage.c.owner_name)
    query = select(*owner, *(func.sum(usage.c[name]) for name in USED)).group_by(*owner)
    return await read(conn, query.where(usage.c.period == period, usage.c.start_ms >= start, usage.c.start_ms < end), 2)


async def read(conn: AsyncConnection, query: Select[Any], names: int) -> dict[Name, Sums]:
    rows = await conn.execute(query)
    return {tuple(row[:names]): tuple(map(_plain, row[names:])) for row in rows}


def _plain(number: Decimal | float) -> float:
    """PostgreSQL's sum of whole numbers is a numeric."""
    return int(number) if isinstance(number, Decimal) else number


def span(table: Table, start: int, end: int, columns: Iterable[ColumnElement[Any]]) -> Select[Any]:
    at = table.c.start_ms
    return select(at, *map(func.sum, columns)).where(at >= start, at < end).group_by(at)
