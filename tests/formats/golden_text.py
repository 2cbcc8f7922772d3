"""JSON for people who read diffs: what fits into a line stands in one; the order and the text of numbers are kept."""

from __future__ import annotations

import json
from typing import Any, Final

from fastproxy.formats.exact import ExactFloat

WIDTH: Final = 140
# they would end a line in editors and in git
_LINE_ENDS: Final = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def text_of(value: Any) -> str:
    return _said(value, 0).translate(_LINE_ENDS) + "\n"


def _said(value: Any, depth: int) -> str:
    line = _line(value)
    if not value or not isinstance(value, dict | list) or len(line) + depth <= WIDTH:
        return line
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        items = [f"{pad}{_line(key)}: {_said(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + "\n" + " " * depth + "}"
    return "[\n" + ",\n".join(pad + _said(item, depth + 1) for item in value) + "\n" + " " * depth + "]"


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_line(key)}: {_line(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_line, value)) + "]"
    return value.text if isinstance(value, ExactFloat) else json.dumps(value, ensure_ascii=False)
