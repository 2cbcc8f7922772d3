"""Conversations put into the order that a format's rules ask for. Pure; turns and parts keep their originals.

split_system(turns)     the leading and scattered instructions, and the rest
merged(turns, roles)    neighbours of the same role joined into one turn
answered(turns)         every tool result behind its call, in the calls' order, orphans and gaps said
called_names(turns)     call id → name of the tool, for formats whose results need the name
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from fastproxy.formats.chat import Part, Text, ToolCall, ToolResult, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INSTRUCTING = ("system", "developer")


class Split(NamedTuple):
    """Instructions in order; `moved` are those that stood behind another turn."""

    instructions: tuple[Turn, ...]
    rest: tuple[Turn, ...]
    moved: tuple[Turn, ...]


def split_system(turns: Iterable[Turn]) -> Split:
    instructions: list[Turn] = []
    rest: list[Turn] = []
    moved: list[Turn] = []
    for turn in turns:
        if turn.role in INSTRUCTING:
            instructions.append(turn)
            if rest:
                moved.append(turn)
        else:
            rest.append(turn)
    return Split(tuple(instructions), tuple(rest), tuple(moved))


def merged(turns: Iterable[Turn], *, tool_as_user: bool = False) -> tuple[Turn, ...]:
    """Neighbours of one role as one turn. `tool_as_user`: results of tools belong to the user's turn."""
    made: list[Turn] = []
    for turn in turns:
        role = "user" if tool_as_user and turn.role == "tool" else turn.role
        if made and made[-1].role == role and made[-1].name == turn.name:
            made[-1] = Turn(role, made[-1].parts + turn.parts, turn.name)
        elif role == turn.role:
            made.append(turn)
        else:
            made.append(Turn(role, turn.parts, turn.name))
    return tuple(made)


class Answered(NamedTuple):
    """`orphans` are results without a call (kept as text by the caller), `missing` the calls without a result."""

    turns: tuple[Turn, ...]
    orphans: tuple[ToolResult, ...]
    missing: tuple[ToolCall, ...]


def answered(turns: Sequence[Turn]) -> Answered:
    """Tool results directly behind the assistant's turn that called, one turn of role tool, in the calls' order.

    Expects merged turns. A result answers the last call with its id before it, because some vendors use an id again.
    What else stood in the results' turns (a user's text) follows them. Calls of the last turn are not missing an
    answer: the client may be about to send it.
    """
    results, orphans = _matched(turns)
    made: list[Turn] = []
    missing: list[ToolCall] = []
    for place, turn in enumerate(turns):
        rest = tuple(part for part in turn.parts if not isinstance(part, ToolResult))
        if rest or not turn.parts:
            made.append(turn if len(rest) == len(turn.parts) else Turn(turn.role, rest, turn.name))
        calls = [(nth, part) for nth, part in enumerate(turn.parts) if isinstance(part, ToolCall)]
        found = [results[place, nth] for nth, _ in calls if (place, nth) in results]
        if place < len(turns) - 1:
            missing += [call for nth, call in calls if (place, nth) not in results]
        if found:
            made.append(Turn("tool", tuple(found)))
    return Answered(tuple(made), tuple(orphans), tuple(missing))


def _matched(turns: Sequence[Turn]) -> tuple[dict[tuple[int, int], ToolResult], list[ToolResult]]:
    """Results by the place of their call (turn, part), and those without one."""
    results: dict[tuple[int, int], ToolResult] = {}
    orphans: list[ToolResult] = []
    waiting: dict[str, deque[tuple[int, int]]] = {}
    for place, turn in enumerate(turns):
        for nth, part in enumerate(turn.parts):
            if isinstance(part, ToolCall):
                before = waiting.get(part.id)
                if before and before[0][0] == place:  # twice in one turn
                    before.append((place, nth))
                else:
                    waiting[part.id] = deque(((place, nth),))
            elif isinstance(part, ToolResult):
                called = waiting.get(part.call_id)
                if called:
                    results[called.popleft()] = part
                else:
                    orphans.append(part)
    return results, orphans


def called_names(turns: Iterable[Turn]) -> dict[str, str]:
    return {part.id: part.name for turn in turns for part in turn.parts if isinstance(part, ToolCall)}


def plain_text(parts: Iterable[Part]) -> str:
    """The texts of `parts`, joined by line breaks; other kinds are left out."""
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def without(part: Part) -> Part:
    """`part` without its original: it will be written from its words."""
    return replace(part, original=None)
