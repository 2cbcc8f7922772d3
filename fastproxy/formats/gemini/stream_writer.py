"""Events → the chunks of streamGenerateContent, as SSE (alt=sse) or as one JSON array.

    TextDelta …     a chunk each, at once
    a call          one chunk, when its arguments are whole: Gemini's clients know no half ones
    End, usage      held for the last chunk, which Done sends

Google's SDK splits lines where Python's splitlines does, so U+0085, U+2028 and U+2029 go out escaped.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats import exact
from fastproxy.formats.chat import ToolCall
from fastproxy.formats.events import (
    Begin,
    Cited,
    Done,
    End,
    Event,
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
from fastproxy.formats.gemini.citations import write_grounding
from fastproxy.formats.gemini.reply import (
    finish,
    write_function_call,
    write_logprobs,
    write_signature,
    write_usage,
    write_whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.formats.chat import Citation
    from fastproxy.formats.events import ReplyContext
    from fastproxy.formats.usage_fields import Usage

_OPENING: Final = b'{"candidates":[{"content":{"parts":['


class StreamWriter:
    """One stream to a Gemini client."""

    __slots__ = ("_array_begun", "_calls", "_choices", "_context", "_done", "_first", "_tail", "_usage")

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        named = b'"modelVersion":%b,"responseId":%b}' % (encoded(context.model), encoded(context.id))
        self._tail = named
        self._first = b'],"role":"model"},"index":0}],' + named + b"\r\n\r\n"
        self._calls: dict[int, _Call] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._array_begun = False
        self._done = False

    def write(self, event: Event) -> bytes:
        write = _WRITERS.get(type(event))
        return write(self, event) if write is not None and not self._done else b""

    def text(self, event: TextDelta) -> bytes:
        if not event.text and event.signature is None:
            return b""
        choice = self._choices.get(event.choice) or self._choice(event.choice)
        choice.pieces.append((event.block, event.text))
        if event.signature is None and not event.choice and not self._calls and not self._context.as_array:
            return b'data: {"candidates":[{"content":{"parts":[{"text":%b}%b' % (encoded(event.text), self._first)
        part = b'{"text":%b' % encoded(event.text)
        part += b"}" if event.signature is None else b',"thoughtSignature":%b}' % encoded(event.signature)
        return self._flushed(event.choice) + self._chunk(part, event.choice)

    def thinking(self, event: ThinkingDelta) -> bytes:
        if not event.text or not self._context.show_thinking:
            return b""
        text, choice = event.text, self._choice(event.choice)
        if choice.paragraph is not None and choice.paragraph[0] == event.block and choice.paragraph[1] != event.part:
            text = "\n\n" + text  # paragraphs of a summary
        choice.paragraph = (event.block, event.part)
        return self._flushed(event.choice) + self._chunk(b'{"text":%b,"thought":true}' % encoded(text), event.choice)

    def signature(self, event: ThinkingSignature) -> bytes:
        said: dict[str, Any] = {} if event.redacted else {"text": ""}
        signature = write_signature(event.issuer, event.id, event.signature)
        return self._whole(event.choice, said | {"thought": True, "thoughtSignature": signature})

    def call(self, event: ToolBegin) -> bytes:
        flushed = self._flushed(event.choice)
        self._choice(event.choice)
        self._calls[event.choice] = _Call(event)
        return flushed

    def arguments(self, event: ToolDelta) -> bytes:
        call = self._calls.get(event.choice)
        if call is not None:
            call.pieces.append(event.arguments)
        return b""

    def refusal(self, event: RefusalDelta) -> bytes:
        return self._whole(event.choice, {"text": event.text}) if event.text else b""

    def whole(self, event: Media | Foreign) -> bytes:
        return b"".join(self._whole(event.choice, part) for part in write_whole(event.part))

    def cited(self, event: Cited) -> bytes:
        self._choice(event.choice).citations.append((event.block, event.citation))
        return b""

    def logprobs(self, event: Logprobs) -> bytes:
        self._choice(event.choice).logprobs += event.content
        return b""

    def ended(self, event: End) -> bytes:
        self._choice(event.choice).end = event
        return self._flushed(event.choice)

    def usage(self, event: UsageReport) -> bytes:
        self._usage = event.usage
        return b""

    def begin(self, event: Begin) -> bytes:
        self._usage = event.usage
        return b""

    def done(self, event: Done) -> bytes:
        """The last chunk: why each choice ended, and what it cost."""
        flushed = b"".join(self._flushed(index) for index in list(self._calls))
        choices = self._choices or {0: _Choice()}
        said: dict[str, Any] = {"candidates": [choices[index].last(index) for index in sorted(choices)]}
        if self._usage is not None:
            said["usageMetadata"] = write_usage(self._usage)
        body = encoded(said)[:-1] + b"," + self._tail
        last = self._framed(body)
        self._done = True
        return flushed + last + (b"]" if self._context.as_array else b"")

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice

    def _flushed(self, index: int) -> bytes:
        """The call that waits, as a chunk."""
        call = self._calls.pop(index, None) if self._calls else None
        if call is None:
            return b""
        begin = call.begin
        whole = ToolCall(begin.id, begin.name, "".join(call.pieces), begin.custom, begin.signature)
        return self._chunk(encoded(write_function_call(whole, begin.block, self._context)), index)

    def _whole(self, index: int, part: dict[str, Any]) -> bytes:
        self._choice(index)
        return self._flushed(index) + self._chunk(encoded(part), index)

    def _chunk(self, part: bytes, index: int) -> bytes:
        if index == 0 and not self._context.as_array:
            return b"data: " + _OPENING + part + self._first
        return self._framed(b'%b%b],"role":"model"},"index":%d}],%b' % (_OPENING, part, index, self._tail))

    def _framed(self, body: bytes) -> bytes:
        if not self._context.as_array:
            return b"data: " + body + b"\r\n\r\n"
        before = b",\r\n" if self._array_begun else b"["
        self._array_begun = True
        return before + body


class _Call:
    """A call whose arguments are not whole yet."""

    __slots__ = ("begin", "pieces")

    def __init__(self, begin: ToolBegin) -> None:
        self.begin = begin
        self.pieces: list[str] = []


class _Choice:
    """What the last chunk says of one alternative."""

    __slots__ = ("citations", "end", "logprobs", "paragraph", "pieces")

    def __init__(self) -> None:
        self.end = End("other")
        self.pieces: list[tuple[int, str]] = []  # of text blocks: citations need the whole text
        self.citations: list[tuple[int, Citation]] = []
        self.logprobs: list[dict[str, object]] = []
        self.paragraph: tuple[int, int] | None = None

    def last(self, index: int) -> dict[str, Any]:
        made: dict[str, Any] = {"content": {"parts": [{"text": ""}], "role": "model"}}
        made |= finish(self.end.reason, self.end.explanation) | {"index": index}
        if self.citations:
            texts = defaultdict[int, list[str]](list)
            for block, text in self.pieces:
                texts[block].append(text)
            whole = {block: "".join(pieces) for block, pieces in texts.items()}
            made["groundingMetadata"] = write_grounding([(whole.get(block, ""), one) for block, one in self.citations])
        if self.logprobs:
            made["logprobsResult"] = write_logprobs(self.logprobs)
        return made


def encoded(value: Any) -> bytes:
    """JSON without the characters that Google's SDK takes for ends of lines."""
    text = exact.dumps(value)
    if b"\xe2\x80" in text or b"\xc2\x85" in text:
        text = text.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
        text = text.replace(b"\xc2\x85", b"\\u0085")
    return text


_WRITERS: Final[dict[type[Event], Callable[[StreamWriter, Any], bytes]]] = {
    Begin: StreamWriter.begin,
    TextDelta: StreamWriter.text,
    ThinkingDelta: StreamWriter.thinking,
    ThinkingSignature: StreamWriter.signature,
    ToolBegin: StreamWriter.call,
    ToolDelta: StreamWriter.arguments,
    RefusalDelta: StreamWriter.refusal,
    Media: StreamWriter.whole,
    Foreign: StreamWriter.whole,
    Cited: StreamWriter.cited,
    Logprobs: StreamWriter.logprobs,
    End: StreamWriter.ended,
    UsageReport: StreamWriter.usage,
    Done: StreamWriter.done,
}
