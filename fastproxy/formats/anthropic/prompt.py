"""Instructions and messages of a request, from any client's turns and from an Anthropic client's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastproxy.formats.anthropic.order import write_conversation
from fastproxy.formats.anthropic.words import NAME
from fastproxy.formats.anthropic.write_blocks import Block, BlockWriter, has_made_citation
from fastproxy.formats.chat import Text, Thinking, ToolCall, ToolResult, Turn
from fastproxy.formats.turns import split_system

if TYPE_CHECKING:
    from fastproxy.formats.chat import ChatRequest, Part, Target
    from fastproxy.formats.notes import Notes

Body = dict[str, Any]


def write_prompt(request: ChatRequest, writer: BlockWriter, target: Target, notes: Notes) -> tuple[Any, list[Body]]:
    split = split_system(request.turns)
    for turn in split.moved:
        notes.move(turn, "instructions stand before the conversation")
    blocks: list[Block] = []
    for turn in split.instructions:
        blocks += _instructions(turn, writer, notes)
    system = blocks[0]["text"] if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks
    return system or None, write_conversation(split.rest, writer, notes, prefill=target.facts.prefill)


def _instructions(turn: Turn, writer: BlockWriter, notes: Notes) -> list[Block]:
    for part in turn.parts:
        if not isinstance(part, Text):
            notes.drop(part, "instructions are text")
    return writer.blocks(part for part in turn.parts if isinstance(part, Text))


def write_own_prompt(request: ChatRequest, writer: BlockWriter, target: Target, notes: Notes) -> tuple[Any, list[Body]]:
    """The client's own, but for what another vendor has signed and results that stand in the wrong place."""
    turns, system = list(request.turns), None
    leading: list[Turn] = []
    while turns and turns[0].role in ("system", "developer") and not _is_message(turns[0]):
        leading.append(turns.pop(0))
    if len(leading) == 1 and leading[0].original is not None:
        system = leading[0].original.value
    elif leading:
        system = [block for turn in leading for block in _instructions(turn, writer, notes)]
    messages = [_own_message(turn, writer, notes) for turn in turns]
    return system, [message for message in messages if message is not None]


def _is_message(turn: Turn) -> bool:
    return turn.original is not None and turn.original.format == NAME and isinstance(turn.original.value, dict)


def _own_message(turn: Turn, writer: BlockWriter, notes: Notes) -> Body | None:
    """None where all of it was another vendor's."""
    parts = list(turn.parts)
    if turn.role == "user":
        parts.sort(key=lambda part: not isinstance(part, ToolResult))
    is_sorted = parts == list(turn.parts)
    if turn.original is not None and _is_message(turn) and is_sorted and not any(map(_is_changed, parts)):
        own: Body = turn.original.value
        return own
    if not is_sorted:
        notes.move(turn, "results of tools stand first")
    role = turn.role if turn.role in ("assistant", "system") else "user"
    content = writer.blocks(parts)
    return {"role": role, "content": content} if content else None


def _is_changed(part: Part) -> bool:
    """Whether a part of a client's history holds what the API cannot know."""
    if isinstance(part, Thinking):
        return part.issuer not in ("", NAME)
    return (isinstance(part, Text | ToolCall) and part.signature is not None) or has_made_citation(part)


def has_lost_thoughts(messages: list[Body]) -> bool:
    """Whether the turn that the model goes on with, behind results or as a beginning, has no thought in front."""
    last = next((place for place in reversed(range(len(messages))) if messages[place]["role"] == "assistant"), None)
    if last is None:
        return False
    behind = messages[last + 1]["content"] if last + 1 < len(messages) else [{"type": "tool_result"}]
    content = messages[last]["content"]
    goes_on = isinstance(behind, list) and any(block.get("type") == "tool_result" for block in behind)
    has_thought = isinstance(content, list) and content and content[0]["type"] in ("thinking", "redacted_thinking")
    return goes_on and not has_thought
