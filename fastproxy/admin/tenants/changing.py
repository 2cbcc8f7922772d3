"""Create, change, remove, rotate: what a document or patch makes of an object. Reads first, decides, then puts.

Each function is one transaction (transact.py), with `terms.dry` one that is taken back.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select

from fastproxy.admin.store import tables
from fastproxy.admin.tenants import credentials, rows
from fastproxy.admin.tenants.accepting import given, patched, read_document
from fastproxy.admin.tenants.checks import check
from fastproxy.admin.tenants.grouping import group_of_new_key
from fastproxy.admin.tenants.locate import ONE, Found, managed_by_file, stored
from fastproxy.admin.tenants.objects import columns_of, is_same, item_of, name_of, writable
from fastproxy.admin.tenants.refusals import Conflict, invalid
from fastproxy.admin.tenants.transact import MOST_OBJECTS, Entry, transact
from fastproxy.admin.tenants.vault import MARK, make_secret, prefix_of

if TYPE_CHECKING:
    from fastproxy.admin.tenants.documents import Document
    from fastproxy.admin.tenants.objects import State
    from fastproxy.admin.tenants.terms import Item, Outcome, Terms
    from fastproxy.admin.tenants.transact import Desk, Work

LONGEST_GRACE_S: Final = 366 * 86400.0
_FIXED: Final = {"groups": ("name",), "keys": ("group",)}  # what others refer to


# --- create


async def create(desk: Desk, kind: str, document: object, terms: Terms) -> Outcome:
    """Raises: Invalid; Conflict where the name is taken, in the database or in the file."""
    wanted = read_document(kind, given(kind, document))
    columns = columns_of(kind, wanted)
    check(kind, columns, None, desk.declared.listen)
    secret = make_secret() if kind == "keys" else None

    async def act(work: Work) -> Item:
        group = await group_of_new_key(work, wanted, terms) if kind == "keys" else Found("groups", {})
        await _expect_free(work, kind, columns["name"], group)
        state = _first_state(work, kind, wanted, columns)
        if secret is not None:
            state |= _secret_columns(desk, secret, terms) | {"group_id": group.state["id"]}
        return await _put(work, Found(kind, {}, group.state.get("name", "")), None, state, terms)

    return await transact(desk, terms, act, secret)


def _first_state(work: Work, kind: str, document: Document, columns: State) -> State:
    state = {
        **columns,
        "id": secrets.token_hex(16),
        "created_at": work.now,
        "updated_at": work.now,
        "version": 1,
    }
    if kind == "channels":
        state["credentials"] = credentials.merged([], _credentials(document), work.desk.vault, work.now)
    return state


def _credentials(document: Document) -> Any:
    return getattr(document, "credentials", [])


def _secret_columns(desk: Desk, secret: str, terms: Terms) -> State:
    """A secret that is only planned is not shown, so neither is its beginning."""
    return {
        "prefix": prefix_of(secret) if not terms.dry else f"{MARK}…",
        "digest": desk.vault.digest(secret),
        "previous_digest": None,
        "previous_until": None,
        "rotated_at": None,
    }


async def _expect_free(work: Work, kind: str, name: str, group: Found) -> None:
    """Raises: Conflict. `group` is that of a key."""
    declared = work.desk.declared.origin(kind, name, group.state.get("name"))
    if declared:
        raise managed_by_file(kind, name, declared)
    taken = await rows.find_named(work.connection, kind, name, group.state.get("id"))
    if taken is not None:
        where = f" in group {group.state['name']!r}" if kind == "keys" else ""
        message = f"{ONE[kind]} {name!r} exists already{where}, with id {taken['id']}"
        raise Conflict("duplicate", message, [{"path": "name", "message": message}])


# --- change


async def change(desk: Desk, kind: str, ident: str, patch: object, terms: Terms) -> Outcome:
    """Raises: NotFound, Invalid, Conflict."""

    async def act(work: Work) -> Item:
        found = await stored(work.connection, desk.declared, kind, ident)
        expect_version(found, terms)
        return await _put(work, found, found.state, await _changed_state(work, found, patch), terms)

    return await transact(desk, terms, act)


async def _changed_state(work: Work, found: Found, patch: object) -> State:
    kind, before = found.kind, found.state
    current = writable(kind, before, found.group)
    merged = patched(kind, current, patch)
    for name in _FIXED.get(kind, ()):
        if merged.get(name) != current[name]:
            raise invalid(name, f"the {name} of a {ONE[kind]} cannot be changed")
    document = read_document(kind, merged)
    columns = columns_of(kind, document)
    check(kind, columns, before, work.desk.declared.listen)
    if columns["name"] != before["name"]:
        group = {"id": before["group_id"], "name": found.group} if kind == "keys" else {}
        await _expect_free(work, kind, columns["name"], Found("groups", group))
    if kind == "channels":
        wanted = _credentials(document)
        columns["credentials"] = credentials.merged(before["credentials"], wanted, work.desk.vault, work.now)
    return {**before, **columns}


def expect_version(found: Found, terms: Terms) -> None:
    """Raises: Conflict."""
    current = found.state["version"]
    if terms.if_version is not None and terms.if_version != current:
        raise Conflict(
            "version",
            f"{ONE[found.kind]} {found.name!r} has been changed: seen version {terms.if_version}, expected {current}",
        )


async def _put(work: Work, found: Found, before: State | None, after: State, terms: Terms) -> Item:
    """The item as it is shown; the id of what is only planned would be nobody's."""
    if before is not None and not is_same(before, after):
        after = {**after, "version": before["version"] + 1, "updated_at": work.now}
    elif before is not None:
        after = before
    name = name_of(found.kind, after, found.group)
    await work.put(Entry(found.kind, after["id"], name, found.group, before, after))
    shadow = work.desk.declared.origin(found.kind, after["name"], found.group or None)
    item = item_of(found.kind, after, found.group, shadow)
    return {**item, "id": None} if before is None and terms.dry else item


