"""What was published: revisions, newest first, and what each one changed.

The rows hold digests and sealed credentials, for the way back; what is shown of them never does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from fastproxy.admin.store.tables import changes
from fastproxy.admin.tenants.differences import action_of, fields_of
from fastproxy.admin.tenants.objects import from_record, shown
from fastproxy.admin.tenants.refusals import NotFound, invalid
from fastproxy.admin.tenants.rules import write_moment
from fastproxy.admin.tenants.terms import Page
from fastproxy.admin.tenants.transact import Entry, asking

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fastproxy.admin.tenants.objects import State
    from fastproxy.admin.tenants.terms import Item
    from fastproxy.admin.tenants.transact import Desk

MOST_PER_PAGE: Final = 200
_TOLD_IN_LIST: Final = 20  # changes of one revision
_TOLD: Final = 1000
_LATEST: Final = 1 << 62


async def page(desk: Desk, before: int | None, limit: int) -> Page:
    """Raises: Invalid for a limit out of range."""
    if not 1 <= limit <= MOST_PER_PAGE:
        raise invalid("limit", f"out of range; expected 1 to {MOST_PER_PAGE}")
    with asking():
        async with desk.store.config.connect() as connection:
            total = (await connection.execute(select(func.count(changes.c.revision.distinct())))).scalar_one()
            items = await _revisions(connection, _LATEST if before is None else min(max(before, 0), _LATEST), limit)
            await _tell_changes(connection, items)
    return Page(list(items.values()), int(total))


async def _revisions(connection: AsyncConnection, before: int, limit: int) -> dict[int, Item]:
    column = changes.c
    statement = (
        select(column.revision, func.min(column.at), func.min(column.actor), func.count())
        .where(column.revision < before)
        .group_by(column.revision)
        .order_by(column.revision.desc())
        .limit(limit)
    )
    return {row[0]: _head(*row) for row in (await connection.execute(statement)).all()}


def _head(revision: int, at: int, actor: str, count: int) -> Item:
    return {"revision": revision, "at": write_moment(at), "actor": actor, "count": count, "changes": []}


async def _tell_changes(connection: AsyncConnection, items: dict[int, Item]) -> None:
    column = changes.c
    statement = (
        select(
            column.revision, column.kind, column.object_id, column.name,
            column.before.is_(None), column.after.is_(None),
        )
        .where(column.revision.in_(items), column.number <= _TOLD_IN_LIST)
        .order_by(column.revision, column.number)
    )  # fmt: skip
    for revision, kind, ident, name, is_new, is_gone in (await connection.execute(statement)).all():
        action = "create" if is_new else "remove" if is_gone else "change"
        items[revision]["changes"].append({"kind": kind, "id": ident, "name": name, "action": action})


async def one(desk: Desk, number: int) -> Item:
    """Raises: NotFound."""
    column = changes.c
    mine = column.revision == min(max(number, 0), _LATEST)
    with asking():
        async with desk.store.config.connect() as connection:
            count = (await connection.execute(select(func.count()).where(mine))).scalar_one()
            wanted = select(changes).where(mine).order_by(column.number).limit(_TOLD)
            found = (await connection.execute(wanted)).mappings().all()
    if not found:
        raise NotFound(f"there is no revision {number}; the oldest ones are forgotten after a while")
    head = _head(number, found[0]["at"], found[0]["actor"], int(count))
    return {**head, "changes": [_change(entry_of(row)) for row in found]}


def entry_of(row: Any) -> Entry:
    """A row of the history, as the transaction had it."""
    # no group has a slash in its name, but models have
    group = row["name"].partition("/")[0] if row["kind"] in ("keys", "group_models") else ""
    before, after = from_record(row["before"]), from_record(row["after"])
    return Entry(row["kind"], row["object_id"], row["name"], group, before, after)


def _change(entry: Entry) -> Item:
    return {
        "kind": entry.kind,
        "id": entry.object_id,
        "name": entry.name,
        "action": action_of(entry.before, entry.after),
        "before": _shown(entry, entry.before),
        "after": _shown(entry, entry.after),
        "fields": fields_of(entry),
    }


def _shown(entry: Entry, state: State | None) -> Item | None:
    return None if state is None else shown(entry.kind, state, entry.group)
