"""Output items while they are streamed: each knows the events that open it, feed it and close it.

    OpenMessage    added (content_part.added, output_text.delta*, .done, content_part.done)* done
    OpenReasoning  added (reasoning_summary_part.added, reasoning_summary_text.delta*, .done, part.done)* done
    OpenCall       added function_call_arguments.delta* .done done

An item's id, its output_index and its parts' numbers are the same in all its events.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from fastproxy.formats import custom_tools, exact
from fastproxy.formats.openai_responses.write_reply import (
    custom_call,
    function_call,
    message,
    reasoning,
)

_dumps = orjson.dumps


class Sequence:
    """Numbers the events of one stream from 0 on, without a gap."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0

    def event(self, kind: str, **fields: Any) -> bytes:
        number, self.number = self.number, self.number + 1
        name = kind.encode()
        return b"event: %b\ndata: %b\n\n" % (name, exact.dumps({"type": kind, "sequence_number": number} | fields))


class Deltas:
    """A growing text: the bytes around each of its deltas are made once, when it begins."""

    __slots__ = ("_head", "_middle", "_sequence", "_tail", "pieces")

    def __init__(self, sequence: Sequence, kind: str, place: dict[str, Any], tail: bytes = b"}\n\n") -> None:
        name = kind.encode()
        self._sequence = sequence
        self._head = b'event: %b\ndata: {"type":"%b","sequence_number":' % (name, name)
        self._middle = b"," + _dumps(place)[1:-1] + b',"delta":'
        self._tail = tail
        self.pieces: list[str] = []

    def delta(self, text: str) -> bytes:
        self.pieces.append(text)
        sequence = self._sequence
        number = sequence.number
        sequence.number = number + 1
        return b"%b%d%b%b%b" % (self._head, number, self._middle, _dumps(text), self._tail)

    def whole(self) -> str:
        return "".join(self.pieces)


_TEXT_TAIL: Final = b',"logprobs":[]}\n\n'


class OpenMessage:
    """Texts and refusals, one content part each."""

    __slots__ = ("_annotations", "_content", "_deltas", "_is_refusal", "_logprobs", "_sequence", "block", "id", "index")

    def __init__(self, sequence: Sequence, item_id: str, index: int) -> None:
        self._sequence = sequence
        self.id = item_id
        self.index = index
        self.block = -1  # of the part that is open
        self._content: list[dict[str, Any]] = []
        self._deltas: Deltas | None = None
        self._is_refusal = False
        self._annotations: list[dict[str, Any]] = []
        self._logprobs: list[Any] = []

    def open(self) -> bytes:
        item = message(self.id, [], "in_progress")
        return self._sequence.event("response.output_item.added", output_index=self.index, item=item)

    def say(self, block: int, text: str, *, refusal: bool = False) -> bytes:
        deltas = self._deltas
        if deltas is not None and block == self.block:
            return deltas.delta(text)
        closing = self.close_part()
        self.block, self._is_refusal = block, refusal
        kind, tail = ("refusal", b"}\n\n") if refusal else ("output_text", _TEXT_TAIL)
        deltas = self._deltas = Deltas(self._sequence, f"response.{kind}.delta", self._place(), tail)
        opening = self._sequence.event("response.content_part.added", **self._place(), part=self._part(""))
        return closing + opening + deltas.delta(text)

    def cite(self, annotation: dict[str, Any]) -> bytes:
        number = len(self._annotations)
        self._annotations.append(annotation)
        kind = "response.output_text.annotation.added"
        return self._sequence.event(kind, **self._place(), annotation_index=number, annotation=annotation)

    def log(self, content: tuple[dict[str, object], ...]) -> None:
        self._logprobs += content

    def text(self) -> str:
        return self._deltas.whole() if self._deltas is not None else ""

    def close_part(self) -> bytes:
        if self._deltas is None:
            return b""
        place, text = self._place(), self._deltas.whole()
        part = self._part(text)
        if self._is_refusal:
            done = self._sequence.event("response.refusal.done", **place, refusal=text)
        else:
            done = self._sequence.event("response.output_text.done", **place, text=text, logprobs=self._logprobs)
        done += self._sequence.event("response.content_part.done", **place, part=part)
        self._content.append(part)
        self._deltas, self._annotations, self._logprobs = None, [], []
        return done

    def close(self, status: str) -> tuple[bytes, dict[str, Any]]:
        closing = self.close_part()
        item = message(self.id, self._content, status)
        return closing + self._sequence.event("response.output_item.done", output_index=self.index, item=item), item

    def _place(self) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.index, "content_index": len(self._content)}

    def _part(self, text: str) -> dict[str, Any]:
        if self._is_refusal:
            return {"type": "refusal", "refusal": text}
        logprobs = self._logprobs if text else []
        return {"type": "output_text", "text": text, "annotations": self._annotations, "logprobs": logprobs}


