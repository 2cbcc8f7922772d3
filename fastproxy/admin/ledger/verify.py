"""Proves that all sums of the ledger agree, each level with the one it was made of:

    records ──► minutes      by start, group, key and channel        latencies ──► their roll-up
    records ──► hours                                                days   ──► months, by owner
    minutes ──► hours        (also where records are gone)           months ──► totals
    hours   ──► days         usage of keys and groups

Models are not told apart, because roll-ups have only so many of them (`(other)`). What retention may have taken is left
out on both sides. Every comparison reads both sides as of one moment (one snapshot each), so a gateway may write
meanwhile; and it reads an hour, or a day, at a time, so the ledger may be large.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isclose
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from fastproxy.admin.ledger.retention import watermarks
from fastproxy.admin.ledger.rollups import DAY_MS, HOUR_MS, MINUTE_MS, key_owner, month_start
from fastproxy.admin.ledger.sums import of_records, of_rollup, owned, read, span
from fastproxy.admin.store.ledger_tables import (
    SUMS,
    USED,
    latency_hours,
    latency_minutes,
    records,
    rollup_hours,
    rollup_minutes,
    usage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from fastproxy.admin.ledger.sums import Name, Sums

MAX_TOLD: Final = 50  # differences in full; the others are counted
_END: Final = 1 << 62


@dataclass(slots=True)
class Report:
    """`records` and `hours`: how much of it was there to compare."""

    records: int = 0
    hours: int = 0
    count: int = 0
    differences: list[str] = field(default_factory=list)

    def differs(self, text: str) -> None:
        self.count += 1
        if self.count <= MAX_TOLD:
            self.differences.append(text)


async def verify(engine: AsyncEngine) -> Report:
    """Compare everything. Raises: what the driver does."""
    report = Report()
    for step in (_Hours(report), _Days(report), _Months(report)):
        await _each(engine, step)
    async with _snapshot(engine) as conn:
        months, totals = await owned(conn, "month", 0, _END), await owned(conn, "total", 0, 1)
        _compare(report, "total", USED, ("usage by month", months), ("usage in all", totals))
    return report


@asynccontextmanager
async def _snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as conn:
        if conn.dialect.name == "postgresql":
            await conn.execution_options(isolation_level="REPEATABLE READ")
        yield conn


async def _each(engine: AsyncEngine, step: _Hours | _Days | _Months) -> None:
    """All hours, days or months in which there is anything on either side."""
    at: int | None = 0
    while at is not None:
        async with _snapshot(engine) as conn:
            step.limit(await watermarks(conn))  # each time: retention may be at work
            at = await step.next(conn, at)
            if at is not None:
                at = await step.compare(conn, at)


async def _first(conn: AsyncConnection, columns: Iterable[ColumnElement[int]], at: int) -> int | None:
    """The smallest value of any of the columns, from `at` on."""
    found = [await conn.scalar(select(func.min(column)).where(column >= at)) for column in columns]
    return min((value for value in found if value is not None), default=None)


class _Hours:
    """Records with minutes and hours, minutes with hours, latencies with both."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def limit(self, limits: Mapping[str, int]) -> None:
        gone = {name: limits.get(name, 0) for name in ("records", "minutes", "hours")}
        self._minutes = _up(max(gone["records"], gone["minutes"]), MINUTE_MS)
        self._hours = _up(max(gone["records"], gone["hours"]), HOUR_MS)
        self._both = _up(max(gone["minutes"], gone["hours"]), HOUR_MS)
        self._gone = gone

    async def next(self, conn: AsyncConnection, at: int) -> int | None:
        columns = (records.c.started_at, rollup_minutes.c.start_ms, rollup_hours.c.start_ms)
        found = await _first(conn, columns, at)
        return found - found % HOUR_MS if found is not None else None

    async def compare(self, conn: AsyncConnection, hour: int) -> int:
        report, end = self._report, hour + HOUR_MS
        by_minute = await of_records(conn, max(hour, self._minutes), end, MINUTE_MS)
        minutes = await of_rollup(conn, rollup_minutes, max(hour, self._minutes), end)
        _compare(report, "minute", SUMS, ("records", by_minute), ("rollup_minutes", minutes))
        report.hours += 1
        hours = await of_rollup(conn, rollup_hours, hour, end)
        if hour >= self._hours:
            by_hour = await of_records(conn, hour, end, HOUR_MS)
            report.records += int(sum(sums[0] for sums in by_hour.values()))
            _compare(report, "hour", SUMS, ("records", by_hour), ("rollup_hours", hours))
        if hour >= self._both:
            merged = _merged(await of_rollup(conn, rollup_minutes, hour, end), lambda name: (hour, *name[1:]))
            _compare(report, "hour", SUMS, ("rollup_minutes", merged), ("rollup_hours", hours))
        for place, sums, bins in (
            ("minutes", rollup_minutes, latency_minutes),
            ("hours", rollup_hours, latency_hours),
        ):
            await self._latencies(conn, (sums, bins), max(hour, _up(self._gone[place], HOUR_MS)), end)
        return end

    async def _latencies(self, conn: AsyncConnection, pair: tuple[Table, Table], start: int, end: int) -> None:
        sums, bins = pair
        names = ("requests", "ttft_requests")
        left = await read(conn, span(sums, start, end, (sums.c.requests, sums.c.ttft_requests)), 1)
        right = await read(conn, span(bins, start, end, (bins.c.durations, bins.c.ttfts)), 1)
        _compare(self._report, "start", names, (sums.name, left), (bins.name, right))


