"""A request of the Responses API, read into the hub's words. Pure.

    instructions  →  Turn(system), first
    input         →  a string is one Turn(user); of a list each item is a Turn of its own (items.py)

`previous_response_id` and item references name what is stored elsewhere: see history.py.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from fastproxy.formats import checked
from fastproxy.formats.chat import ChatRequest, Original, Text, ToolCall, Turn
from fastproxy.formats.openai_responses.items import read_item, signed_calls
from fastproxy.formats.openai_responses.settings import read_extra, read_settings
from fastproxy.formats.openai_responses.tools import read_choice, read_tools
from fastproxy.formats.openai_responses.words import NAME


def read_request(body: dict[str, Any], *, model: str = "", stream: bool | None = None) -> ChatRequest:
    """Raises: FormatError naming the JSON path of what is wrong."""
    named = model or checked.needed(checked.text(body, "model"), "model", "a string")
    return ChatRequest(
        NAME,
        named,
        _instructions(body) + _input(body),
        body,
        stream=bool(checked.boolean(body, "stream")) if stream is None else stream,
        tools=read_tools(body),
        tool_choice=read_choice(body),
        extra=read_extra(body),
        **read_settings(body),
    )


def _instructions(body: dict[str, Any]) -> tuple[Turn, ...]:
    text = checked.text(body, "instructions")
    return () if text is None else (_said("system", text),)


def _said(role: Any, text: str) -> Turn:
    original = Original(NAME, text)
    return Turn(role, (Text(text, original=original),), original=original)


def _input(body: dict[str, Any]) -> tuple[Turn, ...]:
    value = body.get("input")
    if value is None:
        return ()
    if isinstance(value, str):
        return (_said("user", value),)
    if not isinstance(value, list):
        checked.wrong("input", value, "a string or an array of items")
    turns = [read_item(checked.as_mapping(item, f"input[{n}]"), f"input[{n}]") for n, item in enumerate(value)]
    for place, turn in enumerate(turns):
        if turn.role == "assistant" and len(turn.parts) == 1:
            _sign_text(turns, place)
    signatures = signed_calls(value)
    return tuple(_signed(turn, signatures) for turn in turns) if signatures else tuple(turns)


def _sign_text(turns: list[Turn], place: int) -> None:
    """A signature that its client carried in an item of its own goes back to the text in front of it."""
    part = turns[place].parts[0]
    if not isinstance(part, Text) or part.signature is None or part.text or not place:
        return
    before = turns[place - 1]
    last = before.parts[-1] if before.parts and before.role == "assistant" else None
    if isinstance(last, Text) and last.signature is None:
        turns[place - 1] = replace(before, parts=(*before.parts[:-1], replace(last, signature=part.signature)))
        turns[place] = replace(turns[place], parts=())


def _signed(turn: Turn, signatures: dict[str, str]) -> Turn:
    """A call with the signature that its client carried in an item of its own."""
    part = turn.parts[0] if turn.parts else None
    if not isinstance(part, ToolCall) or part.id not in signatures:
        return turn
    return replace(turn, parts=(replace(part, signature=signatures[part.id]),))
