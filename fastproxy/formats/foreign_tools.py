"""What of a function tool another vendor does not take: fields of Anthropic's own, and `strict` where OpenAI means more
by it than the vendor whose client asked.

OpenAI's strict wants every object closed and every property required, and refuses the request otherwise; Anthropic's
and Google's do not. Source: OpenAI's guide to structured outputs, "Supported schemas".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fastproxy.formats.chat import Tool
    from fastproxy.formats.notes import Notes

MAX_DEPTH: Final = 64
_KNOWN: Final = frozenset(("type", "name", "description", "input_schema", "strict", "cache_control"))
_UNSUPPORTED: Final = frozenset(("allOf", "oneOf", "not", "if", "patternProperties", "dependentSchemas"))


def note_extras(tool: Tool, notes: Notes) -> None:
    """Names the fields of Anthropic's that a function of its client's loses elsewhere."""
    original = tool.original
    if original is None or original.format != "anthropic":
        return
    lost = sorted(name for name in original.value.keys() - _KNOWN if original.value[name] is not None)
    if lost:
        notes.change(tool, f"without {', '.join(lost)}"[:200])


def is_strict(tool: Tool, notes: Notes) -> bool | None:
    """`strict` for OpenAI: what its own clients say stays as they say it."""
    if not tool.strict or tool.original is None or tool.original.format not in ("anthropic", "gemini"):
        return tool.strict
    if fits_strict(tool.schema or {}, 0):
        return True
    notes.change(tool, "not strict: OpenAI wants every object closed and every property required")
    return False


def fits_strict(schema: Any, depth: int) -> bool:
    """Whether OpenAI takes a schema as strict."""
    if not isinstance(schema, dict):
        return True
    if depth > MAX_DEPTH or not _UNSUPPORTED.isdisjoint(schema):
        return False
    properties = schema.get("properties")
    if "object" in _types(schema) or isinstance(properties, dict):
        named = properties if isinstance(properties, dict) else {}
        if schema.get("additionalProperties") is not False or not _all_required(named, schema.get("required")):
            return False
    several = schema.get("anyOf")
    below = [schema.get("items"), *(several if isinstance(several, list) else ())]
    for holder in (properties, schema.get("$defs"), schema.get("definitions")):
        below += holder.values() if isinstance(holder, dict) else ()
    return all(fits_strict(each, depth + 1) for each in below)


def _all_required(named: dict[str, Any], required: Any) -> bool:
    words = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    return named.keys() <= words


def _types(schema: dict[str, Any]) -> list[Any]:
    kinds = schema.get("type")
    return kinds if isinstance(kinds, list) else [kinds]
