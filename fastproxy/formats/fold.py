"""A whole reply from its events. Pure; the same for every format, so that `fold(stream) == fold(whole reply)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.formats.chat import Part, Refusal, Text, Thinking, ToolCall
from fastproxy.formats.events import (
    Begin,
    Choice,
    Cited,
    End,
    Event,
    Foreign,
    InChoice,
    Logprobs,
    Media,
    RefusalDelta,
    Reply,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolBegin,
    ToolDelta,
    UsageReport,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastproxy.formats.usage_fields import Usage


def fold(events: Iterable[Event]) -> Reply:
    """The reply that `events` add up to. A choice without End counts as ended for an unknown reason."""
    begin, usage = Begin(), None
    choices: dict[int, _Folding] = {}
    for event in events:
        if isinstance(event, InChoice):
            folding = choices.get(event.choice)
            if folding is None:
                folding = choices[event.choice] = _Folding()
            folding.take(event)
        elif isinstance(event, Begin):
            begin = event
            usage = event.usage if event.usage is not None else usage
        elif isinstance(event, UsageReport):
            usage = event.usage
    made = tuple(choices[place].choice() for place in sorted(choices)) or (Choice((), "other"),)
    return _reply(begin, made, usage)


def _reply(begin: Begin, choices: tuple[Choice, ...], usage: Usage | None) -> Reply:
    return Reply(begin.id, begin.model, choices, begin.created, usage, begin.service_tier)


class _Block:
    """One block while it grows; its texts are joined once, at the end."""

    __slots__ = ("citations", "part", "pieces", "summary_part")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.pieces: list[str] = []
        self.citations: list[object] = []
        self.summary_part = 0


class _Folding:
    """One choice while it grows."""

    __slots__ = ("_blocks", "_end", "_logprobs")

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._logprobs: list[dict[str, object]] = []
        self._end = End("other")

    def take(self, event: InChoice) -> None:
        _TAKE[type(event)](self, event)

    def _text(self, event: TextDelta) -> None:
        block = self._block(event.block, Text(""))
        block.pieces.append(event.text)
        if event.signature is not None:
            block.part = replace(block.part, signature=event.signature)

    def _begin_tool(self, event: ToolBegin) -> None:
        self._block(event.block, ToolCall(event.id, event.name, "", event.custom, event.signature))

    def _tool(self, event: ToolDelta) -> None:
        self._block(event.block, ToolCall("", "", "")).pieces.append(event.arguments)

    def _sign(self, event: ThinkingSignature) -> None:
        block = self._block(event.block, Thinking(""))
        said = {"signature": event.signature, "issuer": event.issuer, "redacted": event.redacted, "id": event.id}
        block.part = replace(block.part, **said)

    def _refuse(self, event: RefusalDelta) -> None:
        self._block(event.block, Refusal("")).pieces.append(event.text)

    def _cite(self, event: Cited) -> None:
        self._block(event.block, Text("")).citations.append(event.citation)

    def _whole(self, event: Media | Foreign) -> None:
        self._block(event.block, event.part)

    def _log(self, event: Logprobs) -> None:
        self._logprobs += event.content

    def _finish(self, event: End) -> None:
        self._end = event

    def _think(self, event: ThinkingDelta) -> None:
        block = self._block(event.block, Thinking(""))
        if event.part != block.summary_part and block.pieces:
            block.pieces.append("\n\n")  # paragraphs of a summary
        block.summary_part = event.part
        block.pieces.append(event.text)

    def _block(self, number: int, fresh: Part) -> _Block:
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = _Block(fresh)
        return block

    def choice(self) -> Choice:
        end = self._end
        parts = tuple(_whole(self._blocks[number]) for number in sorted(self._blocks))
        return Choice(parts, end.reason, end.stop_sequence, end.explanation, tuple(self._logprobs))


def _whole(block: _Block) -> Part:
    part, text = block.part, "".join(block.pieces)
    if isinstance(part, ToolCall):
        return replace(part, arguments=text)
    if isinstance(part, Text):
        return replace(part, text=text, citations=tuple(block.citations))
    if isinstance(part, Thinking | Refusal):
        return replace(part, text=text)
    return part


_TAKE: Final[dict[type[InChoice], Callable[[Any, Any], None]]] = {
    TextDelta: _Folding._text,
    ThinkingDelta: _Folding._think,
    ThinkingSignature: _Folding._sign,
    ToolBegin: _Folding._begin_tool,
    ToolDelta: _Folding._tool,
    RefusalDelta: _Folding._refuse,
    Cited: _Folding._cite,
    Media: _Folding._whole,
    Foreign: _Folding._whole,
    Logprobs: _Folding._log,
    End: _Folding._finish,
}
