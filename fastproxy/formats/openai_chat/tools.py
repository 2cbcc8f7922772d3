"""Tools, the choice among them, and calls of them, both ways.

{"type": "function", "function": {name, description, parameters, strict}}     Tool(kind="function")
{"type": "custom", "custom": {name, description, format}}                     Tool(kind="custom")
{name, description, parameters}       the deprecated functions                Tool(kind="function")
anything else                         runs at some vendor                     Tool(kind="builtin")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import xxhash

from fastproxy.errors import FormatError
from fastproxy.formats import exact
from fastproxy.formats.builtins import counterpart
from fastproxy.formats.chat import Original, Tool, ToolCall, ToolChoice
from fastproxy.formats.checked import array, as_mapping, boolean, mapping, needed, text, wrong
from fastproxy.formats.custom_tools import wrap_custom, wrap_input
from fastproxy.formats.foreign_tools import is_strict, note_extras
from fastproxy.formats.openai_chat.content import read_cache
from fastproxy.formats.openai_chat.words import KNOWS_CUSTOM_TOOLS, NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastproxy.formats.chat import Target
    from fastproxy.formats.notes import Notes
    from fastproxy.formats.tool_names import ToolNames

Json = dict[str, Any]
# OpenAI refuses ids of calls that are longer than 40 characters, Mistral those that are not 9 letters and digits.
MAX_ID_CHARS: Final = 40
MISTRAL_ID_CHARS: Final = 9


def read_tools(body: Json) -> tuple[Tool, ...]:
    tools = tuple(
        _tool(as_mapping(item, f"tools[{place}]"), f"tools[{place}].")
        for place, item in enumerate(array(body, "tools") or ())
    )
    return tools + tuple(
        _function(as_mapping(item, f"functions[{place}]"), as_mapping(item, ""), f"functions[{place}].")
        for place, item in enumerate(array(body, "functions") or ())
    )


def _tool(item: Json, path: str) -> Tool:
    kind = needed(text(item, "type", path), "type", "a string", path)
    if kind == "function":
        holder: Json = needed(mapping(item, "function", path), "function", "an object", path)
        return _function(item, holder, path + "function.")
    if kind == "custom":
        holder = needed(mapping(item, "custom", path), "custom", "an object", path)
        path += "custom."
        name = needed(text(holder, "name", path), "name", "a string", path)
        grammar = _flat(mapping(holder, "format", path))
        description = text(holder, "description", path)
        return Tool(name=name, description=description, kind="custom", grammar=grammar, original=Original(NAME, item))
    return Tool(name=kind, kind="builtin", original=Original(NAME, item))


def _function(item: Json, holder: Json, path: str) -> Tool:
    return Tool(
        name=needed(text(holder, "name", path), "name", "a string", path),
        description=text(holder, "description", path),
        schema=mapping(holder, "parameters", path),
        strict=boolean(holder, "strict", path),
        cache=read_cache(item),
        original=Original(NAME, item),
    )


def _flat(grammar: Json | None) -> Json | None:
    """The format of a custom tool as Responses write it: one level less."""
    inner = grammar.get("grammar") if grammar is not None else None
    return {"type": "grammar", **inner} if isinstance(inner, dict) else grammar


def _deep(grammar: Mapping[str, Any]) -> Json:
    if grammar.get("type") != "grammar":
        return dict(grammar)
    return {"type": "grammar", "grammar": {name: value for name, value in grammar.items() if name != "type"}}


_MODES: Final = {"auto": "auto", "none": "none", "required": "required", "any": "required"}  # any: Mistral's


def read_choice(body: Json) -> ToolChoice | None:
    """`tool_choice`, or the deprecated `function_call`. Raises: FormatError."""
    field = "tool_choice" if body.get("tool_choice") is not None else "function_call"
    value = body.get(field)
    if value is None:
        return None
    original = Original(NAME, value)
    if isinstance(value, str):
        if value not in _MODES:
            wrong(field, value, "auto, none, required or a tool")
        return ToolChoice(mode=_MODES[value], original=original)  # type: ignore[arg-type]  # the table's values are modes
    choice = as_mapping(value, field)
    if choice.get("type") == "allowed_tools":
        return _allowed(choice, original)
    kind = str(choice.get("type")) if field == "tool_choice" else ""
    holder = choice.get(kind) if kind in ("function", "custom") else choice
    if not isinstance(holder, dict) or not isinstance(holder.get("name"), str):
        wrong(field, value, "auto, none, required or a tool's name")
    return ToolChoice(mode="tool", names=(holder["name"],), original=original)


def _allowed(choice: Json, original: Original) -> ToolChoice:
    inner = mapping(choice, "allowed_tools", "tool_choice.")
    holder: Json = choice if inner is None else inner
    names = []
    for place, item in enumerate(array(holder, "tools", "tool_choice.allowed_tools.") or ()):
        tool = as_mapping(item, f"tool_choice.allowed_tools.tools[{place}]")
        inner = tool.get(str(tool.get("type")))
        named = inner if isinstance(inner, dict) else tool
        names.append(str(named.get("name") or tool.get("type")))
    required = holder.get("mode") == "required"
    return ToolChoice(mode="allowed", names=tuple(names), required=required, original=original)


def write_tools(tools: Iterable[Tool], target: Target, names: ToolNames, notes: Notes) -> list[Json]:
    made = (_written(tool, target, names, notes) for tool in tools)
    return [tool for tool in made if tool is not None]


def _written(tool: Tool, target: Target, names: ToolNames, notes: Notes) -> Json | None:
    original = tool.original
    # a deprecated function is written as the tool that it is
    if original is not None and original.format == NAME and "type" in original.value:
        value: Json = original.value
        return value
    if tool.kind == "builtin":
        return counterpart(tool, NAME, target.builtin_tools, notes)
    if tool.cache is not None:
        notes.change(tool, "without its cache breakpoint")
    note_extras(tool, notes)
    kind = "custom" if tool.kind == "custom" and target.vendor in KNOWS_CUSTOM_TOOLS else "function"
    said = _described(tool, names) | (_input(tool) if kind == "custom" else _parameters(tool, notes))
    return {"type": kind, kind: said}


def _described(tool: Tool, names: ToolNames) -> Json:
    said: Json = {"name": names.there(tool.name)}
    return said if tool.description is None else {**said, "description": tool.description}


def _input(tool: Tool) -> Json:
    return {} if tool.grammar is None else {"format": _deep(tool.grammar)}


def _parameters(tool: Tool, notes: Notes) -> Json:
    said: Json = {}
    if tool.kind == "custom":
        notes.change(tool, "a function with one input")
        said["parameters"] = wrap_custom(tool)
    elif tool.schema is not None:
        said["parameters"] = tool.schema
    if (strict := is_strict(tool, notes)) is not None:
        said["strict"] = strict
    return said


def write_choice(choice: ToolChoice, tools: list[Json], names: ToolNames, notes: Notes) -> Any:
    """None: nothing to say. `tools` are those that were written, so that nobody is told to call another."""
    if not tools:
        if choice.mode not in ("auto", "none"):
            notes.drop("tool_choice", "there are no tools")
        return None
    if choice.mode in _MODES:
        return choice.mode
    kinds = {tool[tool["type"]]["name"]: tool["type"] for tool in tools if tool["type"] in tool}
    wanted = [name for name in map(names.there, choice.names) if name in kinds]
    if not wanted:
        notes.drop("tool_choice", "it names no tool that could be sent")
        return None
    if choice.mode == "tool":
        return _named(kinds[wanted[0]], wanted[0])
    mode = "required" if choice.required else "auto"
    allowed = [_named(kinds[name], name) for name in wanted]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}


def _named(kind: str, name: str) -> Json:
    return {"type": kind, kind: {"name": name}}


def read_call(item: Json, path: str) -> ToolCall:
    """One of an assistant message's tool_calls. Arguments that came as an object become their text."""
    kind = text(item, "type", path) or "function"
    field = "custom" if kind == "custom" else "function"
    holder: Json = needed(mapping(item, field, path), field, "an object", path)
    given = holder.get("input" if field == "custom" else "arguments")
    return ToolCall(
        text(item, "id", path) or "",
        needed(text(holder, "name", f"{path}{field}."), "name", "a string", f"{path}{field}."),
        arguments_text(given),
        custom=field == "custom",
        signature=signature_of(item),
        original=Original(NAME, item),
    )


