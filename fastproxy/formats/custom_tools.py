"""Custom tools (free text in, perhaps held to a grammar) for formats that have only function tools.

    custom tool {name, description, format}  →  function with one string field, `input`
    call {"input": "free text"}              →  "free text"

OpenAI has both kinds. Elsewhere the model gets the function, and its call goes back to the client without the wrapping.
Pure. Source: openai 3.54, types/responses/custom_tool.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from fastproxy.formats.chat import Tool

FIELD: Final = "input"
MAX_GRAMMAR_CHARS: Final = 4000  # of a grammar that is told in a description


def wrap_custom(tool: Tool) -> dict[str, Any]:
    """The JSON schema of the function that stands for a custom tool; its grammar is told in words."""
    described: dict[str, Any] = {"type": "string", "description": _described(tool)}
    return {"type": "object", "properties": {FIELD: described}, "required": [FIELD], "additionalProperties": False}


def wrap_input(text: str) -> str:
    """Arguments of that function, from the free text of a call in the history."""
    return orjson.dumps({FIELD: text.encode("utf-8", "replace").decode()}).decode()


def unwrap_input(arguments_json: str) -> str:
    """The free text in the arguments that a model wrote; arguments of another shape are the text as they are."""
    try:
        value = orjson.loads(arguments_json)
    except orjson.JSONDecodeError:
        return arguments_json
    if isinstance(value, dict) and isinstance(value.get(FIELD), str):
        found: str = value[FIELD]
        return found
    return value if isinstance(value, str) else arguments_json


def _described(tool: Tool) -> str:
    grammar = tool.grammar or {}
    # chat puts a grammar one level deeper than Responses
    inner = grammar.get("grammar")
    found = inner if isinstance(inner, dict) else grammar
    definition, syntax = found.get("definition"), found.get("syntax")
    if not isinstance(definition, str):
        return "The tool's whole input as plain text."
    return (
        f"The tool's whole input as plain text. It must match this {syntax} grammar:\n{definition[:MAX_GRAMMAR_CHARS]}"
    )
