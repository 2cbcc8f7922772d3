"""Output items of a reply, as events. Whole replies and streams go the same way, so that they add up to the same.

`Output` remembers of each item what has been given away. A stream gives pieces; whatever is then told whole (a text, a
part, an item, the response) adds only what is still missing: everything in a reply that was not streamed, nothing at
the end of one whose pieces all came.

    item               block(s)
    message            one per content part: text or refusal
    reasoning          one; its paragraphs are parts of it, its encrypted_content comes last
    function_call …    one
    anything else      one, whole (Foreign, or Media for an image)
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Image, Original, Source
from fastproxy.formats.events import (
    DONE,
    Begin,
    Cited,
    End,
    Event,
    Failure,
    Foreign,
    Logprobs,
    Media,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolBegin,
    ToolDelta,
    UsageReport,
)
from fastproxy.formats.openai_responses.items import read_citation, read_opaque, read_thinking, thoughts
from fastproxy.formats.openai_responses.words import NAME, flat_name, reason_of
from fastproxy.formats.read_error import read_failure
from fastproxy.formats.usage_fields import OpenAIUsage

_CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}


def read_reply(body: dict[str, Any]) -> list[Event]:
    """A whole reply as its events. Raises: FormatError when it is none."""
    if (failure := failure_of(body)) is not None:
        return [failure]
    if not isinstance(body.get("output"), list):
        raise FormatError("field 'output' is missing: expected an array of items")
    return [begin_of(body), *Output().rest(body), DONE]


def begin_of(response: dict[str, Any]) -> Begin:
    identity, model, created = response.get("id"), response.get("model"), response.get("created_at")
    tier = response.get("service_tier")
    return Begin(
        identity if isinstance(identity, str) else "",
        model if isinstance(model, str) else "",
        int(created) if isinstance(created, int | float) else None,
        service_tier=tier if isinstance(tier, str) else None,
    )


def failure_of(response: dict[str, Any]) -> Failure | None:
    """The error in a response that failed or was cancelled, or in a body that is nothing but one."""
    error = response.get("error")
    if isinstance(error, dict) or response.get("status") == "failed":
        return read_failure(NAME, {"error": error if isinstance(error, dict) else {}})
    if response.get("status") == "cancelled":
        return Failure(502, "upstream_failed", "the upstream cancelled the response")
    return None


def usage_of(response: dict[str, Any]) -> list[Event]:
    """What it cost, if that can be read."""
    try:
        usage = msgspec.convert(response.get("usage"), OpenAIUsage, strict=False).read()
    except msgspec.ValidationError:
        return []
    return [] if usage is None else [UsageReport(usage)]


class Piece:
    """A text that grows: its block, how many characters of it were given away, and how many citations."""

    __slots__ = ("block", "cited", "logged", "sent")

    def __init__(self, block: int) -> None:
        self.block = block
        self.sent = 0
        self.cited = 0
        self.logged = False


class Growing:
    """One output item. `pieces` by the number of the content part, of the paragraph, or 0 for arguments."""

    __slots__ = ("held", "is_begun", "is_done", "pieces", "source")

    def __init__(self) -> None:
        self.pieces: dict[int, Piece] = {}
        self.held = ""  # arguments that came before the tool's name
        self.is_begun = False
        self.is_done = False
        self.source = ""  # where a reasoning item's text comes from: its summary, or its content


class Output:
    """All items of one reply."""

    __slots__ = ("_block", "_ids", "_items", "_seen")

    def __init__(self) -> None:
        self._items: dict[int, Growing] = {}
        self._block = -1
        self._ids: set[str] = set()
        self._seen: set[str] = set()  # kinds of what was said: call, refusal

    def item(self, index: int) -> Growing:
        found = self._items.get(index)
        if found is None:
            found = self._items[index] = Growing()
        return found

    def is_done(self, index: int) -> bool:
        return index in self._items and self._items[index].is_done

    def next_block(self) -> int:
        self._block += 1
        return self._block

    def piece(self, item: Growing, number: int) -> Piece:
        found = item.pieces.get(number)
        if found is None:
            found = item.pieces[number] = Piece(self.next_block())
        return found

    def text(self, index: int, number: int, delta: str) -> list[Event]:
        piece = self.piece(self.item(index), number)
        piece.sent += len(delta)
        return [TextDelta(piece.block, delta)]

    def refusal(self, index: int, number: int, delta: str) -> list[Event]:
        self._seen.add("refusal")
        piece = self.piece(self.item(index), number)
        piece.sent += len(delta)
        return [RefusalDelta(piece.block, delta)]

    def thought(self, index: int, number: int, delta: str, source: str = "summary") -> list[Event]:
        """A piece of a paragraph. An item that has both a summary and its thoughts shows whichever comes first."""
        item = self.item(index)
        item.source = item.source or source
        if item.source != source or not delta:
            return []
        piece = item.pieces.get(number)
        if piece is None:
            block = next((other.block for other in item.pieces.values()), -1)
            piece = item.pieces[number] = Piece(block if block >= 0 else self.next_block())
        piece.sent += len(delta)
        return [ThinkingDelta(piece.block, delta, number)]

    def arguments(self, index: int, delta: str) -> list[Event]:
        item = self.item(index)
        if not item.is_begun:
            item.held += delta
            return []
        piece = item.pieces[0]
        piece.sent += len(delta)
        return [ToolDelta(piece.block, delta)] if delta else []

    def begin_call(self, index: int, said: dict[str, Any]) -> list[Event]:
        """A call, once its name is known; what was held of its arguments follows."""
        item, name = self.item(index), said.get("name")
        if item.is_begun or not isinstance(name, str) or not name:
            return []
        item.is_begun = True
        self._seen.add("call")
        call_id = said.get("call_id") or said.get("id")
        custom = said.get("type") == "custom_tool_call"
        named = flat_name(said.get("namespace"), name)
        begun = ToolBegin(self.piece(item, 0).block, call_id if isinstance(call_id, str) else "", named, custom)
        held, item.held = item.held, ""
        return [begun, *self.arguments(index, held)]

    def cited(self, index: int, number: int, annotation: dict[str, Any]) -> list[Event]:
        piece = self.piece(self.item(index), number)
        piece.cited += 1
        return [Cited(piece.block, read_citation(annotation))]

    def logprobs(self, index: int, number: int, content: list[Any]) -> list[Event]:
        self.piece(self.item(index), number).logged = True
        return [Logprobs(tuple(entry for entry in content if isinstance(entry, dict)))]

    def missing(self, index: int, number: int, whole: Any) -> str:
        """What of `whole` was not given away yet."""
        piece = self.item(index).pieces.get(number)
        if not isinstance(whole, str):
            return ""
        return whole if piece is None else whole[piece.sent :]

    def whole_part(self, index: int, number: int, part: dict[str, Any]) -> list[Event]:
        """A content part of a message, told whole."""
        kind = part.get("type")
        if kind == "refusal":
            left = self.missing(index, number, part.get("refusal"))
            return self.refusal(index, number, left) if left else []
        if kind != "output_text":
            return []
        left = self.missing(index, number, part.get("text"))
        made = self.text(index, number, left) if left else []
        piece = self.item(index).pieces.get(number)
        if piece is None:
            return made
        for annotation in _dicts(part.get("annotations"))[piece.cited :]:
            made += self.cited(index, number, annotation)
        logprobs = part.get("logprobs")
        if isinstance(logprobs, list) and logprobs and not piece.logged:
            made += self.logprobs(index, number, logprobs)
        return made

    def whole_item(self, index: int, said: dict[str, Any]) -> list[Event]:
        """An item, told whole. A second time it says nothing."""
        item = self.item(index)
        if item.is_done:
            return []
        item.is_done = True
        self._ids.add(_identity(said))
        kind = said.get("type")
        if not isinstance(kind, str):
            return []
        if kind == "message":
            parts = _dicts(said.get("content"))
            return [event for n, part in enumerate(parts) for event in self.whole_part(index, n, part)]
        if kind == "reasoning":
            return self._whole_reasoning(index, said)
        if kind in _CALLS:
            begun = self.begin_call(index, said)
            left = self.missing(index, 0, said.get(_CALLS[kind]))
            return begun + (self.arguments(index, left) if left else [])
        return [self._foreign(said, kind)]

    def _whole_reasoning(self, index: int, said: dict[str, Any]) -> list[Event]:
        item = self.item(index)
        source = item.source or "summary"
        texts = thoughts(said) if not item.source else thoughts({"summary": said.get(source)})
        made: list[Event] = []
        for number, text in enumerate(texts):
            made += self.thought(index, number, self.missing(index, number, text), source)
        thinking = read_thinking(said)
        if thinking.signature is not None:
            block = next((piece.block for piece in item.pieces.values()), -1)
            place = block if block >= 0 else self.next_block()
            issuer, redacted = thinking.issuer, thinking.redacted
            made.append(ThinkingSignature(place, thinking.signature, issuer, redacted, thinking.id))
        return made

    def _foreign(self, said: dict[str, Any], kind: str) -> Event:
        result = said.get("result")
        if kind == "image_generation_call" and isinstance(result, str) and result:
            source = Source(f"image/{said.get('output_format') or 'png'}", result)
            return Media(self.next_block(), Image(source, original=Original(NAME, said)))
        return Foreign(self.next_block(), read_opaque(said, kind))

    def rest(self, response: dict[str, Any]) -> list[Event]:
        """What a finished response still has to say, why it ended, and what it cost.

        Items are known by their place, or by their id where a vendor left some out of the final list.
        """
        made: list[Event] = []
        for index, said in enumerate(_dicts(response.get("output"))):
            if index in self._items or _identity(said) not in self._ids:
                made += self.whole_item(index, said)
        reason = reason_of(response, calls="call" in self._seen, refused="refusal" in self._seen)
        return [*made, End(reason), *usage_of(response)]


def _identity(said: dict[str, Any]) -> str:
    return str(said.get("call_id") or said.get("id") or id(said))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
