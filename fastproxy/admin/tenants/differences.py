"""What a change changes, told without secrets.

    differences   one object: {"kind", "id", "name", "action", "fields": [{"path", "before", "after"}]}

A secret that was replaced is told as "replaced": its hint may be the same by chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.admin.tenants.objects import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.admin.tenants.objects import State
    from fastproxy.admin.tenants.transact import Entry

_NOT_TOLD: Final = frozenset(
    ["id", "created_at", "updated_at", "version", "managed_by", "origin", "shadowed_by"]
)  # true of every change, or of none
_WHOLE: Final = frozenset({"facts", "defaults", "rename"})  # maps whose names are the author's own


def action_of(before: State | None, after: State | None) -> str:
    if before is None:
        return "create"
    return "remove" if after is None else "change"


def told(entry: Entry) -> dict[str, Any]:
    """One entry of a transaction, as differences tell it."""
    return {
        "kind": entry.kind,
        "id": entry.object_id,
        "name": entry.name,
        "action": action_of(entry.before, entry.after),
        "fields": fields_of(entry),
    }


def fields_of(entry: Entry) -> list[dict[str, Any]]:
    """Every path whose value differs; for a new object all that is not empty, for a removed one nothing."""
    if entry.after is None:
        return []
    old = _flat(shown(entry.kind, entry.before, entry.group)) if entry.before is not None else {}
    new = _flat(shown(entry.kind, entry.after, entry.group))
    if entry.before is None:
        new = {path: value for path, value in new.items() if value not in (None, "", [], {})}
    else:
        _mark_secrets(entry.before, entry.after, old, new)
    paths = dict.fromkeys((*new, *old))
    pairs = ((path, old.get(path), new.get(path)) for path in paths)
    return [{"path": path, "before": before, "after": after} for path, before, after in pairs if before != after]


def _flat(item: dict[str, Any]) -> dict[str, Any]:
    return {path: value for name in item if name not in _NOT_TOLD for path, value in _paths(name, item[name])}


def _paths(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and path not in _WHOLE:
        for name, inner in value.items():
            yield from _paths(f"{path}.{name}", inner)
    elif path == "credentials":
        for index, inner in enumerate(value):
            told = {name: part for name, part in inner.items() if name != "id"}
            yield from _paths(f"{path}[{index}]", told)
    else:
        yield path, value


def _mark_secrets(before: State, after: State, old: dict[str, Any], new: dict[str, Any]) -> None:
    if before.get("digest") != after.get("digest"):
        old["secret"], new["secret"] = "", "replaced"
    sealed = {row["id"]: row["sealed"] for row in before.get("credentials", ())}
    for index, row in enumerate(after.get("credentials", ())):
        if sealed.get(row["id"], row["sealed"]) != row["sealed"]:
            old[f"credentials[{index}].secret"], new[f"credentials[{index}].secret"] = "", "replaced"
