"""The collector: from the journals of this node's workers into the ledger's database, each request exactly once.

    wait for the lock ──► every 50 ms: read all journals ──► one transaction (writer.py) ──► Source.advance
                               ▲                                   │ fails
                               └── 0.1 s, doubling, 2 s at most ◄──┘

How far a journal has been read is written in the same transaction as what was read. So it can be killed at any moment:
before the commit nothing has happened, after it the position in the database is where the next one goes on, and the
journal's own mark (`advance`, which frees the room) only follows. While the database is away, records wait in the
journals. Reading and sorting happens in slices of a few milliseconds, because the admin API shares this loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from fastproxy.admin.ledger.ingest import Intake
from fastproxy.admin.ledger.retention import Sweeper
from fastproxy.admin.ledger.writer import Dead, PositionRow, Reached, Writer
from fastproxy.admin.store.engine import StoreError
from fastproxy.admin.store.ledger_tables import in_flight, journal_positions
from fastproxy.config import Retention
from fastproxy.shared.journal import START, JournalError, Position, claim_collector, sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.admin.ledger.state import CollectorState
    from fastproxy.admin.store.engine import Store
    from fastproxy.shared.journal import Source

TICK_S: Final = 0.05
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
MAX_ROWS: Final = 2500  # of one transaction
MAX_READS: Final = 16
READ_BYTES: Final = 128 << 10  # some 600 frames, 3 ms
LOOK_S: Final = 1.0  # between two looks for new journals
LOST_LOOK_S: Final = 3600.0  # between two looks for journals that are gone
LOST_BEGIN_MS: Final = 86_400_000  # a begin of a journal that is gone is given up after a day
LOST_POSITION_MS: Final = 30 * 86_400_000
FAILURES: Final = (SQLAlchemyError, StoreError, JournalError, OSError)

_log = logging.getLogger("fastproxy")


def _spilled(directory: str) -> int:
    """Bytes that waited for so long that the rings had no room for them. Raises: OSError."""
    with os.scandir(directory) as entries:
        return sum(entry.stat().st_size for entry in entries if entry.name.endswith(".spill"))


class Lock(Protocol):
    """Held until it is closed, or the process ends."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What the collector takes from outside of the database; tests have others."""

    claim: Callable[[str], Lock | None] = claim_collector
    sources: Callable[[str, dict[str, Any]], dict[str, Any]] = sources
    spilled: Callable[[str], int] = _spilled
    clock: Callable[[], float] = time.time


@dataclass(slots=True)
class _Reading:
    """One journal. `swept`: begins of smaller epochs have been dealt with."""

    source: Source
    position: Position
    swept: int = 0
    freed: Position | None = None  # up to where the journal knows that we have read
    was_read: bool = False

    @property
    def journal(self) -> str:
        return self.source.identity.hex()


@dataclass(slots=True)
class _Gathered:
    """What one transaction is made of."""

    intake: Intake
    positions: dict[str, Position]  # by name of the source
    dead: dict[str, Dead]
    set_aside: int = 0
    is_full: bool = False  # there is more to read
    error: Exception | None = None  # of a journal that could not be read; the others were

    def is_empty(self) -> bool:
        return not (self.positions or self.dead)


