"""JSON Schemas taken apart, as several formats need it. Pure; nothing is followed outside of a schema.

joined(one, other)         both at once, as allOf means them
pointed(root, "#/$defs/a")   what a reference means
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = dict[str, Any]


def joined(one: Schema, other: Schema) -> Schema:
    """Both at once: properties and required of both, else the second's word."""
    made = one | other
    if isinstance(one.get("properties"), dict) and isinstance(other.get("properties"), dict):
        made["properties"] = one["properties"] | other["properties"]
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        both = (*one["required"], *other["required"])
        made["required"] = list(dict.fromkeys(name for name in both if isinstance(name, str)))
    return made


def pointed(root: Mapping[str, Any], reference: str) -> Schema | None:
    """What a reference within the schema points to; None for any other."""
    found: Any = root if reference.startswith("#") else None
    for step in reference[1:].strip("/").split("/"):
        if step:
            found = _step(found, step.replace("~1", "/").replace("~0", "~"))
    return found if isinstance(found, dict) else None


def _step(found: Any, name: str) -> Any:
    if isinstance(found, dict):
        return found.get(name)
    if isinstance(found, list) and name.isdecimal() and len(name) < 10 and int(name) < len(found):
        return found[int(name)]
    return None
