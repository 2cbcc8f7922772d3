"""The control plane of one admin process: what is open, what runs, and since when something has been wrong.

    open the store ──► Tenants ──► the API answers (503 until then)
    Publisher         from the first moment: without a database it publishes the file's changes
    Collector         as soon as the store is open
    watch             once a second: what has gone wrong or come back, with the time

Each is a task of the one loop, kept going by supervise.py; a database that is away stops none of them. Routes ask this
object for what they need, and get Unavailable where it is not there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from fastproxy.admin.condition import NOT_YET, Condition
from fastproxy.admin.ledger.collector import Collector
from fastproxy.admin.ledger.state import CollectorState
from fastproxy.admin.publisher import Publisher
from fastproxy.admin.reloading import checked, read_anew, setting_changes
from fastproxy.admin.store.engine import Store, StoreError, StoreUrls, brief, open_store
from fastproxy.admin.supervise import keep
from fastproxy.admin.tenants import Declared, Tenants, Unavailable, Vault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastproxy.admin.serve import Control, Seat
    from fastproxy.config import Settings
    from fastproxy.publish.stored import Changes, Stored

T = TypeVar("T")

WATCH_S: Final = 1.0
DRAIN_S: Final = 10.0  # for what is left in the journals at the end
AGAIN_S: Final = (0.5, 1.0, 2.0, 5.0)  # between tries to open the store; the last one goes on
FIRST_TRY_S: Final = 2.0


class Plane:
    """One for the life of an admin process; everything in it belongs to that process's loop."""

    def __init__(self, seat: Seat, control: Control, clock: Callable[[], float] = time.time) -> None:
        self._control = control
        self._clock = clock
        self._opened = asyncio.Event()
        self._tried = asyncio.Event()
        self._tenants: Tenants | None = None
        self._store: Store | None = None
        self.settings = control.settings
        self.collector: Collector | None = None
        self.publisher = Publisher(seat, control, _Source(self), self._adopt)
        self.config_database = Condition(clock())
        self.ledger_database = Condition(clock())

    # --- what routes ask for

    @property
    def tenants(self) -> Tenants:
        """Raises: Unavailable before the store is open."""
        if self._tenants is None:
            raise Unavailable(f"the database is away: {self.config_database.error}")
        return self._tenants

    @property
    def store(self) -> Store:
        """Raises: Unavailable before it is open."""
        if self._store is None:
            raise Unavailable(f"the database is away: {self.config_database.error}")
        return self._store

    async def plan_reload(self) -> list[dict[str, Any]]:
        """What reading the settings again would change. Raises: Invalid when they could not be used."""
        return setting_changes(self.settings, await read_anew(self._control))

    async def reload(self) -> int:
        """Read the settings again and publish; the generation. Raises: Invalid, and then the old ones stay."""
        if not self.publisher.state.generation:
            raise Unavailable("nothing can be published yet: the gateway that was here before has not let go")
        return await checked(self.publisher.reload())

    # --- what runs

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, task in (
                ("opening the database", self._open),
                ("the publisher", self.publisher.run),
                ("the collector", self._collect),
                ("the watch", self._watch),
            ):
                group.create_task(keep(name, task))

    async def close(self) -> None:
        """After `run` was cancelled: take what is left in the journals, then let go of the database."""
        if self.collector is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await self.collector.drain()
        await self.let_go()

    async def let_go(self) -> None:
        """Without a last look into the journals: whatever is there waits for the next start."""
        if self._store is not None:
            await self._store.close()

    async def _open(self) -> None:
        tries = 0
        while self._tenants is None:
            try:
                await self._open_once()
            except (StoreError, SQLAlchemyError, OSError) as error:
                for condition in (self.config_database, self.ledger_database):
                    condition.note(brief(error), self._clock())
                self._tried.set()
                await asyncio.sleep(AGAIN_S[min(tries, len(AGAIN_S) - 1)])
                tries += 1

    async def _open_once(self) -> None:
        store = await open_store(StoreUrls.of(self.settings))
        try:
            vault = await Vault.open(store, self._control.master_key)
        except (StoreError, SQLAlchemyError, OSError):
            await store.close()
            raise
        self._store = store
        self._tenants = Tenants(store, vault, Declared.of(self.settings), self.publisher.poke)
        self._opened.set()
        self._tried.set()

    async def first_try(self) -> None:
        """Wait until the database was asked once, so that a normal start is not told as trouble; not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_TRY_S):
                await self._tried.wait()

    async def _collect(self) -> None:
        await self._opened.wait()
        if self.collector is None:
            settings = self.settings
            directory = os.path.join(settings.state_dir, "journal")
            name = settings.node or platform.node() or "local"
            self.collector = Collector(self.store, directory, name, CollectorState(), settings.ledger.retention)
        await self.collector.run()

    async def _watch(self) -> None:
        while True:
            self.note()
            await asyncio.sleep(WATCH_S)

    def note(self) -> None:
        """Look at what the tasks say of their databases."""
        if self._opened.is_set():
            state = self.publisher.state
            self.config_database.note("" if state.is_database_ok else state.error or NOT_YET, self._clock())
            if self.collector is not None:
                self.ledger_database.note(self.collector.state.error, self._clock())

    def _adopt(self, settings: Settings) -> None:
        self.settings = settings
        if self._tenants is not None:
            self._tenants.declared = Declared.of(settings)
        if self.collector is not None:
            self.collector.sweeper.adopt(settings.ledger.retention)


class _Source:
    """The database as the publisher sees it. Raises: StoreError with what the database said, while it is not there."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    async def load(self) -> Stored:
        await self._plane.first_try()
        return await _told(lambda: self._plane.tenants.load())

    async def changes_since(self, revision: int) -> Changes | None:
        return await _told(lambda: self._plane.tenants.changes_since(revision))


async def _told(ask: Callable[[], Awaitable[T]]) -> T:
    """The service hides what a driver says, because it may repeat what was to be written; nothing is written here."""
    try:
        return await ask()
    except Unavailable as error:
        raise StoreError(brief(error.__cause__) if error.__cause__ is not None else error.message) from None
