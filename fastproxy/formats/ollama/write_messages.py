"""Turns as messages.

system, developer   {"role": "system", "content"}
user                {"role": "user", "content", "images": [base64]}
assistant           {"role": "assistant", "content", "thinking", "tool_calls"}, neighbouring turns as one
results             {"role": "tool", "content", "tool_name", "tool_call_id"}, in the order of their calls; pictures of
                    theirs follow in a user message
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from fastproxy.formats import exact
from fastproxy.formats.chat import Document, Image, Opaque, Refusal, Text, Thinking, ToolCall, ToolResult
from fastproxy.formats.custom_tools import wrap_input
from fastproxy.formats.ollama.words import LOSSY, NAME
from fastproxy.formats.turns import join_assistants

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastproxy.formats.chat import Facts, Part, Turn
    from fastproxy.formats.notes import Notes
    from fastproxy.formats.tool_names import ToolNames

Json = dict[str, Any]
_INSTRUCTING: Final = ("system", "developer")


def write_messages(turns: Sequence[Turn], facts: Facts, names: ToolNames, notes: Notes) -> list[Json]:
    return _Writer(facts, names, notes).write(turns)


class _Writer:
    """One conversation for one model."""

    __slots__ = ("_calls", "_facts", "_messages", "_names", "_notes", "_results")

    def __init__(self, facts: Facts, names: ToolNames, notes: Notes) -> None:
        self._facts, self._names, self._notes = facts, names, notes
        self._messages: list[Json] = []
        self._calls: dict[str, tuple[int, str]] = {}  # id → how many came before, the tool's name
        self._results: list[ToolResult] = []  # that stand side by side, perhaps in several turns

    def write(self, turns: Sequence[Turn]) -> list[Json]:
        for turn in turns:
            if turn.name is not None:
                self._notes.change(turn, LOSSY["turn.name"])
        for turn in join_assistants(turns):
            if turn.role == "assistant":
                self._tell_results()
                self._assistant(turn)
            else:
                self._said_to_it(turn)
        self._tell_results()
        return self._messages

    def _said_to_it(self, turn: Turn) -> None:
        """Instructions, a user's words, results."""
        parts: list[Part] = []
        for part in turn.parts:
            if isinstance(part, ToolResult):
                self._results.append(part)
            else:
                parts.append(part)
        if parts or not turn.parts:
            self._tell_results()
            self._add("system" if turn.role in _INSTRUCTING else "user", parts)

    def _add(self, role: str, parts: Sequence[Part]) -> None:
        texts, images = self._texts_and_images(parts)
        if parts and not texts and not images:
            return  # what could not be sent was all of it
        message: Json = {"role": role, "content": "\n".join(texts)}
        if images:
            message["images"] = images
        self._messages.append(message)

    def _texts_and_images(self, parts: Iterable[Part]) -> tuple[list[str], list[str]]:
        texts: list[str] = []
        images: list[str] = []
        for part in parts:
            if isinstance(part, Image):
                images += self._image(part)
            elif (text := self._told(part)) is not None:
                texts.append(text)
        return texts, images

    def _assistant(self, turn: Turn) -> None:
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[Json] = []
        for part in turn.parts:
            if isinstance(part, Thinking):
                thoughts.append(self._thought(part))
            elif isinstance(part, ToolCall):
                calls.append(self._call(part))
            elif isinstance(part, Image):
                self._notes.drop(part, LOSSY["assistant media"])
            else:
                texts.append(self._told(part) or "")
        besides: Json = {"thinking": "".join(thoughts), "tool_calls": calls}
        message: Json = {"role": "assistant", "content": "".join(texts)}
        message |= {name: value for name, value in besides.items() if value}
        if any(texts) or len(message) > 2 or not turn.parts:
            self._messages.append(message)

    def _thought(self, part: Thinking) -> str:
        if part.redacted or (part.signature and part.issuer not in ("", NAME)):
            self._notes.drop(part, LOSSY["foreign thinking"])
            return ""
        return part.text

    def _call(self, part: ToolCall) -> Json:
        if part.signature is not None:
            self._notes.change(part, LOSSY["call.signature"])
        name = self._names.there(part.name)
        self._calls[part.id] = (len(self._calls), name)
        said = {"function": {"name": name, "arguments": self._arguments(part)}}
        return {"id": part.id, **said} if part.id else said

    def _arguments(self, part: ToolCall) -> Json:
        """As an object; what is none is kept under "_raw"."""
        text = wrap_input(part.arguments) if part.custom else part.arguments
        try:
            value = exact.loads(text) if text.strip() else {}
        except orjson.JSONDecodeError:
            value = text
        if isinstance(value, dict):
            return value
        self._notes.change(part, "the arguments are not a JSON object")
        return {"_raw": value}

    def _tell_results(self) -> None:
        if not self._results:
            return
        results, self._results = self._results, []
        results.sort(key=lambda result: self._calls.get(result.call_id, (len(self._calls), ""))[0])
        media: list[Part] = []
        for result in results:
            self._result(result, media)
        if media:
            self._add("user", [Text("What the tools gave besides:"), *media])

    def _result(self, result: ToolResult, media: list[Part]) -> None:
        self._free_of_cache(result)
        texts: list[str] = []
        for part in result.parts:
            if isinstance(part, Image):
                self._notes.move(part, LOSSY["media in a tool result"])
                media.append(part)
            elif (text := self._told(part)) is not None:
                texts.append(text)
        content = "\n".join(texts)
        if result.is_error:
            self._notes.change(result, LOSSY["is_error"])
            content = content if content[:5].lower() == "error" else f"Error: {content}"
        message: Json = {"role": "tool", "content": content}
        name = result.name or self._calls.get(result.call_id, (0, ""))[1]
        if name:
            message["tool_name"] = self._names.there(name)
        if result.call_id:
            message["tool_call_id"] = result.call_id
        self._messages.append(message)

    def _image(self, part: Image) -> list[str]:
        self._free_of_cache(part)
        if not self._facts.images:
            self._notes.drop(part, "the model takes no images")
        elif part.source.data is None:
            self._notes.drop(part, LOSSY["image by address"])
        else:
            if part.detail not in (None, "auto"):
                self._notes.change(part, "without its detail")
            return [part.source.data]
        return []

    def _told(self, part: Part) -> str | None:
        """A part in words; None for what has none, which is noted."""
        self._free_of_cache(part)
        if isinstance(part, Text):
            self._free_of_marks(part)
            return part.text
        if isinstance(part, Document) and part.text is not None:
            lead = "\n".join(said for said in (part.title, part.context) if said)
            return f"{lead}\n\n{part.text}" if lead else part.text
        if isinstance(part, Refusal):
            self._notes.change(part, LOSSY["refusal"])
            return part.text
        if isinstance(part, Opaque) and part.summary:
            self._notes.change(part, "told as text")
            return part.summary
        self._notes.drop(part, LOSSY["opaque"] if isinstance(part, Opaque) else LOSSY["documents"])
        return None

    def _free_of_cache(self, part: Part) -> None:
        if part.cache is not None:
            self._notes.change(part, "without its cache breakpoint")

    def _free_of_marks(self, part: Text) -> None:
        if part.citations:
            self._notes.change(part, "without its citations")
        if part.signature is not None:
            self._notes.change(part, LOSSY["text.signature"])
