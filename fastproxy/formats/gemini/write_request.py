"""ChatRequest → generateContent's body.

A request of this format goes out as it came in: what was not replaced on the way is the client's own JSON. Any other is
written from its words: instructions in front, user and model in turn, all functions in one entry, and one config.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from fastproxy.formats.chat import Image, Text, ToolCall
from fastproxy.formats.gemini.order import PLACEHOLDER, conversation, current_from
from fastproxy.formats.gemini.own_body import own_body
from fastproxy.formats.gemini.settings import write_output, write_settings, write_tier
from fastproxy.formats.gemini.tools import write_choice, write_tools
from fastproxy.formats.gemini.words import LOSSY, NAME, RESOLUTIONS
from fastproxy.formats.gemini.write_parts import Pen, write_parts
from fastproxy.formats.tool_names import ToolNames
from fastproxy.formats.turns import split_system

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastproxy.formats.chat import ChatRequest, Facts, Target, Turn
    from fastproxy.formats.notes import Notes

_UNSAID: Final = ("logit_bias", "verbosity", "user", "metadata", "previous", "cache_key")
_ROLES: Final = {"assistant": "model"}


def upstream_path(target: Target, *, stream: bool) -> str:
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    if target.model.startswith("tunedModels/"):
        return f"/{quote(target.model)}:{verb}"
    return f"/models/{quote(target.model.removeprefix('models/'), safe='')}:{verb}"


def write_request(request: ChatRequest, target: Target, notes: Notes) -> tuple[dict[str, Any], ToolNames]:
    """Raises: FormatError."""
    own = request.format == NAME
    names = ToolNames(() if own else _names_of(request), gemini=True)
    pen = Pen(request, target.facts, names, notes)
    body = own_body(pen, target) if own else _foreign_body(pen, target)
    return (_without(body, target.drop_fields, notes) if target.drop_fields else body), names


def _without(body: dict[str, Any], refused: Iterable[str], notes: Notes) -> dict[str, Any]:
    """`body` without fields that the vendor refuses: "labels", "generationConfig.seed", or "seed" for short."""
    for path in refused:
        above, _, name = path.rpartition(".")
        if not above and name not in body:
            above = "generationConfig"
        holder = body.get(above) if above else body
        if isinstance(holder, dict) and name in holder:
            notes.drop(path, "the vendor does not take it")
            rest = {key: item for key, item in holder.items() if key != name}
            body = body | {above: rest} if above else rest
    return body


def _names_of(request: ChatRequest) -> Iterable[str]:
    yield from (tool.name for tool in request.tools if tool.kind != "builtin")
    yield from (part.name for turn in request.turns for part in turn.parts if isinstance(part, ToolCall))


def _foreign_body(pen: Pen, target: Target) -> dict[str, Any]:
    request, facts, names, notes = pen
    split = split_system(request.turns)
    for turn in split.moved:
        notes.move(turn, "to the instructions in front")
    turns = conversation(split.rest, notes)
    if turns[-1].role == "assistant":
        notes.change("turns", "the model need not continue the last turn")
    config = write_settings(request, target, notes)
    output, asking = write_output(request, facts, notes)
    config |= output | _resolution(request, facts, notes)
    made: dict[str, Any] = {}
    if instructions := _instructions(pen, split.instructions, asking):
        made["systemInstruction"] = {"parts": instructions}
    made["contents"] = _contents(pen, turns)
    if tools := write_tools(request, facts, names, notes, target.builtin_tools):
        made["tools"] = tools
        if (choice := write_choice(request, names, notes)) is not None:
            made["toolConfig"] = {"functionCallingConfig": choice}
    elif request.tool_choice is not None:
        notes.drop("tool_choice", "there is no such function")
    if config:
        made["generationConfig"] = config
    _said_beside(request, target, made, notes)
    return made


def _said_beside(request: ChatRequest, target: Target, made: dict[str, Any], notes: Notes) -> None:
    """The fields on top, and what has no place at all."""
    if (tier := write_tier(request, notes)) is not None:
        made["serviceTier"] = tier
    if request.store is not None and "vertex" in target.vendor:
        notes.drop("store", "Vertex AI has no such field")
    elif request.store is not None:
        made["store"] = request.store
    for field in _UNSAID:
        if getattr(request, field) is not None:
            notes.drop(field, LOSSY[field])
    for name in request.extra:
        notes.drop(name, LOSSY["extra"])


def _instructions(pen: Pen, turns: Sequence[Turn], asking: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for turn in turns:
        for part in turn.parts:
            if isinstance(part, Text):
                made += write_parts(pen, (part,))
            else:
                pen.notes.drop(part, "instructions are texts")
    return [*made, {"text": asking}] if asking else made


def _contents(pen: Pen, turns: Sequence[Turn]) -> list[dict[str, Any]]:
    current = current_from(turns)
    made: list[dict[str, Any]] = []
    for place, turn in enumerate(turns):
        role = _ROLES.get(turn.role, "user")
        parts = write_parts(pen, turn.parts, is_current=role == "model" and place >= current)
        if not parts and role == "model":
            continue  # a reply that was nothing but foreign thoughts
        if made and made[-1]["role"] == role:
            made[-1]["parts"] += parts
        else:
            made.append({"role": role, "parts": parts})
    for content in made:
        if not content["parts"]:
            pen.notes.change("turns", "an empty turn was filled")
            content["parts"] = [{"text": PLACEHOLDER}]
    return made


def _resolution(request: ChatRequest, facts: Facts, notes: Notes) -> dict[str, Any]:
    """One resolution for all images, where the model does not take one for each: the finest that is asked for."""
    if facts.thinking == "level":
        return {}
    images = [part for turn in request.turns for part in turn.parts if isinstance(part, Image)]
    asked = {RESOLUTIONS[image.detail] for image in images if image.detail in RESOLUTIONS}
    if not asked:
        return {}
    finest = min(asked)  # HIGH sorts before LOW
    for image in images:
        if RESOLUTIONS.get(image.detail or "", finest) != finest:
            notes.change(image, "one resolution for all images, the finest")
    return {"mediaResolution": finest}
