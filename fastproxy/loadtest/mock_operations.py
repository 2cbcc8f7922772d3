"""Routed, authenticated request → Reply: what each operation answers, and how it is counted. No delivery, no limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from fastproxy.loadtest import (
    mock_chat,
    mock_content,
    mock_gemini,
    mock_images,
    mock_messages,
    mock_responses,
    mock_rest,
    mock_vectors,
    mock_words,
)
from fastproxy.loadtest.mock_answer import Answer, Json, Stream, encode
from fastproxy.loadtest.mock_books import ERRORS
from fastproxy.loadtest.mock_faults import Fault, event
from fastproxy.loadtest.mock_reply import FIELDS, IDENT, JSON, LIMITS, Reply
from fastproxy.loadtest.mock_stencil import BLANK, blank_words
from fastproxy.loadtest.mock_words import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.mock_cache import PrefixCache
    from fastproxy.loadtest.mock_exchange import Exchange
    from fastproxy.loadtest.mock_request import Request
    from fastproxy.loadtest.mock_routes import Format, Route

_BUILDERS: dict[str, Callable[[Answer], Json]] = {
    "chat/completions": mock_chat.chat,
    "completions": mock_chat.completion,
    "responses": mock_responses.response,
    "messages": mock_messages.message,
    "generateContent": mock_gemini.content,
    "embeddings": mock_vectors.embeddings,
    "embedContent": mock_vectors.gemini_embedding,
    "batchEmbedContents": mock_vectors.gemini_embeddings,
    "moderations": mock_rest.moderation,
    "images/generations": mock_images.image,
    "images/edits": mock_images.image,
    "images/variations": mock_images.image,
    "audio/transcriptions": mock_rest.transcription,
    "audio/translations": mock_rest.transcription,
    "rerank": mock_rest.rerank,
    "messages/count_tokens": mock_rest.count_tokens,
    "responses/input_tokens": mock_rest.input_tokens,
    "countTokens": mock_rest.gemini_count,
}
_STREAMS: dict[str, Callable[[Answer], Stream]] = {
    "chat/completions": mock_chat.chat_stream,
    "completions": mock_chat.completion_stream,
    "responses": mock_responses.response_stream,
    "messages": mock_messages.message_stream,
    "images/generations": mock_images.image_stream("image_generation"),
    "images/edits": mock_images.image_stream("image_edit"),
}
_UPLOADS: dict[str, Callable[[Answer], Json]] = {"files": mock_rest.file, "batches": mock_rest.batch}
_RAW = {"audio/speech": "audio/mpeg", "files/*/content": "application/octet-stream"}
_INPUT_ONLY = frozenset({"embeddings", "embedContent", "batchEmbedContents", "rerank"})
_FREE = frozenset({"moderations", "messages/count_tokens", "responses/input_tokens", "countTokens"})
_BILLED = (_BUILDERS.keys() | {"streamGenerateContent", "audio/speech"}) - _FREE


def make(exchange: Exchange, route: Route, asked: Json, cache: PrefixCache, models: tuple[str, ...]) -> Reply:
    """The reply; raises Fault for what only the operation itself can see."""
    answer = _answer(exchange, route, asked, cache)
    made = _models(route, models) if route.name in ("models", "models/*") else _made_by(route, exchange.request, answer)
    common: dict[str, Any] = {
        "fields": FIELDS[route.format],
        "limits": LIMITS[route.format],
        "style": route.format,
        "key": exchange.key,
        "endpoint": route.name,
        "tally": answer.tally if route.name in _BILLED else mock_words.NOTHING,
    }
    if isinstance(made, Stream):
        common["fields"] += b"cache-control: no-cache\r\n"
        kind = JSON if made.events[0][:1] == b"[" else "text/event-stream; charset=utf-8"
        if exchange.behaviour.error_after >= 0 and kind != JSON:
            made = _broken(made, exchange, route)
            output = sum(made.marks)
            tally = msgspec.structs.replace(answer.tally, output=output, reasoning=min(output, answer.tally.reasoning))
            common |= {"kind": ERRORS, "tally": tally}
        return Reply(200, kind, pieces=made.events, stream=True, marks=made.marks, **common)
    if isinstance(made, bytes):
        return Reply(200, _RAW[route.name], pieces=(made,), **common)
    return Reply(200, JSON, pieces=(encode(made),), **common)


def _broken(made: Stream, exchange: Exchange, route: Route) -> Stream:
    """The first events, and one that says what went wrong; there is no proper end."""
    kept = made.events[: exchange.behaviour.error_after]
    fault = Fault(529 if route.format == "anthropic" else 500, exchange.behaviour.message)
    number = len(kept) if route.name == "responses" else -1
    last = event(route.format, fault, IDENT, number)
    return Stream((*kept, last), made.marks[: len(kept)] + b"\0")


def _answer(exchange: Exchange, route: Route, asked: Json, cache: PrefixCache) -> Answer:
    texts = mock_words.prompt_texts(asked)
    for inner in asked.get("requests", ()) if route.name == "batchEmbedContents" else ():
        texts += mock_words.prompt_texts(inner) if isinstance(inner, dict) else []
    said = mock_content.content(route.name, asked, exchange.behaviour, texts)
    model = str(route.model or asked.get("model") or "mock-model")
    tally = exchange.behaviour.usage or _spoken(mock_words.tally(texts, len(said.words)), said)
    if cache.active and route.name in mock_content.SPEAKING and exchange.behaviour.usage is None:
        tally = _cached(tally, cache.look(f"{exchange.key}\n{model}", texts, exchange.clock), route.format)
    if exchange.blank:
        said, tally = replace(said, words=blank_words(len(said.words))), BLANK
    tally = billed(tally, route)
    rest = (said.thinking, said.calls, said.images, said.finish)
    return Answer(model, said.words, tally, IDENT, exchange.now, asked, *rest)


def billed(tally: Tally, route: Route) -> Tally:
    """The counts in the buckets that this operation has."""
    if route.name in _INPUT_ONLY:
        return Tally(input=tally.prompt)
    if route.format == "gemini":  # Google's usage has no bucket for cache writes.
        return Tally(tally.input + tally.cache_write, tally.cache_read, 0, tally.output, tally.reasoning)
    return tally


def _spoken(tally: Tally, said: mock_content.Content) -> Tally:
    """Thinking that is shown is the reasoning that is counted; a fragment of a call's arguments is a token."""
    if not said.thinking and not said.calls:
        return tally
    reasoning = len(said.thinking) or tally.reasoning
    called = sum(len(call.fragments) for call in said.calls)
    return msgspec.structs.replace(tally, output=len(said.words) + reasoning + called, reasoning=reasoning)


