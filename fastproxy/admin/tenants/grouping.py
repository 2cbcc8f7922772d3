"""The group that a new key goes into.

in the database             that one
only in the file            a row of the same name and content stands for it in the database; the file's is in use
nowhere, called "default"   made, with what a group has by default: nobody has to think of groups
nowhere, with create_group  made in the same way
nowhere                     refused
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from fastproxy.admin.tenants import rows
from fastproxy.admin.tenants.documents import GroupIn
from fastproxy.admin.tenants.locate import Found
from fastproxy.admin.tenants.objects import columns_of
from fastproxy.admin.tenants.refusals import invalid
from fastproxy.admin.tenants.transact import Entry

if TYPE_CHECKING:
    from fastproxy.admin.tenants.documents import Document
    from fastproxy.admin.tenants.objects import State
    from fastproxy.admin.tenants.terms import Item, Terms
    from fastproxy.admin.tenants.transact import Work

DEFAULT: Final = "default"
_STANDS_FOR: Final = "stands for the group of this name that the configuration declares"


async def group_of_new_key(work: Work, document: Document, terms: Terms) -> Found:
    """Raises: Invalid."""
    name = getattr(document, "group", DEFAULT)
    present = await rows.find_named(work.connection, "groups", name)
    if present is not None:
        return Found("groups", present)
    declared = work.desk.declared.find("groups", name)
    if declared is None and name != DEFAULT and not terms.create_group:
        raise invalid("group", f"there is no group {name!r}")
    columns = columns_of("groups", GroupIn(name=name))
    if declared is not None:
        columns = _as_declared(columns, declared)
    state = {**columns, "id": secrets.token_hex(16), "created_at": work.now, "updated_at": work.now, "version": 1}
    await work.put(Entry("groups", state["id"], name, "", None, state))
    return Found("groups", state)


def _as_declared(columns: State, declared: Item) -> State:
    """The file's content, so that its going away some day does not open the group for everything."""
    same = {name: declared[name] for name in columns if name in declared and name != "note"}
    budget = declared["budget"]
    if budget is not None:
        same |= {"budget_amount": budget["amount"], "budget_period": budget["period"]}
    return {**columns, **same, "note": _STANDS_FOR}
