"""What tests of the publisher share: a state directory as a master leaves it, a database in memory, workers that look.

Scene      settings from a file, register, board and arena, as they are when the admin process is forked
Database   a Source with history, that can be away
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from fastproxy.admin.publisher import Publisher, Source
from fastproxy.admin.serve import Control
from fastproxy.admin.store.errors import StoreError
from fastproxy.config import Settings, load
from fastproxy.publish.opening import keep, open_with
from fastproxy.publish.stored import Changes, Stored, StoredChannel, StoredGroup, StoredKey, StoredModel
from fastproxy.server.keyring import master_key
from fastproxy.server.plan import MasterPlan, Publication, RegisterPlan
from fastproxy.server.publishing import open_register, publish_first
from fastproxy.server.seat import Seat
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena
from fastproxy.shared.board import Board
from fastproxy.snapshot import (
    GroupSpec,
    KeySpec,
    Snapshot,
    digest,
    entry_name_of_group,
    unpack,
    unpack_group,
    unpack_key,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

Kind = StoredChannel | StoredGroup | StoredKey | StoredModel
INSTALLATION = "0" * 32
_FIELDS = {StoredChannel: "channels", StoredGroup: "groups", StoredKey: "keys", StoredModel: "models"}


@dataclass
class Database:
    """Keeps every object by kind and id, and at which revision it last changed."""

    secret: bytes
    installation: str = INSTALLATION
    revision: int = 0
    objects: dict[str, dict[str, Kind]] = field(default_factory=lambda: {kind: {} for kind in _FIELDS.values()})
    changed: dict[tuple[str, str], int] = field(default_factory=dict)
    away: str = ""
    forgets_before: int = 0
    loads: int = 0

    def put(self, *objects: Kind) -> int:
        """One transaction; the revision."""
        self.revision += 1
        for one in objects:
            kind = _FIELDS[type(one)]
            self.objects[kind][one.id] = one
            self.changed[kind, one.id] = self.revision
        return self.revision

    def remove(self, *objects: Kind) -> int:
        self.revision += 1
        for one in objects:
            kind = _FIELDS[type(one)]
            del self.objects[kind][one.id]
            self.changed[kind, one.id] = self.revision
        return self.revision

    def stored(self) -> Stored:
        kinds: dict[str, Any] = {kind: tuple(found.values()) for kind, found in self.objects.items()}
        return Stored(self.revision, self.installation, self.secret, **kinds)

    async def load(self) -> Stored:
        await self._answers()
        self.loads += 1
        return self.stored()

    async def changes_since(self, revision: int) -> Changes | None:
        await self._answers()
        if revision > self.revision or revision < self.forgets_before:
            return None
        found: dict[str, dict[str, Any]] = {}
        for (kind, ident), at in self.changed.items():
            if at > revision:
                found.setdefault(kind, {})[ident] = self.objects[kind].get(ident)
        return Changes(self.revision, **found)

    async def _answers(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise StoreError(self.away)


class Scene:
    """`place` holds the file and the state directory; what is made again in it has lived through a restart."""

    def __init__(self, place: Path, text: str = "", *, workers: int = 2, is_only_master: bool = True) -> None:
        self.file = place / "fastproxy.yaml"
        self.file.write_text(text)
        self.state = place / "state"
        self.state.mkdir(exist_ok=True)
        self.settings = self.read()
        self.master_key = master_key(self.settings)
        self.opening = opening = open_with(self.settings, self.master_key)
        first = Publication(
            opening.snapshot, opening.entries, opening.gone, opening.carrying,
            lambda: keep(opening, self.settings, self.master_key),
        )  # fmt: skip
        plan = MasterPlan(
            (), (), str(self.state), first, lambda: first, (), {}, register=RegisterPlan(opening.fingerprint)
        )
        self.arena = Arena.create(str(self.state / f"arena.{os.getpid()}"), rows.WORKER_COLUMN + workers)
        self.master = self.arena.column(rows.MASTER_COLUMN)
        self.board = Board(self.master)
        self.register = open_register(plan)
        publish_first(plan, self.register, self.board, is_only_master=is_only_master)
        for slot in range(workers):
            self.master[rows.OWNER + slot] = slot + 1
            self.worker(slot)[rows.STATE] = rows.READY
        self.adopted: list[Settings] = []
        column = self.arena.column(rows.ADMIN_COLUMN)
        self.seat = Seat("admin", 0, column, self.arena, self.board, [], os.getppid(), None, self.register)

    def worker(self, slot: int) -> memoryview[int]:
        return self.arena.column(rows.WORKER_COLUMN + slot)

    def read(self) -> Settings:
        return load({"config": str(self.file), "state_dir": str(self.state)}, {})

    def database(self) -> Database:
        return Database(self.opening.saved.declared.snapshot.secret)

    def publisher(self, database: Source, *, watch: bool = False) -> Publisher:
        watched = str(self.file) if watch else ""
        control = Control(self.settings, self.master_key, self.read, "", self.opening.saved, watched)
        return Publisher(self.seat, control, database, self.adopted.append)

    @contextlib.asynccontextmanager
    async def running(self, database: Source, **options: bool) -> AsyncIterator[Publisher]:
        """A publisher at work, with workers that look every 5 ms."""
        publisher = self.publisher(database, **options)
        tasks = [asyncio.create_task(work) for work in (publisher.run(), self.look())]
        try:
            yield publisher
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            publisher.close()

    async def look(self) -> None:
        """As workers do."""
        while True:
            self.acknowledge()
            await asyncio.sleep(0.005)

    def acknowledge(self) -> None:
        for slot in range(self.arena.columns - rows.WORKER_COLUMN):
            self.worker(slot)[rows.GENERATION] = self.board.generation()

    # --- what a worker would see

    @property
    def snapshot(self) -> Snapshot:
        return unpack(self.board.read()[1])

    def key(self, secret: str) -> KeySpec | None:
        name = digest(self.snapshot.secret, secret.encode())
        entry = self.register.get(name)
        return unpack_key(entry, name) if entry is not None else None

    def group(self, name: str) -> GroupSpec | None:
        entry = self.register.get(entry_name_of_group(self.snapshot.secret, name))
        return unpack_group(entry) if entry is not None else None


def stored_key(database: Database, name: str, secret: str = "", **more: Any) -> StoredKey:
    ident = name.encode().hex().ljust(32, "0")[:32]
    return msgspec.structs.replace(
        StoredKey(ident, name, "team", digest(database.secret, (secret or f"sk-{name}").encode())), **more
    )


def team(**more: Any) -> StoredGroup:
    return msgspec.structs.replace(StoredGroup("a" * 32, "team"), **more)


def channel(name: str = "main", **more: Any) -> StoredChannel:
    return msgspec.structs.replace(StoredChannel(name.encode().hex().ljust(32, "0"), name, "openai"), **more)


def model(name: str, facts: Mapping[str, Any]) -> StoredModel:
    return StoredModel(name.encode().hex().ljust(32, "0"), name, facts=facts)


async def until(condition: Any, within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - shared memory has no event
            await asyncio.sleep(0.002)
