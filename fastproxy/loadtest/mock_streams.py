"""Streamed replies of the four formats, event by event, as the vendors frame them. Pure; pacing is another file's.

A Stream is the list of events and where the words are in it: events[lead : lead + words] carry one word each, so the
pacer knows what to spread over time, and the books know how many tokens went out when a stream is cut.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fastproxy.loadtest import mock_replies as replies
from fastproxy.loadtest.mock_replies import Answer, Json, encode

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Stream:
    """The events of one reply."""

    events: tuple[bytes, ...]
    lead: int


def _data(value: object) -> bytes:
    return b"data: " + encode(value) + b"\n\n"


def _named(value: Json) -> bytes:
    """Anthropic and Responses events carry their name twice: as SSE event name and inside."""
    return b"event: " + str(value["type"]).encode() + b"\ndata: " + encode(value) + b"\n\n"


def chat(answer: Answer) -> Stream:
    """Chat chunks: role first, a word each, the finish reason, the usage chunk if asked for, then [DONE]."""
    wants_usage = bool((answer.asked.get("stream_options") or {}).get("include_usage"))

    def chunk(choices: list[Json], usage: Json | None = None) -> bytes:
        value: Json = {
            "id": "chatcmpl-" + answer.ident,
            "object": "chat.completion.chunk",
            "created": answer.now,
            "model": answer.model,
            "service_tier": "default",
            "system_fingerprint": "fp_mock000001",
            "choices": choices,
        }
        return _data(value | {"usage": usage} if wants_usage else value)

    def choice(delta: Json, reason: str | None = None) -> list[Json]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]

    events = [chunk(choice({"role": "assistant", "content": "", "refusal": None}))]
    events += [chunk(choice({"content": word})) for word in answer.words]
    events.append(chunk(choice({}, "stop")))
    if wants_usage:
        events.append(chunk([], replies.chat_usage(answer.tally)))
    return Stream((*events, b"data: [DONE]\n\n"), lead=1)


def completion(answer: Answer) -> Stream:
    """The old completions endpoint: whole objects with a word each, then [DONE]."""
    wants_usage = bool((answer.asked.get("stream_options") or {}).get("include_usage"))

    def chunk(choices: list[Json], usage: Json | None = None) -> bytes:
        value = replies.completion(answer) | {"choices": choices, "usage": usage}
        if not wants_usage:
            del value["usage"]
        return _data(value)

    def choice(word: str, reason: str | None) -> list[Json]:
        return [{"text": word, "index": 0, "logprobs": None, "finish_reason": reason}]

    events = [chunk(choice(word, None)) for word in answer.words]
    events.append(chunk(choice("", "stop")))
    if wants_usage:
        events.append(chunk([], replies.chat_usage(answer.tally)))
    return Stream((*events, b"data: [DONE]\n\n"), lead=0)


def response(answer: Answer) -> Stream:
    """Responses events, numbered, from response.created to response.completed; there is no [DONE]."""
    values = list(_response_values(answer))
    return Stream(tuple(_named(value | {"sequence_number": n}) for n, value in enumerate(values)), lead=4)


def _response_values(answer: Answer) -> Iterator[Json]:
    where = {"item_id": "msg_" + answer.ident, "output_index": 0, "content_index": 0}
    started = replies.response(answer, "in_progress")
    empty: dict[str, Any] = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    in_progress = replies.output_message(answer, "", "in_progress")
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    yield {"type": "response.output_item.added", "output_index": 0, "item": in_progress}
    yield {"type": "response.content_part.added", **where, "part": empty}
    for word in answer.words:
        yield {"type": "response.output_text.delta", **where, "delta": word, "logprobs": []}
    item = replies.output_message(answer, answer.text, "completed")
    yield {"type": "response.output_text.done", **where, "text": answer.text, "logprobs": []}
    yield {"type": "response.content_part.done", **where, "part": empty | {"text": answer.text}}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": replies.response(answer)}


def message(answer: Answer) -> Stream:
    """Anthropic's events; message_start carries the input counts, message_delta the final ones."""
    start = replies.message(replace(answer, words=()))
    start |= {"content": [], "stop_reason": None, "usage": replies.anthropic_usage(answer.tally, 1)}
    block = {"type": "text", "text": ""}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    usage = {
        "input_tokens": answer.tally.input,
        "cache_creation_input_tokens": answer.tally.cache_write,
        "cache_read_input_tokens": answer.tally.cache_read,
        "output_tokens": answer.tally.output,
        "output_tokens_details": {"thinking_tokens": answer.tally.reasoning},
    }
    lead: list[Json] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
    ]
    deltas: list[Json] = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in answer.words
    ]
    tail: list[Json] = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": usage},
        {"type": "message_stop"},
    ]
    return Stream(tuple(map(_named, (*lead, *deltas, *tail))), lead=len(lead))


def gemini_sse(answer: Answer) -> Stream:
    """`alt=sse`: data lines that end in CRLF; the last one has the finish reason."""
    return Stream(tuple(b"data: " + piece + b"\r\n\r\n" for piece in _gemini_pieces(answer)), lead=0)


def gemini_array(answer: Answer) -> Stream:
    """Without `alt=sse`: one JSON array, an element at a time."""
    first, *others = _gemini_pieces(answer)
    return Stream((b"[" + first, *(b"\n,\r\n" + piece for piece in others), b"\n]\n"), lead=0)


def _gemini_pieces(answer: Answer) -> list[bytes]:
    words = answer.words or ("",)
    last = len(words)
    return [
        encode(
            replies.content(
                answer, word, last=n == last, usage=replies.gemini_usage(answer.tally, None if n == last else n)
            )
        )
        for n, word in enumerate(words, 1)
    ]
