"""A JSON schema for structured output as the API takes it: objects are closed, and bounds are told in words.

The API enforces shapes but not bounds, and refuses a schema that sets them. As the vendor's own SDK does, they move
into the description, where the model reads them. Branches of allOf are joined before they are closed: closed each for
itself, no object would fit them all. A schema that refers to itself cannot be sent at all (`recurs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats import exact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.notes import Notes

MAX_DEPTH: Final = 64
FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_BOUNDS: Final = frozenset(
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "maxItems", "uniqueItems", "minProperties", "maxProperties", "patternProperties", "propertyNames", "contains",
        "minContains", "maxContains", "dependentRequired", "dependentSchemas", "not", "if", "then", "else",
    }
)  # fmt: skip
_HOLDERS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
Schema = dict[str, Any]


def closed_schema(schema: Mapping[str, Any], notes: Notes) -> Schema:
    """A new schema; the client is told if it differs."""
    made = _closed(_joined_branches(dict(schema), schema, 0), 0)
    if made != schema:
        notes.change("output", "objects of the schema are closed, bounds are told in words")
    return made


def recurs(schema: Mapping[str, Any]) -> bool:
    """Whether a reference in the schema leads back to what it stands in."""
    leads: dict[str, set[str]] = {}
    waiting = list(_references(schema, 0))
    while waiting:
        reference = waiting.pop()
        if reference not in leads:
            leads[reference] = _references(_target(schema, reference), 0)
            waiting += leads[reference]
    while ends := {reference for reference, on in leads.items() if not on & leads.keys()}:
        for reference in ends:
            del leads[reference]
    return bool(leads)


def _references(value: Any, depth: int) -> set[str]:
    """All that stand below `value`."""
    if depth > MAX_DEPTH or not isinstance(value, dict | list):
        return set()
    found = set[str]()
    if isinstance(value, dict) and isinstance(value.get("$ref"), str):
        found.add(value["$ref"])
    for below in value.values() if isinstance(value, dict) else value:
        found |= _references(below, depth + 1)
    return found


def _target(root: Mapping[str, Any], reference: str) -> Any:
    """What a reference within the schema points to; None for any other."""
    found: Any = root if reference.startswith("#") else None
    for step in reference[1:].strip("/").split("/"):
        if step and isinstance(found, dict):
            found = found.get(step.replace("~1", "/").replace("~0", "~"))
    return found


def _joined_branches(value: Any, root: Mapping[str, Any], depth: int) -> Any:
    """`value` with every allOf in it merged into what it stands in; the later word wins."""
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, list):
        return [_joined_branches(item, root, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    branches = value.get("allOf")
    if isinstance(branches, list) and branches and all(isinstance(branch, dict) for branch in branches):
        made: Schema = {}
        for branch in branches:
            meant = _target(root, branch["$ref"]) if isinstance(branch.get("$ref"), str) else branch
            made = _join(made, _joined_branches(meant, root, depth + 1) if isinstance(meant, dict) else branch)
        value = _join(made, {name: item for name, item in value.items() if name != "allOf"})
    return {name: _joined_branches(item, root, depth + 1) for name, item in value.items()}


def _join(one: Schema, other: Schema) -> Schema:
    """Both at once."""
    made = one | other
    if isinstance(one.get("properties"), dict) and isinstance(other.get("properties"), dict):
        made["properties"] = one["properties"] | other["properties"]
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        made["required"] = [*one["required"], *(name for name in other["required"] if name not in one["required"])]
    return made


def _closed(schema: Schema, depth: int) -> Schema:
    if depth > MAX_DEPTH:
        return schema
    made: Schema = {}
    told: Schema = {}
    for name, value in schema.items():
        if (
            name in _BOUNDS
            or (name == "minItems" and value not in (0, 1))
            or (name == "format" and str(value) not in FORMATS)
        ):
            told[name] = value
        else:
            made["anyOf" if name == "oneOf" else name] = _inside(name, value, depth + 1)
    if told:
        words = exact.dumps(told).decode()
        made["description"] = f"{made['description']}\n\n{words}" if made.get("description") else words
    if "object" in _types(made) and made.get("additionalProperties", True) is True:
        made["additionalProperties"] = False
    return made


def _types(schema: Schema) -> list[Any]:
    kinds = schema.get("type", "object" if "properties" in schema else [])
    return kinds if isinstance(kinds, list) else [kinds]


def _inside(name: str, value: Any, depth: int) -> Any:
    if name in _HOLDERS and isinstance(value, dict):
        return {key: _closed(item, depth) if isinstance(item, dict) else item for key, item in value.items()}
    if name in _LISTS and isinstance(value, list):
        return [_closed(item, depth) if isinstance(item, dict) else item for item in value]
    if name in ("items", "additionalProperties") and isinstance(value, dict):
        return _closed(value, depth)
    return value
