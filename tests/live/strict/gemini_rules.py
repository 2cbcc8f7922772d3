"""Google's generateContent: what it refuses. Sources: the SDK's types (the REST fields are their aliases), the API
reference of Schema, and the guides on function calling ("Please ensure that the number of function response parts is
equal to the number of function call parts of the function call turn") and on thought signatures ("the first function
call in each step of the current turn must include its thought_signature")."""

from __future__ import annotations

import re
from typing import Any, Final

from google.genai import types

from tests.live.strict import shapes
from tests.live.strict.dialogue import Ask, Refused, Result
from tests.live.strict.rulebook import Request, obey

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_TOP: Final[dict[str, Any]] = {
    "contents": list[types.Content], "systemInstruction": types.Content, "tools": list[types.Tool],
    "toolConfig": types.ToolConfig, "safetySettings": list[types.SafetySetting], "cachedContent": str,
    "generationConfig": types.GenerationConfig, "labels": dict[str, str], "serviceTier": str, "store": bool,
}  # fmt: skip
_DATA: Final = ("text", "inlineData", "functionCall", "functionResponse", "fileData", "executableCode",
                "codeExecutionResult", "toolCall", "toolResponse")  # fmt: skip
_NO_SCHEMA: Final = ("additionalProperties", "additional_properties", "defs", "$defs", "ref", "$ref")
# documented for histories whose signatures are lost
SKIP: Final = b"skip_thought_signature_validator"
Part = dict[str, Any]


def shape_is_the_sdks(request: Request) -> str:
    for name, value in request.body.items():
        if camel(name) not in _TOP:
            return f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
        if text := shapes.fault(value, _TOP[camel(name)], name):
            return f"Invalid JSON payload received. {text}"
    return "" if request.body.get("contents") else "contents: is not specified"


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def roles_are_user_and_model(request: Request) -> str:
    for place, content in enumerate(request.body["contents"]):
        if content.get("role", "user") not in ("user", "model"):
            return f"Please use a valid role: user, model. (contents[{place}]: {content['role']})"
        if not content.get("parts"):
            return f"contents[{place}].parts: must include at least one parts field"
    return "" if _turns(request)[0][0] == "user" else "contents: first content should be with role 'user'"


def parts_hold_one_thing(request: Request) -> str:
    for place, content in enumerate(request.body["contents"]):
        for part in content["parts"]:
            if len([name for name in part if camel(name) in _DATA]) != 1:
                return f"contents[{place}]: required oneof field 'data' must have one initialized field: {list(part)}"
    return ""


def responses_match_the_calls(request: Request) -> str:
    """The turn behind calls answers each of them and comes at once: ids match, or names in order where no ids are."""
    open_calls: list[Part] = []
    for role, parts in _turns(request):
        answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if role == "user" and len(answers) != len(open_calls):
            return (
                "Please ensure that the number of function response parts is equal to the number of function call "
                f"parts of the function call turn: {len(answers)} != {len(open_calls)}"
            )
        if _identities(answers, open_calls) != _identities(open_calls, answers):
            return f"function responses do not match their calls: {_identities(answers, open_calls)}"
        if role == "model" and answers:
            return "a function response comes from the user"
        open_calls = [part["functionCall"] for part in parts if "functionCall" in part]
        if role == "user" and open_calls:
            return "function call turn comes immediately after a user turn or after a function response turn"
    return "the last function calls are unanswered" if open_calls else ""


def _identities(some: list[Part], others: list[Part]) -> list[Any]:
    if all(one.get("id") for one in [*some, *others]):
        return sorted((one["id"], one["name"]) for one in some)
    return [one["name"] for one in some]


def signatures_are_as_issued(request: Request) -> str:
    for content in request.body["contents"]:
        for part in content["parts"]:
            token = signature(part)
            if token is not None and not is_skip(part) and request.issued.text_of(token) is None:
                return "Thought signature is not valid."
    return ""


def first_call_of_a_step_is_signed(request: Request) -> str:
    """Gemini 3 checks the turn that is going on: all behind the last thing the user said."""
    if not request.model.startswith("gemini-3"):
        return ""
    turns = _turns(request)
    begin = max(
        (
            place
            for place, (role, parts) in enumerate(turns)
            if role == "user" and any("text" in part for part in parts)
        ),
        default=0,
    )
    for place, (_, parts) in enumerate(turns[begin:]):
        calls = [part for part in parts if "functionCall" in part]
        if calls and signature(calls[0]) is None:
            return f"Function call is missing a thought_signature in functionCall parts, turn {begin + place}"
    return ""


def signature(part: Part) -> bytes | None:
    found = part.get("thoughtSignature", part.get("thought_signature"))
    return None if found is None else shapes.decoded(found)


def is_skip(part: Part) -> bool:
    found = part.get("thoughtSignature", part.get("thought_signature"))
    return found == SKIP.decode() or signature(part) == SKIP


def tools_are_well_formed(request: Request) -> str:
    tools = request.body.get("tools", [])
    functions = declarations(request.body)
    if sum("functionDeclarations" in tool for tool in tools) > 1:
        return "tools: all function declarations belong into one tool"
    if any(not tool for tool in tools):
        return "tools: a tool must have one of its fields set"
    seen: set[str] = set()
    for one in functions:
        if not _NAME.fullmatch(one.get("name", "")) or one["name"] in seen:
            return f"Invalid function name {one.get('name')!r}, or it is there twice"
        seen.add(one["name"])
        if "parameters" in one and "parametersJsonSchema" in one:
            return "parameters and parameters_json_schema are mutually exclusive"
        if fault := schema_is_googles(one.get("parameters"), "parameters"):
            return fault
    return ""


