"""Bodies judged by the vendors' own SDK types: unknown fields, wrong types and missing fields are told by path.

The SDKs' request types are TypedDicts that ignore what they do not know, so what they kept is compared with what went
in. `MORE` are the fields that we send although the SDK has no word for them, each with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from anthropic.types import Message, MessageCreateParams, RawMessageStreamEvent
from google.genai import types as google
from openai.types.chat import ChatCompletion, ChatCompletionChunk, CompletionCreateParams
from openai.types.responses import Response, ResponseCreateParams, ResponseStreamEvent
from pydantic import TypeAdapter, ValidationError

MORE: Final[Mapping[str, frozenset[str]]] = {
    # DeepSeek's and OpenRouter's fields for thoughts; top_k of vLLM and others
    "openai-chat": frozenset(("reasoning_content", "reasoning_details", "top_k")),
    "openai-responses": frozenset(),
    # version 2023-06-01 still takes them; the SDK speaks the newest
    "anthropic": frozenset(("temperature", "top_p", "top_k")),
}
_REQUESTS: Final = {
    "openai-chat": CompletionCreateParams,
    "openai-responses": ResponseCreateParams,
    "anthropic": MessageCreateParams,
}
_GOOGLE: Final[Mapping[str, Any]] = {
    "contents": list[google.Content],
    "systemInstruction": google.Content,
    "tools": list[google.Tool],
    "toolConfig": google.ToolConfig,
    "safetySettings": list[google.SafetySetting],
    "generationConfig": google.GenerationConfig,
    "cachedContent": str,
    "labels": dict[str, str],
    "serviceTier": str,
    "store": bool,
}
_REPLIES: Final = {
    "openai-chat": ChatCompletion,
    "openai-responses": Response,
    "anthropic": Message,
    "gemini": google.GenerateContentResponse,
}
_EVENTS: Final = {
    "openai-chat": ChatCompletionChunk,
    "openai-responses": ResponseStreamEvent,
    "anthropic": RawMessageStreamEvent,
    "gemini": google.GenerateContentResponse,
}


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def check_request(name: str, body: dict[str, Any]) -> None:
    """Raises: AssertionError."""
    if name == "gemini":
        unknown = body.keys() - _GOOGLE.keys()
        assert not unknown, f"unknown fields {sorted(unknown)}"
        for key, value in body.items():
            _checked(_GOOGLE[key], value)
        return
    bare = _without(body, MORE[name])
    if name == "openai-responses":
        bare = _with_ids(bare)
    kept = _checked(_REQUESTS[name], bare)
    lost = list(_lost(bare, kept, ""))
    assert not lost, f"the SDK has no word for {lost}"


def check_reply(name: str, body: dict[str, Any]) -> Any:
    """The SDK's object."""
    return _checked(_REPLIES[name], body)


def check_event(name: str, value: Any) -> Any:
    """The SDK's object. Its type of a chunk knows no custom tools, whose calls the API streams all the same."""
    if name == "openai-chat":
        value = _functions_only(value)
    return _checked(_EVENTS[name], value)


def _checked(kind: Any, value: Any) -> Any:
    """What the SDK makes of it. Of a union's hundred complaints those that got deepest are told."""
    try:
        return _read_out(_adapter(kind).validate_python(value))
    except ValidationError as error:
        worst = sorted(error.errors(), key=lambda one: -len(one["loc"]))[:3]
        told = [f"{'.'.join(str(step) for step in one['loc'])}: {one['msg']}: {one['input']!r:.200}" for one in worst]
    raise AssertionError("\n".join([f"{value!r:.1500}", *told]))


def _with_ids(body: dict[str, Any]) -> dict[str, Any]:
    """The API takes an assistant's message without the id and status that its type asks for."""
    if not isinstance(body.get("input"), list):
        return body
    filled = {"id": "msg_1", "status": "completed"}
    items = [filled | item if item.get("role") == "assistant" else item for item in body["input"]]
    return body | {"input": items}


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, names) for key, item in value.items() if key not in names}
    return [_without(item, names) for item in value] if isinstance(value, list) else value


def _functions_only(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = [
        choice | {"delta": choice["delta"] | {"tool_calls": [call for call in calls if "custom" not in call]}}
        if (calls := choice["delta"].get("tool_calls")) is not None
        else choice
        for choice in chunk["choices"]
    ]
    return chunk | {"choices": choices}


def _read_out(value: Any) -> Any:
    """`value` with every lazy Iterable read, which is when pydantic checks its items."""
    if isinstance(value, dict):
        return {key: _read_out(item) for key, item in value.items()}
    if isinstance(value, str | bytes | int | float | bool | None):
        return value
    return [_read_out(item) for item in value] if isinstance(value, list | tuple | Iterator) else value


def _lost(given: Any, kept: Any, path: str) -> Iterator[str]:
    """The paths of fields that were given and not kept."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            if key not in kept:
                yield f"{path}.{key}"
            else:
                yield from _lost(value, kept[key], f"{path}.{key}")
    elif isinstance(given, list) and isinstance(kept, list):
        for place, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from _lost(one, other, f"{path}[{place}]")
