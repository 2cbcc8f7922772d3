"""OpenAI's chat completions: what they refuse. Sources: the SDK's types and docstrings, the API reference, the guides
on function calling, structured outputs and reasoning, and the texts of the API's own 400s ("An assistant message with
'tool_calls' must be followed by tool messages responding to each 'tool_call_id'").

`reasoning_content` in an assistant's message is the extension of those who speak this format and let the thoughts of
their model be seen; it comes back as it was issued, or not at all.
"""

from __future__ import annotations

import json
from typing import Any, Final

from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)

from tests.live.strict import shapes
from tests.live.strict.dialogue import Ask, Refused, Result
from tests.live.strict.rulebook import Request, is_json_object, names_are_good, obey, schema_is_strict

Message = dict[str, Any]
_REASONS: Final = ("gpt-5", "o1", "o3", "o4")  # models that think, and so take no sampling and no max_tokens


def shape_is_the_sdks(request: Request) -> str:
    kind = CompletionCreateParamsStreaming if request.body.get("stream") else CompletionCreateParamsNonStreaming
    messages = request.body.get("messages")
    if not isinstance(messages, list):
        return "messages: missing"
    bare = [_without_echo(message) for message in messages]
    return shapes.fault({**request.body, "messages": bare}, kind)


def _without_echo(message: Any) -> Any:
    """The guides send back a reply's message as it is, so the API takes the fields that only replies have."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return message
    return {name: value for name, value in message.items() if name not in ("reasoning_content", "annotations")}


def reasoning_is_as_issued(request: Request) -> str:
    for message in request.body["messages"]:
        text = message.get("reasoning_content")
        if text and request.issued.text_of(text.encode()) is None:
            return f"reasoning_content is none of ours: {text[:40]!r}"
    return ""


def there_are_messages(request: Request) -> str:
    return "" if request.body["messages"] else "messages: empty array. Expected an array with minimum length 1"


def calls_are_answered(request: Request) -> str:
    """Every one, right behind the message that made it, and nothing answered that was not asked."""
    open_ids: list[str] = []
    for place, message in enumerate(request.body["messages"]):
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_ids:
                return f"messages[{place}]: 'tool' must be a response to a preceding message with 'tool_calls'"
            open_ids.remove(message["tool_call_id"])
            continue
        if open_ids:
            return f"messages[{place}]: tool_call_ids without response: {open_ids}"
        open_ids = [call["id"] for call in message.get("tool_calls", ())]
        if len(set(open_ids)) != len(open_ids):
            return f"messages[{place}].tool_calls: ids are there twice: {open_ids}"
    return f"messages: tool_call_ids without response: {open_ids}" if open_ids else ""


def calls_are_text(request: Request) -> str:
    for place, message in enumerate(request.body["messages"]):
        for call in message.get("tool_calls", ()):
            if len(call["id"]) > 64:
                return f"messages[{place}]: tool call id is longer than 64"
            if call["type"] == "function" and not is_json_object(call["function"]["arguments"]):
                return f"messages[{place}]: arguments are not the JSON text of an object"
        if message.get("tool_calls") == []:
            return f"messages[{place}].tool_calls: empty array"
    return ""


def assistants_say_something(request: Request) -> str:
    for place, message in enumerate(request.body["messages"]):
        if message["role"] == "assistant" and not any(message.get(name) is not None for name in (
            "content", "tool_calls", "function_call", "refusal", "audio"
        )):  # fmt: skip
            return f"messages[{place}]: content is required unless tool_calls are there"
    return ""


def tools_are_well_formed(request: Request) -> str:
    tools = request.body.get("tools")
    if not tools:
        given = [name for name in ("tool_choice", "parallel_tool_calls") if name in request.body]
        if tools == []:
            return "tools: empty array"
        return f"'{given[0]}' is only allowed when 'tools' are specified" if given else ""
    functions = [tool["function"] for tool in tools if tool["type"] == "function"]
    for function in functions:
        if function.get("strict") and (text := schema_is_strict(function.get("parameters"))):
            return f"Invalid schema for function '{function['name']}': {text}"
        if function.get("parameters", {"type": "object"}).get("type") != "object":
            return f"Invalid schema for function '{function['name']}': schema must be of type 'object'"
    names = [function["name"] for function in functions]
    choice = request.body.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] == "function" and choice["function"]["name"] not in names:
        return f"tool_choice: {choice['function']['name']!r} is not among the tools"
    return names_are_good(names)


def limits_are_of_the_models_kind(request: Request) -> str:
    body, reasons = request.body, request.model.startswith(_REASONS)
    if reasons and "max_tokens" in body:
        return "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'"
    if reasons and (body.get("temperature", 1) != 1 or body.get("top_p", 1) != 1 or "stop" in body):
        return "Unsupported parameter: temperature, top_p and stop are not supported with this model"
    if not 0 <= body.get("temperature", 1) <= 2:
        return "temperature: expected a value <= 2"
    return "" if len(body.get("stop") or ()) <= 4 or isinstance(body["stop"], str) else "stop: at most 4"


def schema_is_well_formed(request: Request) -> str:
    wanted = request.body.get("response_format", {})
    if wanted.get("type") != "json_schema":
        return ""
    fault = names_are_good([wanted["json_schema"]["name"]])
    return fault or (
        schema_is_strict(wanted["json_schema"].get("schema")) if wanted["json_schema"].get("strict") else ""
    )


def stream_options_need_a_stream(request: Request) -> str:
    lonely = "stream_options" in request.body and not request.stream
    return "The 'stream_options' parameter is only allowed when 'stream' is enabled." if lonely else ""


RULES: Final = (
    shape_is_the_sdks, there_are_messages, reasoning_is_as_issued, calls_are_text, calls_are_answered,
    assistants_say_something, tools_are_well_formed, limits_are_of_the_models_kind, schema_is_well_formed,
    stream_options_need_a_stream,
)  # fmt: skip


def read(request: Request) -> Ask:
    """What the model understands. Raises: Refused."""
    obey(RULES, request)
    body = request.body
    functions = [tool for tool in body.get("tools", ()) if tool["type"] == "function"]
    wanted = body.get("response_format", {}).get("json_schema", {})
    ask = Ask(
        request.model,
        tools={one["function"]["name"]: one["function"].get("parameters") for one in functions},
        forced=_forced(body.get("tool_choice")),
        schema=wanted.get("schema"),
        thinks=body.get("reasoning_effort") in ("minimal", "low", "medium", "high", "xhigh", "max"),
        stream=request.stream,
        usage_in_stream=bool((body.get("stream_options") or {}).get("include_usage")),
    )
    calls: dict[str, dict[str, Any]] = {}
    system: list[str] = []
    for message in body["messages"]:
        if message["role"] in ("system", "developer"):
            system.append(_text(ask, message))
        else:
            _listen(ask, message, calls)
    ask.system = "\n".join(system)
    return ask


def _forced(choice: Any) -> str | None:
    if isinstance(choice, dict):
        named: dict[str, Any] = choice.get("function") or choice.get("custom") or {}
        return named.get("name")
    return "*" if choice == "required" else None


def _listen(ask: Ask, message: Message, calls: dict[str, dict[str, Any]]) -> None:
    text = _text(ask, message)
    if message["role"] == "tool":
        function = calls[message["tool_call_id"]]
        arguments = json.loads(function.get("arguments", "{}"))
        ask.results.append(Result(message["tool_call_id"], function["name"], arguments, text))
        return
    if text:
        ask.heard(message["role"], text)
    calls.update({call["id"]: call.get("function") or call["custom"] for call in message.get("tool_calls", ())})


def _text(ask: Ask, message: Message) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    for part in content:
        if part["type"] == "image_url":
            ask.media.append(inline(part["image_url"]["url"]))
        elif part["type"] == "file":
            ask.media.append(inline(part["file"].get("file_data", "")))
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def inline(url: str) -> bytes:
    """The bytes of a data URL; an address on the web, which the vendor would fetch, stands for itself."""
    if url.startswith(("https://", "http://")):
        return url.encode()
    head, _, data = url.partition(",")
    found = shapes.decoded(data)
    if not head.startswith("data:") or not head.endswith(";base64") or not found:
        raise Refused("media_is_inline", f"this vendor cannot fetch {url[:40]!r}")
    return found