def calling_config_fits_the_tools(request: Request) -> str:
    names = {one["name"] for one in declarations(request.body)}
    calling = request.body.get("toolConfig", {}).get("functionCallingConfig", {})
    if calling and not names:
        return "Function calling config is set without function_declarations."
    if calling.get("allowedFunctionNames") and calling.get("mode") not in ("ANY", "VALIDATED"):
        return "allowed_function_names is only for the modes ANY and VALIDATED"
    return "" if set(calling.get("allowedFunctionNames", ())) <= names else "allowed_function_names: unknown name"


def schema_is_googles(schema: Any, path: str) -> str:
    """A subset of OpenAPI's: nothing of JSON Schema beyond it, enums of strings, lists with their items."""
    if not isinstance(schema, dict):
        return ""
    unknown = [name for name in schema if name in _NO_SCHEMA]
    if unknown:
        return f'Unknown name "{unknown[0]}" at {path}: Cannot find field.'
    if str(schema.get("type", "")).upper() == "ARRAY" and "items" not in schema:
        return f"{path}.items: missing field"
    if "enum" in schema and str(schema.get("type", "STRING")).upper() != "STRING":
        return f"{path}.enum: only allowed for STRING type"
    missing = [name for name in schema.get("required", ()) if name not in schema.get("properties", {})]
    if missing:
        return f"{path}.required: property is not defined: {missing[0]}"
    below = {**schema.get("properties", {}), "items": schema.get("items")}
    below |= {f"anyOf[{place}]": one for place, one in enumerate(schema.get("anyOf", ()))}
    faults = (schema_is_googles(one, f"{path}.{name}") for name, one in below.items())
    return next((found for found in faults if found), "")


def config_fits_the_model(request: Request) -> str:
    config = config_of(request.body)
    thinking = {camel(name): value for name, value in config.get("thinkingConfig", {}).items()}
    if "responseSchema" in config and "responseJsonSchema" in config:
        return "response_schema and response_json_schema are mutually exclusive"
    asked = "responseSchema" in config or "responseJsonSchema" in config
    if asked and config.get("responseMimeType") != "application/json":
        return "response_schema is only allowed with response_mime_type application/json"
    if "thinkingLevel" in thinking and "thinkingBudget" in thinking:
        return "You can only set only one of thinking budget and thinking level."
    if "thinkingLevel" in thinking and not request.model.startswith("gemini-3"):
        return "Thinking level is not supported for this model."
    if not 0 <= config.get("temperature", 1) <= 2 or len(config.get("stopSequences", ())) > 5:
        return "temperature must be in 0..2, and stop_sequences at most 5"
    return schema_is_googles(config.get("responseSchema"), "generation_config.response_schema")


RULES: Final = (
    shape_is_the_sdks, roles_are_user_and_model, parts_hold_one_thing, tools_are_well_formed,
    calling_config_fits_the_tools,
    responses_match_the_calls, signatures_are_as_issued, first_call_of_a_step_is_signed, config_fits_the_model,
)  # fmt: skip


def config_of(body: dict[str, Any]) -> dict[str, Any]:
    return {camel(name): value for name, value in body.get("generationConfig", {}).items()}


def declarations(body: dict[str, Any]) -> list[dict[str, Any]]:
    found = [one for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ())]
    return [{camel(name): value for name, value in one.items()} for one in found]


def _turns(request: Request) -> list[tuple[str, list[Part]]]:
    """Neighbours of one role are one turn: that is how Google's own chat sends back what it streamed."""
    turns: list[tuple[str, list[Part]]] = []
    for content in request.body["contents"]:
        role = content.get("role", "user")
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(content["parts"])
        else:
            turns.append((role, [*content["parts"]]))
    return turns


def read(request: Request) -> Ask:
    """What the model understands. Raises: Refused."""
    obey(RULES, request)
    body, config = request.body, config_of(request.body)
    thinking = {camel(name): value for name, value in config.get("thinkingConfig", {}).items()}
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    ask = Ask(
        request.model,
        system="\n".join(part["text"] for part in body.get("systemInstruction", {}).get("parts", ())),
        tools={one["name"]: one.get("parametersJsonSchema", one.get("parameters")) for one in declarations(body)},
        forced=",".join(calling.get("allowedFunctionNames", ("*",))) if calling.get("mode") == "ANY" else None,
        schema=config.get("responseJsonSchema") or config.get("responseSchema"),
        thinks=bool(thinking.get("includeThoughts")),
        stream=request.stream,
    )
    calls: list[Part] = []
    for role, parts in _turns(request):
        calls = _listen(ask, role, parts, calls)
    return ask


def _listen(ask: Ask, role: str, parts: list[Part], calls: list[Part]) -> list[Part]:
    """Hear one turn; the calls it makes."""
    if text := "".join(part["text"] for part in parts if "text" in part and not part.get("thought")):
        ask.heard("assistant" if role == "model" else role, text)
    answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
    for place, answer in enumerate(answers):
        call = next((one for one in calls if answer.get("id") and one.get("id") == answer["id"]), calls[place])
        ask.results.append(
            Result(answer.get("id", ""), answer["name"], call.get("args", {}), _said(answer["response"]))
        )
    for part in parts:
        if "fileData" in part:
            raise Refused("media_is_inline", "Cannot fetch content from the provided URL.")
        if blob := part.get("inlineData"):
            ask.media.append(shapes.decoded(blob["data"]) or b"")
    return [part["functionCall"] for part in parts if "functionCall" in part]


def _said(response: dict[str, Any]) -> str:
    """A tool's text in the object that Google wants: `output`, `result`, or what the Vercel provider writes."""
    for name in ("output", "result", "content"):
        if isinstance(response.get(name), str):
            return str(response[name])
    return repr(response)