class Collector:
    """One per admin process. `directory`: where the journals are; `node`: what the rows of this node are called."""

    def __init__(
        self, store: Store, directory: str, node: str, state: CollectorState, retention: Retention | None = None
    ) -> None:
        self.state = state
        self.sweeper = Sweeper(store, retention or Retention())
        self.tools = Tools()
        self._engine = store.ledger
        self._directory, self._node = directory, node
        self._writer = Writer()
        self._sources: dict[str, Source] = {}
        self._readings: dict[str, _Reading] = {}
        self._lost: dict[str, Dead] = {}  # begins whose journal is gone
        self._turn = 0
        self._next_look = self._next_lost_look = 0.0

    async def run(self) -> None:
        """Until cancelled. A database or a disk that fails is tried again and told in `state`."""
        held = await self._claim()
        try:
            self.state.is_collecting = True
            wait_s = FIRST_WAIT_S
            while True:
                if not await self.try_once():
                    await asyncio.sleep(wait_s)
                    wait_s = min(2 * wait_s, LONGEST_WAIT_S)
                else:
                    wait_s = FIRST_WAIT_S
        finally:
            self.state.is_collecting = False
            self._close()
            held.close()

    async def try_once(self) -> bool:
        """Collect, and rest if there was not much; False when that failed. What is `run` without the waiting."""
        try:
            is_full = await self.collect()
            await self._sweep()
            if not is_full:
                await asyncio.sleep(TICK_S)
        except FAILURES as error:
            self._forget()
            if self.state.failed(error, self._now()):
                _log.error("ledger: records wait in the journals: %s", self.state.error)
            return False
        if self.state.succeeded():
            _log.warning("ledger: records are being written again")
        return True

    async def drain(self) -> None:
        """Take what is left at the end of the process, when `run` is over; a database that is away is left alone."""
        held = None
        try:
            held = self.tools.claim(self._directory)
            while held is not None and await self.collect():
                pass
        except FAILURES as error:
            self.state.failed(error, self._now())
        finally:
            self._close()
            if held is not None:
                held.close()

    async def collect(self) -> bool:
        """One transaction, if there is anything to write. True: there is more to read. Raises FAILURES."""
        await self._look()
        gathered = await self._gather()
        if not gathered.is_empty():
            await self._write(gathered)
        self._free()
        if gathered.error is not None:
            raise gathered.error
        return gathered.is_full

    # --- reading

    async def _claim(self) -> Lock:
        while True:
            try:
                held = self.tools.claim(self._directory)
            except FAILURES as error:
                self.state.failed(error, self._now())
                held = None
            if held is not None:
                return held
            await asyncio.sleep(LONGEST_WAIT_S / 10)

    async def _look(self) -> None:
        """Find new journals, and those that are gone, from time to time."""
        now = self.tools.clock()
        if now >= self._next_look:
            self._sources = self.tools.sources(self._directory, self._sources)
            self.state.lag_bytes = self.tools.spilled(self._directory)
            self._readings = {name: item for name, item in self._readings.items() if name in self._sources}
            self._next_look = now + LOOK_S
        for name, source in self._sources.items():
            reading = self._readings.get(name)
            if reading is None or reading.source is not source:
                self._readings[name] = _Reading(source, await self._position(source.identity.hex()))
        if now >= self._next_lost_look:
            await self._look_for_lost(int(now * 1000))
            self._next_lost_look = now + LOST_LOOK_S

    async def _position(self, journal: str) -> Position:
        table = journal_positions
        query = select(table.c.epoch, table.c.ring, table.c.spill, table.c.offset).where(table.c.journal == journal)
        async with self._engine.connect() as conn:
            row = (await conn.execute(query)).one_or_none()
        return Position(*row) if row is not None else START

    async def _look_for_lost(self, now_ms: int) -> None:
        """Of a journal that is gone no END can come any more. A day of patience, should two gateways share a name."""
        known = {reading.journal for reading in self._readings.values()}
        begins = select(in_flight.c.journal).where(
            in_flight.c.node == self._node, in_flight.c.started_at < now_ms - LOST_BEGIN_MS
        )
        table = journal_positions
        old = table.delete().where(
            table.c.node == self._node,
            table.c.updated_at < now_ms - LOST_POSITION_MS,
            table.c.journal.not_in(known),
        )
        async with self._engine.begin() as conn:
            journals = [journal for (journal,) in await conn.execute(begins.distinct())]
            await conn.execute(old)
        self._lost = {name: Dead(name, 1 << 62) for name in journals if name not in known}

    async def _gather(self) -> _Gathered:
        gathered = _Gathered(Intake(self._node), {}, dict(self._lost))
        waiting = deque(self._readings)
        waiting.rotate(-self._turn)
        reads = 0
        while waiting and reads < MAX_READS and len(gathered.intake) < MAX_ROWS:
            name = waiting.popleft()
            if self._read(name, gathered):
                waiting.append(name)
                reads += 1
                await asyncio.sleep(0)
        self._turn = list(self._readings).index(waiting[0]) if waiting else 0  # nobody is always the last
        gathered.is_full = bool(waiting)
        return gathered

    def _read(self, name: str, gathered: _Gathered) -> bool:
        """Take one slice of a journal; False when it had nothing more."""
        reading = self._readings[name]
        position = gathered.positions.get(name, reading.position)
        is_owned = reading.source.is_owned()  # before the read: whoever takes it later has a new epoch
        try:
            batch = reading.source.read(position, READ_BYTES)
        except (OSError, JournalError) as error:
            gathered.error = error
            return False
        reading.was_read = True
        gathered.intake.take(reading.journal, batch.frames, self._now())
        gathered.set_aside += batch.set_aside
        moved = batch.position != position
        if moved:
            gathered.positions[name] = batch.position
        is_drained = not moved and not batch.frames and not is_owned
        below = batch.position.epoch + is_drained
        if below > reading.swept:
            gathered.dead[name] = Dead(reading.journal, below)
        return bool(batch.frames)

    # --- writing

    async def _write(self, gathered: _Gathered) -> None:
        now_ms = self._now()
        positions = [
            PositionRow(self._readings[name].journal, self._node, *position, now_ms)
            for name, position in gathered.positions.items()
        ]
        async with self._engine.begin() as conn:
            reached = Reached(positions, gathered.dead.values())
            written = await self._writer.write(conn, gathered.intake, reached, now_ms)
        for name, position in gathered.positions.items():
            self._readings[name].position = position
        for name, dead in gathered.dead.items():
            if dead.journal in written.unswept:
                gathered.is_full = True
            elif name in self._readings:
                self._readings[name].swept = dead.below
            else:
                self._lost.pop(name, None)
        state = self.state
        state.last_commit = now_ms
        state.rows += written.rows
        state.aborted += written.aborted
        state.repeated += written.repeated
        state.unreadable += written.unreadable + gathered.intake.unreadable
        state.set_aside += gathered.set_aside

    def _free(self) -> None:
        """Only after the commit: what the journal gives away then is in the database."""
        for reading in self._readings.values():
            if reading.was_read and reading.freed != reading.position:
                reading.source.advance(reading.position)
                reading.freed = reading.position

    async def _sweep(self) -> None:
        now_ms = self._now()
        if self.sweeper.is_due(now_ms):
            self.state.deleted += await self.sweeper.step(now_ms)

    # --- the rest

    def _forget(self) -> None:
        """What is in the database now is looked up there: a commit may have been done though its answer was lost."""
        self._writer.forget()
        self._readings.clear()

    def _close(self) -> None:
        self._forget()
        for source in self._sources.values():
            source.close()
        self._sources = {}
        self._next_look = 0.0

    def _now(self) -> int:
        return int(self.tools.clock() * 1000)

    async def count_in_flight(self) -> int:
        """Requests of this node that have begun and not ended, as far as the database knows. Raises FAILURES."""
        query = select(func.count()).select_from(in_flight).where(in_flight.c.node == self._node)
        async with self._engine.connect() as conn:
            return (await conn.execute(query)).scalar_one()
