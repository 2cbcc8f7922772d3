"""An upstream's stream of Responses, as events.

    response.created          Begin
    ….delta                   a piece
    ….done, output_item.done  what of it is still missing; encrypted_content only from here
    response.completed        what is still missing of everything, End, UsageReport; Done when the stream ends
    response.failed, error    Failure

Items are read one after the other: what an upstream says of another item meanwhile waits until the first is done.
Unknown events are left out; so are the stages of built-in tools, whose items come whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from fastproxy.formats import checked
from fastproxy.formats.events import DONE, Event
from fastproxy.formats.openai_responses.reply import (
    Output,
    begin_of,
    failure_of,
    usage_of,
)
from fastproxy.formats.openai_responses.words import NAME
from fastproxy.formats.read_error import read_failure

if TYPE_CHECKING:
    from collections.abc import Callable


class StreamReader:
    """Reads one stream."""

    __slots__ = ("_held", "_is_begun", "_is_failed", "_is_finished", "_open", "_output")

    def __init__(self) -> None:
        self._output = Output()
        self._open: int | None = None  # the item that is being read
        self._held: dict[int, list[dict[str, Any]]] = {}
        self._is_begun = False
        self._is_finished = False
        self._is_failed = False

    def feed(self, event: str, data: bytes) -> list[Event]:
        """One event of the stream. Raises: FormatError when its data is not JSON."""
        if data == b"[DONE]" or self._is_failed or self._is_finished:
            return []
        try:
            said = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            said = checked.repaired(data, error, "a stream event")
        if not isinstance(said, dict):
            return []
        kind = said.get("type")
        if type(kind) is not str:
            kind = event
        index = self._open
        if (
            kind == "response.output_text.delta"  # the event that nearly all of a stream consists of
            and index is not None
            and said.get("output_index") == index
            and not said.get("logprobs")
        ):
            return self._text(index, said)
        return self._feed(kind, said)

    def end(self) -> list[Event]:
        """The stream is over."""
        if self._is_finished:
            return [DONE]
        return [] if self._is_failed else self._release_all()

    def _feed(self, kind: str, said: dict[str, Any]) -> list[Event]:
        ending = _ENDINGS.get(kind)
        if ending is not None:
            return ending(self, said)
        handler = _HANDLERS.get(kind)
        if handler is None:
            return self._stray_error(said)
        index = said.get("output_index")
        if not isinstance(index, int) or index < 0:
            index = said["output_index"] = self._open or 0
        if self._open is None:
            if self._output.is_done(index):  # a straggler: its item was told whole
                return []
            self._open = index
        elif index != self._open:
            # the kind may have come from the event's name only
            self._held.setdefault(index, []).append(said | {"type": kind})
            return []
        made = handler(self, index, said)
        if kind == "response.output_item.done":
            self._open = None
            return made + self._release()
        return made

    def _release(self) -> list[Event]:
        """What was said of the next item while the last one was open."""
        if not self._held:
            return []
        index = next(iter(self._held))
        made: list[Event] = []
        for said in self._held.pop(index):
            made += self._feed(said["type"], said)
        return made

    def _release_all(self, items: Any = ()) -> list[Event]:
        """All that waits, in order. `items` are those of the finished response: what they say first of an item whose
        end was not streamed must stand before the next one.
        """
        made: list[Event] = []
        while self._held:
            if self._open is not None and isinstance(items, list) and self._open < len(items):
                made += self._item_done(self._open, {"item": items[self._open]})
            self._open = None
            made += self._release()
        return made

    def _text(self, index: int, said: dict[str, Any]) -> list[Event]:
        delta, number = said.get("delta"), said.get("content_index")
        if not isinstance(delta, str) or not delta:
            return []
        return self._output.text(index, number if isinstance(number, int) else 0, delta)

    def _text_delta(self, index: int, said: dict[str, Any]) -> list[Event]:
        made, logprobs = self._text(index, said), said.get("logprobs")
        if isinstance(logprobs, list) and logprobs and made:
            made += self._output.logprobs(index, _number(said, "content_index"), logprobs)
        return made

    def _text_done(self, index: int, said: dict[str, Any]) -> list[Event]:
        part = {"type": "output_text", "text": said.get("text"), "logprobs": said.get("logprobs")}
        return self._output.whole_part(index, _number(said, "content_index"), part)

    def _part(self, index: int, said: dict[str, Any]) -> list[Event]:
        """A content part that begins (an impatient upstream may have put text into it) or is told whole."""
        part = said.get("part")
        if not isinstance(part, dict):
            return []
        number = _number(said, "content_index")
        if part.get("type") == "reasoning_text":
            left = self._output.missing(index, number, part.get("text"))
            return self._output.thought(index, number, left, "content")
        return self._output.whole_part(index, number, part)

    def _refusal(self, index: int, said: dict[str, Any]) -> list[Event]:
        delta = said.get("delta")
        return self._output.refusal(index, _number(said, "content_index"), delta) if isinstance(delta, str) else []

    def _refusal_done(self, index: int, said: dict[str, Any]) -> list[Event]:
        part = {"type": "refusal", "refusal": said.get("refusal")}
        return self._output.whole_part(index, _number(said, "content_index"), part)

    def _annotation(self, index: int, said: dict[str, Any]) -> list[Event]:
        annotation = said.get("annotation")
        if not isinstance(annotation, dict):
            return []
        return self._output.cited(index, _number(said, "content_index"), annotation)

    def _summary(self, index: int, said: dict[str, Any]) -> list[Event]:
        delta = said.get("delta")
        return self._output.thought(index, _number(said, "summary_index"), delta) if isinstance(delta, str) else []

    def _summary_done(self, index: int, said: dict[str, Any]) -> list[Event]:
        part, number = said.get("part"), _number(said, "summary_index")
        whole = part.get("text") if isinstance(part, dict) else said.get("text")
        return self._output.thought(index, number, self._output.missing(index, number, whole))

    def _thought(self, index: int, said: dict[str, Any]) -> list[Event]:
        delta, number = said.get("delta"), _number(said, "content_index")
        return self._output.thought(index, number, delta, "content") if isinstance(delta, str) else []

    def _thought_done(self, index: int, said: dict[str, Any]) -> list[Event]:
        number = _number(said, "content_index")
        left = self._output.missing(index, number, said.get("text"))
        return self._output.thought(index, number, left, "content")

    def _arguments(self, index: int, said: dict[str, Any]) -> list[Event]:
        delta = said.get("delta")
        return self._output.arguments(index, delta) if isinstance(delta, str) else []

    def _arguments_done(self, index: int, said: dict[str, Any]) -> list[Event]:
        item = self._output.item(index)
        if not item.is_begun:  # the item itself will say its name and everything else
            return []
        whole = said.get("arguments") if "arguments" in said else said.get("input")
        left = self._output.missing(index, 0, whole)
        return self._output.arguments(index, left) if left else []

    def _added(self, index: int, said: dict[str, Any]) -> list[Event]:
        item = said.get("item")
        if not isinstance(item, dict) or item.get("type") not in ("function_call", "custom_tool_call"):
            return []
        made = self._output.begin_call(index, item)
        first = item.get("arguments") or item.get("input")
        return made + (self._output.arguments(index, first) if isinstance(first, str) else [])

    def _item_done(self, index: int, said: dict[str, Any]) -> list[Event]:
        item = said.get("item")
        return self._output.whole_item(index, item) if isinstance(item, dict) else []

    def _created(self, said: dict[str, Any]) -> list[Event]:
        response = said.get("response")
        if self._is_begun or not isinstance(response, dict):
            return []
        self._is_begun = True
        return [begin_of(response)]

    def _finished(self, said: dict[str, Any]) -> list[Event]:
        response = said.get("response")
        if not isinstance(response, dict):
            return []
        made = self._created(said) + self._release_all(response.get("output"))
        self._open = None
        if (failure := failure_of(response)) is not None:
            self._is_failed = True
            return [*made, *usage_of(response), failure]
        self._is_finished = True
        if said.get("type") == "response.incomplete":
            response = response | {"status": "incomplete"}
        return made + self._output.rest(response)

    def _failed(self, said: dict[str, Any]) -> list[Event]:
        response = said.get("response")
        if isinstance(response, dict):
            return self._finished({"response": response | {"status": response.get("status") or "failed"}})
        return self._error(said)

    def _error(self, said: dict[str, Any]) -> list[Event]:
        """The documented event is flat; some upstreams nest it as in a body."""
        self._is_failed = True
        return [read_failure(NAME, said)]

    def _stray_error(self, said: dict[str, Any]) -> list[Event]:
        return self._error(said) if isinstance(said.get("error"), dict) and "response" not in said else []


def _number(said: dict[str, Any], name: str) -> int:
    value = said.get(name)
    return value if isinstance(value, int) else 0


_ENDINGS: Final[dict[str, Callable[[StreamReader, dict[str, Any]], list[Event]]]] = {
    "response.created": StreamReader._created,
    "response.in_progress": StreamReader._created,
    "response.queued": StreamReader._created,
    "response.completed": StreamReader._finished,
    "response.incomplete": StreamReader._finished,
    "response.failed": StreamReader._failed,
    "response.cancelled": StreamReader._failed,
    "error": StreamReader._error,
}
_HANDLERS: Final[dict[str, Callable[[StreamReader, int, dict[str, Any]], list[Event]]]] = {
    "response.output_item.added": StreamReader._added,
    "response.output_item.done": StreamReader._item_done,
    "response.content_part.added": StreamReader._part,
    "response.content_part.done": StreamReader._part,
    "response.output_text.delta": StreamReader._text_delta,
    "response.output_text.done": StreamReader._text_done,
    "response.output_text.annotation.added": StreamReader._annotation,
    "response.refusal.delta": StreamReader._refusal,
    "response.refusal.done": StreamReader._refusal_done,
    "response.reasoning_summary_text.delta": StreamReader._summary,
    "response.reasoning_summary_text.done": StreamReader._summary_done,
    "response.reasoning_summary_part.done": StreamReader._summary_done,
    "response.reasoning_text.delta": StreamReader._thought,
    "response.reasoning_text.done": StreamReader._thought_done,
    "response.function_call_arguments.delta": StreamReader._arguments,
    "response.function_call_arguments.done": StreamReader._arguments_done,
    "response.custom_tool_call_input.delta": StreamReader._arguments,
    "response.custom_tool_call_input.done": StreamReader._arguments_done,
}
