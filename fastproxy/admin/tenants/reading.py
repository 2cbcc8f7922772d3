"""Pages of lists, and single objects. What the file declares stands first, then the database's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, or_, select

from fastproxy.admin.store import tables
from fastproxy.admin.tenants import rows
from fastproxy.admin.tenants.locate import Found, locate
from fastproxy.admin.tenants.objects import item_of
from fastproxy.admin.tenants.refusals import Invalid, NotFound
from fastproxy.admin.tenants.terms import KINDS, Page
from fastproxy.admin.tenants.transact import asking
from fastproxy.config.values import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fastproxy.admin.tenants.refusals import Field
    from fastproxy.admin.tenants.terms import Item, Query
    from fastproxy.admin.tenants.transact import Desk

MOST_PER_PAGE: Final = 1000
MOST_PAGES: Final = 1_000_000
_LONGEST: Final = 256
_ORDERS: Final = {
    "groups": ("name", "status", "created_at", "updated_at"),
    "keys": ("name", "status", "created_at", "updated_at"),
    "channels": ("name", "status", "created_at", "updated_at", "provider", "priority", "weight"),
    "models": ("name", "created_at", "updated_at", "owner", "mode"),
}
_FILTERS: Final = {
    "groups": ("status", "managed_by"),
    "keys": ("status", "managed_by", "group"),
    "channels": ("status", "managed_by", "provider"),
    "models": ("managed_by", "owner", "mode"),
}
_SEARCHED: Final = ("name", "note", "prefix")


async def one(desk: Desk, kind: str, ident: str) -> Item:
    """Raises: NotFound; Conflict for a name that several keys have."""
    with asking():
        async with desk.store.config.connect() as connection:
            found = await locate(connection, desk.declared, kind, ident)
    return _item(desk, found) if isinstance(found, Found) else found


def _item(desk: Desk, found: Found) -> Item:
    shadow = desk.declared.origin(found.kind, found.state["name"], found.group or None)
    return item_of(found.kind, found.state, found.group, shadow)


async def page(desk: Desk, kind: str, query: Query) -> Page:
    """Raises: NotFound for what is no list; Invalid for a query that makes no sense."""
    if kind not in KINDS:
        raise NotFound(f"there is no list of {kind[:40]!r}")
    faults = list(_faults(kind, query))
    if faults:
        raise Invalid(faults)
    managed_by = query.filters.get("managed_by")
    declared = declared_items(desk.declared.all(kind), query) if managed_by != "database" else []
    start = (query.page - 1) * query.per_page
    items = declared[start : start + query.per_page]
    if managed_by == "file":
        return Page(items, len(declared))
    first, count = max(0, start - len(declared)), query.per_page - len(items)
    with asking():
        async with desk.store.config.connect() as connection:
            total, found = await _stored(connection, kind, query, (first, count))
    return Page(items + [_item(desk, one) for one in found], len(declared) + total)


def _faults(kind: str, query: Query) -> Iterable[Field]:
    if not 1 <= query.page <= MOST_PAGES:
        yield {"path": "page", "message": f"out of range; expected 1 to {MOST_PAGES}"}
    if not 1 <= query.per_page <= MOST_PER_PAGE:
        yield {"path": "per_page", "message": f"out of range; expected 1 to {MOST_PER_PAGE}"}
    if query.order and query.order.removeprefix("-") not in _ORDERS[kind]:
        yield {"path": "order", "message": f"unknown order{suggest(query.order.removeprefix('-'), _ORDERS[kind])}"}
    texts = {"search": query.search, **query.filters}
    for name, text in texts.items():
        if name != "search" and name not in _FILTERS[kind]:
            yield {"path": name[:60], "message": f"unknown filter{suggest(name, _FILTERS[kind])}"}
        elif len(text) > _LONGEST or not text.isprintable():
            yield {"path": name, "message": f"expected at most {_LONGEST} printable characters"}


# --- what the file declares, in memory


def declared_items(items: Iterable[Item], query: Query) -> list[Item]:
    """Searched, filtered and ordered as the database does it with its own."""
    found = [item for item in items if _is_searched(item, query) and _passes(item, query)]
    order = query.order.removeprefix("-") or "name"
    if order in ("created_at", "updated_at"):
        return found  # the file knows no times; its own order is as good as any
    found.sort(key=lambda item: (item[order] is None, item[order] if item[order] is not None else ""))
    return found[::-1] if query.order.startswith("-") else found


def _is_searched(item: Item, query: Query) -> bool:
    wanted = query.search.lower()
    return not wanted or any(wanted in str(item.get(name, "")).lower() for name in _SEARCHED)


def _passes(item: Item, query: Query) -> bool:
    return all(item.get(name) == value for name, value in query.filters.items())


# --- the database's


async def _stored(
    connection: AsyncConnection, kind: str, query: Query, window: tuple[int, int]
) -> tuple[int, list[Found]]:
    """How many there are, and those of the window (first, count)."""
    table = rows.TABLES[kind]
    wanted = _wanted(kind, query)
    source = table.join(tables.groups) if kind == "keys" else table
    counted = source if "group" in query.filters else table
    total = (await connection.execute(select(func.count()).select_from(counted).where(wanted))).scalar_one()
    if not window[1] or window[0] >= total:
        return int(total), []
    column = table.c[query.order.removeprefix("-") or "name"]
    order = (column.desc() if query.order.startswith("-") else column, table.c.id)
    # what the pages before hold is counted off by its ids alone
    mine = select(table.c.id).select_from(counted).where(wanted).order_by(*order).offset(window[0]).limit(window[1])
    columns = select(table, tables.groups.c.name.label("group_name")) if kind == "keys" else select(table)
    statement = columns.select_from(source).where(table.c.id.in_(mine)).order_by(*order)
    found = [dict(row) for row in (await connection.execute(statement)).mappings()]
    groups = [str(row.pop("group_name", "")) for row in found]
    states = await rows.with_credentials(connection, kind, found)
    return int(total), [Found(kind, state, group) for state, group in zip(states, groups, strict=True)]


def _wanted(kind: str, query: Query) -> ColumnElement[bool]:
    table = rows.TABLES[kind]
    conditions: list[ColumnElement[bool]] = [
        _column(kind, name) == value for name, value in query.filters.items() if name != "managed_by"
    ]
    if query.search:
        searched = [table.c[name] for name in _SEARCHED if name in table.c]
        conditions.append(or_(*(column.icontains(query.search, autoescape=True) for column in searched)))
    return and_(True, *conditions)


def _column(kind: str, name: str) -> Any:
    return tables.groups.c.name if kind == "keys" and name == "group" else rows.TABLES[kind].c[name]
