"""The vendors' rules as named functions: each gives what is wrong, or nothing. The name is what the 400 says."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.live.strict.dialogue import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.live.strict.issued import Issued

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Request:
    """What came: `model` and `stream` are of the path where the vendor has them there."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    issued: Issued
    model: str
    stream: bool


Rule = "Callable[[Request], str]"


def obey(rules: Iterable[Callable[[Request], str]], request: Request) -> None:
    """Raises: Refused, with the first rule that is broken."""
    for rule in rules:
        if text := rule(request):
            raise Refused(rule.__name__, text)


def nothing_is_null(value: Any, path: str = "") -> Iterator[str]:
    """Where a null stands. None of the vendors' clients sends one by itself, and some vendors refuse them."""
    if value is None:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in pairs:
        yield from nothing_is_null(item, f"{path}.{name}")


def is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def names_are_good(names: Iterable[str]) -> str:
    """Each fits the pattern that OpenAI and Anthropic share, and none is there twice."""
    seen: set[str] = set()
    for name in names:
        if not NAME.fullmatch(name) or name in seen:
            return f"the tool name {name[:80]!r} is not of [a-zA-Z0-9_-]{{1,64}} or is there twice"
        seen.add(name)
    return ""


def schema_is_strict(schema: Any, path: str = "schema") -> str:
    """Structured outputs: every object closed, every property required (OpenAI's guide, "Supported schemas")."""
    if not isinstance(schema, dict):
        return ""
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            return f"{path}: 'additionalProperties' is required to be supplied and to be false"
        if set(schema.get("required", ())) != set(schema.get("properties", {})):
            return f"{path}: 'required' is required to be supplied and to hold every key of properties"
    below = {**schema.get("properties", {}), **schema.get("$defs", {}), "items": schema.get("items")}
    faults = (schema_is_strict(one, f"{path}.{name}") for name, one in below.items())
    return next((found for found in faults if found), "")
