"""Whether a JSON value has the shape that a vendor's SDK declares: unknown keys refused, nothing coerced.

pydantic's own adapters would do for Google's models, but the TypedDicts of openai and anthropic are full of `Iterable`,
which pydantic reads lazily and so never checks. This walks the annotations instead and names the JSON path.

    fault(body, CompletionCreateParamsStreaming) → "" or "messages[0].content[1]: unknown field 'detail'"
"""

from __future__ import annotations

import base64
import binascii
import collections.abc
import enum
import typing
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal, NamedTuple, Union

import typing_extensions
from pydantic import BaseModel

_LISTS: Final = (list, collections.abc.Iterable, collections.abc.Sequence, tuple, set)
_REQUIRED: Final = (typing.Required, typing_extensions.Required)
# what the types demand and the API's reference calls optional, with a default
_DEFAULTED: Final = {
    "FunctionToolParam": {"strict", "parameters"},
    "ResponseInputImageParam": {"detail"},
    "ResponseOutputMessageParam": {"id", "status", "type"},
    "ResponseOutputTextParam": {"annotations", "logprobs"},
}
_OPTIONAL: Final = (typing.NotRequired, typing_extensions.NotRequired)


class Fields(NamedTuple):
    """What an object may hold."""

    kinds: dict[str, Any]
    required: frozenset[str]


def fault(value: Any, kind: Any, path: str = "") -> str:
    """The first thing about `value` that `kind` does not allow, "" when there is none."""
    kind = _bare(kind)
    if kind is Any or kind is object:
        return ""
    origin = typing.get_origin(kind)
    if origin is Union or type(kind).__name__ == "UnionType":
        return _of_union(value, typing.get_args(kind), path)
    if origin is Literal:
        allowed = typing.get_args(kind)
        is_allowed = any(value == one and type(value) is type(one) for one in allowed)
        return "" if is_allowed else f"{path}: {_short(value)} is none of {', '.join(map(str, allowed[:12]))}"
    if origin is not None:
        return _of_generic(value, origin, typing.get_args(kind), path)
    if typing_extensions.is_typeddict(kind) or _is_model(kind):
        return _of_object(value, kind, path)
    return "" if _is_plain(value, kind) else f"{path}: {_short(value)} is no {getattr(kind, '__name__', kind)}"


def _bare(kind: Any) -> Any:
    """Without Annotated, Required and NewType around it."""
    while True:
        origin = typing.get_origin(kind)
        if origin in (*_REQUIRED, *_OPTIONAL) or hasattr(kind, "__metadata__"):
            kind = typing.get_args(kind)[0] if origin in (*_REQUIRED, *_OPTIONAL) else kind.__origin__
        elif isinstance(kind, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
            kind = kind.__value__
        else:
            return kind


def _of_union(value: Any, kinds: tuple[Any, ...], path: str) -> str:
    """The fault of the alternative that fits best: the one whose fault lies deepest."""
    faults = [fault(value, kind, path) for kind in _meant(value, kinds)]
    return "" if "" in faults else max(faults, key=_depth)


def _meant(value: Any, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    """The alternatives whose `type` and `role` fit, if there are such: the others' faults would mislead."""
    if not isinstance(value, dict):
        return kinds
    tags = [name for name in ("type", "role") if name in value]
    fitting = tuple(kind for kind in kinds if not typing_extensions.is_typeddict(kind) or _has_tags(value, tags, kind))
    return fitting or kinds


def _has_tags(value: dict[str, Any], tags: list[str], kind: Any) -> bool:
    kinds = fields(kind).kinds
    return all(name in kinds and not fault(value[name], kinds[name]) for name in tags)


def _depth(text: str) -> int:
    where = text.partition(":")[0]
    return where.count(".") + where.count("[")


def _of_generic(value: Any, origin: Any, inner: tuple[Any, ...], path: str) -> str:
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict):
            return f"{path}: {_short(value)} is no object"
        return _first(fault(item, inner[1], f"{path}.{name}") for name, item in value.items())
    if origin in _LISTS or getattr(origin, "__name__", "") == "SequenceNotStr":
        if not isinstance(value, list):
            return f"{path}: {_short(value)} is no list"
        return _first(fault(item, inner[0], f"{path}[{place}]") for place, item in enumerate(value))
    return f"{path}: {_short(value)} is no {origin}"


def _of_object(value: Any, kind: Any, path: str) -> str:
    if not isinstance(value, dict):
        return f"{path}: {_short(value)} is no object"
    kinds, required = fields(kind)
    for name in value:
        if name not in kinds:
            return f"{path}.{name}: unknown field {name!r}"
    for name in required:
        if name not in value:
            return f"{path}.{name}: missing"
    return _first(fault(item, kinds[name], f"{path}.{name}" if path else name) for name, item in value.items())


@cache
def fields(kind: Any) -> Fields:
    """What a TypedDict or a model declares; a model's fields under both names, as protobuf's JSON takes them."""
    if _is_model(kind):
        pairs = {name: field.annotation for name, field in kind.model_fields.items()}
        aliases = {field.alias: field.annotation for field in kind.model_fields.values() if field.alias}
        return Fields({**pairs, **aliases}, frozenset())
    hints = typing_extensions.get_type_hints(kind, include_extras=True)
    said = {name for name, hint in hints.items() if _has_marker(hint, _REQUIRED)}
    unsaid = {name for name in kind.__required_keys__ if not _has_marker(hints[name], _OPTIONAL)}
    return Fields(hints, frozenset((said | unsaid) - _DEFAULTED.get(kind.__name__, set())))


def _has_marker(hint: Any, markers: tuple[Any, ...]) -> bool:
    return typing.get_origin(hint) in markers


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_plain(value: Any, kind: Any) -> bool:
    if kind is None or kind is type(None):
        return value is None
    if not isinstance(kind, type):
        return False
    if issubclass(kind, enum.Enum):
        return isinstance(value, str) and value.upper() in {str(member.value).upper() for member in kind}
    if issubclass(kind, bytes):
        return isinstance(value, str) and is_base64(value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str) if issubclass(kind, datetime) else isinstance(value, kind)


def is_base64(text: str) -> bool:
    """Of either alphabet."""
    return decoded(text) is not None


def decoded(text: str) -> bytes | None:
    """The bytes of standard or URL-safe base64, with or without its padding."""
    try:
        unified = text.rstrip("=").replace("-", "+").replace("_", "/")
        return base64.b64decode(unified + "=" * (-len(unified) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _first(faults: collections.abc.Iterable[str]) -> str:
    return next((found for found in faults if found), "")


def _short(value: Any) -> str:
    return repr(value)[:60]
