"""ChatRequest → a body for /api/chat.

options     limits and sampling; what the client itself sent as `options` (num_ctx …) stands below them
format      "json", or the schema that the server holds the model to
think       low, medium, high where the model is told how hard to think; true or false for all others
tools       no field forces one: the others are left out, and it is asked for in words
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats.builtins import counterpart
from fastproxy.formats.chat import ToolCall, ToolResult
from fastproxy.formats.custom_tools import wrap_custom
from fastproxy.formats.efforts import effort_for
from fastproxy.formats.ollama.words import LEVELS, LOSSY, NAME, OPTIONS, OWN
from fastproxy.formats.ollama.write_messages import write_messages
from fastproxy.formats.tool_names import ToolNames

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.formats.chat import ChatRequest, Facts, OutputFormat, Reasoning, Target, Tool, ToolChoice
    from fastproxy.formats.notes import Notes

Json = dict[str, Any]
_get_options: Final = attrgetter(*OPTIONS)
_UNSAID: Final = ("logit_bias", "verbosity", "user", "previous", "cache_key")
_ANY_TIER: Final = (None, "auto", "default", "standard", "standard_only")


def write_request(request: ChatRequest, target: Target, notes: Notes) -> tuple[Json, ToolNames]:
    """The body, and the renaming of tools to undo in its reply."""
    facts, names = target.facts, ToolNames(_names_of(request))
    tools, words = _tools(request, target, names, notes)
    body: Json = {"model": target.model, "stream": request.stream}
    body["messages"] = write_messages(request.turns, facts, names, notes)
    if words:
        body["messages"].insert(0, {"role": "system", "content": words})
    if tools:
        body["tools"] = tools
    if options := _options(request, facts, notes):
        body["options"] = options
    if request.output is not None:
        body["format"] = _format(request.output)
    if (think := _think(request.reasoning, facts, notes)) is not None:
        body["think"] = think
    if request.top_logprobs is not None:
        body["logprobs"] = True
        body |= {"top_logprobs": request.top_logprobs} if request.top_logprobs else {}
    _said_beside(request, body, notes)
    for field in sorted(target.drop_fields & body.keys()):
        del body[field]
        notes.drop(field, "the upstream refuses it")
    return body, names


def _names_of(request: ChatRequest) -> list[str]:
    parts = [part for turn in request.turns for part in turn.parts if isinstance(part, ToolCall | ToolResult)]
    return [tool.name for tool in request.tools if tool.kind != "builtin"] + [part.name for part in parts if part.name]


def _options(request: ChatRequest, facts: Facts, notes: Notes) -> Json:
    given = request.extra.get("options")
    options: Json = dict(given) if isinstance(given, dict) else {}
    said = zip(OPTIONS, OPTIONS.values(), _get_options(request), strict=True)
    for field, name, value in said:
        if value is None:
            continue
        if field in ("temperature", "top_p", "top_k") and not facts.sampling:
            notes.drop(field, "the model refuses it")
        elif field == "max_output" and facts.max_output is not None and value > facts.max_output:
            notes.clamp(field, f"the model writes at most {facts.max_output} tokens")
            options[name] = facts.max_output
        else:
            options[name] = value
    if request.stop:
        options["stop"] = list(request.stop)
    return options


def _format(output: OutputFormat) -> Any:
    return "json" if output.kind == "json_object" or output.schema is None else output.schema


def _think(reasoning: Reasoning | None, facts: Facts, notes: Notes) -> bool | str | None:
    """None leaves it to the model."""
    if reasoning is None or (reasoning.effort is None and reasoning.budget is None and not reasoning.adaptive):
        return None
    is_off = reasoning.effort == "none" or reasoning.budget == 0
    if facts.thinking == "none":
        if not is_off:
            notes.drop("reasoning", "the model does not think")
        return None
    if facts.thinking == "effort":
        return _level(reasoning, notes)
    if not is_off and (reasoning.effort is not None or (reasoning.budget or 0) > 0):
        notes.change("reasoning", LOSSY["reasoning"])
    return not is_off


def _level(reasoning: Reasoning, notes: Notes) -> str | bool:
    budget, effort = reasoning.budget, reasoning.effort
    if effort is not None:
        level = LEVELS[effort]
        if level != effort:
            notes.clamp("reasoning", f"{level} instead of {effort}")
        return level
    if budget is None or budget < 0:
        return True
    level = LEVELS[effort_for(budget)]
    notes.change("reasoning", f"{level} for a budget of {budget} tokens")
    return level


def _tools(request: ChatRequest, target: Target, names: ToolNames, notes: Notes) -> tuple[list[Json], str]:
    """The tools that the model may call, and what it is told of them."""
    offered, words = _chosen(request.tools, request.tool_choice, names, notes)
    if offered and not target.facts.tools:
        notes.drop("tools", "the model has no tools")
        return [], ""
    return [made for tool in offered if (made := _tool(tool, target, names, notes)) is not None], words


def _chosen(
    tools: tuple[Tool, ...], choice: ToolChoice | None, names: ToolNames, notes: Notes
) -> tuple[Iterable[Tool], str]:
    if choice is None or choice.mode == "auto":
        return tools, ""
    if choice.mode == "none":
        return (), ""
    callable_ = [tool for tool in tools if tool.kind != "builtin"]
    wanted = [tool for tool in callable_ if tool.name in choice.names] if choice.names else callable_
    if not wanted:
        notes.drop("tool_choice", "there is no such tool")
        return tools, ""
    if choice.mode == "allowed" and not choice.required:
        notes.change("tool_choice", "the other tools are left out")
        return wanted, ""
    notes.change("tool_choice", LOSSY["tool_choice"])
    which = " or ".join(f"'{names.there(tool.name)}'" for tool in wanted)
    return wanted, f"You must call the tool {which} now, and say nothing else."


def _tool(tool: Tool, target: Target, names: ToolNames, notes: Notes) -> Json | None:
    if tool.kind == "builtin":
        return counterpart(tool, NAME, target.builtin_tools, notes)
    if tool.cache is not None:
        notes.change(tool, "without its cache breakpoint")
    said: Json = {"name": names.there(tool.name), "description": tool.description or ""}
    if tool.kind == "custom":
        notes.change(tool, LOSSY["tool.custom"])
        said["parameters"] = wrap_custom(tool)
    else:
        said["parameters"] = tool.schema if tool.schema is not None else {"type": "object", "properties": {}}
    if tool.strict:
        notes.change(tool, "without strict: " + LOSSY["tool.strict"])
    return {"type": "function", "function": said}


def _said_beside(request: ChatRequest, body: Json, notes: Notes) -> None:
    """Ollama's own fields, and what has no place at all."""
    for field in _UNSAID:
        if getattr(request, field) is not None:
            notes.drop(field, LOSSY[field])
    for field, is_lost in (
        ("metadata", bool(request.metadata)),
        ("store", bool(request.store)),
        ("count", (request.count or 1) > 1),
        ("service_tier", request.service_tier not in _ANY_TIER),
        ("parallel_tools", request.parallel_tools is False and "tools" in body),
    ):
        if is_lost:
            notes.drop(field, LOSSY[field])
    for name, value in request.extra.items():
        if name in OWN:
            body[name] = value
        elif name != "options" or not isinstance(value, dict):
            notes.drop(name, LOSSY["extra"])
