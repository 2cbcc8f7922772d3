"""Requests of no format in particular, as tests of the writer need them."""

from __future__ import annotations

from typing import Any

from fastproxy.formats.chat import ChatRequest, Part, Target, Text, Tool, ToolCall, ToolResult, Turn
from fastproxy.formats.notes import Notes
from fastproxy.formats.openai_responses import write_request

HELLO = Turn("user", (Text("hi"),))
TOOL = Tool("f", "does", {"type": "object"})
PATCH = Tool("patch", kind="custom", grammar={"type": "grammar", "syntax": "lark", "definition": "start: /x/"})
FIXED: dict[str, Any] = {"model": "m", "include": ["reasoning.encrypted_content"], "store": False}


def asked(*turns: Turn, **fields: Any) -> ChatRequest:
    return ChatRequest("anthropic", "claude", turns or (HELLO,), {}, **fields)


def written(request: ChatRequest, notes: Notes | None = None, **target: Any) -> dict[str, Any]:
    return write_request(request, Target("m", **target), notes if notes is not None else Notes())[0]


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


CALLED = Turn("assistant", (ToolCall("c1", "f", '{"a":1.0}'),))
ANSWERED = user(ToolResult("c1", (Text("21"),)))
