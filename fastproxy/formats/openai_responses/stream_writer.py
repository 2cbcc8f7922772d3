"""A reply as a client's stream of Responses: events of the hub in, SSE out.

    Begin                   response.created, response.in_progress
    deltas, signatures …    the events of one item after the other (stream_items.py)
    Done                    response.completed or response.incomplete, with all items and the usage; no [DONE]

`event:` always says the same as `type`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.formats.chat import Image, Opaque
from fastproxy.formats.events import (
    Begin,
    Cited,
    Done,
    End,
    Event,
    Foreign,
    InChoice,
    Logprobs,
    Media,
    Reason,
    RefusalDelta,
    ReplyContext,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolBegin,
    ToolDelta,
    UsageReport,
)
from fastproxy.formats.openai_responses.stream_items import OpenCall, OpenMessage, OpenReasoning, Sequence
from fastproxy.formats.openai_responses.tools import spaces_of
from fastproxy.formats.openai_responses.words import NAME, REFUSING, unfinished
from fastproxy.formats.openai_responses.write_items import own_value, write_citation
from fastproxy.formats.openai_responses.write_reply import (
    ended,
    image,
    response_of,
    signed_call,
    signed_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.formats.usage_fields import Usage


class StreamWriter:
    """Writes one stream."""

    __slots__ = (
        "_context", "_is_begun", "_is_done", "_is_refused", "_item", "_logprobs", "_output", "_reason", "_response",
        "_sequence", "_spaces", "_usage",
    )  # fmt: skip

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._sequence = Sequence()
        self._spaces = spaces_of(context.echo.get("tools"))
        self._item: OpenMessage | OpenReasoning | OpenCall | None = None
        self._output: list[dict[str, Any]] = []
        self._response: dict[str, Any] = {}
        self._logprobs: list[dict[str, object]] = []
        self._usage: Usage | None = None
        self._reason: Reason = "other"
        self._is_begun = False
        self._is_done = False
        self._is_refused = False

    def write(self, event: Event) -> bytes:
        """What the client gets for `event`; b"" when it is nothing yet."""
        handler = _HANDLERS.get(type(event))
        if handler is None or self._is_done or (isinstance(event, InChoice) and event.choice):
            return b""
        if not self._is_begun and type(event) is not Begin:
            return self._begin(Begin()) + handler(self, event)
        return handler(self, event)

    def _begin(self, event: Begin) -> bytes:
        if self._is_begun:
            return b""
        self._is_begun = True
        if event.usage is not None:
            self._usage = event.usage
        self._response = response_of(self._context, event.service_tier)
        created = self._sequence.event("response.created", response=self._response)
        return created + self._sequence.event("response.in_progress", response=self._response)

    def _text(self, event: TextDelta) -> bytes:
        item = self._item
        if event.signature is not None:
            return self._signed_text(event)
        if type(item) is OpenMessage and item.block == event.block:
            return item.say(event.block, event.text) if event.text else b""
        if not event.text:
            return b""
        opening, opened = self._message()
        return opening + opened.say(event.block, event.text)

    def _signed_text(self, event: TextDelta) -> bytes:
        """The signature is an item of its own behind the text, which ends there."""
        said = self._text(replace(event, signature=None)) + self._close()
        return said + self._whole(signed_text(self._id("rs"), event.signature or ""))

    def _refuse(self, event: RefusalDelta) -> bytes:
        if not event.text:
            return b""
        self._is_refused = True
        opening, item = self._message()
        return opening + item.say(event.block, event.text, refusal=True)

    def _message(self) -> tuple[bytes, OpenMessage]:
        """The open message, or a new one."""
        if isinstance(self._item, OpenMessage):
            return b"", self._item
        closing = self._close()
        item = self._item = OpenMessage(self._sequence, self._id("msg"), len(self._output))
        if self._logprobs:
            item.log(tuple(self._logprobs))
            self._logprobs = []
        return closing + item.open(), item

    def _cite(self, event: Cited) -> bytes:
        item = self._item
        if not isinstance(item, OpenMessage) or item.block != event.block:
            return b""
        annotation = write_citation(event.citation, item.text())
        return b"" if annotation is None else item.cite(annotation)

    def _log(self, event: Logprobs) -> bytes:
        if isinstance(self._item, OpenMessage):
            self._item.log(event.content)
        else:
            self._logprobs += event.content
        return b""

    def _think(self, event: ThinkingDelta) -> bytes:
        if not event.text or not self._context.show_thinking:
            return b""
        item, opening = self._item, b""
        if not isinstance(item, OpenReasoning) or item.block != event.block:
            opening, item = self._reasoning(event.block)
        return opening + item.think(event.part, event.text)

    def _sign(self, event: ThinkingSignature) -> bytes:
        item, opening = self._item, b""
        if not isinstance(item, OpenReasoning) or item.block != event.block:
            own_id = event.id if event.issuer == NAME else None
            opening, item = self._reasoning(event.block, own_id)
        item.sealed = (event.issuer, event.id, event.signature, event.redacted)
        return opening + self._close()

    def _reasoning(self, block: int, own_id: str | None = None) -> tuple[bytes, OpenReasoning]:
        closing = self._close()
        item = self._item = OpenReasoning(self._sequence, own_id or self._id("rs"), len(self._output), block)
        return closing + item.open(), item

    def _call(self, event: ToolBegin) -> bytes:
        made = self._close()
        call_id = event.id or f"call_{self._context.id}_{len(self._output)}"
        if event.signature is not None:
            made += self._whole(signed_call(self._id("rs"), call_id, event.signature))
        wrapped = not event.custom and event.name in self._context.custom_tools
        kind = "ctc" if event.custom or wrapped else "fc"
        item = self._item = OpenCall(self._sequence, self._id(kind), len(self._output), event.block)
        name = self._spaces.get(event.name, (event.name, None))
        return made + item.call(call_id, name, custom=event.custom, wrapped=wrapped)

    def _argue(self, event: ToolDelta) -> bytes:
        item = self._item
        return item.argue(event.arguments) if type(item) is OpenCall and item.block == event.block else b""

    def _foreign(self, event: Foreign | Media) -> bytes:
        """A built-in tool's call, or an image: whole, as one item."""
        own, part = own_value(event.part), event.part
        if isinstance(own, dict):
            return self._close() + self._whole(own)
        if isinstance(part, Opaque) and part.is_said:
            return self._text(TextDelta(event.block, part.summary))
        if isinstance(part, Image) and part.source.data is not None:
            return self._close() + self._whole(image(self._id("ig"), part))
        return b""

    def _whole(self, item: dict[str, Any]) -> bytes:
        index = len(self._output)
        self._output.append(item)
        added = self._sequence.event("response.output_item.added", output_index=index, item=item)
        return added + self._sequence.event("response.output_item.done", output_index=index, item=item)

    def _close(self, status: str = "completed") -> bytes:
        """Ends the open item."""
        if self._item is None:
            return b""
        made, item = self._item.close(status)
        self._item = None
        self._output.append(item)
        return made

    def _end(self, event: End) -> bytes:
        self._reason, said = event.reason, b""
        if event.explanation and not self._is_refused and event.reason in REFUSING:
            opening, item = self._message()
            said = opening + item.say(-1, event.explanation, refusal=True)
        cut = unfinished(event.reason, refused=self._is_refused) is not None
        return said + self._close("incomplete" if cut else "completed")

    def _count(self, event: UsageReport) -> bytes:
        self._usage = event.usage
        return b""

    def _finish(self, event: Done) -> bytes:
        closing = self._close()
        self._is_done = True
        done = self._response | ended(self._reason, self._output, self._usage, refused=self._is_refused)
        return closing + self._sequence.event(f"response.{done['status']}", response=done)

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._context.id}_{len(self._output)}"


_HANDLERS: Final[dict[type[Event], Callable[[StreamWriter, Any], bytes]]] = {
    Begin: StreamWriter._begin,
    TextDelta: StreamWriter._text,
    RefusalDelta: StreamWriter._refuse,
    Cited: StreamWriter._cite,
    Logprobs: StreamWriter._log,
    ThinkingDelta: StreamWriter._think,
    ThinkingSignature: StreamWriter._sign,
    ToolBegin: StreamWriter._call,
    ToolDelta: StreamWriter._argue,
    Foreign: StreamWriter._foreign,
    Media: StreamWriter._foreign,
    End: StreamWriter._end,
    UsageReport: StreamWriter._count,
    Done: StreamWriter._finish,
}
