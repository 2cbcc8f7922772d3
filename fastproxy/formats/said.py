"""What was asked and said, by the letters: tokens of a request's and a reply's JSON whose upstream has counted none.

Cheap and bounded, because it runs where a reply is settled: texts are found by the names that all formats give them,
in at most MAX_NODES objects and lists; what is larger is judged unread (letters.py). 20 us for 1 KB. Pure.

    asked         a request: instructions, messages, tools, texts to embed; a picture costs a usual one
    said          a whole reply
    said_so_far   a part of a stream: the deltas of its whole events
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from fastproxy.formats.letters import estimate_json, estimate_text
from fastproxy.formats.pictures import USUAL

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES: Final = 65_536  # of a JSON text that is taken apart
MAX_NODES: Final = 2_048
MAX_DEPTH: Final = 32
PER_TURN: Final = 4
END: Final = 3

_TURNS: Final = ("messages", "contents", "input")
# Where each format has what the model has said; the rest of a reply repeats the request or is about it.
_ROOTS: Final = {
    "openai-chat": ("choices",),
    "openai": ("choices",),
    "openai-responses": ("output",),
    "anthropic": ("content", "delta"),
    "gemini": ("candidates",),
    "ollama": ("message", "response"),
    "": ("delta",),  # events of Responses
}
_TEXTS: Final = frozenset(
    ("text", "content", "reasoning_content", "reasoning", "thinking", "refusal", "arguments", "partial_json", "name",
     "response", "system", "prompt", "instructions", "input", "description", "output", "query", "documents", "texts",
     "parts")
)  # fmt: skip
_OBJECTS: Final = frozenset(("args", "input_schema", "parameters", "parametersJsonSchema"))  # texts as JSON objects
_CALLED_WITH: Final = frozenset(("input", "arguments"))  # the same where they are objects
_FILES: Final = frozenset(
    ("image", "image_url", "input_image", "inlineData", "inline_data", "fileData", "file_data", "input_audio", "file",
     "document", "input_file", "source")
)  # fmt: skip
_SKIPPED: Final = frozenset(("logprobs", "logprobsResult", "annotations", "citations", "groundingMetadata", "metadata"))


class _Tally:
    """Goes through JSON values. `is_cut`: there was more than it may look at."""

    __slots__ = ("_nodes", "_others", "_texts", "is_cut")

    def __init__(self) -> None:
        self._nodes = 0
        self._texts: list[str] = []  # judged together: a stream's are shorter than a token often
        self._others = 0
        self.is_cut = False

    def tokens(self) -> int:
        return estimate_text("".join(self._texts)) + self._others

    def take(self, value: Any, *, is_text: bool, depth: int = MAX_DEPTH) -> None:
        """`is_text`: a bare string or number here is something said (or a token's number)."""
        if isinstance(value, str):
            if is_text:
                self._texts.append(value)
        elif isinstance(value, dict | list):
            self._enter(value, is_text, depth - 1)
        elif is_text and type(value) is int:
            self._others += 1

    def _enter(self, value: dict[str, Any] | list[Any], is_text: bool, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES or not depth:
            self.is_cut = True
        elif isinstance(value, list):
            self._take_all(value, is_text, depth)
        else:
            self._take_members(value, depth)

    def _take_all(self, values: list[Any], is_text: bool, depth: int) -> None:
        if is_text and values and type(values[0]) is int:
            self._others += len(values)  # the numbers of tokens
            return
        for value in values:
            self.take(value, is_text=is_text, depth=depth)

    def _take_members(self, members: dict[str, Any], depth: int) -> None:
        kind = members.get("type")
        if isinstance(kind, str) and kind in _FILES:
            self._others += USUAL
            return
        for name, value in members.items():
            if name in _SKIPPED:
                continue
            if name in _FILES and isinstance(value, dict):
                self._others += USUAL
            elif name in _OBJECTS or (name in _CALLED_WITH and isinstance(value, dict)):
                self._weigh(value)
            else:
                self.take(value, is_text=name in _TEXTS, depth=depth)

    def _weigh(self, value: Any) -> None:
        try:
            self._others += estimate_json(msgspec.json.encode(value))
        except RecursionError:  # it was read with room for more levels than it can be written with
            self.is_cut = True


def asked(body: bytes) -> int:
    """Tokens of a request's input."""
    request = _loaded(body)
    if not isinstance(request, dict):
        return estimate_json(body)
    tally = _Tally()
    tally.take(request, is_text=False)
    if tally.is_cut:
        return estimate_json(body)
    turns = [len(value) for name in _TURNS if isinstance(value := request.get(name), list)]
    is_chat = "messages" in request or "contents" in request
    return tally.tokens() + (PER_TURN * sum(turns) + END if is_chat else 0)


def said(wire_format: str, body: bytes) -> int:
    """Tokens of a whole reply's output."""
    reply = _loaded(body)
    if reply is None:
        return estimate_json(body)
    return _tokens_of(wire_format, reply if isinstance(reply, list) else [reply], body)


def said_so_far(wire_format: str, text: bytes, total: int) -> int:
    """Tokens of a stream of `total` bytes of which `text` is the end, on the assumption that all was like its end.

    Events that were cut say nothing.
    """
    lines = [line.removeprefix(b"data:") for line in text.splitlines() if line.startswith((b"data:", b"{"))]
    events = [event for line in lines if isinstance(event := _loaded(line.strip()), dict)]
    if not events:  # one that is larger than what is kept of it, or a JSON array, or nothing
        return said(wire_format, text) if b"{" in text and not lines else 0
    if wire_format == "openai-responses":
        ends = [event["response"] for event in events if isinstance(event.get("response"), dict)]
        if ends and (whole := _tokens_of(wire_format, ends, text)):
            return whole  # the last event repeats everything
        deltas = [event for event in events if str(event.get("type")).endswith(".delta")]
        tokens = _tokens_of("", deltas, text)
    else:
        tokens = _tokens_of(wire_format, events, text)
    return tokens if total <= len(text) else tokens * total // len(text)


def _tokens_of(wire_format: str, events: Iterable[Any], source: bytes) -> int:
    tally = _Tally()
    for event in events:
        for root in _ROOTS[wire_format]:
            value = event.get(root) if isinstance(event, dict) else None
            tally.take(value, is_text=True)
    return estimate_json(source) if tally.is_cut else tally.tokens()


def _loaded(text: bytes) -> Any:
    """None for what is too large or cannot be read."""
    if len(text) > MAX_BYTES:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
