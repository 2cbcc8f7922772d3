"""OpenAI's Responses: what they refuse. Sources: the SDK's types and docstrings, the guides on reasoning, conversation
state and function calling, and the texts of the API's own 400s ("No tool output found for function call call_…",
"The encrypted content … could not be verified", "Item 'rs_…' of type 'reasoning' was provided without its required
following item")."""

from __future__ import annotations

import json
from typing import Any, Final

from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)

from tests.live.strict import shapes
from tests.live.strict.dialogue import Ask, Result
from tests.live.strict.openai_rules import inline
from tests.live.strict.rulebook import EFFORTS, Request, is_json_object, names_are_good, obey, schema_is_strict

Item = dict[str, Any]
_ID_PREFIXES: Final = {"function_call": "fc_", "reasoning": "rs_", "message": "msg_"}


def shape_is_the_sdks(request: Request) -> str:
    kind = ResponseCreateParamsStreaming if request.body.get("stream") else ResponseCreateParamsNonStreaming
    return shapes.fault(request.body, kind)


def nothing_of_before_is_known(request: Request) -> str:
    """This vendor keeps nothing: state comes in `input`."""
    found = [name for name in ("previous_response_id", "conversation") if request.body.get(name)]
    return f"{found[0]}: not found" if found else ""


def there_is_input(request: Request) -> str:
    return "" if request.body.get("input") else "input: missing required parameter"


def calls_are_answered(request: Request) -> str:
    """Each output has its call before it, each call its output, and no call_id is there twice."""
    asked: list[str] = []
    answered: list[str] = []
    for place, item in enumerate(items(request.body)):
        if item.get("type") == "function_call":
            asked.append(item["call_id"])
        elif item.get("type") == "function_call_output":
            if item.get("call_id") not in asked:
                return f"input[{place}]: No tool call found for function call output with call_id {item.get('call_id')}"
            answered.append(item["call_id"])
    missing = [call for call in asked if call not in answered]
    if len(set(asked)) != len(asked) or len(set(answered)) != len(answered):
        return f"input: a call_id is there twice: {asked} {answered}"
    return f"No tool output found for function call {missing[0]}" if missing else ""


def calls_are_text(request: Request) -> str:
    for place, item in enumerate(items(request.body)):
        if item.get("type") == "function_call":
            if not is_json_object(item["arguments"]):
                return f"input[{place}].arguments: not the JSON text of an object"
            if len(item["call_id"]) > 64:
                return f"input[{place}].call_id: string too long. Expected a string with maximum length 64"
    return ""


def ids_have_their_prefix(request: Request) -> str:
    for place, item in enumerate(items(request.body)):
        prefix = _ID_PREFIXES.get(item.get("type", ""))
        if prefix and item.get("id") and not item["id"].startswith(prefix):
            return f"input[{place}].id: Invalid '{item['id']}'. Expected an ID that begins with '{prefix}'"
    return ""


def reasoning_is_as_issued(request: Request) -> str:
    """With its own id, and followed by what it was thought for."""
    found = items(request.body)
    for place, item in enumerate(found):
        if item.get("type") != "reasoning":
            continue
        sealed = item.get("encrypted_content")
        if not sealed:
            return f"input[{place}]: Item '{item['id']}' not found. Items are not persisted when `store` is false"
        text = request.issued.text_of(shapes.decoded(sealed))
        if text is None or not text.startswith(item["id"] + " "):
            return f"input[{place}]: The encrypted content for item {item['id']} could not be verified"
        if place + 1 == len(found) or found[place + 1].get("type", "message") not in ("message", "function_call"):
            return f"input[{place}]: 'reasoning' was provided without its required following item"
    return ""


def assistants_say_output_text(request: Request) -> str:
    """A user's parts are input_…, an assistant's are output_text or refusal."""
    for place, item in enumerate(items(request.body)):
        if item.get("type", "message") == "message" and isinstance(item.get("content"), list):
            allowed = (
                ("output_text", "refusal")
                if item["role"] == "assistant"
                else ("input_text", "input_image", "input_file")
            )
            for part in item["content"]:
                if part["type"] not in allowed:
                    return f"input[{place}].content: Invalid value: '{part['type']}'. Supported values are: {allowed}"
    return ""


