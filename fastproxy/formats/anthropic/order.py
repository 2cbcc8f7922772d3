"""Turns of any format put into the order that the Messages API demands.

    user and assistant take turns, a user begins
    behind a turn that calls tools: one user message with a result for each call, in the calls' order, then the rest
    no empty block, no empty message, no white space at the end of a reply's beginning
A result without a call becomes a user's text, a call without a result gets one that says so.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from fastproxy.formats.anthropic.words import GO_ON, LOSSY, NAME, NO_RESULT, PLACEHOLDER
from fastproxy.formats.chat import Document, Image, Part, Text, Thinking, ToolCall, ToolResult, Turn
from fastproxy.formats.turns import is_blank

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastproxy.formats.anthropic.write_blocks import Block, BlockWriter
    from fastproxy.formats.notes import Notes

Message = dict[str, Any]


class Group(NamedTuple):
    """Neighbouring turns of one side."""

    role: str
    turns: list[Turn]
    parts: list[Part]


def write_conversation(turns: Sequence[Turn], writer: BlockWriter, notes: Notes, *, prefill: bool) -> list[Message]:
    plain = _plain(turns)
    if plain is not None:
        return plain
    groups = _groups(turns, notes)
    answers = _Answers(groups, notes)
    messages: list[Message] = []
    for place, group in enumerate(groups):
        if group.role == "assistant":
            results = answers.of(place)  # it may change the ids of calls, so it comes first
            _add(messages, "assistant", writer.blocks(_for_assistant(group.parts, notes)))
            _add(messages, "user", writer.blocks(results))
        else:
            _add_user(messages, group, answers.rest_of(place), writer, notes)
    _begin(messages, notes)
    _finish(messages, notes, prefill=prefill)
    return [_short(message) for message in messages]


def _plain(turns: Sequence[Turn]) -> list[Message] | None:
    """Bare texts in the API's order, as most are: 0.4 us a turn instead of 3. None for any other conversation."""
    made: list[Message] = []
    awaited = "user"
    for turn in turns:
        part = turn.parts[0] if len(turn.parts) == 1 else None
        if turn.role != awaited or turn.name or type(part) is not Text or not _is_bare(part):
            return None
        made.append({"role": awaited, "content": part.text})
        awaited = "assistant" if awaited == "user" else "user"
    return made if awaited == "assistant" else None


def _is_bare(part: Text) -> bool:
    """Whether there is nothing to a text but its letters."""
    if part.cache is not None or part.signature is not None or part.citations or not part.text.strip():
        return False
    return part.original is None or part.original.format != NAME


def _groups(turns: Iterable[Turn], notes: Notes) -> list[Group]:
    groups: list[Group] = []
    for turn in turns:
        role = "assistant" if turn.role == "assistant" else "user"
        if turn.name:
            notes.change(turn, LOSSY["name"])
        if role == "user" and is_blank(turn):
            notes.change(turn, "it is empty")
        if not groups or groups[-1].role != role:
            groups.append(Group(role, [], []))
        groups[-1].turns.append(turn)
        # the API takes thoughts in front of what they led to
        groups[-1].parts.extend(sorted(turn.parts, key=lambda part: not isinstance(part, Thinking)))
    return groups


class _Answers:
    """Results found for calls: the first that stands behind its call and was not used. Ids become unique."""

    __slots__ = ("_groups", "_ids", "_next", "_notes", "_used", "_waiting")

    def __init__(self, groups: Sequence[Group], notes: Notes) -> None:
        self._groups = groups
        self._notes = notes
        self._ids: set[str] = set()
        self._next = defaultdict[str, int](lambda: 2)  # the number that an id's next double gets
        self._used: set[tuple[int, int]] = set()  # group and place in it
        self._waiting: dict[str, deque[tuple[int, int]]] = {}
        for place, group in enumerate(groups):
            for nth, part in enumerate(group.parts):
                if isinstance(part, ToolResult):
                    self._waiting.setdefault(part.call_id, deque()).append((place, nth))

    def of(self, place: int) -> list[ToolResult]:
        parts = self._groups[place].parts
        calls = [(nth, part) for nth, part in enumerate(parts) if isinstance(part, ToolCall)]
        return [self._answer(place, nth, call) for nth, call in calls]

    def _answer(self, place: int, nth: int, call: ToolCall) -> ToolResult:
        result = self._found(place, call)
        if call.id in self._ids:  # the API wants every id once
            call = replace(call, id=self._unused(call.id), original=None)
            self._groups[place].parts[nth] = call
        self._ids.add(call.id)
        return result if result.call_id == call.id else replace(result, call_id=call.id, original=None)

    def _found(self, place: int, call: ToolCall) -> ToolResult:
        waiting = self._waiting.get(call.id)
        while waiting:
            found = waiting.popleft()
            part = self._groups[found[0]].parts[found[1]]
            if found[0] > place and isinstance(part, ToolResult):
                self._used.add(found)
                return part
        self._notes.change(call, "it has no result: one that says so was added")
        return ToolResult(call.id, (Text(NO_RESULT),), is_error=True)

    def _unused(self, call_id: str) -> str:
        while (made := f"{call_id}_{self._next[call_id]}") in self._ids:
            self._next[call_id] += 1
        return made

    def rest_of(self, place: int) -> list[Part]:
        """What no call has taken."""
        return [part for nth, part in enumerate(self._groups[place].parts) if (place, nth) not in self._used]


def _for_assistant(parts: Iterable[Part], notes: Notes) -> Iterable[Part]:
    for part in parts:
        if isinstance(part, Image | Document):
            notes.drop(part, "no files in an assistant's message")
        elif not isinstance(part, ToolResult):
            yield part


def _add_user(messages: list[Message], group: Group, rest: list[Part], writer: BlockWriter, notes: Notes) -> None:
    blocks: list[Block] = []
    for part in rest:
        if isinstance(part, ToolResult):
            blocks += _orphan(part, writer, notes)
        elif (block := writer.block(part)) is not None:
            blocks.append(block)
    is_answered = bool(group.parts) and not rest
    if not blocks and not is_answered:
        notes.change(group.turns[0], "it is empty")
        if not messages or messages[-1]["role"] != "user":
            blocks = [_text(PLACEHOLDER)]
    _add(messages, "user", blocks)


def _orphan(part: ToolResult, writer: BlockWriter, notes: Notes) -> list[Block]:
    notes.change(part, "no call before it: sent as text")
    said = Text(f"Result of the tool call {part.call_id[:64]}:")
    return writer.blocks((said, *(inner for inner in part.parts if isinstance(inner, Text | Image | Document))))


def _add(messages: list[Message], role: str, blocks: list[Block]) -> None:
    if not blocks:
        return
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"] += blocks
    else:
        messages.append({"role": role, "content": blocks})


def _begin(messages: list[Message], notes: Notes) -> None:
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": [_text(PLACEHOLDER)]})
        notes.change("turns", "a user's message was put in front")


def _finish(messages: list[Message], notes: Notes, *, prefill: bool) -> None:
    """A last assistant message is the beginning of the reply, where the model takes one."""
    last = messages[-1]
    if last["role"] != "assistant":
        return
    if last["content"][-1]["type"] == "text":
        text = last["content"][-1]["text"].rstrip()
        last["content"][-1] = {**last["content"][-1], "text": text}
    if not prefill:
        messages.append({"role": "user", "content": [_text(GO_ON)]})
        notes.change("turns", "this model does not go on with an assistant's message")


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _short(message: Message) -> Message:
    """A message that is one plain text, written as a string."""
    content = message["content"]
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        return {"role": message["role"], "content": content[0]["text"]}
    return message
