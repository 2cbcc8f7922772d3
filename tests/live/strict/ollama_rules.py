"""Ollama's /api/chat: what its server refuses, and what the gateway promises beside it.

The server itself is lenient: it reads what it knows and ignores the rest, so what is ignored is refused here. gpt-oss
is told how hard to think, all others whether. Nothing forces a tool; a model that obeys its instructions calls it.
Sources: docs.ollama.com/api/chat, /capabilities/tool-calling, /capabilities/thinking; api/types.go of ollama; 2026-11.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from tests.live.strict import shapes
from tests.live.strict.dialogue import Ask, Refused, Result
from tests.live.strict.rulebook import Request, names_are_good, nothing_is_null, obey

_LEVELS: Final = ("low", "medium", "high")
_MUST: Final = re.compile(r"must call the tool '([^']+)' now")


class Function(TypedDict):
    name: str
    arguments: dict[str, Any]
    index: NotRequired[int]


class ToolCall(TypedDict):
    id: NotRequired[str]
    function: Function


class Message(TypedDict):
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    thinking: NotRequired[str]
    images: NotRequired[list[str]]
    tool_calls: NotRequired[list[ToolCall]]
    tool_name: NotRequired[str]
    tool_call_id: NotRequired[str]


class Declared(TypedDict):
    name: str
    description: str
    parameters: dict[str, Any]


class Tool(TypedDict):
    type: Literal["function"]
    function: Declared


class Options(TypedDict, total=False):
    num_ctx: int
    num_predict: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    seed: int
    stop: list[str]
    presence_penalty: float
    frequency_penalty: float
    repeat_penalty: float


class ChatRequest(TypedDict):
    model: str
    messages: list[Message]
    stream: bool
    tools: NotRequired[list[Tool]]
    format: NotRequired[Any]
    options: NotRequired[Options]
    think: NotRequired[bool | str]
    keep_alive: NotRequired[str | int]
    truncate: NotRequired[bool]
    shift: NotRequired[bool]
    logprobs: NotRequired[bool]
    top_logprobs: NotRequired[int]


def shape_is_the_servers(request: Request) -> str:
    bare = {name: value for name, value in request.body.items() if name not in ("tools", "format")}  # schemas may
    return shapes.fault(request.body, ChatRequest) or next(nothing_is_null(bare), "")


def there_are_messages(request: Request) -> str:
    return "" if request.body["messages"] else "messages: an empty list only loads the model"


def images_are_bare_base64(request: Request) -> str:
    for place, message in enumerate(request.body["messages"]):
        if message.get("images") and message["role"] != "user":
            return f"messages[{place}].images: templates show a user's only"
        if not all(shapes.decoded(image) for image in message.get("images", ())):
            return f"messages[{place}].images: illegal base64 data"
    return ""


def calls_are_answered(request: Request) -> str:
    """Each result behind the message that made its call, in the calls' order, with the tool's name."""
    waiting: list[tuple[str, str]] = []
    for place, message in enumerate(request.body["messages"]):
        if message["role"] == "tool":
            answered = (message.get("tool_call_id", ""), message.get("tool_name", ""))
            if not waiting or waiting.pop(0) != answered:
                return f"messages[{place}]: {answered} is not the next call's result"
            continue
        if waiting:
            return f"messages[{place}]: calls without a result: {waiting}"
        calls = message.get("tool_calls", ())
        if calls and message["role"] != "assistant":
            return f"messages[{place}].tool_calls: only the assistant calls"
        waiting = [(call.get("id", ""), call["function"]["name"]) for call in calls]
    return f"calls without a result: {waiting}" if waiting else ""


def thinking_is_as_issued(request: Request) -> str:
    for message in request.body["messages"]:
        text = message.get("thinking")
        if text and request.issued.text_of(text.encode()) is None:
            return f"thinking is none of ours: {text[:40]!r}"
    return ""


def think_is_of_the_models_kind(request: Request) -> str:
    think = request.body.get("think")
    if isinstance(think, str) and (think not in _LEVELS or not request.model.startswith("gpt-oss")):
        return f"think value {think!r} is not supported for this model"
    return ""


def tools_are_well_formed(request: Request) -> str:
    return names_are_good(tool["function"]["name"] for tool in request.body.get("tools", ()))


def format_is_json_or_a_schema(request: Request) -> str:
    wanted = request.body.get("format", "json")
    return "" if wanted == "json" or isinstance(wanted, dict) else "invalid format: expected 'json' or a JSON schema"


RULES: Final = (
    shape_is_the_servers, there_are_messages, images_are_bare_base64, calls_are_answered, thinking_is_as_issued,
    think_is_of_the_models_kind, tools_are_well_formed, format_is_json_or_a_schema,
)  # fmt: skip


def read(request: Request) -> Ask:
    """What the model understands. Raises: Refused."""
    obey(RULES, request)
    body = request.body
    ask = Ask(
        request.model,
        tools={tool["function"]["name"]: tool["function"]["parameters"] for tool in body.get("tools", ())},
        schema=body["format"] if isinstance(body.get("format"), dict) else None,
        thinks=bool(body.get("think")),
        stream=request.stream,
    )
    calls: list[Function] = []
    system: list[str] = []
    for message in body["messages"]:
        if message["role"] == "system":
            system.append(message["content"])
        else:
            _listen(ask, message, calls)
    ask.system = "\n".join(system)
    if must := _MUST.search(ask.system):
        ask.forced = must[1]
    return ask


def _listen(ask: Ask, message: dict[str, Any], calls: list[Function]) -> None:
    if message["role"] == "tool":
        function = calls.pop(0)
        call_id = message.get("tool_call_id", "")
        ask.results.append(Result(call_id, function["name"], function["arguments"], message["content"]))
        return
    ask.media += [found for image in message.get("images", ()) if (found := shapes.decoded(image)) is not None]
    if message["content"]:
        ask.heard(message["role"], message["content"])
    calls += [call["function"] for call in message.get("tool_calls", ())]


__all__ = ["RULES", "Refused", "read"]
