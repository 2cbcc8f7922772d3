"""Tools and the choice among them: tools[].functionDeclarations and toolConfig.functionCallingConfig, both ways.

    auto AUTO    none NONE    required ANY    tool ANY + its name    allowed ANY or VALIDATED + names

All functions go into one entry. A tool that runs at the vendor is an entry of its own. Where it stands in for the like
one of another vendor it does not stand beside functions: older models refuse both together, newer ones then want their
own calls and results back, which clients of other formats do not keep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats import checked
from fastproxy.formats.builtins import counterpart
from fastproxy.formats.chat import Original, Tool, ToolChoice
from fastproxy.formats.custom_tools import wrap_custom
from fastproxy.formats.foreign_tools import note_extras
from fastproxy.formats.gemini.schema import MAX_SIZE, lower
from fastproxy.formats.gemini.schema_up import raise_up
from fastproxy.formats.gemini.words import NAME, named, value_of

if TYPE_CHECKING:
    from fastproxy.formats.chat import ChatRequest, Facts
    from fastproxy.formats.notes import Notes
    from fastproxy.formats.tool_names import ToolNames


_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY", "allowed": "ANY"}

MAX_SIZES: Final = 100_000  # of all schemas of a request, as MAX_SIZE counts


def read_tools(entries: list[Any]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for place, value in enumerate(entries):
        entry = checked.as_mapping(value, f"tools[{place}]")
        field = named(entry, "functionDeclarations")
        path = f"tools[{place}].{field}"
        declarations = checked.array(entry, field, f"tools[{place}].") or []
        tools += [_read_function(each, f"{path}[{at}]") for at, each in enumerate(declarations)]
        others = {name: item for name, item in entry.items() if name != field}
        for name, item in others.items():
            alone = entry if len(entry) == 1 else {name: item}
            tools.append(Tool(_camel(name), kind="builtin", original=Original(NAME, alone)))
    return tuple(tools)


def _read_function(value: Any, path: str) -> Tool:
    declared = checked.as_mapping(value, path)
    path += "."
    name = checked.needed(checked.text(declared, "name", path), "name", "a tool's name", path)
    schema = value_of(declared, "parametersJsonSchema")
    if schema is None:
        schema = raise_up(checked.mapping(declared, "parameters", path))
    if schema is not None and not isinstance(schema, dict):
        checked.wrong(path + named(declared, "parametersJsonSchema"), schema, "an object")
    return Tool(name, checked.text(declared, "description", path), schema, original=Original(NAME, declared))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def read_choice(config: dict[str, Any]) -> ToolChoice | None:
    """`config` is toolConfig."""
    field = named(config, "functionCallingConfig")
    calling = checked.mapping(config, field, "toolConfig.")
    if calling is None:
        return None
    path = f"toolConfig.{field}."
    mode = (checked.text(calling, "mode", path) or "").upper()
    listed = checked.array(calling, named(calling, "allowedFunctionNames"), path) or []
    names = tuple(name for name in listed if isinstance(name, str))
    original = Original(NAME, calling)
    if mode == "NONE":
        return ToolChoice("none", original=original)
    if mode == "ANY":
        if not names:
            return ToolChoice("required", original=original)
        return ToolChoice("tool" if len(names) == 1 else "allowed", names, len(names) > 1, original=original)
    if names:
        return ToolChoice("allowed", names, original=original)
    return ToolChoice("auto", original=original) if mode in ("AUTO", "VALIDATED") else None


def write_tools(
    request: ChatRequest, facts: Facts, names: ToolNames, notes: Notes, builtin: str = "drop"
) -> list[dict[str, Any]]:
    """The entries of `tools`. `builtin`: what becomes of another vendor's tools (builtins.py)."""
    if not facts.tools:
        if request.tools:
            notes.drop("tools", "the model takes none")
        return []
    distinct = {tool.name: tool for tool in reversed(request.tools) if tool.kind != "builtin"}
    limit = min(MAX_SIZE, max(100, MAX_SIZES // max(1, len(distinct))))
    functions = [_function(tool, names, notes, limit) for tool in request.tools if distinct.get(tool.name) is tool]
    for tool in request.tools:
        if tool.kind != "builtin" and distinct[tool.name] is not tool:
            notes.drop(tool, "another tool has its name")
    builtins = _builtins(request, notes, builtin, beside_functions=bool(functions))
    return [{"functionDeclarations": functions}, *builtins] if functions else builtins


def _builtins(request: ChatRequest, notes: Notes, builtin: str, *, beside_functions: bool) -> list[dict[str, Any]]:
    """The entries of what runs at Google."""
    entries: list[dict[str, Any]] = []
    for tool in request.tools:
        if tool.kind != "builtin":
            continue
        if tool.original is not None and tool.original.format == NAME:
            entries.append(tool.original.value)
        elif beside_functions and builtin == "map":
            notes.drop(tool, "Gemini takes it only without functions")
        elif (entry := counterpart(tool, NAME, builtin, notes)) is not None and entry not in entries:
            entries.append(entry)
    return entries


def _function(tool: Tool, names: ToolNames, notes: Notes, limit: int) -> dict[str, Any]:
    if tool.original is not None and tool.original.format == NAME:
        declared: dict[str, Any] = tool.original.value
        return declared
    made: dict[str, Any] = {"name": names.there(tool.name)}
    if tool.description is not None:
        made["description"] = tool.description
    schema = tool.schema
    if tool.kind == "custom":
        schema = wrap_custom(tool)
        notes.change(tool, "sent as a function with one text")
    if schema:
        made |= _parameters(tool, schema, notes, limit)
    if tool.cache is not None:
        notes.drop("cache_control", "Gemini caches by itself")
    note_extras(tool, notes)
    return made


def _parameters(tool: Tool, schema: Any, notes: Notes, limit: int) -> dict[str, Any]:
    """A schema that refers to itself, or leaves an object open, is sent as it is: Schema has no word for that."""
    lowered = lower(schema, limit=limit)
    if lowered.recursive:
        notes.change(tool, "its schema refers to itself or is too large: sent as parametersJsonSchema")
        return {"parametersJsonSchema": schema}
    if lowered.free:
        return {"parametersJsonSchema": schema}
    if lowered.lost and tool.kind == "function":
        notes.change(tool, "not in Gemini's schemas: " + ", ".join(lowered.lost)[:120])
    made = lowered.schema
    if made.get("type") == "OBJECT" and not made.get("properties"):
        return {}  # Gemini refuses an object without properties
    return {"parameters": made}


def write_choice(request: ChatRequest, names: ToolNames, notes: Notes) -> dict[str, Any] | None:
    """functionCallingConfig; None for the default."""
    functions = {tool.name: tool for tool in request.tools if tool.kind != "builtin"}
    choice = request.tool_choice
    if functions and request.parallel_tools is False:
        notes.drop("parallel_tools", "Gemini decides itself how many tools it calls")
    strict = any(tool.strict for tool in functions.values())
    allowed = [names.there(name) for name in choice.names if name in functions] if choice is not None else []
    if choice is not None and (not functions or (choice.names and not allowed)):
        notes.drop("tool_choice", "there is no such function")
        choice = None
    if strict and (choice is None or choice.mode == "auto"):
        notes.change("strict", "VALIDATED for all tools")
        return {"mode": "VALIDATED"}
    if choice is None:
        return None
    mode = "VALIDATED" if choice.mode == "allowed" and not choice.required else _MODES[choice.mode]
    return {"mode": mode, "allowedFunctionNames": allowed} if allowed else {"mode": mode}
