"""What holds for one model when a group asks for it: small rows of a group, each with a version of its own.

They belong to groups of the database; a group of the file has what the file says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from fastproxy.admin.store import tables
from fastproxy.admin.tenants import rows
from fastproxy.admin.tenants.accepting import given, read_document
from fastproxy.admin.tenants.locate import Found, locate, stored
from fastproxy.admin.tenants.objects import columns_of, is_same, override_item
from fastproxy.admin.tenants.refusals import Conflict, NotFound, invalid
from fastproxy.admin.tenants.rules import model_name
from fastproxy.admin.tenants.terms import Page
from fastproxy.admin.tenants.transact import Entry, asking, transact

if TYPE_CHECKING:
    from fastproxy.admin.tenants.objects import State
    from fastproxy.admin.tenants.terms import Item, Outcome, Terms
    from fastproxy.admin.tenants.transact import Desk, Work

_KIND = "group_models"
MOST_OVERRIDES: Final = 1000  # of one group; its entry in the register holds them all


async def page(desk: Desk, group: str) -> Page:
    """All of a group's, by model. Raises: NotFound."""
    with asking():
        async with desk.store.config.connect() as connection:
            found = await locate(connection, desk.declared, "groups", group)
            if not isinstance(found, Found):
                return Page([], 0)
            table = tables.group_models
            wanted = select(table).where(table.c.group_id == found.state["id"]).order_by(table.c.model)
            items = [override_item(dict(row)) for row in (await connection.execute(wanted)).mappings()]
            return Page(items, len(items))


async def one(desk: Desk, group: str, model: str) -> Item:
    """Raises: NotFound."""
    for item in (await page(desk, group)).items:
        if item["model"] == model:
            return item
    raise _missing(group, model)


async def put(desk: Desk, group: str, model: str, document: object, terms: Terms) -> Outcome:
    """Raises: NotFound, Invalid, Conflict."""
    columns = columns_of(_KIND, read_document(_KIND, given(_KIND, document)))
    try:
        model_name(model)
    except ValueError as error:
        raise invalid("model", str(error)) from None

    async def act(work: Work) -> Item:
        found = await stored(work.connection, desk.declared, "groups", group)
        before = await _find(work, found, model, terms)
        after = {**columns, "group_id": found.state["id"], "model": model, "version": 1}
        if before is None:
            await _expect_room(work, found)
        else:
            after["version"] = before["version"] + (0 if is_same(before, after) else 1)
        await work.put(_entry(found, model, before, after))
        return override_item(after)

    return await transact(desk, terms, act)


async def remove(desk: Desk, group: str, model: str, terms: Terms) -> Outcome:
    """Raises: NotFound, Conflict."""

    async def act(work: Work) -> None:
        found = await stored(work.connection, desk.declared, "groups", group)
        if not _can_be_named(model):
            raise _missing(group, model)
        before = await _find(work, found, model, terms)
        if before is None:
            raise _missing(group, model)
        await work.put(_entry(found, model, before, None))

    return await transact(desk, terms, act)


def _can_be_named(model: str) -> bool:
    """PostgreSQL would not even look for a name with a NUL in it."""
    try:
        model_name(model)
    except ValueError:
        return False
    return True


async def _find(work: Work, group: Found, model: str, terms: Terms) -> State | None:
    """Raises: Conflict when it is not the version that the author has seen."""
    before = await rows.find(work.connection, _KIND, group.state["id"], model)
    current = before["version"] if before is not None else 0
    if terms.if_version is not None and terms.if_version != current:
        message = f"what {group.name!r} has for {model!r} has been changed: seen version {terms.if_version}"
        raise Conflict("version", f"{message}, expected {current}")
    return before


async def _expect_room(work: Work, group: Found) -> None:
    table = tables.group_models
    wanted = select(table.c.model).where(table.c.group_id == group.state["id"]).limit(MOST_OVERRIDES)
    if len((await work.connection.execute(wanted)).all()) == MOST_OVERRIDES:
        raise Conflict("too_many", f"group {group.name!r} has {MOST_OVERRIDES} models of its own already")


def _entry(group: Found, model: str, before: State | None, after: State | None) -> Entry:
    return Entry(_KIND, f"{group.state['id']}/{model}", f"{group.name}/{model}", group.name, before, after)


def _missing(group: str, model: str) -> NotFound:
    return NotFound(f"group {group!r} has nothing of its own for {model!r}")