class _Days:
    """Hours with what keys and groups have used on a day."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def limit(self, limits: Mapping[str, int]) -> None:
        self._start = _up(max(limits.get("hours", 0), limits.get("days", 0)), DAY_MS)

    async def next(self, conn: AsyncConnection, at: int) -> int | None:
        at = max(at, self._start)
        found = await _first(conn, (rollup_hours.c.start_ms,), at)
        query = select(func.min(usage.c.start_ms)).where(usage.c.period == "day", usage.c.start_ms >= at)
        days = [day for day in (found, await conn.scalar(query)) if day is not None]
        return min(days) - min(days) % DAY_MS if days else None

    async def compare(self, conn: AsyncConnection, day: int) -> int:
        hours = await of_rollup(conn, rollup_hours, day, day + DAY_MS, USED)
        used: dict[Name, Sums] = defaultdict(lambda: (0.0,) * len(USED))
        for (_, group, key_id, key_name, _), sums in hours.items():
            for owner, name in (("group", group), ("key", key_owner(group, key_id, key_name))):
                if name:
                    used[owner, name] = _plus(used[owner, name], sums)
        days = await owned(conn, "day", day, day + 1)
        _compare(self._report, f"day {_time(day)}", USED, ("rollup_hours", used), ("usage by day", days))
        return day + DAY_MS


class _Months:
    """Days with months, of what keys and groups have used."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def limit(self, limits: Mapping[str, int]) -> None:
        gone = limits.get("days", 0)
        self._start = gone if gone == month_start(gone) else _next_month(gone)

    async def next(self, conn: AsyncConnection, at: int) -> int | None:
        query = select(func.min(usage.c.start_ms)).where(
            usage.c.period.in_(("day", "month")), usage.c.start_ms >= max(at, self._start)
        )
        found = await conn.scalar(query)
        return month_start(found) if found is not None else None

    async def compare(self, conn: AsyncConnection, month: int) -> int:
        end = _next_month(month)
        days, months = await owned(conn, "day", month, end), await owned(conn, "month", month, end)
        _compare(self._report, f"month {_time(month)}", USED, ("usage by day", days), ("usage by month", months))
        return end


def _next_month(at: int) -> int:
    return month_start(month_start(at) + 32 * DAY_MS)


# --- comparing


def _merged(sides: Mapping[Name, Sums], rename: Any) -> dict[Name, Sums]:
    found: dict[Name, Sums] = {}
    for name, sums in sides.items():
        place = rename(name)
        found[place] = _plus(found[place], sums) if place in found else sums
    return found


def _plus(left: Iterable[float], right: Iterable[float]) -> Sums:
    return tuple(a + b for a, b in zip(left, right, strict=True))


def _compare(
    report: Report,
    unit: str,
    names: tuple[str, ...],
    left: tuple[str, Mapping[Name, Sums]],
    right: tuple[str, Mapping[Name, Sums]],
) -> None:
    nothing = (0.0,) * len(names)
    for place in sorted(left[1].keys() | right[1].keys(), key=repr):
        pairs = zip(names, left[1].get(place, nothing), right[1].get(place, nothing), strict=True)
        wrong = [
            f"{name}: {left[0]} {_plain(a)}, {right[0]} {_plain(b)}" for name, a, b in pairs if not _is_same(name, a, b)
        ]
        if wrong:
            report.differs(f"{unit} {_told(place)}: {'; '.join(wrong)}")


def _is_same(name: str, left: float, right: float) -> bool:
    """Whole numbers exactly; money is added up in another order, so not to the last bit."""
    return left == right or (name == "cost_usd" and isclose(left, right, rel_tol=1e-9, abs_tol=1e-9))


def _plain(number: float) -> str:
    return str(int(number) if number == int(number) else number)


def _told(place: Name) -> str:
    return " ".join(_time(part) if isinstance(part, int) else str(part) or "-" for part in place)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _up(at: int, length: int) -> int:
    """The first start of a period that lies wholly behind this moment."""
    return -(-at // length) * length
