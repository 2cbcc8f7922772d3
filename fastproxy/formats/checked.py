"""Values of a JSON body, checked where they are read: what was seen, what was expected, and where.

Each function takes an object, a field's name and the path of the object ("messages[2]."; "" on the top level), and
gives the value or None when the field is absent or null. Raises: FormatError "field 'messages[2].role' is a number:
expected a string". A boolean is never taken for a number.
"""

from __future__ import annotations

import contextlib
import math
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

import orjson

from fastproxy.errors import FormatError
from fastproxy.formats import exact

if TYPE_CHECKING:
    from collections.abc import Mapping


_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def load(body: bytes, *, keeps_numbers: bool = True) -> dict[str, Any]:
    """The JSON object that a body is; half of a surrogate pair in it becomes a "?". Raises: FormatError.

    `keeps_numbers`: those that would be written otherwise keep their text (exact.py); not for vectors, which are
    thousands of them.
    """
    try:
        value = exact.loads(body) if keeps_numbers else orjson.loads(body)
    except orjson.JSONDecodeError as error:
        value = repaired(body, error)
    if not isinstance(value, dict):
        raise FormatError(f"the body is {seen(value)}: expected an object")
    return value


def repaired(body: bytes, error: orjson.JSONDecodeError, what: str = "the body") -> Any:
    """JSON with halves of surrogate pairs: texts cut in the middle of an emoji are frequent, and every vendor takes
    them. Raises: FormatError where that is not what `error` is about.
    """
    if _SURROGATE.search(body):
        with contextlib.suppress(ValueError, RecursionError):
            return exact.mended(body)
    raise FormatError(f"{what} is not valid JSON: {error}") from None


def text(holder: Mapping[str, Any], name: str, path: str = "") -> str | None:
    value = holder.get(name)
    return value if value is None or isinstance(value, str) else wrong(path + name, value, "a string")


def boolean(holder: Mapping[str, Any], name: str, path: str = "") -> bool | None:
    value = holder.get(name)
    return value if value is None or isinstance(value, bool) else wrong(path + name, value, "a boolean")


def integer(holder: Mapping[str, Any], name: str, path: str = "", least: int | None = None) -> int | None:
    """A whole number; 3.0 is one."""
    value = holder.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        if value is not None and least is not None and value < least:
            raise FormatError(f"field '{path}{name}' is {value}: expected {least} or more")
        return value
    wrong(path + name, value, "a whole number")


def number(holder: Mapping[str, Any], name: str, path: str = "") -> float | None:
    value = holder.get(name)
    if type(value) is exact.ExactFloat and math.isfinite(value):
        return float(value)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool | exact.ExactFloat)):
        return value
    wrong(path + name, value, "a number")


def mapping(holder: Mapping[str, Any], name: str, path: str = "") -> dict[str, Any] | None:
    value = holder.get(name)
    return value if value is None or isinstance(value, dict) else wrong(path + name, value, "an object")


def array(holder: Mapping[str, Any], name: str, path: str = "") -> list[Any] | None:
    value = holder.get(name)
    return value if value is None or isinstance(value, list) else wrong(path + name, value, "an array")


def needed(value: Any, name: str, expected: str, path: str = "") -> Any:
    """`value`, which must be there."""
    if value is None:
        raise FormatError(f"field '{path}{name}' is missing: expected {expected}")
    return value


def as_mapping(value: Any, path: str) -> dict[str, Any]:
    """An element of an array that must be an object; `path` is its own, "messages[2]"."""
    return value if isinstance(value, dict) else wrong(path, value, "an object")


def wrong(path: str, value: Any, expected: str) -> NoReturn:
    raise FormatError(f"field '{path}' is {seen(value)}: expected {expected}")


def seen(value: Any) -> str:
    """What a value is, in words. Only short strings are quoted: an error holds no more of a client's text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 40 else "a string"
    if isinstance(value, int | float):
        return str(value)
    if value is None:
        return "null"
    return "an array" if isinstance(value, list) else "an object"
