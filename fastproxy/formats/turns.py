"""Conversations put into the order that a format's rules ask for. Pure; turns and parts keep their originals.

split_system(turns)     the leading and scattered instructions, and the rest
merged(turns, roles)    neighbours of the same role joined into one turn
answered(turns)         every tool result behind its call, in the calls' order, orphans and gaps said
called_names(turns)     call id → name of the tool, for formats whose results need the name
"""

from __future__ import annotations

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

    Expects merged turns. What else stood in the results' turns (a user's text) follows them. Calls of the last turn
    are not missing an answer: the client may be about to send it.
    """
    results = {part.call_id: part for turn in turns for part in turn.parts if isinstance(part, ToolResult)}
    made: list[Turn] = []
    used: set[str] = set()
    missing: list[ToolCall] = []
    for place, turn in enumerate(turns):
        rest = tuple(part for part in turn.parts if not isinstance(part, ToolResult))
        if rest or not turn.parts:
            made.append(turn if len(rest) == len(turn.parts) else Turn(turn.role, rest, turn.name))
        calls = [part for part in turn.parts if isinstance(part, ToolCall)]
        found = [results[call.id] for call in calls if call.id in results and call.id not in used]
        used |= {part.call_id for part in found}
        if place < len(turns) - 1:
            missing += [call for call in calls if call.id not in results]
        if found:
            made.append(Turn("tool", tuple(found)))
    orphans = tuple(part for key, part in results.items() if key not in used)
    return Answered(tuple(made), orphans, tuple(missing))


def called_names(turns: Iterable[Turn]) -> dict[str, str]:
    return {part.id: part.name for turn in turns for part in turn.parts if isinstance(part, ToolCall)}


def plain_text(parts: Iterable[Part]) -> str:
    """The texts of `parts`, joined by line breaks; other kinds are left out."""
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def without(part: Part) -> Part:
    """`part` without its original: it will be written from its words."""
    return replace(part, original=None)