def tools_are_well_formed(request: Request) -> str:
    tools = request.body.get("tools", [])
    functions = [tool for tool in tools if tool["type"] == "function"]
    choice = request.body.get("tool_choice")
    if not tools:
        return "tool_choice: only allowed when tools are specified" if choice not in (None, "auto", "none") else ""
    for tool in functions:
        # strict is the default of this API
        if tool.get("strict") and (text := schema_is_strict(tool.get("parameters"))):
            return f"Invalid schema for function '{tool['name']}': {text}"
    names = [tool["name"] for tool in functions]
    if isinstance(choice, dict) and choice["type"] == "function" and choice["name"] not in names:
        return f"Tool choice 'function' {choice['name']!r} not found in 'tools' parameter."
    return names_are_good(names)


def schema_is_well_formed(request: Request) -> str:
    wanted = request.body.get("text", {}).get("format", {})
    if wanted.get("type") != "json_schema":
        return ""
    return names_are_good([wanted["name"]]) or (schema_is_strict(wanted["schema"]) if wanted.get("strict") else "")


def limits_are_of_the_models_kind(request: Request) -> str:
    if request.body.get("max_output_tokens", 16) < 16:
        return "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16"
    reasons = request.model.startswith(("gpt-5", "o3", "o4"))
    sampling = [name for name in ("temperature", "top_p") if request.body.get(name, 1) != 1]
    return f"Unsupported parameter: '{sampling[0]}' is not supported with this model." if reasons and sampling else ""


RULES: Final = (
    shape_is_the_sdks, nothing_of_before_is_known, there_is_input, calls_are_text, calls_are_answered,
    ids_have_their_prefix, reasoning_is_as_issued, assistants_say_output_text, tools_are_well_formed,
    schema_is_well_formed, limits_are_of_the_models_kind,
)  # fmt: skip


def items(body: dict[str, Any]) -> list[Item]:
    found = body["input"]
    return [{"role": "user", "content": found}] if isinstance(found, str) else found


def read(request: Request) -> Ask:
    """What the model understands. Raises: Refused."""
    obey(RULES, request)
    body = request.body
    choice = body.get("tool_choice")
    ask = Ask(
        request.model,
        tools={tool["name"]: tool.get("parameters") for tool in body.get("tools", ()) if tool["type"] == "function"},
        forced=choice.get("name") if isinstance(choice, dict) else "*" if choice == "required" else None,
        schema=body.get("text", {}).get("format", {}).get("schema"),
        thinks=(body.get("reasoning") or {}).get("effort") in EFFORTS,
        stream=request.stream,
    )
    calls: dict[str, Item] = {}
    system = [body["instructions"]] if body.get("instructions") else []
    for item in items(body):
        if item.get("role") in ("system", "developer"):
            system.append(_text(ask, item["content"]))
        else:
            _listen(ask, item, calls)
    ask.system = "\n".join(system)
    return ask


def _listen(ask: Ask, item: Item, calls: dict[str, Item]) -> None:
    kind = item.get("type", "message")
    if kind == "function_call":
        calls[item["call_id"]] = item
    elif kind == "function_call_output":
        call = calls[item["call_id"]]
        text = _text(ask, item["output"])
        ask.results.append(Result(item["call_id"], call["name"], json.loads(call["arguments"]), text))
    elif kind == "message" and (text := _text(ask, item["content"])):
        ask.heard(item["role"], text)


def _text(ask: Ask, content: Any) -> str:
    if isinstance(content, str):
        return content
    for part in content:
        if part["type"] == "input_image":
            ask.media.append(inline(part.get("image_url") or ""))
        elif part["type"] == "input_file":
            ask.media.append(inline(part.get("file_data") or part.get("file_url") or ""))
    return "\n".join(part["text"] for part in content if part["type"] in ("input_text", "output_text"))
