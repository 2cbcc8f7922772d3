"""One object in its four forms, and the pure ways between them.

    document   what its author writes (documents.py)
    state      the row of its table as a dict, for a channel with "credentials": the rows of those; None if it is not
    item       what is shown of it (terms.py): never a secret, a digest or a sealed value
    record     its state as JSON, as the history keeps it: bytes in hex

Differences between the document and the row: a group's budget has two columns; a key's `group`, `expires` and `quota`
are group_id, expires_at and quota_total; a channel's credentials are rows of another table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.admin.tenants.documents import DOCUMENTS
from fastproxy.admin.tenants.rules import write_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.admin.tenants.documents import Document
    from fastproxy.admin.tenants.terms import Item

    State = dict[str, Any]

BINARY: Final = frozenset({"digest", "previous_digest", "sealed"})
VOLATILE: Final = frozenset({"version", "updated_at"})  # what differs after a change that changes nothing
_RENAMED: Final = {"keys": {"expires": "expires_at", "quota": "quota_total"}}
_APART: Final = {"groups": {"budget"}, "keys": {"group"}, "channels": {"credentials"}}
_SECTIONS: Final = frozenset({"price", "timeouts", "bodies"})
_CREDENTIAL: Final = ("id", "label", "hint", "status")


def columns_of(kind: str, document: Document) -> State:
    """What a document says, by the names of its table's columns."""
    renamed, apart = _RENAMED.get(kind, {}), _APART.get(kind, set())
    values = document.model_dump()
    columns = {renamed.get(name, name): _told(name, value) for name, value in values.items() if name not in apart}
    if kind == "channels":
        columns["provider"] = values["provider"] or values["name"]
    elif kind == "groups":
        budget = values["budget"] or {"amount": None, "period": "monthly"}
        columns |= {"budget_amount": budget["amount"], "budget_period": budget["period"]}
    return columns


def _told(name: str, value: Any) -> Any:
    """Of a section only what it says: null there means "as elsewhere", and so does nothing."""
    return {k: v for k, v in value.items() if v is not None} if name in _SECTIONS and value is not None else value


def document_of(kind: str, state: State, group: str = "") -> dict[str, Any]:
    """What an author would have to write for this state; without the secrets, which he cannot know. `group`: the name
    of the group that a key belongs to."""
    renamed = _RENAMED.get(kind, {})
    fields = {name: state.get(renamed.get(name, name)) for name in DOCUMENTS[kind].model_fields}
    if kind == "groups":
        amount = state["budget_amount"]
        fields["budget"] = None if amount is None else {"amount": amount, "period": state["budget_period"]}
    elif kind == "keys":
        fields["group"] = group
        fields["expires"] = None if state["expires_at"] is None else write_moment(state["expires_at"])
    elif kind == "channels":
        fields["credentials"] = [{name: row[name] for name in _CREDENTIAL} for row in state["credentials"]]
    return fields


def writable(kind: str, state: State, group: str = "") -> dict[str, Any]:
    """`document_of` as `read_document` takes it."""
    document = document_of(kind, state, group)
    if kind == "channels":
        document["credentials"] = [
            {name: value for name, value in row.items() if name != "hint"} for row in document["credentials"]
        ]
    return {name: value for name, value in document.items() if value is not None}


def item_of(kind: str, state: State, group: str = "", shadowed_by: str = "") -> Item:
    """`group` as in `document_of`."""
    item = {
        "id": state["id"],
        **document_of(kind, state, group),
        "created_at": write_moment(state["created_at"]),
        "updated_at": write_moment(state["updated_at"]),
        "version": state["version"],
        "managed_by": "database",
        "origin": "",
        "shadowed_by": shadowed_by,
    }
    if kind == "keys":
        item["prefix"] = state["prefix"]
        for name in ("rotated_at", "previous_until"):
            item[name] = None if state[name] is None else write_moment(state[name])
    return item


def override_item(state: State) -> Item:
    """What holds for one model when a group asks for it."""
    return {"model": state["model"], **document_of("group_models", state), "version": state["version"]}


def shown(kind: str, state: State, group: str = "") -> Item:
    """The item of any kind that the history knows."""
    return override_item(state) if kind == "group_models" else item_of(kind, state, group)


def name_of(kind: str, state: State, group: str = "") -> str:
    """As the history calls it: keys and overrides with the name of their group."""
    name = str(state["model"] if kind == "group_models" else state["name"])
    return f"{group}/{name}" if kind in ("keys", "group_models") else name


def is_same(before: State | None, after: State | None) -> bool:
    """Whether two states differ in nothing but their version."""
    if before is None or after is None:
        return before is after
    return all(before.get(name) == value for name, value in after.items() if name not in VOLATILE)


def to_record(state: State | None) -> dict[str, Any] | None:
    if state is None:
        return None
    record = {name: value.hex() if isinstance(value, bytes) else value for name, value in state.items()}
    if "credentials" in state:
        record["credentials"] = [to_record(row) for row in state["credentials"]]
    return record


def from_record(record: Mapping[str, Any] | None) -> State | None:
    if record is None:
        return None
    state: State = {name: bytes.fromhex(v) if name in BINARY and v is not None else v for name, v in record.items()}
    if "credentials" in state:
        state["credentials"] = [from_record(row) for row in state["credentials"]]
    return state
