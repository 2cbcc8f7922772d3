"""Checks of single JSON values. The rules are those of the configuration file (config.values, config.urls); what is
added here is only what JSON makes possible: other types, control characters, sizes without an end.

Each takes a value as a JSON parser gives it and returns it in the form in which it is kept, or raises ValueError with
what was expected. Secrets are never repeated.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from fastproxy.config import urls, values

if TYPE_CHECKING:
    from collections.abc import Callable

    Rule = Callable[[Any], Any]

MOST_ITEMS: Final = 1000  # of a list or a map
MOST_FREE: Final = 64 << 10  # characters of free JSON, as text
DEEPEST: Final = 16
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_END_OF_TIME: Final = 253_402_300_800  # seconds; the year 10000, which ISO dates do not know
_LONGEST_NAME: Final = 64
_LONGEST_WORD: Final = 256
_LONGEST_SECRET: Final = 16 << 10  # a service account's JSON has 2,400 characters
_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TAG: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:@+-]{0,62}[A-Za-z0-9])?", re.ASCII)
_CHANNEL: Final = re.compile(r"[!-.0-~](?:[ -.0-~]{0,62}[!-.0-~])?", re.ASCII)  # no slash: it parts names in addresses
_MODEL: Final = re.compile(r"[!-~]{1,256}", re.ASCII)


def seen(value: object) -> str:
    """A value's kind, as an error names it: the value itself could be a secret."""
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return "null" if value is None else kinds.get(type(value), "something else")


def _text(value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, seen {seen(value)}")
    if len(value) > longest:
        raise ValueError(f"expected at most {longest} characters, seen {len(value)}")
    return value


def text(parser: Callable[[str], Any], longest: int = _LONGEST_WORD) -> Rule:
    """Text that a parser of the configuration takes."""
    return lambda value: parser(_text(value, longest))


def few(value: Any) -> Any:
    """Before the parts of a map are looked at one by one: a megabyte of them would take seconds."""
    if isinstance(value, dict) and len(value) > MOST_ITEMS:
        raise ValueError(f"expected at most {MOST_ITEMS}, seen {len(value)}")
    return value


def note(value: object) -> str:
    """Anything on one line, also nothing."""
    found = _text(value, 1000)
    return values.parse_text(found) if found else ""


def name(value: object) -> str:
    """Of a group or key: what people write, on one line, and nothing that an id or an address could be taken for."""
    found = values.parse_text(_text(value, _LONGEST_NAME))
    if found != found.strip() or "/" in found:
        raise ValueError("expected a name without '/' and without spaces around it")
    if _ID.fullmatch(found):
        raise ValueError("expected a name that does not look like an id")
    return found


def channel_name(value: object) -> str:
    """It travels in header fields of replies."""
    found = name(value)
    if not _CHANNEL.fullmatch(found):
        raise ValueError("expected a name of printable ASCII, because replies carry it in a header")
    return found


def model_name(value: object) -> str:
    found = _text(value, _LONGEST_WORD)
    if not _MODEL.fullmatch(found) or _ID.fullmatch(found):
        raise ValueError("expected a model's name: visible ASCII without spaces")
    return found


def pattern(value: object) -> str:
    """A model's name; `*` stands for any characters."""
    found = _text(value, _LONGEST_WORD)
    if not _MODEL.fullmatch(found):
        raise ValueError("expected a model's name or a pattern like gpt-*: visible ASCII without spaces")
    return found


def tag(value: object) -> str:
    """The name of a set of channels, or another word."""
    found = _text(value, _LONGEST_NAME)
    if not _TAG.fullmatch(found):
        raise ValueError("expected a word of at most 64 letters, digits and . _ : @ + -")
    return found


def whole(low: int, high: int) -> Rule:
    def check(value: object) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)  # JSON knows one kind of number; some writers end whole ones with .0
        if type(value) is not int:
            raise ValueError(f"expected a whole number, seen {seen(value)}")
        if not low <= value <= high:
            raise ValueError(f"out of range; expected {low} to {high}")
        return value

    return check


def number(low: float, high: float = 1e15) -> Rule:
    def check(value: object) -> float:
        if type(value) not in (int, float):
            raise ValueError(f"expected a number, seen {seen(value)}")
        if not low <= value <= high:  # type: ignore[operator]  # whose kind the line above has made sure of
            raise ValueError(f"out of range; expected {low:g} to {high:g}")
        return float(value)  # type: ignore[arg-type]  # as above

    return check


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, seen {seen(value)}")
    return value


def duration(low: float, high: float) -> Rule:
    """Seconds, as a number or as in the file ("30s", "2m")."""
    bounded = values.duration(low, high)

    def check(value: object) -> float:
        if type(value) in (int, float):
            return float(number(low, high)(value))
        return bounded(_text(value, 40))

    return check


def size(low: int, high: int) -> Rule:
    """Bytes, as a number or as in the file ("64KiB")."""
    bounded = values.size(low, high)

    def check(value: object) -> int:
        return bounded(value) if isinstance(value, str) and len(value) <= 40 else int(whole(low, high)(value))

    return check


def moment(value: object) -> int:
    """Unix milliseconds from ISO 8601 text (UTC where it has no offset) or from Unix seconds."""
    if type(value) in (int, float):
        # before it becomes a float: JSON has whole numbers that no float can hold; nor is NaN in the range
        if not 0 <= value < _END_OF_TIME - 1:  # type: ignore[operator]  # whose kind the line above has made sure of
            raise ValueError("not a moment in Unix seconds; milliseconds have to be divided by 1000")
        return round(float(value) * 1000)  # type: ignore[arg-type]  # as above
    found = (datetime.fromisoformat(values.parse_expires(_text(value, 64))) - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= found < _END_OF_TIME * 1000:
        raise ValueError("expected a date from 1970 to 9999")
    return found


def write_moment(ms: int) -> str:
    """The inverse of `moment`, in UTC. Whole milliseconds: a float of seconds would lose the last one."""
    part = "milliseconds" if ms % 1000 else "seconds"
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec=part).replace("+00:00", "Z")


def secret(value: object) -> str:
    """A credential at an upstream."""
    return urls.parse_upstream_key(_text(value, _LONGEST_SECRET))


def free(value: object) -> Any:
    """JSON that is not ours to judge, as far as it can be stored and sent on anywhere."""
    budget = [MOST_FREE]
    _walk(value, DEEPEST, budget)
    return value


def _walk(value: object, depth: int, budget: list[int]) -> None:
    if depth == 0:
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    budget[0] -= len(value) if isinstance(value, str) else 8
    if budget[0] < 0:
        raise ValueError(f"longer than {MOST_FREE} characters")
    if isinstance(value, dict | list):
        for part in (*value, *value.values()) if isinstance(value, dict) else value:
            _walk(part, depth - 1, budget)
    else:
        _leaf(value)


def _leaf(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is not finite")
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise ValueError("a number has more than 64 bits")
    if isinstance(value, str) and ("\0" in value or not _is_unicode(value)):
        raise ValueError("a text holds a NUL or half of a character")


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
