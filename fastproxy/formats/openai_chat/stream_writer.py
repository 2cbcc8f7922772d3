"""Events as a Chat Completions stream.

    Begin        data: {…"choices":[{"index":0,"delta":{"role":"assistant","content":""},…}]}
    deltas       data: {…"delta":{"content":"…"}…}         one chunk per event, tool calls counted from 0 per choice
    End          data: {…"delta":{},"finish_reason":"stop"}
    Done         data: {…"choices":[],"usage":{…}}         if the client asked for it, and then  data: [DONE]

A client that asked for usage finds `"usage":null` in every other chunk; one that did not finds no such field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from fastproxy.formats import exact
from fastproxy.formats.chat import Image, Thinking
from fastproxy.formats.custom_tools import unwrap_input
from fastproxy.formats.events import (
    Begin,
    Cited,
    Done,
    End,
    Foreign,
    InChoice,
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
from fastproxy.formats.openai_chat.reply import signature_content, write_audio, write_citation, write_image, write_usage
from fastproxy.formats.openai_chat.thoughts import write_detail
from fastproxy.formats.openai_chat.words import FINISH_OF, REFUSING, SERVICE_TIERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.formats.events import Event, ReplyContext

Json = dict[str, Any]
_dumps = orjson.dumps
DONE_LINE: Final = b"data: [DONE]\n\n"


class StreamWriter:
    """Bytes for the client, b"" where there is nothing to say yet."""

    __slots__ = ("_choices", "_context", "_head", "_is_done", "_tail", "_usage")

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._choices: dict[int, _Choice] = {}
        self._usage: Json | None = None
        self._is_done = False
        self._tail = b',"usage":null}\n\n' if context.include_usage else b"}\n\n"
        self._head = self._begun(None)

    def _begun(self, service_tier: str | None) -> bytes:
        """What all chunks begin with."""
        said: Json = {
            "id": f"chatcmpl-{self._context.id}",
            "object": "chat.completion.chunk",
            "created": self._context.created,
            "model": self._context.model,
        }
        tier = SERVICE_TIERS.get(service_tier or "")
        if tier is not None:
            said["service_tier"] = tier
        return b"data: " + _dumps(said)[:-1] + b',"choices":['

    def write(self, event: Event) -> bytes:
        if isinstance(event, InChoice):
            choice = self._choices.get(event.choice)
            if choice is None:
                choice = self._choices[event.choice] = _Choice(event.choice, self._context, self._head, self._tail)
                return choice.role() + choice.write(event)
            return choice.write(event)
        if isinstance(event, Begin):
            return self._begin(event)
        if isinstance(event, UsageReport):
            self._usage = write_usage(event.usage)
        elif isinstance(event, Done) and not self._is_done:
            self._is_done = True
            return self._counted() + DONE_LINE
        return b""

    def _begin(self, event: Begin) -> bytes:
        if 0 in self._choices:
            return b""
        self._head = self._begun(event.service_tier)
        choice = self._choices[0] = _Choice(0, self._context, self._head, self._tail)
        return choice.role()

    def _counted(self) -> bytes:
        if self._usage is None or not self._context.include_usage:
            return b""
        return self._head + b'],"usage":' + _dumps(self._usage) + b"}\n\n"


class _Choice:
    """One alternative: its tools are counted from 0, its content from its first character."""

    __slots__ = (
        "_after",
        "_before",
        "_block",
        "_call",
        "_calls",
        "_chars",
        "_context",
        "_has_refused",
        "_images",
        "_paragraph",
        "_signed",
        "_tail",
        "_text_start",
        "_thought",
    )

    def __init__(self, index: int, context: ReplyContext, head: bytes, tail: bytes) -> None:
        self._context = context
        self._before = head + b'{"index":%d,"delta":' % index
        self._after = b',"logprobs":null,"finish_reason":null}]' + tail
        self._tail = tail
        self._block = -1
        self._call: _Call | None = None  # the open one
        self._calls = self._images = self._signed = 0
        self._chars = self._text_start = 0  # of content, for citations
        self._thought: list[str] = []
        self._paragraph = 0  # of a summary
        self._has_refused = False

    def role(self) -> bytes:
        return self._delta({"role": "assistant", "content": "", "refusal": None})

    def _delta(self, delta: Json) -> bytes:
        return self._before + exact.dumps(delta) + self._after

    def write(self, event: InChoice) -> bytes:
        if type(event) is TextDelta and event.block == self._block and event.signature is None:
            text = event.text
            self._chars += len(text)
            return self._before + b'{"content":' + _dumps(text) + b"}" + self._after if text else b""
        write = _WRITERS.get(type(event))
        if write is None:
            return b""
        block = getattr(event, "block", -1)
        if block in (-1, self._block):
            return write(self, event)
        self._block = block
        self._text_start, self._thought, self._paragraph = self._chars, [], 0
        return self._end_call() + write(self, event)

    def _text(self, event: TextDelta) -> bytes:
        self._chars += len(event.text)
        if event.signature is not None:
            return self._delta({"content": event.text, "extra_content": signature_content(event.signature)})
        return self._delta({"content": event.text}) if event.text else b""

    def _think(self, event: ThinkingDelta) -> bytes:
        if not self._context.show_thinking or not event.text:
            return b""
        text = event.text
        if event.part != self._paragraph:
            text = "\n\n" + text if self._thought else text
            self._paragraph = event.part
        self._thought.append(text)
        return self._before + b'{"reasoning_content":' + _dumps(text) + b"}" + self._after

    def _sign(self, event: ThinkingSignature) -> bytes:
        """The whole thought once more with its signature, so that a client can keep the list and send it back."""
        if not self._context.show_thinking:
            return b""
        text = "".join(self._thought)
        thought = Thinking(text, event.signature, event.issuer, event.redacted, event.id)
        detail = write_detail(thought, self._signed)
        self._signed += 1
        return self._delta({"reasoning_details": [detail]})

    def _begin_call(self, event: ToolBegin) -> bytes:
        number, self._calls = self._calls, self._calls + 1
        self._call = _Call(event, number, self._context)
        begun = self._call.begin()
        return self._delta(begun) if begun is not None else b""

    def _argue(self, event: ToolDelta) -> bytes:
        said = self._call.say(event.arguments) if self._call is not None else None
        return b"" if said is None else self._before + said + self._after

    def _end_call(self) -> bytes:
        call, self._call = self._call, None
        said = call.end() if call is not None else None
        return b"" if said is None else self._before + said + self._after

    def _refuse(self, event: RefusalDelta) -> bytes:
        self._has_refused = True
        return self._delta({"refusal": event.text}) if event.text else b""

    def _cite(self, event: Cited) -> bytes:
        if not event.citation.url:
            return b""
        return self._delta({"annotations": [write_citation(event.citation, self._text_start, self._chars)]})

    def _show(self, event: Media | Foreign) -> bytes:
        image = write_image(event.part) if isinstance(event.part, Image) else None
        if image is not None:
            self._images += 1
            return self._delta({"images": [{**image, "index": self._images - 1}]})
        audio = write_audio(event.part, self._context)
        return self._delta({"audio": audio}) if audio is not None else b""

    def _logprobs(self, event: Logprobs) -> bytes:
        said = exact.dumps({"content": event.content, "refusal": None})
        return self._before + b'{},"logprobs":' + said + b',"finish_reason":null}]' + self._tail

    def _end(self, event: End) -> bytes:
        finish = "function_call" if self._calls and self._context.functions else FINISH_OF[event.reason]
        if event.reason == "refusal" and self._has_refused:
            finish = "stop"  # as in a whole reply
        said = self._end_call()
        if event.reason in REFUSING and event.explanation and not (self._has_refused or self._chars):
            said += self._delta({"refusal": event.explanation})
        return said + self._before + b'{},"logprobs":null,"finish_reason":"' + finish.encode() + b'"}]' + self._tail


class _Call:
    """One call as deltas. Of a deprecated function only the first; a custom tool's that came wrapped is held."""

    __slots__ = ("_begin", "_context", "_has_said", "_held", "_number")

    def __init__(self, begin: ToolBegin, number: int, context: ReplyContext) -> None:
        self._begin, self._number, self._context = begin, number, context
        self._has_said = False
        wrapped = not begin.custom and begin.name in context.custom_tools
        self._held: list[str] | None = [] if wrapped else None

    def begin(self) -> Json | None:
        begin, context = self._begin, self._context
        if context.functions:
            return {"function_call": {"name": begin.name, "arguments": ""}} if self._number == 0 else None
        is_custom = begin.custom or self._held is not None
        kind, field = ("custom", "input") if is_custom else ("function", "arguments")
        call: Json = {
            "index": self._number,
            "id": begin.id or f"call_{context.id}_{self._number}",
            "type": kind,
            kind: {"name": begin.name, field: ""},
        }
        if begin.signature is not None:
            call["extra_content"] = signature_content(begin.signature)
        return {"tool_calls": [call]}

    def say(self, arguments: str) -> bytes | None:
        """A piece of the arguments as a delta."""
        if not arguments:
            return None
        self._has_said = True
        if self._held is not None:
            self._held.append(arguments)
            return None
        return self._piece(arguments)

    def _piece(self, text: str) -> bytes | None:
        if self._context.functions:
            return b'{"function_call":{"arguments":' + _dumps(text) + b"}}" if self._number == 0 else None
        field = b'"custom":{"input":' if self._begin.custom or self._held is not None else b'"function":{"arguments":'
        return b'{"tool_calls":[{"index":%d,' % self._number + field + _dumps(text) + b"}}]}"

    def end(self) -> bytes | None:
        """What is missing at the end: the held input, or the arguments of a call that had none."""
        if self._held is not None:
            return self._piece(unwrap_input("".join(self._held)))
        return None if self._has_said or self._begin.custom else self._piece("{}")


_WRITERS: Final[dict[type[Event], Callable[[_Choice, Any], bytes]]] = {
    TextDelta: _Choice._text,
    ThinkingDelta: _Choice._think,
    ThinkingSignature: _Choice._sign,
    ToolBegin: _Choice._begin_call,
    ToolDelta: _Choice._argue,
    RefusalDelta: _Choice._refuse,
    Cited: _Choice._cite,
    Media: _Choice._show,
    Foreign: _Choice._show,
    Logprobs: _Choice._logprobs,
    End: _Choice._end,
}
