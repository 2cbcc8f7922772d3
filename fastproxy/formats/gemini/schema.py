"""JSON Schema → Gemini's Schema, a subset of OpenAPI 3.0 with types in capitals. Pure.

    $ref, $defs      put in place; one that refers to itself ends as a free object, and is reported as recursive
    allOf            merged into one     oneOf → anyOf     const → enum     type [T, "null"], anyOf with null → nullable
    enum             texts only: others become the type alone, their values told in the description
    array            always has items;   an object of any shape has no word here, and is reported as free
    format           date-time and enum on texts, those of numbers; others are left out
    the rest         additionalProperties, patternProperties, not, if … are left out and named in `lost`

A schema may be hostile: what it becomes is bounded in depth and size, and nothing is followed outside of it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from fastproxy.formats import exact
from fastproxy.formats.schemas import joined, pointed

MAX_DEPTH: Final = 48
MAX_SIZE: Final = 20_000  # nodes, words of enums and lines of text: references put in place may multiply

_TYPES: Final = {
    "string": "STRING",
    "number": "NUMBER",
    "integer": "INTEGER",
    "boolean": "BOOLEAN",
    "array": "ARRAY",
    "object": "OBJECT",
    "null": "NULL",
}
_FORMATS: Final = {
    "STRING": ("date-time", "enum"),
    "NUMBER": ("float", "double"),
    "INTEGER": ("int32", "int64"),
}
_KEPT: Final = frozenset(
    (
        "title", "description", "default", "example", "nullable", "pattern", "minLength", "maxLength", "minimum",
        "maximum", "minItems", "maxItems", "minProperties", "maxProperties",
    )
)  # fmt: skip
_HANDLED: Final = frozenset(
    (
        "type", "format", "enum", "const", "properties", "required", "items", "prefixItems", "anyOf", "oneOf", "allOf",
        "$ref", "propertyOrdering",
    )
)  # fmt: skip
_SILENT: Final = frozenset(
    (
        "$schema",
        "$id",
        "id",
        "$comment",
        "$defs",
        "definitions",
        "$anchor",
        "examples",
        "strict",
        "readOnly",
        "writeOnly",
    )
)


_DESCRIBING: Final = ("title", "description", "default")
_ALTERNATIVES: Final = ("anyOf", "oneOf")


class Lowered(NamedTuple):
    """`lost` are the keywords that say something and were left out. `recursive`: or too large to be put in place.

    `free`: somewhere below the top an object may have any properties, which Gemini refuses in a Schema.
    """

    schema: dict[str, Any]
    lost: tuple[str, ...]
    recursive: bool
    free: bool = False


def lower(schema: Any, *, ordered: bool = False, limit: int = MAX_SIZE) -> Lowered:
    """`ordered` keeps the order of the properties, which Gemini sorts otherwise. `limit`: see MAX_SIZE."""
    work = _Lowering(schema, limit, ordered=ordered)
    made = work.node(schema, (), 0)
    return Lowered(made, tuple(sorted(work.lost)), work.is_recursive, work.has_free)


class _Lowering:
    """One schema on its way down."""

    __slots__ = ("_limit", "_ordered", "_root", "_size", "has_free", "is_recursive", "lost")

    def __init__(self, root: Any, limit: int, *, ordered: bool) -> None:
        self._root = root
        self._limit = limit
        self._ordered = ordered
        self._size = 0
        self.lost: set[str] = set()
        self.is_recursive = False
        self.has_free = False

    def node(self, value: Any, refs: tuple[str, ...], depth: int) -> dict[str, Any]:
        """`refs` are the references on the way here, so that a circle is seen."""
        if not isinstance(value, dict):
            value = {}  # true, false and nonsense: anything goes
        self._spend(1)
        if depth > MAX_DEPTH or self._size > self._limit:
            self.is_recursive = True
            return {"type": "OBJECT"}
        value, refs = self._resolved(value, refs)
        made = {name: item for name, item in value.items() if name in _KEPT and _is_plain(item)}
        self._spend(sum(1 + len(item) // 64 for item in made.values() if isinstance(item, str)))
        self.lost |= {name for name, item in value.items() if name not in made and not _says_nothing(name, item)}
        self._type(value, made)
        self._enum(value, made)
        self._below(value, made, refs, depth + 1)
        self._alternatives(value, made, refs, depth + 1)
        if "type" not in made and "anyOf" not in made:
            self.lost.add("any type")
            made["type"] = "STRING"  # Gemini wants a type, and any value can be written as a text
        if depth and made.get("type") == "OBJECT" and "properties" not in made:
            self.has_free = True
        return _finished(made)

    def _spend(self, size: int) -> None:
        self._size += size

    def _resolved(self, value: dict[str, Any], refs: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """`value` with its $ref put in place and its allOf merged."""
        for _ in range(MAX_DEPTH):
            self._spend(1)
            ref, several = value.get("$ref"), value.get("allOf")
            if self._size > self._limit:
                self.is_recursive = True
                break
            if isinstance(ref, str):
                rest = {name: item for name, item in value.items() if name != "$ref"}
                if ref in refs:
                    self.is_recursive = True
                    return {"type": "object"} | rest, refs
                refs = (*refs, ref)
                value = joined(self._target(ref), rest)
            elif isinstance(several, list) and several:
                value, refs = self._merged(value, several, refs)
            else:
                break
        return value, refs

    def _merged(
        self, value: dict[str, Any], several: list[Any], refs: tuple[str, ...]
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """`value` without its allOf, the branches of which are joined to it; the later one wins."""
        made: dict[str, Any] = {}
        seen = refs
        for branch in several:
            if isinstance(branch, dict):
                resolved, seen_there = self._resolved(branch, refs)
                made = joined(made, resolved)
                seen = (*seen, *(ref for ref in seen_there if ref not in seen))
        return joined(made, {name: item for name, item in value.items() if name != "allOf"}), seen

    def _target(self, ref: str) -> dict[str, Any]:
        """What a reference within the schema points to; {} for any other."""
        found = pointed(self._root, ref)
        if found is None:
            self.lost.add("$ref")
            return {}
        return found

    def _type(self, value: dict[str, Any], made: dict[str, Any]) -> None:
        types = value.get("type")
        listed = types if isinstance(types, list) else [types]
        words = [_TYPES[word.lower()] for word in listed if isinstance(word, str) and word.lower() in _TYPES]
        if "NULL" in words and len(words) > 1:
            made["nullable"] = True
            words.remove("NULL")
        if len(words) == 1:
            made["type"] = words[0]
        elif words:
            made["anyOf"] = [{"type": word} for word in words]
        elif "properties" in value:
            made["type"] = "OBJECT"
        elif "items" in value or "prefixItems" in value:
            made["type"] = "ARRAY"
        if value.get("format") in _FORMATS.get(made.get("type", ""), ()):
            made["format"] = value["format"]

    def _enum(self, value: dict[str, Any], made: dict[str, Any]) -> None:
        listed = [value["const"]] if "const" in value else value.get("enum")
        if not isinstance(listed, list):
            return
        self._spend(len(listed))
        words = [word for word in listed if word is not None]
        if len(words) < len(listed):
            made["nullable"] = True
        if not words:
            return
        if made.get("type", "STRING") == "STRING" and all(isinstance(word, str) for word in words):
            made["type"] = "STRING"
            made["enum"] = [word for word in words if word]  # Gemini refuses the empty text
            return
        told = f"One of {exact.dumps(words).decode()}."
        made["description"] = f"{made['description']} {told}" if "description" in made else told
        made.setdefault("type", _type_of(words[0]))

    def _below(self, value: dict[str, Any], made: dict[str, Any], refs: tuple[str, ...], depth: int) -> None:
        properties = value.get("properties")
        if isinstance(properties, dict) and made.get("type") == "OBJECT":
            if properties:
                made["properties"] = {name: self.node(item, refs, depth) for name, item in properties.items()}
            required = value.get("required")
            wanted = required if isinstance(required, list) else []
            self._spend(len(wanted) + sum(len(name) // 64 for name in properties))
            known = [name for name in wanted if isinstance(name, str) and name in properties]
            if known:
                made["required"] = known
            if self._ordered and len(properties) > 1:
                made["propertyOrdering"] = list(properties)
        if made.get("type") == "ARRAY":
            made["items"] = self._items(value, refs, depth)

    def _items(self, value: dict[str, Any], refs: tuple[str, ...], depth: int) -> dict[str, Any]:
        """A tuple's places become alternatives; Gemini wants items in any case."""
        places = value.get("prefixItems")
        items = value.get("items")
        if isinstance(items, list):  # as drafts before 2020 wrote a tuple
            places, items = items, None
        if isinstance(places, list) and places:
            self.lost.add("prefixItems")
            several = [self.node(place, refs, depth) for place in places]
            distinct = list({exact.dumps(place): place for place in several}.values())
            return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
        return self.node(items, refs, depth)

    def _alternatives(self, value: dict[str, Any], made: dict[str, Any], refs: tuple[str, ...], depth: int) -> None:
        """Beside alternatives Gemini takes no other constraint, so what stands beside them goes into each."""
        several = value.get("anyOf") or value.get("oneOf")
        if not isinstance(several, list):
            return
        beside = {name: item for name, item in value.items() if name not in _DESCRIBING and name not in _ALTERNATIVES}
        branches = [joined(beside, each) if isinstance(each, dict) else each for each in several]
        lowered = [self.node(each, refs, depth) for each in branches]
        fitting = [each for each in lowered if each.get("type") != "NULL"]
        if len(fitting) < len(lowered):
            made["nullable"] = True
        if len(fitting) == 1:
            made |= {name: item for name, item in fitting[0].items() if name not in _DESCRIBING or name not in made}
        elif fitting:
            made["anyOf"] = fitting


def _is_plain(item: Any) -> bool:
    return isinstance(item, str | int | float)


def _says_nothing(name: str, item: Any) -> bool:
    """Handled elsewhere, or true anyway: Gemini's models write no other properties than those that are declared."""
    if name in ("additionalProperties", "unevaluatedProperties"):
        return item is False
    return item is None or name in _HANDLED or name in _SILENT


def _finished(made: dict[str, Any]) -> dict[str, Any]:
    """Beside anyOf only what describes it."""
    if "anyOf" in made:
        return {name: made[name] for name in (*_DESCRIBING, "nullable", "anyOf") if name in made}
    return made


def _type_of(value: Any) -> str:
    for kind, word in ((bool, "BOOLEAN"), (int, "INTEGER"), (float, "NUMBER"), (list, "ARRAY"), (dict, "OBJECT")):
        if isinstance(value, kind):
            return word
    return "STRING"