class OpenReasoning:
    """Thoughts; each paragraph is a part of the summary."""

    __slots__ = ("_deltas", "_part", "_sequence", "_summary", "block", "id", "index", "sealed")

    def __init__(self, sequence: Sequence, item_id: str, index: int, block: int) -> None:
        self._sequence = sequence
        self.id = item_id
        self.index = index
        self.block = block
        self.sealed: tuple[str, str | None, str, bool] | None = None
        self._summary: list[dict[str, Any]] = []
        self._deltas: Deltas | None = None
        self._part = -1

    def open(self) -> bytes:
        item = reasoning(self.id, [], None)
        return self._sequence.event("response.output_item.added", output_index=self.index, item=item)

    def think(self, part: int, text: str) -> bytes:
        deltas = self._deltas
        if deltas is not None and part == self._part:
            return deltas.delta(text)
        closing = self._close_part()
        self._part = part
        deltas = Deltas(self._sequence, "response.reasoning_summary_text.delta", self._place())
        self._deltas = deltas
        empty = {"type": "summary_text", "text": ""}
        opening = self._sequence.event("response.reasoning_summary_part.added", **self._place(), part=empty)
        return closing + opening + deltas.delta(text)

    def _close_part(self) -> bytes:
        if self._deltas is None:
            return b""
        place, text = self._place(), self._deltas.whole()
        part = {"type": "summary_text", "text": text}
        done = self._sequence.event("response.reasoning_summary_text.done", **place, text=text)
        done += self._sequence.event("response.reasoning_summary_part.done", **place, part=part)
        self._summary.append(part)
        self._deltas = None
        return done

    def close(self, status: str) -> tuple[bytes, dict[str, Any]]:
        closing = self._close_part()
        item = reasoning(self.id, self._summary, self.sealed)
        return closing + self._sequence.event("response.output_item.done", output_index=self.index, item=item), item

    def _place(self) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.index, "summary_index": len(self._summary)}


class OpenCall:
    """A call of a client's tool. `is_wrapped`: the upstream knows the custom tool as a function, so that its arguments
    are JSON around the text; they are held back until they can be unwrapped.
    """

    __slots__ = ("_call_id", "_deltas", "_is_custom", "_is_wrapped", "_name", "_sequence", "_space", "block", "id",
                 "index")  # fmt: skip

    def __init__(self, sequence: Sequence, item_id: str, index: int, block: int) -> None:
        self._sequence = sequence
        self.id = item_id
        self.index = index
        self.block = block

    def call(self, call_id: str, name: tuple[str, str | None], *, custom: bool, wrapped: bool) -> bytes:
        self._call_id, (self._name, self._space) = call_id, name
        self._is_custom, self._is_wrapped = custom or wrapped, wrapped
        kind = "custom_tool_call_input" if self._is_custom else "function_call_arguments"
        place = {"item_id": self.id, "output_index": self.index}
        self._deltas = Deltas(self._sequence, f"response.{kind}.delta", place)
        item = self._item("", "in_progress")
        return self._sequence.event("response.output_item.added", output_index=self.index, item=item)

    def argue(self, text: str) -> bytes:
        if self._is_wrapped:
            self._deltas.pieces.append(text)
            return b""
        return self._deltas.delta(text) if text else b""

    def close(self, status: str) -> tuple[bytes, dict[str, Any]]:
        made, place, whole = b"", {"item_id": self.id, "output_index": self.index}, self._deltas.whole()
        if self._is_wrapped:
            whole = custom_tools.unwrap_input(whole)
            made = self._deltas.delta(whole) if whole else b""
        elif not whole and not self._is_custom:
            whole = "{}"  # a call without arguments
            made = self._deltas.delta(whole)
        if self._is_custom:
            made += self._sequence.event("response.custom_tool_call_input.done", **place, input=whole)
        else:
            kind = "response.function_call_arguments.done"
            made += self._sequence.event(kind, **place, arguments=whole, name=self._name)
        item = self._item(whole, status)
        return made + self._sequence.event("response.output_item.done", output_index=self.index, item=item), item

    def _item(self, text: str, status: str) -> dict[str, Any]:
        write = custom_call if self._is_custom else function_call
        item = write(self.id, self._call_id, self._name, text, status)
        return item if self._space is None else item | {"namespace": self._space}
