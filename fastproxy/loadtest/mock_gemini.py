"""Google's generateContent: JSON, SSE and JSON-array stream, with thoughts, function calls and images. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.loadtest.mock_answer import Answer, Json, Stream, encode

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_words import Tally

_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}


def usage(tally: Tally, sent: int | None = None) -> Json:
    """promptTokenCount includes cached content, candidatesTokenCount excludes thoughts."""
    visible = tally.output - tally.reasoning if sent is None else sent
    return {
        "promptTokenCount": tally.prompt,
        "candidatesTokenCount": visible,
        "totalTokenCount": tally.prompt + visible + tally.reasoning,
        "cachedContentTokenCount": tally.cache_read,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tally.prompt}],
        "thoughtsTokenCount": tally.reasoning,
    }


def _content(answer: Answer, parts: list[Json], counts: Json, *, last: bool) -> Json:
    """A generateContent reply, or one piece of a streamed one."""
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = _REASONS[answer.finish]
    return {
        "candidates": [candidate],
        "usageMetadata": counts,
        "modelVersion": answer.model,
        "responseId": answer.ident,
    }


def _calls(answer: Answer) -> list[Json]:
    calls = enumerate(answer.calls)
    return [
        {"functionCall": {"id": answer.call_id("call_", index), "name": call.name, "args": call.arguments}}
        for index, call in calls
    ]


def _images(answer: Answer) -> list[Json]:
    return [{"inlineData": {"mimeType": "image/png", "data": image}} for image in answer.images]


def content(answer: Answer) -> Json:
    """`POST …/models/{model}:generateContent`."""
    parts: list[Json] = [{"text": answer.thought, "thought": True}] if answer.thinking else []
    if answer.words or not (answer.calls or answer.images):
        parts.append({"text": answer.text})
    parts += _calls(answer) + _images(answer)
    return _content(answer, parts, usage(answer.tally), last=True)


def sse(answer: Answer) -> Stream:
    """`alt=sse`: data lines that end in CRLF; the last one has the finish reason."""
    pieces, marks = _pieces(answer)
    return Stream(tuple(b"data: " + piece + b"\r\n\r\n" for piece in pieces), marks)


def array(answer: Answer) -> Stream:
    """Without `alt=sse`: one JSON array, an element at a time."""
    (first, *others), marks = _pieces(answer)
    return Stream((b"[" + first, *(b"\n,\r\n" + piece for piece in others), b"\n]\n"), marks + b"\0")


def _pieces(answer: Answer) -> tuple[list[bytes], bytes]:
    """One part a piece; counts grow with the visible words, and the last piece has the final ones."""
    parts: list[Json] = [{"text": word, "thought": True} for word in answer.thinking]
    hidden = len(parts)
    parts += [{"text": word} for word in answer.words]
    words = len(parts)
    parts += _calls(answer) + _images(answer)
    parts = parts or [{"text": ""}]
    last = len(parts) - 1
    pieces = []
    for index, part in enumerate(parts):
        counts = usage(answer.tally, None if index == last else max(0, index + 1 - hidden))
        pieces.append(encode(_content(answer, [part], counts, last=index == last)))
    return pieces, b"\1" * words + bytes(len(parts) - words)
