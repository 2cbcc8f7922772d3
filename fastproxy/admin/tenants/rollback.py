"""The way back: everything as it was at a revision, as a new revision.

What an object was at revision R is what the first change after R found. So the history after R is enough, and objects
that nobody touched since are not read. Removals come first, children before what they belong to; then names that are
about to be given to somebody else are put out of the way; then what comes back, parents first; then the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, update

from fastproxy.admin.store.tables import changes
from fastproxy.admin.tenants import rows
from fastproxy.admin.tenants.history import entry_of
from fastproxy.admin.tenants.objects import is_same, name_of
from fastproxy.admin.tenants.overrides import MOST_OVERRIDES
from fastproxy.admin.tenants.refusals import Conflict, NotFound
from fastproxy.admin.tenants.transact import MOST_OBJECTS, Entry, transact

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fastproxy.admin.tenants.terms import Outcome, Terms
    from fastproxy.admin.tenants.transact import Desk, Work

# No revision changes more: a group with all of its keys and overrides, or such a way back.
MOST_BACK: Final = MOST_OBJECTS + MOST_OVERRIDES + 1
_ROWS_AT_ONCE: Final = 500
_PARENTS_FIRST: Final = ("groups", "channels", "models", "keys", "group_models")


async def roll_back(desk: Desk, to_revision: int, terms: Terms) -> Outcome:
    """Raises: NotFound for a revision that never was; Conflict for one that the history does not reach any more."""

    async def act(work: Work) -> None:
        current = work.revision - 1
        if not 0 <= to_revision <= current:
            raise NotFound(f"there is no revision {to_revision}; the newest one is {current}")
        if not await reaches(work.connection, to_revision, current):
            raise Conflict("pruned", f"the history does not reach back to revision {to_revision} any more")
        entries = await _ways_back(work, to_revision)
        for kind in reversed(_PARENTS_FIRST):
            await _put_many(work, [entry for entry in entries if entry.kind == kind and entry.after is None])
        await _free_names(work, entries)
        for kind in _PARENTS_FIRST:
            await _put_many(work, [entry for entry in entries if entry.kind == kind and entry.before is None])
        for entry in entries:
            if entry.before is not None and entry.after is not None:
                await work.put(entry)

    return await transact(desk, terms, act)


async def reaches(connection: AsyncConnection, revision: int, current: int) -> bool:
    """Whether the history holds everything that happened since. Its oldest revision may have lost a part already."""
    if revision == current:
        return True
    oldest = (await connection.execute(select(func.min(changes.c.revision)))).scalar_one()
    if oldest != 1:
        return oldest is not None and bool(oldest <= revision)
    first = select(func.min(changes.c.number)).where(changes.c.revision == 1)
    return bool((await connection.execute(first)).scalar_one() == 1)


async def _ways_back(work: Work, to_revision: int) -> list[Entry]:
    """For each object that has changed since: from what it is to what it was. Raises: Conflict for too many."""
    firsts: dict[tuple[str, str], Entry] = {}
    lasts: dict[tuple[str, str], Entry] = {}
    wanted = select(changes).where(changes.c.revision > to_revision).order_by(changes.c.revision, changes.c.number)
    async with work.connection.stream(wanted) as found:
        async for part in found.mappings().partitions(_ROWS_AT_ONCE):
            for entry in map(entry_of, part):
                ident = (entry.kind, entry.object_id)
                firsts.setdefault(ident, entry)
                lasts[ident] = entry
            if len(firsts) > MOST_BACK:
                raise Conflict("too_many", f"more than {MOST_BACK} objects have changed since; go back in parts")
    return [_way_back(firsts[ident], lasts[ident]) for ident in firsts]


def _way_back(first: Entry, last: Entry) -> Entry:
    """Versions only go up, also over a removal: whoever has seen an earlier one must not pass for up to date."""
    was, now = first.before, last.after
    if was is not None and not is_same(now, was):
        newest = now if now is not None else last.before
        was = {**was, "version": (newest["version"] if newest is not None else 0) + 1}
    shown = was if was is not None else now
    name = last.name if shown is None else name_of(last.kind, shown, last.group)
    return Entry(last.kind, last.object_id, name, last.group, now, was)


async def _free_names(work: Work, entries: list[Entry]) -> None:
    """Two objects may have exchanged their names. No object is called like an id (rules.py), so ids are free."""
    for entry in entries:
        if entry.before is None or entry.after is None or entry.before.get("name") == entry.after.get("name"):
            continue
        table = rows.TABLES[entry.kind]
        aside = update(table).where(table.c.id == entry.object_id).values(name=entry.object_id)
        await work.connection.execute(aside)


async def _put_many(work: Work, entries: list[Entry]) -> None:
    # what came and went since is neither here nor there
    found = [entry for entry in entries if entry.before is not entry.after]
    if found:
        await work.put_many(found)
