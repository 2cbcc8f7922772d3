"""Requests of another format in few words, and what they become for Gemini."""

from __future__ import annotations

from typing import Any

from fastproxy.formats import gemini
from fastproxy.formats.chat import (
    ChatRequest,
    Facts,
    Source,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from fastproxy.formats.notes import Notes

DATA = Source("image/png", data="aGk=")
USER = Turn("user", (Text("q"),))
UNKNOWN = Facts()
LEVEL = Facts(thinking="level")
F = Tool("f", "does f", {"type": "object", "properties": {"a": {"type": "string"}}})
G = Tool("g")


def asked(*turns: Turn, **fields: Any) -> ChatRequest:
    return ChatRequest("openai-chat", "alias", turns or (USER,), {}, **fields)


def written(
    request: ChatRequest, facts: Facts = UNKNOWN, model: str = "gemini-x"
) -> tuple[dict[str, Any], tuple[str, ...]]:
    notes = Notes()
    body, _ = gemini.write_request(request, Target(model, facts), notes)
    return body, notes.report(request, {})


def contents(*turns: Turn, facts: Facts = UNKNOWN) -> list[Any]:
    found: list[Any] = written(asked(*turns), facts)[0]["contents"]
    return found


def config(facts: Facts = UNKNOWN, model: str = "gemini-x", **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """generationConfig, and what got lost."""
    body, lost = written(asked(**fields), facts, model)
    return body.get("generationConfig", {}), lost


def call(call_id: str, name: str = "f", arguments: str = "{}", signature: str | None = None) -> ToolCall:
    return ToolCall(call_id, name, arguments, signature=signature)


def result(call_id: str, text: str = "r", *, is_error: bool = False) -> ToolResult:
    return ToolResult(call_id, (Text(text),) if text else (), is_error)


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def model(*parts: Any) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


Q = {"text": "q"}
A = {"text": "a"}
ASSISTANT = Turn("assistant", (Text("a"),))
