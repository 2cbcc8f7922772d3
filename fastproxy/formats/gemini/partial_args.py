"""The arguments of a call that come in pieces (Vertex): JSON paths with values, put together to one object.

{"jsonPath": "$.city", "stringValue": "New ", "willContinue": true}
{"jsonPath": "$.city", "stringValue": "York"}                          →  {"city": "New York"}
"""

from __future__ import annotations

import re
from typing import Any, Final

_STEP: Final = re.compile(r"""\.([^.\[]+)|\[(\d{1,6})\]|\['([^']*)'\]|\["([^"]*)"\]""")
MAX_STEPS: Final = 64


class PartialArguments:
    """One call while it grows."""

    __slots__ = ("_continues", "arguments", "call_id", "name", "signature")

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}
        self.call_id = ""
        self.name = ""
        self.signature: str | None = None
        self._continues = ""  # the path whose text goes on

    def take(self, call: dict[str, Any], signature: str | None) -> bool:
        """Whether the call is whole now."""
        self.name = self.name or call.get("name") or ""
        self.call_id = self.call_id or call.get("id") or ""
        self.signature = signature if signature is not None else self.signature
        if isinstance(call.get("args"), dict):
            self.arguments |= call["args"]
        for piece in call.get("partialArgs") or ():
            self._put(piece)
        return call.get("willContinue") is not True

    def _put(self, piece: dict[str, Any]) -> None:
        path = piece.get("jsonPath") or "$"
        steps = _steps(path)
        if not steps:
            return
        value = _value(piece)
        set_at(self.arguments, steps, value, joins=self._continues == path and isinstance(value, str))
        self._continues = path if piece.get("willContinue") is True else ""


def _value(piece: dict[str, Any]) -> Any:
    for name in ("stringValue", "numberValue", "boolValue"):
        if name in piece:
            value = piece[name]
            return int(value) if isinstance(value, float) and value.is_integer() else value
    return "" if piece.get("willContinue") is True else None


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    for found in _STEP.finditer(path.removeprefix("$")):
        name, place, one, other = found.groups()
        steps.append(int(place) if place is not None else name or one or other or "")
    return steps[:MAX_STEPS]


def set_at(holder: Any, steps: list[str | int], value: Any, *, joins: bool) -> None:
    """Puts `value` where the steps lead; `joins` puts it behind the text that is there."""
    for place, step in enumerate(steps):
        is_last = place == len(steps) - 1
        if isinstance(holder, list):
            step = _extended(holder, step)
        elif isinstance(holder, dict):
            step = str(step)  # JSON knows no other keys
        found = holder.get(step) if isinstance(holder, dict) else holder[step]
        if is_last:
            holder[step] = found + value if joins and isinstance(found, str) else value
        elif not isinstance(found, dict | list):
            holder[step] = [] if isinstance(steps[place + 1], int) else {}
        holder = holder[step]


def _extended(holder: list[Any], step: str | int) -> int:
    """A place in `holder` that is there: the asked one, or a new one at its end."""
    if isinstance(step, int) and step < len(holder):
        return step
    holder.append(None)
    return len(holder) - 1