def arguments_text(given: Any) -> str:
    """The JSON text of a call's arguments, whether they came as a text, an object or not at all."""
    if isinstance(given, str):
        return given
    try:
        return "" if given is None else exact.dumps(given).decode()
    except TypeError:  # orjson's end is at 254 levels
        raise FormatError("the arguments of a tool call are nested too deeply") from None


def signature_of(item: Mapping[str, Any]) -> str | None:
    """Gemini's thought signature where Google's OpenAI-shaped entry puts it."""
    extra = item.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) and signature else None


def write_call(call: ToolCall, target: Target, names: ToolNames, notes: Notes) -> Json:
    if call.original is not None and call.original.format == NAME and "type" in call.original.value:
        value: Json = call.original.value
        return value
    if call.signature is not None:
        notes.change(call, "without its thought signature")
    call_id, name = fitting_call_id(call.id, target.vendor), names.there(call.name)
    if call.custom and target.vendor in KNOWS_CUSTOM_TOOLS:
        return {"id": call_id, "type": "custom", "custom": {"name": name, "input": call.arguments}}
    arguments = wrap_input(call.arguments) if call.custom else call.arguments.strip() and call.arguments
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments or "{}"}}


def fitting_call_id(call_id: str, vendor: str) -> str:
    """The id itself if the vendor takes it, else one made from it: the same for a call and its result."""
    if vendor == "mistral":
        if len(call_id) == MISTRAL_ID_CHARS and call_id.isalnum() and call_id.isascii():
            return call_id
        return _digest(call_id)[:MISTRAL_ID_CHARS]
    return call_id if 0 < len(call_id) <= MAX_ID_CHARS else f"call_{_digest(call_id)}"


def _digest(text_: str) -> str:
    return xxhash.xxh3_128_hexdigest(text_.encode("utf-8", "surrogatepass"))
