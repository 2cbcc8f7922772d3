"""Tools and the choice among them, both ways.

    {"name", "input_schema", …}            ↔  Tool(kind="function")
    {"type": "web_search_20250305", …}     ↔  Tool(kind="builtin"); for another vendor's see builtins.py
    tool_choice auto / any / tool / none   ↔  auto / required / tool / none; parallel_tools is a field of it

A model that thinks cannot be forced to call a tool: the choice becomes auto, and the client is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastproxy.formats import checked
from fastproxy.formats.anthropic.words import JSON_TOOL, JSON_TOOL_MARK, LOSSY, NAME
from fastproxy.formats.builtins import counterpart
from fastproxy.formats.chat import Original, Tool, ToolCall, ToolChoice
from fastproxy.formats.custom_tools import wrap_custom
from fastproxy.formats.tool_names import ToolNames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.chat import ChatRequest, Target
    from fastproxy.formats.notes import Notes

Body = dict[str, Any]
_READ_MODES: Final = {"auto": "auto", "any": "required", "tool": "tool", "none": "none"}
_WRITE_MODES: Final = {"auto": "auto", "required": "any", "tool": "tool", "none": "none"}
NO_PARAMETERS: Final = {"type": "object", "properties": {}}


def read_tools(body: Body) -> tuple[Tool, ...]:
    found = checked.array(body, "tools") or ()
    return tuple(_read_tool(value, f"tools[{place}]") for place, value in enumerate(found))


def _read_tool(value: Any, path: str) -> Tool:
    tool, path = checked.as_mapping(value, path), path + "."
    control = checked.mapping(tool, "cache_control", path)
    cache = None if control is None else checked.text(control, "ttl", path + "cache_control.") or ""
    kind = checked.text(tool, "type", path)
    if kind not in (None, "custom"):
        return Tool(str(kind), kind="builtin", cache=cache, original=Original(NAME, tool))
    return Tool(
        checked.needed(checked.text(tool, "name", path), "name", "a string", path),
        checked.text(tool, "description", path),
        checked.mapping(tool, "input_schema", path),
        checked.boolean(tool, "strict", path),
        cache=cache,
        original=Original(NAME, tool),
    )


def read_choice(body: Body) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether several tools may be called at once."""
    choice = checked.mapping(body, "tool_choice")
    if choice is None:
        return None, None
    kind = checked.text(choice, "type", "tool_choice.")
    mode: Any = _READ_MODES.get(kind or "")
    if mode is None:
        checked.wrong("tool_choice.type", kind, f"one of {', '.join(_READ_MODES)}")
    names: tuple[str, ...] = ()
    if mode == "tool":
        names = (checked.needed(checked.text(choice, "name", "tool_choice."), "name", "a string", "tool_choice."),)
    single = checked.boolean(choice, "disable_parallel_tool_use", "tool_choice.")
    return ToolChoice(mode, names, original=Original(NAME, choice)), None if single is None else not single


class Chosen(NamedTuple):
    """What a request says of tools, in Anthropic's words."""

    tools: list[Body]
    choice: Body | None
    names: ToolNames


def write_tools(request: ChatRequest, target: Target, notes: Notes) -> Chosen:
    """Tools, the choice among them and the names that had to change."""
    if not request.tools and request.tool_choice is None and request.format != NAME and not _has_calls(request):
        return Chosen([], None, ToolNames(()))
    names = names_of(request)
    if request.tools and not target.facts.tools:
        notes.drop("tools", "this model takes no tools")
        return Chosen([], None, names)
    allowed = _allowed(request, notes)
    made = [(tool, written) for tool in allowed if (written := _write_tool(tool, names, target, notes)) is not None]
    if request.format == NAME:
        return Chosen([written for _, written in made], _write_choice(request, names), names)
    tools = _once(made, notes)
    if not tools and _has_calls(request):
        notes.change("tools", "declared after the calls in messages, because the API asks for it")
        return Chosen(_tools_of_history(request, names), {"type": "none"}, names)
    if not tools and request.tool_choice is not None:
        notes.drop("tool_choice", "there are no tools")
    choice = _write_choice(request, names) if tools else None
    if choice is not None and choice["type"] == "tool" and all(tool["name"] != choice["name"] for tool in tools):
        notes.drop("tool_choice", "no such tool is left")
        choice = None
    return Chosen(tools, choice, names)


def _once(tools: list[tuple[Tool, Body]], notes: Notes) -> list[Body]:
    """Each name once; a function of the client's comes before a tool that stands in for another vendor's."""
    functions = {written["name"] for _, written in tools if "input_schema" in written}
    made: dict[str, Body] = {}
    for place, (tool, written) in enumerate(tools):
        if "input_schema" in written:
            made[str(place)] = written
        elif written["name"] in functions:
            notes.drop(tool, "a function has its name")
        else:
            made.setdefault(written["type"], written)
    return list(made.values())


