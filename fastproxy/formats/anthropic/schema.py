"""A JSON schema for structured output as the API takes it: objects are closed, and bounds are told in words.

The API enforces shapes but not bounds, and refuses a schema that sets them. As the vendor's own SDK does, they move
into the description, where the model reads them. Branches of allOf are joined before they are closed: closed each for
itself, no object would fit them all. A schema that refers to itself cannot be sent at all (`recurs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats import exact
from fastproxy.formats.schemas import joined, pointed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.notes import Notes

MAX_DEPTH: Final = 64
MAX_SIZE: Final = 200_000  # values looked at while branches are joined
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
_GROWING: Final = ("properties", "required")
_LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
Schema = dict[str, Any]


def closed_schema(schema: Mapping[str, Any], notes: Notes) -> Schema:
    """A new schema; the client is told if it differs."""
    made = _closed(_Joining(schema).made_of(dict(schema)), 0)
    if made != schema:
        notes.change("output", "objects of the schema are closed, bounds are told in words")
    return made


def recurs(schema: Mapping[str, Any]) -> bool:
    """Whether a reference in the schema leads back to what it stands in, or too far to be followed."""
    return _Circles(schema).has_one(schema, 0)


class _Circles:
    """Goes through a schema and all that it refers to, once each."""

    __slots__ = ("_done", "_open", "_root")

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._open = set[int]()  # identities of what stands above
        self._done = set[int]()

    def has_one(self, value: Any, depth: int) -> bool:
        place = id(value)
        if not isinstance(value, dict | list) or place in self._done:
            return False
        if place in self._open or depth > 2 * MAX_DEPTH:  # a schema and its properties are two levels
            return True
        below = list(value.values()) if isinstance(value, dict) else value
        if isinstance(value, dict) and isinstance(value.get("$ref"), str):
            below.append(pointed(self._root, value["$ref"]))
        self._open.add(place)
        found = any(self.has_one(each, depth + 1) for each in below)
        self._open.discard(place)
        self._done.add(place)
        return found


class _Joining:
    """Merges every allOf of a schema into what it stands in; the later word wins.

    References put in place may multiply: what is over MAX_SIZE stays as it is.
    """

    __slots__ = ("_left", "_root")

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = MAX_SIZE

    def made_of(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            return value
        if isinstance(value, list):
            return [self.made_of(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        branches = value.get("allOf")
        if isinstance(branches, list) and branches and all(isinstance(branch, dict) for branch in branches):
            value = self._joined(value, branches, depth)
        return {name: self.made_of(item, depth + 1) for name, item in value.items()}

    def _joined(self, value: Schema, branches: list[Schema], depth: int) -> Schema:
        made: Schema = {}
        for branch in branches:
            meant = pointed(self._root, branch["$ref"]) if isinstance(branch.get("$ref"), str) else branch
            made = joined(made, self.made_of(meant, depth + 1) if meant is not None else branch)
            self._left -= sum(len(held) for name in _GROWING if isinstance(held := made.get(name), dict | list))
            if self._left < 0:
                return value
        return joined(made, {name: item for name, item in value.items() if name != "allOf"})


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
