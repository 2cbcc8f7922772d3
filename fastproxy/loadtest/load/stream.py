"""Reads event streams of the four AI formats as they arrive: what is a token, what is the end, what went wrong. No I/O.

    bytes of the body, cut anywhere  →  feed() → how many content events they completed
                                        ended, error, fault, tokens, text: what is known so far

A content event carries something that the model has made: text, reasoning, a tool call's arguments. Plain HTTP streams
have no such notion: there each event with data is one. Shares no code with the gateway that it measures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from fastproxy.loadtest.load.shapes import Format

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN: Final = 150
_LARGEST: Final = 16 << 20  # bytes of one event


class StreamReader:
    """One stream. `keeps_values` collects what checks of JSON paths look at, `keeps_text` what the model wrote."""

    __slots__ = (
        "_event", "_pieces", "_size", "_tail", "ended", "error", "events", "fault", "keeps_text", "keeps_values",
        "text", "tokens", "values",
    )  # fmt: skip

    def __init__(self, wire_format: Format, *, keeps_text: bool = False, keeps_values: bool = False) -> None:
        self._event = _READERS[wire_format]
        self._pieces: list[bytes] = []  # of the event that is not complete
        self._size = 0  # of them
        self._tail = b""  # behind them: what may be the beginning of a blank line
        self.keeps_text = keeps_text
        self.keeps_values = keeps_values
        self.ended = wire_format is Format.HTTP  # only its framing can tell
        self.error = ""  # of an error event
        self.fault = ""  # an event that cannot be read
        self.events = 0
        self.tokens = 0  # made by the model, as the stream says; 0: it has not said
        self.text: list[str] = []
        self.values: list[Any] = []

    def feed(self, data: bytes) -> int:
        """Take the next bytes of the body; return the number of content events that they complete."""
        data = self._tail + data
        held = b""
        if data.find(b"\r") >= 0:  # half the cost of `in`
            if data.endswith(b"\r"):  # may be half of a line's end
                data, held = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = data.rfind(b"\n\n")
        if end < 0:
            self._hold(data, held)
            return 0
        blocks, rest = data[:end], data[end + 2 :]
        if self._pieces:
            blocks = b"".join((*self._pieces, blocks))
            self._pieces, self._size = [], 0
        self._hold(rest, held)
        content = 0
        for block in blocks.split(b"\n\n"):
            payload = block[5:] if block.startswith(b"data:") and block.find(b"\n") < 0 else _payload(block)
            if payload:
                self.events += 1
                content += self._read(payload)
        return content

    def _hold(self, data: bytes, held: bytes) -> None:
        """Keep the bytes of an event that is not complete, so that only new ones are searched for its end."""
        if data.endswith(b"\n"):
            data, held = data[:-1], b"\n" + held
        self._tail = held
        if not data:
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _LARGEST:
            self.fault = self.fault or f"event too large: more than {_LARGEST >> 20} MiB"
            self._pieces, self._size = [], 0

    def _read(self, payload: bytes) -> int:
        if payload.strip() == b"[DONE]":
            self.ended = True
            return 0
        try:
            if self.keeps_values:
                self.values.append(msgspec.json.decode(payload))
            return self._event(self, payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.fault = self.fault or f"not an event of this format: {shown(payload)}"
            return 0


def shown(data: bytes) -> str:
    """A piece of a reply, short enough for an example."""
    return data.decode("utf-8", "replace")[:_SHOWN]


def _payload(block: bytes) -> bytes:
    """The data of an event that has more than one line; comments have none."""
    lines = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)


class _Usage(msgspec.Struct):
    completion_tokens: int | None = None
    output_tokens: int | None = None


class _Delta(msgspec.Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


class _Response(msgspec.Struct):
    usage: _Usage | None = None
    error: Any = None


class _ResponseEvent(msgspec.Struct):
    type: str
    delta: Any = None
    response: _Response | None = None
    message: Any = None
    error: Any = None


class _AnthropicDelta(msgspec.Struct):
    text: str | None = None


class _AnthropicEvent(msgspec.Struct):
    type: str
    delta: _AnthropicDelta | None = None
    usage: _Usage | None = None
    error: Any = None


class _GeminiUsage(msgspec.Struct, rename="camel"):
    candidates_token_count: int = 0
    thoughts_token_count: int = 0


class _GeminiContent(msgspec.Struct):
    parts: list[dict[str, Any]] | None = None


class _GeminiCandidate(msgspec.Struct, rename="camel"):
    content: _GeminiContent | None = None
    finish_reason: str | None = None


class _GeminiEvent(msgspec.Struct, rename="camel"):
    candidates: list[_GeminiCandidate] | None = None
    usage_metadata: _GeminiUsage | None = None
    prompt_feedback: dict[str, Any] | None = None
    error: Any = None


_chunk = msgspec.json.Decoder(_Chunk).decode
_response_event = msgspec.json.Decoder(_ResponseEvent).decode
_anthropic_event = msgspec.json.Decoder(_AnthropicEvent).decode
_gemini_event = msgspec.json.Decoder(_GeminiEvent).decode


def _say_error(reader: StreamReader, error: object) -> None:
    reader.error = reader.error or shown(msgspec.json.encode(error))


def _http(reader: StreamReader, payload: bytes) -> int:
    return 1


def _chat(reader: StreamReader, payload: bytes) -> int:
    chunk = _chunk(payload)
    if chunk.error:
        _say_error(reader, chunk.error)
    if chunk.usage is not None and chunk.usage.completion_tokens:
        reader.tokens = chunk.usage.completion_tokens
    content = 0
    for choice in chunk.choices or ():
        delta = choice.delta
        if choice.text or (delta is not None and _says(delta)):
            content = 1
            if reader.keeps_text:
                reader.text.append(str(choice.text or (delta.content if delta is not None else "") or ""))
    return content


def _says(delta: _Delta) -> object:
    return (
        delta.content
        or delta.tool_calls
        or delta.reasoning_content
        or delta.reasoning
        or delta.refusal
        or delta.function_call
    )


def _responses(reader: StreamReader, payload: bytes) -> int:
    event = _response_event(payload)
    if event.type.endswith(".delta"):
        if reader.keeps_text and event.type == "response.output_text.delta":
            reader.text.append(str(event.delta or ""))
        return 1 if event.delta else 0
    if event.type in ("response.completed", "response.incomplete"):
        reader.ended = True
        if event.response is not None and event.response.usage is not None:
            reader.tokens = event.response.usage.output_tokens or 0
    elif event.type in ("error", "response.failed"):
        _say_error(reader, event.error or (event.response.error if event.response else None) or event.message)
    return 0


def _anthropic(reader: StreamReader, payload: bytes) -> int:
    event = _anthropic_event(payload)
    if event.type == "content_block_delta":
        if reader.keeps_text and event.delta is not None and event.delta.text:
            reader.text.append(event.delta.text)
        return 1
    if event.type == "message_delta" and event.usage is not None:
        reader.tokens = event.usage.output_tokens or 0
    elif event.type == "message_stop":
        reader.ended = True
    elif event.type == "error":
        _say_error(reader, event.error)
    return 0


def _gemini(reader: StreamReader, payload: bytes) -> int:
    event = _gemini_event(payload)
    if event.error:
        _say_error(reader, event.error)
    if event.usage_metadata is not None:
        reader.tokens = event.usage_metadata.candidates_token_count + event.usage_metadata.thoughts_token_count
    if event.prompt_feedback is not None and event.prompt_feedback.get("blockReason"):
        reader.ended = True  # refused; nothing follows
    return int(sum(_gemini_content(reader, candidate) for candidate in event.candidates or ()) > 0)


def _gemini_content(reader: StreamReader, candidate: _GeminiCandidate) -> int:
    if candidate.finish_reason:
        reader.ended = True
    parts = (candidate.content.parts if candidate.content is not None else None) or ()
    if reader.keeps_text:
        reader.text += [str(part["text"]) for part in parts if part.get("text")]
    return sum(1 for part in parts if part.get("text") or "functionCall" in part or "inlineData" in part)


_READERS: Final[dict[Format, Callable[[StreamReader, bytes], int]]] = {
    Format.HTTP: _http,
    Format.OPENAI_CHAT: _chat,
    Format.OPENAI_RESPONSES: _responses,
    Format.ANTHROPIC: _anthropic,
    Format.GEMINI: _gemini,
    Format.WEBSOCKET: _http,
}
