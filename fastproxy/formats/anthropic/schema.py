"""A JSON schema for structured output as the API takes it: objects are closed, and bounds are told in words.

The API enforces shapes but not bounds, and refuses a schema that sets them. As the vendor's own SDK does, they move
into the description, where the model reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

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
        "maxItems", "uniqueItems", "minProperties", "maxProperties",
    }
)  # fmt: skip
_HOLDERS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
Schema = dict[str, Any]


def closed_schema(schema: Mapping[str, Any], notes: Notes) -> Schema:
    """A new schema; the client is told if it differs."""
    made = _closed(dict(schema), 0)
    if made != schema:
        notes.change("output", "objects of the schema are closed, bounds are told in words")
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
        words = orjson.dumps(told).decode()
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
