"""Files that only another vendor can open: a request with one is refused, because without it the question is another.

file_id                                            good where it was issued; OpenAI's two formats share theirs
gs://…, https://generativelanguage.googleapis.com  Google's, which its owner's key alone opens
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Audio, Document, Image, Text, ToolResult
from fastproxy.formats.notes import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.formats.chat import ChatRequest, Part
    from fastproxy.formats.notes import Notes

_OPENAI: Final = ("openai-chat", "openai-responses")
_FETCHED: Final = ("http://", "https://", "data:")
_GOOGLES: Final = "https://generativelanguage.googleapis.com/"


def refuse_foreign_files(request: ChatRequest, target: str) -> None:
    """`target` is the upstream's format. Raises: FormatError naming the place."""
    if target == request.format:
        return
    for turn in request.turns:
        for part in turn.parts:
            if type(part) is not Text and isinstance(part, Image | Document | Audio | ToolResult):
                _check(request, part.parts if isinstance(part, ToolResult) else (part,), target)


def note_citations(part: Document, notes: Notes) -> None:
    """Names the wish of an Anthropic client to have a document cited, which no other vendor knows."""
    value = part.original.value if part.original is not None and part.original.format == "anthropic" else {}
    wish = value.get("citations")
    if isinstance(wish, dict) and wish.get("enabled"):
        notes.change(part, "it will not be cited")


def _check(request: ChatRequest, parts: Iterable[Part], target: str) -> None:
    for part in parts:
        if isinstance(part, Image | Document | Audio) and (why := _why_not(part, target)):
            raise FormatError(f"field '{place_of(request.body, part)}' is {why}: expected its bytes or its address")


def _why_not(part: Image | Document | Audio, target: str) -> str:
    """What is wrong with a file, "" if nothing is."""
    source = part.source
    if source.data is not None or (isinstance(part, Document) and part.text is not None):
        return ""
    if source.file_id is not None:
        shared = part.original is not None and part.original.format in _OPENAI and target in _OPENAI
        return "" if shared else "a file of another provider"
    url = source.url or ""
    if target == "gemini" or not url:
        return ""
    if url.startswith(_GOOGLES):
        return "a file of another provider"
    return "" if url.lower().startswith(_FETCHED) else "an address of another kind"
