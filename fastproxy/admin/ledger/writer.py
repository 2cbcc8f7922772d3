"""One transaction of the collector: everything that a batch of frames changes, or nothing.

    in_flight          loses what ended here, gains what began, then loses the begins of the dead
    records, attempts  the rows whose id is not stored yet; only these count below
    bodies
    rollup_*, latency_*, usage
                       plus the sums of the new rows
    journal_positions  where to go on

So a replay of frames, for whatever reason, changes nothing but the positions.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import select

from fastproxy.admin.ledger import bulk
from fastproxy.admin.ledger.names import ModelNames, SeriesSeen
from fastproxy.admin.ledger.rollups import Rollups, by_id, latency_rows, sum_rows, usage_of, usage_rows
from fastproxy.admin.ledger.rows import Row, aborted_row
from fastproxy.admin.store import ledger_tables as tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fastproxy.admin.ledger.ingest import Intake
    from fastproxy.admin.ledger.rollups import Cell, Series

MAX_DEAD: Final = 2000  # begins of the dead in one transaction
_SLICE: Final = 200  # rows or sums to work on before the event loop may do something else


class Dead(NamedTuple):
    """Begins of this journal with an epoch below are of processes that are gone, and all they wrote has been read."""

    journal: str
    below: int


class PositionRow(NamedTuple):
    """One row of `journal_positions`, in the order of its columns."""

    journal: str
    node: str
    epoch: int
    ring: int
    spill: int
    offset: int
    updated_at: int


class Reached(NamedTuple):
    """Where the journals were left, and whose workers are found to be dead."""

    positions: Sequence[PositionRow]
    dead: Iterable[Dead]


@dataclass(slots=True)
class Written:
    rows: int = 0  # new records, with the aborted ones
    aborted: int = 0
    repeated: int = 0  # ends whose record was there already
    unreadable: int = 0
    unswept: set[str] = field(default_factory=set)  # journals with more dead begins than one transaction takes


class Writer:
    """`names` outlive a transaction, so call `forget` when one has failed."""

    def __init__(self) -> None:
        self._seen = SeriesSeen()
        self._names = {tables.rollup_minutes: ModelNames(), tables.rollup_hours: ModelNames(keep=8)}

    def forget(self) -> None:
        self._seen.forget()
        for names in self._names.values():
            names.forget()

    async def write(self, conn: AsyncConnection, intake: Intake, reached: Reached, now_ms: int) -> Written:
        """Write one batch; the caller commits. Raises: what the driver does."""
        written = Written()
        await bulk.delete(conn, tables.in_flight, intake.gone)
        await bulk.replace(conn, tables.in_flight, intake.parked())
        ended = intake.ended
        aborted = await self._aborted(conn, reached.dead, written)
        if aborted:
            ended = {**aborted, **ended}
        new = await bulk.insert_new(conn, tables.records, [*ended.values()])
        rows = [row for name, row in ended.items() if name in new]
        written.rows, written.repeated = len(rows), len(ended) - len(rows)
        written.aborted = len(aborted.keys() & new)
        await bulk.insert_missing(conn, tables.attempts, intake.attempts)
        await bulk.insert_missing(conn, tables.bodies, [*intake.bodies.values()])
        await self._count(conn, rows, now_ms)
        await bulk.replace(conn, tables.journal_positions, sorted(reached.positions))
        return written

    async def _aborted(self, conn: AsyncConnection, dead: Iterable[Dead], written: Written) -> dict[str, Row]:
        """Take the begins of the dead out of in_flight and make rows of them."""
        table, found = tables.in_flight, {}
        for journal, below in dead:
            query = (
                select(table.c.request_id, table.c.kind, table.c.payload, table.c.node)
                .where(table.c.journal == journal, table.c.epoch < below)
                .limit(MAX_DEAD)
            )
            parked = (await conn.execute(query)).all()
            for name, kind, payload, node in parked:
                try:
                    found[name] = aborted_row(kind, payload, node)
                except ValueError:
                    written.unreadable += 1
            await bulk.delete(conn, table, [name for name, *_ in parked])
            if len(parked) == MAX_DEAD:
                written.unswept.add(journal)
        return found

    async def _count(self, conn: AsyncConnection, rows: list[Row], now_ms: int) -> None:
        rollups = Rollups()
        for first in range(0, len(rows), _SLICE):
            for row in rows[first : first + _SLICE]:
                rollups.add(row)
            await asyncio.sleep(0)
        minutes = await self._bounded(conn, tables.rollup_minutes, rollups.minutes)
        by_hour = rollups.hours()
        await asyncio.sleep(0)
        hours = await self._bounded(conn, tables.rollup_hours, by_hour)
        await asyncio.sleep(0)
        await bulk.replace(conn, tables.series, self._seen.missing([*minutes, *hours], now_ms))
        await self._sum(conn, (tables.rollup_minutes, tables.latency_minutes), minutes)
        await self._sum(conn, (tables.rollup_hours, tables.latency_hours), hours)
        used = usage_of(by_hour)
        await asyncio.sleep(0)
        await bulk.add(conn, tables.usage, usage_rows(used))

    async def _bounded(self, conn: AsyncConnection, table: Table, cells: dict[Series, Cell]) -> dict[Series, Cell]:
        names, series = self._names[table], tables.series
        for start_ms in names.unknown(cells):
            query = (
                select(series.c.model, series.c.channel != "")
                .join(table, table.c.series == series.c.id)
                .where(table.c.start_ms == start_ms)
            )
            names.load(start_ms, [(name, bool(served)) for name, served in await conn.execute(query.distinct())])
        return names.bounded(cells)

    async def _sum(self, conn: AsyncConnection, pair: tuple[Table, Table], cells: dict[Series, Cell]) -> None:
        sums, latencies = pair
        ordered = by_id(cells)
        await asyncio.sleep(0)
        await bulk.add(conn, sums, sum_rows(ordered))
        for first in range(0, len(ordered), _SLICE):
            await bulk.add(conn, latencies, latency_rows(ordered[first : first + _SLICE]))