def names_of(request: ChatRequest) -> ToolNames:
    """An Anthropic client's names are taken as they are: today's limit is higher than everybody's."""
    if request.format == NAME:
        return ToolNames(())
    names = [tool.name for tool in request.tools if tool.kind != "builtin"]
    return ToolNames([*names, *(call.name for call in _calls(request))])


def _calls(request: ChatRequest) -> list[ToolCall]:
    return [part for turn in request.turns for part in turn.parts if isinstance(part, ToolCall)]


def _has_calls(request: ChatRequest) -> bool:
    return any(isinstance(part, ToolCall) for turn in request.turns for part in turn.parts)


def _tools_of_history(request: ChatRequest, names: ToolNames) -> list[Body]:
    called = dict.fromkeys(call.name for call in _calls(request))
    return [{"name": names.there(name), "input_schema": {"type": "object"}} for name in called]


def _allowed(request: ChatRequest, notes: Notes) -> tuple[Tool, ...]:
    """The tools that the choice leaves; leaving some out changes the cached beginning of a prompt."""
    choice = request.tool_choice
    if choice is None or choice.mode != "allowed" or not request.tools:
        return request.tools
    kept = tuple(tool for tool in request.tools if tool.name in choice.names)
    if len(kept) < len(request.tools):
        notes.change("tool_choice", LOSSY["allowed"])
    return kept or request.tools


def _write_tool(tool: Tool, names: ToolNames, target: Target, notes: Notes) -> Body | None:
    if tool.original is not None and tool.original.format == NAME:
        own: Body = tool.original.value
        return own
    if tool.kind == "builtin":
        return counterpart(tool, NAME, target.builtin_tools, notes)
    written: Body = {"name": names.there(tool.name), "input_schema": dict(_schema(tool.schema))}
    if tool.kind == "custom":
        notes.change(tool, LOSSY["custom"])
        written["input_schema"] = wrap_custom(tool)
    if tool.description:
        written["description"] = tool.description
    if tool.strict and tool.kind == "function":
        if target.facts.json_schema:
            written["strict"] = True
        else:
            notes.change(tool, "this model does not enforce schemas")
    if tool.cache is not None:
        written["cache_control"] = cache_control(tool.cache)
    return written


def cache_control(ttl: str) -> Body:
    return {"type": "ephemeral", "ttl": ttl} if ttl in ("5m", "1h") else {"type": "ephemeral"}


def _schema(schema: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The API demands an object; a schema without a type means one."""
    if not schema:
        return NO_PARAMETERS
    return schema if "type" in schema else {"type": "object", **schema}


def _write_choice(request: ChatRequest, names: ToolNames) -> Body | None:
    choice = request.tool_choice
    if choice is not None and choice.original is not None and choice.original.format == NAME:
        own: Body = choice.original.value
        return own
    written: Body | None = None
    if choice is not None and choice.mode == "allowed":
        written = {"type": "any" if choice.required else "auto"}
    elif choice is not None:
        written = {"type": _WRITE_MODES[choice.mode]}
        if choice.mode == "tool":
            written["name"] = names.there(choice.names[0])
    if request.parallel_tools is False and (written is None or written["type"] != "none"):
        written = {**(written or {"type": "auto"}), "disable_parallel_tool_use": True}
    return written


def unforced(choice: Body | None, notes: Notes) -> Body | None:
    """A choice that a thinking model takes."""
    if choice is None or choice["type"] not in ("any", "tool"):
        return choice
    notes.change("tool_choice", "a model that thinks cannot be forced to call a tool")
    rest = {name: value for name, value in choice.items() if name == "disable_parallel_tool_use"}
    return {"type": "auto", **rest}


def add_json_tool(chosen: Chosen, schema: Mapping[str, Any] | None) -> Chosen:
    """The tool whose input is the reply. Beside other tools the model must call one of them or it."""
    taken = [tool.get("name") for tool in chosen.tools]
    name = JSON_TOOL
    while name in taken:
        name += "_"
    tool = {"name": name, "description": JSON_TOOL_MARK, "input_schema": dict(_schema(schema))}
    if chosen.choice is not None and chosen.choice["type"] == "tool":
        return chosen  # the reply will be a call anyway
    only = not chosen.tools or (chosen.choice is not None and chosen.choice["type"] == "none")
    forced: Body = {"type": "tool", "name": name} if only else {"type": "any"}
    if only or (chosen.choice or {}).get("disable_parallel_tool_use"):
        forced["disable_parallel_tool_use"] = True
    return Chosen([*chosen.tools, tool], forced, chosen.names)


def json_tool(body: Mapping[str, Any]) -> str:
    """The name of the tool in a body of ours whose input is the reply, "" when there is none."""
    for tool in reversed(body.get("tools") or ()):
        if tool.get("description") == JSON_TOOL_MARK:
            return str(tool["name"])
    return ""