# --- rotate


async def rotate(desk: Desk, ident: str, grace_s: float, terms: Terms) -> Outcome:
    """Raises: NotFound, Invalid, Conflict."""
    if not 0 <= grace_s <= LONGEST_GRACE_S:
        raise invalid("grace", f"out of range; expected 0 to {LONGEST_GRACE_S:.0f} seconds")
    secret = make_secret()

    async def act(work: Work) -> Item:
        found = await stored(work.connection, desk.declared, "keys", ident)
        expect_version(found, terms)
        before = found.state
        after = {**before, **_secret_columns(desk, secret, terms), "rotated_at": work.now}
        if grace_s:
            after["previous_digest"] = before["digest"]
            after["previous_until"] = work.now + round(grace_s * 1000)
        return await _put(work, found, before, after, terms)

    return await transact(desk, terms, act, secret)


# --- remove


async def remove(desk: Desk, kind: str, ident: str, terms: Terms) -> Outcome:
    """Raises: NotFound; Conflict for a group that has keys, unless they shall go with it."""

    async def act(work: Work) -> None:
        found = await stored(work.connection, desk.declared, kind, ident)
        expect_version(found, terms)
        if kind == "groups":
            await _remove_belongings(work, found, terms)
        await work.put(Entry(kind, found.state["id"], found.name, found.group, found.state, None))

    return await transact(desk, terms, act)


def _expect_no_declared_key(work: Work, group: str) -> None:
    """A key of the file whose group stands nowhere may do everything. Raises: Conflict."""
    declared = work.desk.declared
    if declared.find("groups", group) is not None:
        return
    for key in declared.all("keys"):
        if key["group"] == group:
            message = f"group {group!r} has the key {key['name']!r} of {key['origin']}, which nothing else would bound"
            raise Conflict("in_use", f"{message}; change it there first")


async def _remove_belongings(work: Work, group: Found, terms: Terms) -> None:
    ident, name = group.state["id"], group.state["name"]
    _expect_no_declared_key(work, name)
    keys = tables.keys
    count = (await work.connection.execute(select(func.count()).where(keys.c.group_id == ident))).scalar_one()
    some = "1 key" if count == 1 else f"{count} keys"
    if count and not terms.with_keys:
        raise Conflict("in_use", f"group {name!r} has {some}; remove them first, or ask for them to be removed with it")
    if count > MOST_OBJECTS:
        raise Conflict("too_many", f"group {name!r} has {some}; at most {MOST_OBJECTS} can be removed at once")
    for kind, label in (("keys", "name"), ("group_models", "model")):
        table = rows.TABLES[kind]
        found = (await work.connection.execute(select(table).where(table.c.group_id == ident))).mappings().all()
        await work.connection.execute(delete(table).where(table.c.group_id == ident))
        for row in found:
            object_id = row["id"] if kind == "keys" else f"{ident}/{row['model']}"
            work.entries.append(Entry(kind, object_id, f"{name}/{row[label]}", name, dict(row), None))
