"""Tools and the choice among them, both ways.

    {"type": "function", name, description, parameters, strict}   function
    {"type": "custom", name, description, format}                 custom
    {"type": "namespace", name, tools: […]}                       each of its tools, by its flat name
    {"type": anything else}                                       builtin: it runs at OpenAI

Tools of one namespace share its object as their original, and are written back as that one object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats import checked
from fastproxy.formats.builtins import counterpart
from fastproxy.formats.chat import Original, Tool, ToolChoice
from fastproxy.formats.foreign_tools import is_strict, note_extras
from fastproxy.formats.openai_responses.words import CHOICES, NAME, flat_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.formats.notes import Notes
    from fastproxy.formats.tool_names import ToolNames

NO_PARAMETERS: Final = {"type": "object", "properties": {}}


def read_tools(body: dict[str, Any]) -> tuple[Tool, ...]:
    made: list[Tool] = []
    for place, tool in enumerate(checked.array(body, "tools") or []):
        path = f"tools[{place}]"
        made += _read_tool(checked.as_mapping(tool, path), f"{path}.")
    return tuple(made)


def _read_tool(tool: dict[str, Any], path: str) -> list[Tool]:
    kind = checked.needed(checked.text(tool, "type", path), "type", "a kind of tool", path)
    if kind != "namespace":
        return [_plain(tool, kind, path)]
    name = checked.needed(checked.text(tool, "name", path), "name", "a string", path)
    made = []
    for place, inner in enumerate(checked.array(tool, "tools", path) or []):
        below = f"{path}tools[{place}]"
        of = checked.as_mapping(inner, below)
        made.append(_plain(of, checked.text(of, "type", f"{below}.") or "function", f"{below}.", (name, tool)))
    return made or [Tool(kind, kind="builtin", original=Original(NAME, tool))]  # an empty one


def _plain(tool: dict[str, Any], kind: str, path: str, space: tuple[str, dict[str, Any]] | None = None) -> Tool:
    original = Original(NAME, tool if space is None else space[1])
    if kind not in ("function", "custom"):
        return Tool(kind, kind="builtin", original=original)
    bare = checked.needed(checked.text(tool, "name", path), "name", "a string", path)
    name = bare if space is None else flat_name(space[0], bare)
    description = checked.text(tool, "description", path)
    if kind == "custom":
        return Tool(name, description, kind="custom", grammar=checked.mapping(tool, "format", path), original=original)
    schema, strict = checked.mapping(tool, "parameters", path), checked.boolean(tool, "strict", path)
    return Tool(name, description, schema, strict, original=original)


def read_choice(body: dict[str, Any]) -> ToolChoice | None:
    value = body.get("tool_choice")
    if value is None:
        return None
    original = Original(NAME, value)
    if isinstance(value, str):
        if value not in CHOICES:
            checked.wrong("tool_choice", value, "auto, none, required or an object")
        return ToolChoice(value, original=original)  # type: ignore[arg-type]  # one of the three
    return _read_object(checked.as_mapping(value, "tool_choice"), original)


def _read_object(value: dict[str, Any], original: Original) -> ToolChoice:
    kind = checked.needed(checked.text(value, "type", "tool_choice."), "type", "a kind of choice", "tool_choice.")
    if kind == "allowed_tools":
        tools = checked.array(value, "tools", "tool_choice.") or []
        names = tuple(_chosen(tool) for tool in tools if isinstance(tool, dict))
        return ToolChoice("allowed", names, value.get("mode") == "required", original=original)
    return ToolChoice("tool", (_chosen(value),), original=original)


def _chosen(value: dict[str, Any]) -> str:
    """A tool's name, or the type of a built-in one."""
    name = value.get("name")
    if value.get("type") in ("function", "custom") and isinstance(name, str):
        return flat_name(value.get("namespace"), name)
    return str(value.get("type"))


def write_tools(tools: Iterable[Tool], names: ToolNames, notes: Notes, builtin: str = "drop") -> list[dict[str, Any]]:
    """`builtin`: what becomes of another vendor's tools (builtins.py)."""
    made: list[dict[str, Any]] = []
    spaces: dict[int, list[Tool]] = {}
    for tool in tools:
        own = tool.original is not None and tool.original.format == NAME
        if own and tool.original is not None and tool.original.value.get("type") == "namespace":
            value = tool.original.value
            if id(value) not in spaces:
                made.append(value)
            spaces.setdefault(id(value), []).append(tool)
        elif own and tool.original is not None:
            made.append(tool.original.value)
        elif tool.kind == "builtin":
            other = counterpart(tool, NAME, builtin, notes)
            made += [other] if other is not None and other not in made else []
        else:
            made.append(_write_tool(tool, names, notes))
    return [_narrowed(value, spaces[id(value)]) if id(value) in spaces else value for value in made]


def _narrowed(space: dict[str, Any], kept: list[Tool]) -> dict[str, Any]:
    """A namespace without the tools that somebody took out of the request."""
    inner = [tool for tool in space.get("tools") or () if isinstance(tool, dict)]
    if len(inner) == len(kept) or not inner:
        return space
    names = {tool.name for tool in kept}
    return space | {"tools": [tool for tool in inner if flat_name(space["name"], str(tool.get("name"))) in names]}


def _write_tool(tool: Tool, names: ToolNames, notes: Notes) -> dict[str, Any]:
    made: dict[str, Any] = {"type": tool.kind, "name": names.there(tool.name)}
    if tool.description is not None:
        made["description"] = tool.description
    if tool.cache is not None:
        notes.change(tool, "without its cache breakpoint: they are automatic")
    note_extras(tool, notes)
    if tool.kind == "custom":
        return made | {"format": dict(tool.grammar)} if tool.grammar is not None else made
    made["parameters"] = dict(tool.schema) if tool.schema is not None else dict(NO_PARAMETERS)
    # what is not said is strict here and not strict everywhere else
    made["strict"] = bool(is_strict(tool, notes))
    return made


def write_choice(
    choice: ToolChoice, tools: Iterable[Tool], names: ToolNames, notes: Notes
) -> str | dict[str, Any] | None:
    """The choice, if the tools that it names are among those written; None to leave it to the model."""
    if choice.original is not None and choice.original.format == NAME:
        value: str | dict[str, Any] = choice.original.value
        return value
    if choice.mode not in ("tool", "allowed"):
        return choice.mode
    kinds = {tool.name: tool.kind for tool in tools if tool.kind != "builtin"}
    found = [{"type": kinds[name], "name": names.there(name)} for name in choice.names if name in kinds]
    if not found:
        notes.drop(choice, "no such tool is left")
        return None
    if choice.mode == "tool":
        return found[0]
    return {"type": "allowed_tools", "mode": "required" if choice.required else "auto", "tools": found}


def spaces_of(tools: object) -> dict[str, tuple[str, str | None]]:
    """Flat name → name and namespace, from the tools in a client's body."""
    spaces = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    made: dict[str, tuple[str, str | None]] = {}
    for space in spaces:
        if space.get("type") == "namespace" and isinstance(space.get("tools"), list):
            names = [str(tool.get("name")) for tool in space["tools"] if isinstance(tool, dict)]
            made |= {flat_name(space.get("name"), name): (name, space.get("name")) for name in names}
    return made