def _cached(tally: Tally, hit: tuple[int, int], style: Format) -> Tally:
    """Only Anthropic bills what is written into its cache."""
    prompt = tally.prompt
    read = min(hit[0], prompt)
    written = min(hit[1], prompt - read) if style == "anthropic" else 0
    return msgspec.structs.replace(tally, input=prompt - read - written, cache_read=read, cache_write=written)


def _made_by(route: Route, request: Request, answer: Answer) -> Json | Stream | bytes:
    if route.name == "streamGenerateContent":
        return mock_gemini.sse(answer) if request.query.get("alt") == "sse" else mock_gemini.array(answer)
    if route.name in _STREAMS and answer.asked.get("stream") in (True, "true"):
        return _STREAMS[route.name](answer)
    if route.name in _BUILDERS:
        return _BUILDERS[route.name](answer)
    return _rest(request.method.decode(), route, answer)


def _models(route: Route, models: tuple[str, ...]) -> Json:
    if route.name == "models":
        return mock_rest.model_list(route.format, models)
    if route.id not in models:
        text = f"The model '{route.id}' does not exist or you do not have access to it."
        raise Fault(404, text, param="model", code="model_not_found")
    return mock_rest.one_model(route.format, route.id)


def _rest(method: str, route: Route, answer: Answer) -> Json | bytes:
    if route.name == "audio/speech":
        return b"ID3\x04\x00\x00\x00\x00\x00\x00" + answer.text.encode() * 16
    if route.name == "files/*/content":
        return b'{"custom_id":"mock"}\n'
    if "*" in route.name:
        return mock_rest.by_id(method, route, answer)
    return _UPLOADS[route.name](answer) if method == "POST" else mock_rest.listing(route.name, answer)
