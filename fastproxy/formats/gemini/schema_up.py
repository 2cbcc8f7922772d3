"""Gemini's Schema → JSON Schema: types in small letters, nullable as a type, counts as numbers. Pure.

The opposite of schema.py; a schema that already is JSON Schema comes out as it went in.
"""

from __future__ import annotations

from typing import Any, Final

from fastproxy.formats.gemini.words import snake

MAX_DEPTH: Final = 128
_TYPES: Final = frozenset(("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"))
_COUNTS: Final = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_WITHOUT_WORD: Final = ("nullable", "propertyOrdering", "example")
_NAMES: Final[dict[str, str]] = {
    snake(name): name for name in (*_COUNTS, "anyOf", "propertyOrdering", "additionalProperties")
}  # fmt: skip


def raise_up(schema: Any, depth: int = 0) -> Any:
    """What is no object comes out as it is."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return schema
    made: dict[str, Any] = {}
    for key, item in schema.items():
        name = str(_NAMES.get(key, key))
        if name == "type":
            made |= _type(item)
        elif name not in _WITHOUT_WORD:
            made[name] = _raised(name, item, depth + 1)
    return _nullable(made) if schema.get("nullable") is True else made


def _raised(name: str, item: Any, depth: int) -> Any:
    if name == "properties" and isinstance(item, dict):
        return {each: raise_up(below, depth) for each, below in item.items()}
    if name == "anyOf" and isinstance(item, list):
        return [raise_up(each, depth) for each in item]
    if name in ("items", "additionalProperties"):
        return raise_up(item, depth)
    if name in _COUNTS and isinstance(item, str) and item.isdecimal():
        return int(item)  # Google writes 64-bit numbers as texts
    return item


def _type(word: Any) -> dict[str, Any]:
    if not isinstance(word, str):
        return {"type": word}
    if word.upper() in _TYPES:
        return {"type": word.lower()}
    return {} if word.upper() == "TYPE_UNSPECIFIED" else {"type": word}


def _nullable(made: dict[str, Any]) -> dict[str, Any]:
    word = made.get("type")
    if isinstance(word, str):
        made["type"] = [word, "null"]
        if isinstance(made.get("enum"), list):
            made["enum"] = [*made["enum"], None]
    elif isinstance(made.get("anyOf"), list):
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]
    return made
