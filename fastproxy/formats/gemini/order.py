"""The turns of a conversation in the order that Gemini asks for: user and model in turn, calls answered at once.

    assistant [text, call a, call b]         model [text, call a, call b]
    tool b, tool a, user [text]         →    user  [result a, result b, text]

A result without its call becomes text where it stood; a call without a result, unless it is the last word, gets one
that says so. Ids may repeat in a conversation, so results are looked for only behind the turn that called.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from fastproxy.formats.chat import Part, Text, ToolCall, ToolResult, Turn
from fastproxy.formats.gemini.words import LOSSY
from fastproxy.formats.turns import is_blank, plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastproxy.formats.notes import Notes

PLACEHOLDER: Final = "…"


class Answer(NamedTuple):
    """Results in the order of the calls, and what else the user said."""

    results: tuple[ToolResult, ...]
    rest: tuple[Part, ...]


def conversation(turns: Sequence[Turn], notes: Notes) -> list[Turn]:
    """Turns of roles user and assistant, beginning with a user's."""
    ordered: list[Turn] = []
    calls: list[ToolCall] = []
    for is_model, parts in _alternating(turns, notes):
        if is_model:
            ordered.append(Turn("assistant", tuple(parts)))
            calls = [part for part in parts if isinstance(part, ToolCall)]
            continue
        answer = answer_to(calls, parts, notes)
        calls = []
        ordered.append(Turn("user", answer.results + answer.rest))
    return _begun(ordered, notes)


def _alternating(turns: Sequence[Turn], notes: Notes) -> list[tuple[bool, list[Part]]]:
    """Neighbours of one role joined; results of tools are the user's."""
    made: list[tuple[bool, list[Part]]] = []
    for turn in turns:
        if turn.name is not None:
            notes.change(turn, LOSSY["name"])
        is_model = turn.role == "assistant"
        if not is_model and is_blank(turn):
            notes.change(turn, "it is empty")
        if not made or made[-1][0] != is_model:
            made.append((is_model, []))
        made[-1][1].extend(turn.parts)
    return made


def _begun(turns: list[Turn], notes: Notes) -> list[Turn]:
    """With a user's turn in front: Gemini takes no other beginning, and nothing at all is none."""
    if turns and turns[0].role == "user":
        return turns
    notes.change("turns", "a user's turn was put in front")
    return [Turn("user", (Text(PLACEHOLDER),)), *turns]


def answer_to(calls: Sequence[ToolCall], parts: Sequence[Part], notes: Notes) -> Answer:
    waiting: dict[str, deque[ToolResult]] = {}
    for part in parts:
        if isinstance(part, ToolResult):
            waiting.setdefault(part.call_id, deque()).append(part)
    results: list[ToolResult] = []
    for call in calls:
        queue = waiting.get(call.id)
        if queue:
            found = queue.popleft()
            results.append(found if found.name == call.name else replace(found, name=call.name))
        else:
            notes.change(call, "it has no result")
            results.append(ToolResult(call.id, (Text("no result"),), is_error=True, name=call.name))
    orphans = {id(result) for queue in waiting.values() for result in queue}
    rest: list[Part] = []
    for part in parts:
        if not isinstance(part, ToolResult):
            rest.append(part)
        elif id(part) in orphans:
            notes.change(part, "a result without its call: sent as text")
            rest += _as_text(part)
    return Answer(tuple(results), tuple(rest))


def _as_text(result: ToolResult) -> list[Part]:
    name = f" {result.name}" if result.name else ""
    others = [part for part in result.parts if not isinstance(part, Text)]
    return [Text(f"Result of the tool{name}: {plain_text(result.parts)}"), *others]


def current_from(turns: Sequence[Turn]) -> int:
    """Where the steps of the current turn begin: behind the last user's turn that is more than results."""
    for place in range(len(turns) - 1, -1, -1):
        turn = turns[place]
        if turn.role == "user" and any(not isinstance(part, ToolResult) for part in turn.parts):
            return place + 1
    return 0
