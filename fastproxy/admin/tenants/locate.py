"""Which object an ident means: an id, or a name (terms.py).

What the file declares comes before the database's of the same name, because that is what is in use. A name never looks
like an id (rules.py), so the two cannot be mistaken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from fastproxy.admin.store import tables
from fastproxy.admin.tenants import rows
from fastproxy.admin.tenants.objects import name_of
from fastproxy.admin.tenants.refusals import Conflict, NotFound
from fastproxy.admin.tenants.terms import KINDS

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fastproxy.admin.tenants.declared import Declared
    from fastproxy.admin.tenants.objects import State
    from fastproxy.admin.tenants.terms import Item

ONE: Final = {"groups": "group", "keys": "key", "channels": "channel", "models": "model"}
_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_LONGEST: Final = 400
_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Found:
    """An object of the database. `group`: the name of a key's group."""

    kind: str
    state: State
    group: str = ""

    @property
    def name(self) -> str:
        return name_of(self.kind, self.state, self.group)


async def locate(connection: AsyncConnection, declared: Declared, kind: str, ident: str) -> Found | Item:
    """An object of the database, or the item of what the file declares. Raises: NotFound, Conflict (ambiguous)."""
    if kind not in KINDS:
        raise NotFound(f"there is no list of {kind[:40]!r}")
    if not ident.isprintable() or len(ident) > _LONGEST:
        raise NotFound(f"there is no such {ONE[kind]}")
    found: Found | Item | None = await _by_id(connection, kind, ident) if _ID.fullmatch(ident) else None
    if found is None:
        found = _declared(declared, kind, ident) or await _by_name(connection, kind, ident)
    if found is None:
        raise NotFound(f"there is no {ONE[kind]} {ident!r}")
    return found


async def stored(connection: AsyncConnection, declared: Declared, kind: str, ident: str) -> Found:
    """As `locate`, for whoever wants to change it. Raises also: Conflict for what the file declares."""
    found = await locate(connection, declared, kind, ident)
    if not isinstance(found, Found):
        raise managed_by_file(kind, ident, str(found["origin"]))
    return found


def managed_by_file(kind: str, name: str, origin: str) -> Conflict:
    return Conflict("managed_by_file", f"{ONE[kind]} {name!r} is declared by {origin}; change it there")


async def _by_id(connection: AsyncConnection, kind: str, ident: str) -> Found | None:
    state = await rows.find(connection, kind, ident)
    if state is None:
        return None
    return Found(kind, state, await group_name(connection, state["group_id"]) if kind == "keys" else "")


def _declared(declared: Declared, kind: str, ident: str) -> Item | None:
    if kind == "keys" and "/" in ident:
        group, _, name = ident.partition("/")
        return declared.find(kind, name, group)
    return declared.find(kind, ident)


async def _by_name(connection: AsyncConnection, kind: str, ident: str) -> Found | None:
    if kind == "keys":
        return await _key(connection, ident)
    state = await rows.find_named(connection, kind, ident)
    return Found(kind, state) if state is not None else None


async def _key(connection: AsyncConnection, ident: str) -> Found | None:
    """group/name, or the name alone where only one key has it."""
    group, slash, name = ident.rpartition("/")
    keys, groups = tables.keys, tables.groups
    wanted = select(keys.c.id, groups.c.name).join(groups).where(keys.c.name == name)
    if slash:
        wanted = wanted.where(groups.c.name == group)
    found = (await connection.execute(wanted.order_by(groups.c.name).limit(_MOST_NAMED))).all()
    if len(found) > 1:
        names = ", ".join(f"{row[1]}/{name}" for row in found)
        raise Conflict("ambiguous", f"several keys have the name {name!r}: {names}; say which by group/name or id")
    state = await rows.find(connection, "keys", found[0][0]) if found else None
    return Found("keys", state, str(found[0][1])) if state is not None else None


async def group_name(connection: AsyncConnection, group_id: str) -> str:
    groups = tables.groups
    return str((await connection.execute(select(groups.c.name).where(groups.c.id == group_id))).scalar_one())
