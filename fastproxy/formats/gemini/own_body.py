"""A request of a Gemini client for a Gemini upstream: the client's own JSON, but for what was replaced on the way.

Unknown fields, the spelling of names and the order of fields stay. A turn without an original, another list of tools or
another setting was put there by somebody in between, and only that is written anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastproxy.formats import checked
from fastproxy.formats.gemini.read_parts import listed
from fastproxy.formats.gemini.read_request import READ_NAMES, settings_of
from fastproxy.formats.gemini.settings import CONFIG_NAMES, write_output, write_settings, write_tier
from fastproxy.formats.gemini.streamed_history import contents_of
from fastproxy.formats.gemini.tools import read_choice, write_choice, write_tools
from fastproxy.formats.gemini.words import NAME, named
from fastproxy.formats.gemini.write_parts import Pen, without_ids, write_parts
from fastproxy.formats.turns import INSTRUCTING

if TYPE_CHECKING:
    from fastproxy.formats.chat import ChatRequest, Node, Target, Turn


def own_body(pen: Pen, target: Target) -> dict[str, Any]:
    request = pen.request
    made = {name: item for name, item in request.body.items() if name in READ_NAMES or name in request.extra}
    made |= {name: item for name, item in request.extra.items() if "." not in name}
    if isinstance(made.get("model"), str):
        made["model"] = ("models/" if made["model"].startswith("models/") else "") + target.model
    _put_turns(pen, made)
    _put_tools(pen, made)
    _put_settings(pen, target, made)
    return made


def _is_own(node: Node) -> bool:
    return node.original is not None and node.original.format == NAME


def _put_turns(pen: Pen, made: dict[str, Any]) -> None:
    field = named(made, "systemInstruction")
    said = made.get(field)
    leading: list[Turn] = []
    contents: list[Any] = []
    for turn in pen.request.turns:
        if (turn.original is not None and turn.original.value is said) or (
            turn.role in INSTRUCTING and not _is_own(turn)
        ):
            leading.append(turn)
        else:
            contents += _contents(pen, turn)
    if not all(_holds(turn, said) for turn in leading) or (said and not leading):
        parts = [part for turn in leading for part in write_parts(pen, turn.parts)]
        made.pop(field, None)
        made |= {field: {"parts": parts}} if parts else {}
    before = listed(made.get("contents"), "contents")
    if len(before) != len(contents) or any(one is not other for one, other in zip(before, contents, strict=True)):
        made["contents"] = contents


def _holds(turn: Turn, said: Any) -> bool:
    """Whether `said` is the value that the turn was read from."""
    return turn.original is not None and turn.original.value is said


def _contents(pen: Pen, turn: Turn) -> list[Any]:
    """The contents as they were read, or the turn written anew."""
    if not _is_own(turn):
        return [{"role": "model" if turn.role == "assistant" else "user", "parts": write_parts(pen, turn.parts)}]
    contents = contents_of(turn)
    return contents if pen.facts.call_ids else [_without_ids(content) for content in contents]


def _without_ids(content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    parts = content.get("parts")
    if not isinstance(parts, list):
        return content
    bare = [without_ids(part) if isinstance(part, dict) else part for part in parts]
    return content if all(one is other for one, other in zip(parts, bare, strict=True)) else content | {"parts": bare}


def _put_tools(pen: Pen, made: dict[str, Any]) -> None:
    request = pen.request
    before = listed(made.get("tools"), "tools")
    count = sum(_size(entry) for entry in before if isinstance(entry, dict))
    if len(request.tools) != count or not all(_is_own(tool) for tool in request.tools):
        made.pop("tools", None)
        tools = write_tools(request, pen.facts, pen.names, pen.notes)
        made |= {"tools": tools} if tools else {}
    field = named(made, "toolConfig")
    config = checked.mapping(made, field) or {}
    if read_choice(config) != request.tool_choice:
        calling = named(config, "functionCallingConfig")
        rest = {name: item for name, item in config.items() if name != calling}
        choice = write_choice(request, pen.names, pen.notes)
        made[field] = rest | ({calling: choice} if choice is not None else {})


def _size(entry: dict[str, Any]) -> int:
    """How many tools an entry holds."""
    field = named(entry, "functionDeclarations")
    return len(entry) - (field in entry) + len(entry.get(field) or ())


def _put_settings(pen: Pen, target: Target, made: dict[str, Any]) -> None:
    request: ChatRequest = pen.request
    changed = {name for name, said in settings_of(made).items() if name != "extra" and getattr(request, name) != said}
    if "store" in changed:
        made["store"] = request.store
    if "service_tier" in changed:
        made[named(made, "serviceTier")] = write_tier(request, pen.notes)
    if changed - {"store", "service_tier"}:
        field = named(made, "generationConfig")
        rest = {name: item for name, item in (made.get(field) or {}).items() if name not in CONFIG_NAMES}
        output, _ = write_output(request, pen.facts, pen.notes)
        made[field] = rest | write_settings(request, target, pen.notes) | output
    for name in ("store", named(made, "serviceTier")):
        if name in changed and made.get(name) is None:
            made.pop(name, None)
