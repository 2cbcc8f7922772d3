"""Parts into content blocks. What was read from this format is written as it was; empty blocks are never made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from fastproxy.formats import exact
from fastproxy.formats.anthropic.files import document_block, image_block
from fastproxy.formats.anthropic.tools import cache_control
from fastproxy.formats.anthropic.words import LOSSY, NAME
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
from fastproxy.formats.custom_tools import FIELD as INPUT_FIELD
from fastproxy.formats.tool_names import ToolNames, fitting_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastproxy.formats.chat import ChatRequest, Target
    from fastproxy.formats.notes import Notes

Block = dict[str, Any]


class BlockWriter:
    """Writes parts for one request, and notes what it cannot write."""

    __slots__ = ("_names", "_notes", "_request", "_target")

    def __init__(self, request: ChatRequest, target: Target, names: ToolNames, notes: Notes) -> None:
        self._request = request
        self._target = target
        self._names = names
        self._notes = notes

    def blocks(self, parts: Iterable[Part]) -> list[Block]:
        return [block for part in parts if (block := self.block(part)) is not None]

    def block(self, part: Part) -> Block | None:
        """None where nothing is left of it."""
        if self._is_own(part):
            return self._own(part)
        written = _WRITERS[type(part)](self, part)
        if written is not None and part.cache is not None and not isinstance(part, Thinking):
            written["cache_control"] = cache_control(part.cache)
        return written

    def _is_own(self, part: Part) -> bool:
        """Read from this format, and nothing in it is another vendor's."""
        if part.original is None or part.original.format != NAME:
            return False
        if isinstance(part, Thinking):
            return part.issuer in ("", NAME)
        return not (isinstance(part, Text | ToolCall) and part.signature is not None) and not has_made_citation(part)

    def _own(self, part: Part) -> Block:
        value = part.original.value if part.original is not None else None
        return {"type": "text", "text": value} if isinstance(value, str) else value  # type: ignore[return-value]

    def _text(self, part: Text) -> Block | None:
        if part.signature is not None:
            self._notes.change(part, LOSSY["foreign_signature"])
        if not part.text.strip():
            return None
        block: Block = {"type": "text", "text": part.text}
        own = [original.value for cited in part.citations if (original := cited.original) and original.format == NAME]
        own = [citation for citation in own if is_real(citation)]
        if len(own) < len(part.citations):
            self._notes.change(part, "without its citations")
        return {**block, "citations": own} if own else block

    def _refusal(self, part: Refusal) -> Block | None:
        if not part.text.strip():
            return None
        self._notes.change(part, LOSSY["refusal"])
        return {"type": "text", "text": part.text}

    def _image(self, part: Image) -> Block | None:
        if not self._target.facts.images:
            self._notes.drop(part, "this model takes no images")
            return None
        return image_block(part, self._request.body, self._notes)

    def _document(self, part: Document) -> Block | None:
        if not self._target.facts.documents:
            self._notes.drop(part, "this model takes no documents")
            return None
        return document_block(part, self._request.body)

    def _thinking(self, part: Thinking) -> Block | None:
        if part.issuer != NAME or part.signature is None:
            self._notes.drop(part, LOSSY["foreign_signature"])
            return None
        if part.redacted:
            return {"type": "redacted_thinking", "data": part.signature}
        return {"type": "thinking", "thinking": part.text, "signature": part.signature}

    def _call(self, part: ToolCall) -> Block:
        if part.signature is not None:
            self._notes.change(part, LOSSY["foreign_signature"])
        if part.custom:
            given: Block = {INPUT_FIELD: part.arguments}
        else:
            given = arguments_object(part.arguments)
            if given.keys() & {"_raw"}:
                self._notes.change(part, "its arguments are not a JSON object")
        name = self._names.there(part.name)
        return {"type": "tool_use", "id": self.call_id(part.id), "name": name, "input": given}

    def _result(self, part: ToolResult) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": self.call_id(part.call_id)}
        content = self.blocks(inner for inner in part.parts if self._fits_result(inner))
        if len(content) == 1 and content[0].keys() == {"type", "text"}:
            block["content"] = content[0]["text"]
        elif content:
            block["content"] = content
        return {**block, "is_error": True} if part.is_error else block

    def _fits_result(self, part: Part) -> bool:
        if isinstance(part, Text | Image | Document | Refusal) or self._is_own(part):
            return True
        self._notes.drop(part, "results of tools hold texts, images and documents")
        return False

    def call_id(self, call_id: str) -> str:
        return call_id if self._request.format == NAME else fitting_id(call_id)

    def _opaque(self, part: Opaque) -> Block | None:
        if part.summary.strip():
            self._notes.change(part, "sent as text")
            return {"type": "text", "text": part.summary}
        self._notes.drop(part, f"no {part.kind[:40]} in messages")
        return None

    def _silent(self, part: Part) -> None:
        self._notes.drop(part, LOSSY["audio" if isinstance(part, Audio) else "video"])


def arguments_object(text: str) -> Block:
    """A call's arguments as the object that the API demands; what is none is kept under "_raw"."""
    if not text.strip():
        return {}
    try:
        value = exact.loads(text)
    except orjson.JSONDecodeError:
        return {"_raw": text}
    return value if isinstance(value, dict) else {"_raw": value}


def has_made_citation(part: Part) -> bool:
    """Whether a citation is one that we made for a client out of another vendor's."""
    return isinstance(part, Text) and any(
        cited.original is not None and not is_real(cited.original.value) for cited in part.citations
    )


def is_real(citation: Block) -> bool:
    return citation.get("type") != "web_search_result_location" or bool(citation.get("encrypted_index"))


_WRITERS: Final[dict[type[Part], Callable[[BlockWriter, Any], Block | None]]] = {
    Text: BlockWriter._text,
    Refusal: BlockWriter._refusal,
    Image: BlockWriter._image,
    Document: BlockWriter._document,
    Thinking: BlockWriter._thinking,
    ToolCall: BlockWriter._call,
    ToolResult: BlockWriter._result,
    Opaque: BlockWriter._opaque,
    Audio: BlockWriter._silent,
    Video: BlockWriter._silent,
}
