"""The parts of a turn, written: the vocabulary into {text}, {text, thought}, {functionCall}, {inlineData} …

A part that was read from this format goes out as it came. Thoughts of another vendor stay here: Gemini cannot read
them, and a signature that is not its own is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastproxy.errors import FormatError
from fastproxy.formats.chat import (
    Audio,
    Document,
    Image,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from fastproxy.formats.foreign_files import note_citations
from fastproxy.formats.gemini.media import write_source
from fastproxy.formats.gemini.results import write_call, write_result
from fastproxy.formats.gemini.words import NAME, RESOLUTIONS, value_of
from fastproxy.formats.notes import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastproxy.formats.chat import ChatRequest, Facts
    from fastproxy.formats.notes import Notes
    from fastproxy.formats.tool_names import ToolNames

# What Google's documentation gives to calls whose signature is lost; without any, Gemini 3 answers 400
NO_SIGNATURE: Final = "skip_thought_signature_validator"


class Pen(NamedTuple):
    """Who writes, for whom, and where it is said what got lost."""

    request: ChatRequest
    facts: Facts
    names: ToolNames
    notes: Notes


def write_parts(pen: Pen, parts: Iterable[Part], *, is_current: bool = False) -> list[dict[str, Any]]:
    """`is_current`: a step of the current turn, whose first call must be signed."""
    made: list[dict[str, Any]] = []
    behind: list[dict[str, Any]] = []  # images of results, which must not stand between two results
    needs_signature = is_current and pen.facts.thinking == "level"
    for part in parts:
        if part.cache is not None:
            pen.notes.drop("cache_control", "Gemini caches by itself")
        written = _written(pen, part)
        if isinstance(part, ToolResult):
            behind += written[1:]
            made += written[:1]
            continue
        if isinstance(part, ToolCall) and needs_signature:
            needs_signature = False
            written = [_signed(pen, part, written[0])]
        made += behind + written
        behind = []
    return made + behind


def _signed(pen: Pen, call: ToolCall, written: dict[str, Any]) -> dict[str, Any]:
    if value_of(written, "thoughtSignature") is not None:
        return written
    pen.notes.change(call, "its thought signature is lost")
    return written | {"thoughtSignature": NO_SIGNATURE}


def _written(pen: Pen, part: Part) -> list[dict[str, Any]]:
    if part.original is not None and part.original.format == NAME:
        return [_original(part.original.value, pen.facts)]
    write = _WRITERS.get(type(part))
    return write(pen, part) if write is not None else []


def _original(value: Any, facts: Facts) -> dict[str, Any]:
    return without_ids(value) if not facts.call_ids and isinstance(value, dict) else value


def without_ids(part: dict[str, Any]) -> dict[str, Any]:
    """A part as it was read, but for the id of its call."""
    for name in ("functionCall", "function_call", "functionResponse", "function_response"):
        inner = part.get(name)
        if isinstance(inner, dict) and "id" in inner:
            return part | {name: {key: item for key, item in inner.items() if key != "id"}}
    return part


def _text(pen: Pen, part: Any) -> list[dict[str, Any]]:
    if part.citations:
        pen.notes.drop("citations", "Gemini takes no citations")
    if part.signature is not None:
        return [{"text": part.text, "thoughtSignature": part.signature}]
    return [{"text": part.text}] if part.text else []


def _thinking(pen: Pen, part: Any) -> list[dict[str, Any]]:
    if part.issuer not in ("", NAME):
        pen.notes.drop(part, "the thoughts of another vendor's model")
        return []
    signed = {"thoughtSignature": part.signature} if part.signature is not None and part.issuer == NAME else {}
    return [{"text": part.text, "thought": True} | signed] if part.text or signed else []


def _call(pen: Pen, part: Any) -> list[dict[str, Any]]:
    return [write_call(part, pen.names.there(part.name), pen.notes, with_id=pen.facts.call_ids)]


def _result(pen: Pen, part: Any) -> list[dict[str, Any]]:
    """A result; its images and files stand inside for Gemini 3, behind it for those before."""
    name = pen.names.there(part.name or "tool")
    written = write_result(part, name, with_id=pen.facts.call_ids)
    media = [(each, made) for each in part.parts if not isinstance(each, Text) for made in _written(pen, each)]
    if not media:
        return [written]
    if pen.facts.thinking == "level":
        inside = [made for _, made in media if "inlineData" in made or "fileData" in made]
        written["functionResponse"]["parts"] = [without_resolution(made) for made in inside]
        return [written, *(made for _, made in media if made not in inside)]
    pen.notes.move(media[0][0], "behind the result of its tool")
    return [written, {"text": f"What the tool {name} gave besides:"}, *(made for _, made in media)]


def without_resolution(part: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in part.items() if name != "mediaResolution"}


def _refusal(pen: Pen, part: Any) -> list[dict[str, Any]]:
    pen.notes.change(part, "sent as text")
    return [{"text": part.text}] if part.text else []


def _opaque(pen: Pen, part: Any) -> list[dict[str, Any]]:
    if part.summary:
        pen.notes.change(part, "sent as text")
        return [{"text": part.summary}]
    pen.notes.drop(part, "only its own vendor has it" if part.is_known else f"unknown kind {part.kind[:40]}")
    return []


def _image(pen: Pen, part: Any) -> list[dict[str, Any]]:
    if not pen.facts.images:
        pen.notes.drop(part, "the model takes no images")
        return []
    made = _media(pen, part)
    if pen.facts.thinking == "level" and part.detail in RESOLUTIONS:
        made["mediaResolution"] = {"level": RESOLUTIONS[part.detail]}
    return [made]


def _document(pen: Pen, part: Any) -> list[dict[str, Any]]:
    note_citations(part, pen.notes)
    if part.text is not None:
        head = [f"{word}: {said}" for word, said in (("Title", part.title), ("Context", part.context)) if said]
        return [{"text": "\n".join([*head, part.text])}]
    if not pen.facts.documents:
        pen.notes.drop(part, "the model takes no files")
        return []
    return [_media(pen, part)]


def _audio(pen: Pen, part: Any) -> list[dict[str, Any]]:
    if not pen.facts.audio:
        pen.notes.drop(part, "the model takes no audio")
        return []
    return [_media(pen, part)]


def _video(pen: Pen, part: Any) -> list[dict[str, Any]]:
    return [_media(pen, part)]


def _media(pen: Pen, part: Any) -> dict[str, Any]:
    """Raises: FormatError for a file that only another provider has."""
    source = part.source
    if source.data is None and source.url is None:
        place = place_of(pen.request.body, part)
        raise FormatError(f"field '{place}' is a file of another provider: expected its data or an address")
    return write_source(part, source, pen.notes)


_WRITERS: Final[dict[type[Part], Callable[[Pen, Any], list[dict[str, Any]]]]] = {
    Text: _text,
    Thinking: _thinking,
    ToolCall: _call,
    ToolResult: _result,
    Refusal: _refusal,
    Opaque: _opaque,
    Image: _image,
    Document: _document,
    Audio: _audio,
    Video: _video,
}
