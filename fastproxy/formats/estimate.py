"""How many tokens a request has, where no upstream counts for us. Pure; says so wherever it is used.

Texts are counted by `count`: a tokenizer's (tokens.py), or by their letters (letters.py). Around them:

    OpenAI's models   3 a message and its role, 1 and the name where it has one, 3 at the end; functions as the
                      cookbook counts them ("How to count tokens with tiktoken", sections 6 and 7)
    Anthropic's       4 a message, none for the system prompt, 3 at the end; 346 where tools are given ("Tool use",
                      pricing), which are counted as OpenAI's
    all others        as Anthropic's, without the 346

Pictures cost what their vendor says of their size (pictures.py); PDFs, sound and video what a usual one costs.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Final

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
from fastproxy.formats.letters import estimate_text
from fastproxy.formats.pictures import USUAL as IMAGE
from fastproxy.formats.pictures import picture_tokens
from fastproxy.formats.tokens import CL100K, ruler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastproxy.formats.chat import ChatRequest, Tool, Turn

    Count = Callable[[str], int]

PER_TURN: Final = 4  # borders, 3, and the role
PER_NAME: Final = 1
END: Final = 3  # what the reply begins with
CLAUDE_TOOLS: Final = 346  # the prompt that explains them to the model
BYTES_PER_PDF_TOKEN: Final = 20  # a page of 50 KB is about 2,500 tokens
AUDIO: Final = 640  # 20 seconds at Gemini's 32 a second
VIDEO: Final = 5000
MAX_DEPTH: Final = 16  # of the schema of a function
_BASE64: Final = 3 / 4
_ROUND_DOWN: Final = 1e-9

# OpenAI's functions: each one, its first property, each property, an enum, each of its values, the end of all
_FUNCTION: Final = 7
_FUNCTION_OF_GPT_4: Final = 10
_PROPERTIES: Final = 3
_PROPERTY: Final = 3
_ENUM: Final = -3
_VALUE: Final = 3
_FUNCTIONS_END: Final = 12


def estimate(request: ChatRequest, count: Count = estimate_text) -> int:
    """Tokens of the whole input: instructions, turns and tools."""
    return _Sum(request.model, count).of(request)


class _Sum:
    """One request's count. Texts are weighed by the factor of the model's tokenizer, rounded once at the end."""

    def __init__(self, model: str, count: Count) -> None:
        self._model = model
        self._count = count
        self._ruler = ruler(model)

    def of(self, request: ChatRequest) -> int:
        total = END + sum(self._turn(turn) for turn in request.turns) + self._tools(request.tools)
        return max(1, ceil(total - _ROUND_DOWN))

    def _text(self, text: str) -> float:
        return self._count(text) * self._ruler.factor if text else 0

    def _turn(self, turn: Turn) -> float:
        name = PER_NAME + self._text(turn.name) if turn.name else 0
        borders = PER_TURN if self._ruler.is_openai or turn.role != "system" else 0
        return borders + name + self._parts(turn.parts)

    def _parts(self, parts: Iterable[Part]) -> float:
        return sum(self._part(part) for part in parts)

    def _part(self, part: Part) -> float:
        if isinstance(part, Text | Thinking | Refusal):
            return self._text(part.text)
        if isinstance(part, ToolCall):
            return self._text(part.name) + self._text(part.arguments) + PER_TURN
        if isinstance(part, ToolResult):
            return self._parts(part.parts) + PER_TURN
        if isinstance(part, Opaque):
            return self._text(part.summary)
        return self._file(part)

    def _file(self, part: Part) -> float:
        if isinstance(part, Image):
            return picture_tokens(part, self._model)
        if isinstance(part, Document):
            return self._document(part)
        return VIDEO if isinstance(part, Video) else AUDIO if isinstance(part, Audio) else 0

    def _document(self, part: Document) -> float:
        if part.text is not None:
            return self._text(part.text)
        size = len(part.source.data or "") * _BASE64
        return max(IMAGE, int(size / BYTES_PER_PDF_TOKEN))

    def _tools(self, tools: tuple[Tool, ...]) -> float:
        if not tools:
            return 0
        functions = sum(self._function(tool) for tool in tools)
        if self._ruler.is_openai:
            return functions + _FUNCTIONS_END
        return functions + (CLAUDE_TOOLS if "claude" in self._model.lower() else 0)

    def _function(self, tool: Tool) -> float:
        each = _FUNCTION_OF_GPT_4 if self._ruler.vocabulary == CL100K else _FUNCTION
        return each + self._line(tool.name, tool.description) + self._properties(tool.schema, MAX_DEPTH)

    def _properties(self, schema: Any, depth: int) -> float:
        """Those of an object, and of the objects within; the cookbook has only flat ones."""
        inner = schema.get("properties") if hasattr(schema, "get") else None
        if not isinstance(inner, dict) or not inner or not depth:
            return 0
        return _PROPERTIES + sum(self._property(name, value, depth - 1) for name, value in inner.items())

    def _property(self, name: str, value: Any, depth: int) -> float:
        if not isinstance(value, dict):
            return _PROPERTY + self._text(name)
        kind = value.get("type", "")
        total = _PROPERTY + self._line(f"{name}:{kind if isinstance(kind, str) else 'any'}", value.get("description"))
        values = value.get("enum")
        if isinstance(values, list):
            total += _ENUM + sum(_VALUE + self._text(str(each)) for each in values)
        return total + self._properties(value, depth) + self._properties(value.get("items"), depth)

    def _line(self, name: str, description: Any) -> float:
        """As the cookbook writes it: without a full stop at the end."""
        return self._text(f"{name}:{description if isinstance(description, str) else ''}".removesuffix("."))
