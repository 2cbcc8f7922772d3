"""How many tokens a request has, roughly, where no upstream counts for us. Pure; says so wherever it is used.

Nobody but the vendor knows its tokenizer. Texts are judged by their letters: four ASCII characters to a token, one of
Chinese, Japanese or Korean each, two of any other script; pictures and files by what vendors publish for a usual one.
On English prose that is within 15 % of OpenAI's tokenizer; source code has up to a third more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

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

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.formats.chat import ChatRequest, Tool

PER_TURN: Final = 4  # role and borders
PER_TOOL: Final = 12
IMAGE: Final = 1100  # Anthropic: width × height / 750 of a usual picture; OpenAI high detail 765, Gemini 258 a tile
BYTES_PER_PDF_TOKEN: Final = 20  # a page of 50 KB is about 2,500 tokens
AUDIO: Final = 640  # 20 seconds at Gemini's 32 a second
VIDEO: Final = 5000
_BASE64: Final = 3 / 4
_CJK: Final = (("\u2e80", "\u9fff"), ("\uac00", "\ud7af"), ("\uf900", "\ufaff"))


def estimate(request: ChatRequest) -> int:
    """Tokens of the whole input: instructions, turns and tools."""
    turns = sum(PER_TURN + _parts(turn.parts) for turn in request.turns)
    return max(1, turns + sum(_tool(tool) for tool in request.tools))


def estimate_text(text: str) -> int:
    """Tokens of a text, rounded up."""
    plain = len(text.encode("ascii", "ignore"))
    other = len(text) - plain
    if not other:
        return -(-plain // 4)
    ideograms = sum(any(low <= letter <= high for low, high in _CJK) for letter in text if letter > "\u2e7f")
    return -(-plain // 4) + ideograms + -(-(other - ideograms) // 2)


def _parts(parts: Iterable[Part]) -> int:
    return sum(_part(part) for part in parts)


def _part(part: Part) -> int:
    if isinstance(part, Text | Thinking | Refusal):
        return estimate_text(part.text)
    if isinstance(part, ToolCall):
        return estimate_text(part.name) + estimate_text(part.arguments) + PER_TURN
    if isinstance(part, ToolResult):
        return _parts(part.parts) + PER_TURN
    if isinstance(part, Image):
        return IMAGE
    if isinstance(part, Document):
        return _document(part)
    if isinstance(part, Opaque):
        return estimate_text(part.summary)
    return VIDEO if isinstance(part, Video) else AUDIO if isinstance(part, Audio) else 0


def _document(part: Document) -> int:
    if part.text is not None:
        return estimate_text(part.text)
    size = len(part.source.data or "") * _BASE64
    return max(IMAGE, int(size / BYTES_PER_PDF_TOKEN))


def _tool(tool: Tool) -> int:
    schema: Any = tool.schema or {}
    said = tool.name + (tool.description or "")
    return PER_TOOL + estimate_text(said) + len(orjson.dumps(dict(schema))) // 4
