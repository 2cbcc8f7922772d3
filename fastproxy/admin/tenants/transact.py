"""One change, as one transaction.

    1. the revision goes up by one: the row that everybody who writes has to have first, on every database
    2. rows are read, judged and written (Work.put)
    3. what each object was and is goes to `changes`
    4. commit, or with `dry` and where nothing changed, back to before step 1

A process that dies anywhere leaves what was before; the database sees to that.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from fastproxy.admin.store.engine import StoreError, brief
from fastproxy.admin.store.tables import changes, state
from fastproxy.admin.tenants import rows
from fastproxy.admin.tenants.differences import told
from fastproxy.admin.tenants.objects import is_same, to_record
from fastproxy.admin.tenants.refusals import Conflict, Unavailable
from fastproxy.admin.tenants.terms import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from sqlalchemy.ext.asyncio import AsyncConnection

    from fastproxy.admin.store.engine import Store
    from fastproxy.admin.tenants.declared import Declared
    from fastproxy.admin.tenants.objects import State
    from fastproxy.admin.tenants.terms import Item, Terms
    from fastproxy.admin.tenants.vault import Vault

_AT_ONCE: Final = 1000  # rows of one statement
MOST_OBJECTS: Final = 20_000  # of one change; their states are all in memory at once
_MOST_TOLD: Final = 1000  # differences of one outcome


@dataclass(slots=True)
class Desk:
    """What all parts of the service work with. `clock`: Unix seconds."""

    store: Store
    vault: Vault
    declared: Declared
    changed: Callable[[], None]
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Entry:
    """One object that a transaction has changed. `name`: as the history calls it, "group/name" of keys; `group`: the
    name of a key's group."""

    kind: str
    object_id: str
    name: str
    group: str
    before: State | None
    after: State | None


class Work:
    """One transaction under way."""

    __slots__ = ("connection", "desk", "entries", "now", "revision")

    def __init__(self, desk: Desk, connection: AsyncConnection, revision: int) -> None:
        self.desk = desk
        self.connection = connection
        self.revision = revision
        self.now = int(desk.clock() * 1000)
        self.entries: list[Entry] = []

    async def put(self, entry: Entry) -> None:
        """Make an object what it shall be; its version goes on from what it was."""
        if is_same(entry.before, entry.after):
            return
        await rows.put(self.connection, entry.kind, entry.before, entry.after)
        self.entries.append(entry)

    async def put_many(self, entries: list[Entry]) -> None:
        """As `put`, for entries of one kind that are all new or all gone."""
        states = [entry.after or entry.before or {} for entry in entries]
        await rows.put_many(self.connection, entries[0].kind, states, are_new=entries[0].before is None)
        self.entries += entries


async def transact(
    desk: Desk, terms: Terms, act: Callable[[Work], Awaitable[Item | None]], secret: str | None = None
) -> Outcome:
    """`act` reads, judges and puts, and returns the item to be shown. Raises: Refusal."""
    with asking():
        async with desk.store.config.begin() as connection:
            work = Work(desk, connection, await _next_revision(desk, connection))
            item = await act(work)
            is_kept = bool(work.entries) and not terms.dry
            if is_kept:
                await _record(work, terms.actor)
            else:
                await connection.rollback()
    if is_kept:
        desk.changed()
    differences = [told(entry) for entry in work.entries[:_MOST_TOLD]]
    return Outcome(item, work.revision if is_kept else work.revision - 1, differences, secret if is_kept else None)


async def _next_revision(desk: Desk, connection: AsyncConnection) -> int:
    """Raises: Unavailable when the master key was changed since this process has started."""
    wanted = update(state).values(revision=state.c.revision + 1).returning(state.c.revision, state.c.hash_secret)
    revision, sealed = (await connection.execute(wanted)).one()
    if sealed != desk.vault.sealed_hash_secret:
        raise Unavailable("the database was sealed under another master key meanwhile; restart with the new one")
    return int(revision)


async def _record(work: Work, actor: str) -> None:
    values = [
        {
            "revision": work.revision,
            "number": number,
            "at": work.now,
            "actor": actor[:200],
            "kind": entry.kind,
            "object_id": entry.object_id,
            "name": entry.name,
            "before": to_record(entry.before),
            "after": to_record(entry.after),
        }
        for number, entry in enumerate(work.entries, 1)
    ]
    for start in range(0, len(values), _AT_ONCE):
        await work.connection.execute(insert(changes), values[start : start + _AT_ONCE])


@contextmanager
def asking() -> Iterator[None]:
    """Trouble with the database, as a refusal."""
    try:
        yield
    except IntegrityError:
        raise Conflict("duplicate", "another object has this name already") from None
    except (SQLAlchemyError, StoreError, OSError, TimeoutError) as error:
        raise Unavailable(f"the database cannot be asked: {brief(error)}") from error
