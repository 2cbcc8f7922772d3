"""The hub's words into a body of POST /messages.

A client of this format gets its own body back, with the model's new name and what the facts of the model forbid
taken out; anybody else's is put into the API's order (prompt.py) and its limits (thinking.py, tools.py, settings.py).
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats.anthropic.cached import limit_breakpoints
from fastproxy.formats.anthropic.prompt import has_lost_thoughts, write_own_prompt, write_prompt
from fastproxy.formats.anthropic.schema import closed_schema, recurs
from fastproxy.formats.anthropic.settings import write_sampling, write_settings
from fastproxy.formats.anthropic.thinking import Thought, write_thinking
from fastproxy.formats.anthropic.tools import Chosen, add_json_tool, unforced, write_tools
from fastproxy.formats.anthropic.words import API_VERSION, JSON_NUDGE, LOSSY, NAME
from fastproxy.formats.anthropic.write_blocks import BlockWriter

if TYPE_CHECKING:
    from fastproxy.formats.chat import ChatRequest, Facts, Target
    from fastproxy.formats.notes import Notes
    from fastproxy.formats.tool_names import ToolNames

Body = dict[str, Any]
_WITHOUT_FIELD: Final = (
    "seed", "presence_penalty", "frequency_penalty", "logit_bias", "top_logprobs", "verbosity", "metadata", "previous",
    "cache_key",
)  # fmt: skip
_get_without_field: Final = attrgetter(*_WITHOUT_FIELD)  # 0.2 us; one getattr after the other takes 0.7


def write_request(request: ChatRequest, target: Target, notes: Notes) -> tuple[Body, ToolNames]:
    """The upstream's body, and the names of tools to be put back in its reply. Raises: FormatError."""
    chosen = write_tools(request, target, notes)
    writer = BlockWriter(request, target, chosen.names, notes)
    is_own = request.format == NAME
    system, messages = (write_own_prompt if is_own else write_prompt)(request, writer, target, notes)
    is_lost = request.reasoning is not None and has_lost_thoughts(messages)
    thought = write_thinking(request, target, notes, has_lost_thoughts=is_lost)
    config, chosen, thought, nudge = _output(request, target.facts, chosen, thought, notes)
    if nudge:
        system = _with_nudge(system)
    choice = chosen.choice if is_own or not _forbids_force(thought, target.facts) else unforced(chosen.choice, notes)
    made: Body = {"model": target.model, "max_tokens": thought.max_tokens, "messages": messages}
    for field, value in (
        ("system", system),
        ("tools", chosen.tools or None),
        ("tool_choice", choice),
        ("thinking", thought.thinking),
        ("output_config", config or None),
    ):
        if value is not None:
            made[field] = value
    made |= write_sampling(request, target.facts, thought, notes) | write_settings(request, target.facts, notes)
    body = _as_asked(request, made) if is_own else _translated(request, made, notes)
    for name in sorted(target.drop_fields & body.keys()) if target.drop_fields else ():
        del body[name]
        notes.drop(name, "this provider refuses it")
    return body, chosen.names


def request_headers(request: ChatRequest, body: Body, facts: Facts) -> dict[str, str]:
    """The headers that belong to a body of ours: this version of the API takes all that we write."""
    return {"anthropic-version": API_VERSION}


def _forbids_force(thought: Thought, facts: Facts) -> bool:
    """With a budget the API always does; a model that decides itself may take it, if we know it."""
    if not thought.is_on:
        return False
    is_enabled = (thought.thinking or {}).get("type") == "enabled"
    return is_enabled or facts.thinking == "unknown" or not facts.forced_tools_with_thinking


def _output(
    request: ChatRequest, facts: Facts, chosen: Chosen, thought: Thought, notes: Notes
) -> tuple[Body, Chosen, Thought, bool]:
    """output_config, and what asking for JSON changes elsewhere. The last says whether words must ask for it."""
    config = dict(request.body.get("output_config") or {}) if request.format == NAME else {}
    if request.reasoning is not None and not thought.is_kept:
        config.pop("effort", None)
        config |= {"effort": thought.effort} if thought.effort else {}
    wanted = request.output
    if wanted is None:
        return config, chosen, thought, False
    if wanted.kind == "json_object":
        notes.change("output", LOSSY["json_object"])
        return config, chosen, thought, True
    is_foreign = wanted.original is None or wanted.original.format != NAME
    if facts.json_schema and not (is_foreign and recurs(wanted.schema or {})):
        if is_foreign:
            config["format"] = {"type": "json_schema", "schema": closed_schema(wanted.schema or {}, notes)}
        return config, chosen, thought, False
    if facts.json_schema:
        notes.change("output", "its schema is recursive or too deep: asked for as the input of a tool")
    config.pop("format", None)
    if thought.is_on and facts.can_stop_thinking:
        notes.drop("reasoning", "a model that thinks cannot be forced to answer in JSON")
        config.pop("effort", None)
        thought = Thought(thought.max_tokens)
    return config, add_json_tool(chosen, wanted.schema), thought, False


def _with_nudge(system: Any) -> Any:
    if not system:
        return JSON_NUDGE
    if isinstance(system, str):
        return f"{system}\n\n{JSON_NUDGE}"
    return [*system, {"type": "text", "text": JSON_NUDGE}]


def _as_asked(request: ChatRequest, made: Body) -> Body:
    """The fields in the client's order, those without a word of ours among them."""
    body: Body = {}
    for name, value in request.body.items():
        if name in made:
            body[name] = made[name]
        elif name in request.extra:
            body[name] = request.extra[name]
        elif value in (None, [], {}, "") or (name == "stream" and value is False and not request.stream):
            body[name] = value
    return body | made


def _translated(request: ChatRequest, made: Body, notes: Notes) -> Body:
    """Names what had to stay behind."""
    for name, value in zip(_WITHOUT_FIELD, _get_without_field(request), strict=True):
        if value is not None and value not in ({}, ""):
            notes.drop(name, LOSSY[name])
    if request.store:
        notes.drop("store", LOSSY["store"])
    if (request.count or 1) > 1:
        notes.drop("count", LOSSY["count"])
    for name, value in request.extra.items():
        if value is not None:
            notes.drop(name)
    limit_breakpoints(made, notes)
    return made
