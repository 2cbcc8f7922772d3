"""Request → Reply: the mock's brain. It routes, checks, builds, remembers and counts; sockets are mock_server's.

A reply depends only on the request (and on the second it is made in), so equal requests share one remembered reply.
The memory is emptied every second, which is also when the date and `created` move on.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from fastproxy.loadtest import (
    mock_access,
    mock_behaviour,
    mock_checks,
    mock_replies,
    mock_rest,
    mock_streams,
    mock_words,
)
from fastproxy.loadtest.mock_books import ERRORS, Books, mask
from fastproxy.loadtest.mock_faults import Fault
from fastproxy.loadtest.mock_faults import write as write_fault
from fastproxy.loadtest.mock_pages import is_page, page
from fastproxy.loadtest.mock_replies import Answer, Json
from fastproxy.loadtest.mock_reply import FIELDS, IDENT, Reply, cuts, whole
from fastproxy.loadtest.mock_routes import Format, Route, find
from fastproxy.loadtest.mock_streams import Stream
from fastproxy.loadtest.mock_words import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.mock_behaviour import Behaviour, MockOptions
    from fastproxy.loadtest.mock_request import Request

_JSON = "application/json"
_UNKNOWN = "(unknown)"
_MEMORY = 256
_MEMORY_BYTES = 32 * 1024 * 1024
_LARGEST_REMEMBERED = 1024 * 1024
_LONGEST_HASHED = 2048
_LAST = 256
_BUILDERS: dict[str, Callable[[Answer], Json]] = {
    "chat/completions": mock_replies.chat,
    "completions": mock_replies.completion,
    "responses": mock_replies.response,
    "messages": mock_replies.message,
    "generateContent": mock_replies.gemini,
    "embeddings": mock_rest.embeddings,
    "embedContent": mock_rest.gemini_embedding,
    "batchEmbedContents": mock_rest.gemini_embeddings,
    "moderations": mock_rest.moderation,
    "images/generations": mock_rest.image,
    "images/edits": mock_rest.image,
    "images/variations": mock_rest.image,
    "audio/transcriptions": mock_rest.transcription,
    "audio/translations": mock_rest.transcription,
    "rerank": mock_rest.rerank,
    "messages/count_tokens": mock_rest.count_tokens,
    "responses/input_tokens": mock_rest.input_tokens,
    "countTokens": mock_rest.gemini_count,
}
_STREAMS: dict[str, Callable[[Answer], Stream]] = {
    "chat/completions": mock_streams.chat,
    "completions": mock_streams.completion,
    "responses": mock_streams.response,
    "messages": mock_streams.message,
}
_UPLOADS: dict[str, Callable[[Answer], Json]] = {"files": mock_rest.file, "batches": mock_rest.batch}
_DECISIVE = (
    b"authorization",
    b"x-api-key",
    b"x-goog-api-key",
    b"api-key",
    b"content-type",
    b"anthropic-version",
    b"transfer-encoding",
    b"host",
)
_RAW = {"audio/speech": "audio/mpeg", "files/*/content": "application/octet-stream"}
_INPUT_ONLY = frozenset({"embeddings", "embedContent", "batchEmbedContents", "rerank"})
_FREE = frozenset({"moderations", "messages/count_tokens", "responses/input_tokens", "countTokens"})
_BILLED = (_BUILDERS.keys() | {"streamGenerateContent", "audio/speech"}) - _FREE


@dataclass(frozen=True, slots=True)
class Prepared:
    """A remembered reply: as an object, and as bytes around the ids for the common case."""

    reply: Reply
    parts: list[bytes]
    body: bytes


class Service:
    """One per process. `answer` never raises: what is wrong with a request becomes a reply."""

    def __init__(self, options: MockOptions, books: Books) -> None:
        self.options = options
        self.books = books
        self.last: deque[Request] = deque(maxlen=_LAST)
        self.default = mock_behaviour.from_options(options)
        self.instant = self.default.instant and not options.error_rate
        self.memory: dict[tuple[object, ...], Prepared] = {}
        self._stem = b"%08x" % (os.getpid() & 0xFFFFFFFF)
        self._made = 0
        self._debt = 0.0
        self.tick(0)

    def tick(self, now: int) -> None:
        """A new second, in Unix time."""
        self.now = now
        self.date = formatdate(now, usegmt=True).encode()
        self.memory.clear()
        self._remembered = 0

    def ident(self) -> bytes:
        """A new id, unique within a run of the mock, as long as IDENT."""
        self._made += 1
        return b"%b%016x" % (self._stem, self._made)

    def recall(self, request: Request) -> Prepared:
        """The reply to a request without wishes, remembered or made now."""
        body = request.body
        # Hashing 40 KB takes 18 µs, comparing them 1: so a long body is found by its ends and then compared.
        sample = body if len(body) <= _LONGEST_HASHED else (len(body), body[:128], body[-128:])
        common = (sample, request.method, request.target, request.version, request.keep_alive)
        key = (*common, *map(request.fields.get, _DECISIVE))
        prepared = self.memory.get(key)
        if prepared is not None and prepared.body == body:
            return prepared
        reply = self._reply(request, self.default)
        prepared = Prepared(reply, cuts(whole(reply, request, self.date)), body)
        if reply.status == 200 and reply.endpoint and len(body) <= _LARGEST_REMEMBERED:
            self._remember(key, prepared)
        return prepared

    def _remember(self, key: tuple[object, ...], prepared: Prepared) -> None:
        self._remembered += len(prepared.body)
        while self.memory and (len(self.memory) >= _MEMORY or self._remembered > _MEMORY_BYTES):
            oldest = self.memory.pop(next(iter(self.memory)))
            self._remembered -= len(oldest.body)
        self.memory[key] = prepared

    def answer(self, request: Request) -> tuple[Reply, Behaviour]:
        """The reply to any request, and how to deliver it."""
        try:
            behaviour = mock_behaviour.from_request(self.default, request) if request.wishes else self.default
        except Fault as fault:
            return self.fault("openai", fault), self.default
        reply = self._reply(request, behaviour) if request.wishes else self.recall(request).reply
        if reply.status == 200 and reply.endpoint and self._unlucky():
            return self._fail(reply), behaviour
        return reply, behaviour

    def fault(self, style: Format, fault: Fault, *, key: str = "", endpoint: str = "") -> Reply:
        """A refusal in the asker's format."""
        fields = FIELDS[style]
        if fault.retry_after:
            fields += b"retry-after: %d\r\n" % fault.retry_after
        body = write_fault(style, fault, IDENT)
        return Reply(fault.status, _JSON, fields, (body,), key=key, endpoint=endpoint, kind=ERRORS)

    def _unlucky(self) -> bool:
        """True for `error_rate` of the calls, spread evenly and without chance."""
        self._debt += self.options.error_rate
        if self._debt < 1:
            return False
        self._debt -= 1
        return True

    def _fail(self, reply: Reply) -> Reply:
        """The error of --error-rate instead of a good reply; its format is seen from the reply's own fields."""
        style = next(style for style, fields in FIELDS.items() if reply.fields.startswith(fields))
        fault = Fault(self.options.error_status, "the mock was told to fail")
        return self.fault(style, fault, key=reply.key, endpoint=reply.endpoint)

    def _reply(self, request: Request, behaviour: Behaviour) -> Reply:
        try:
            mock_access.framing(request)
        except Fault as fault:
            return replace(self.fault("openai", fault, endpoint=_UNKNOWN), close=True)
        style: Format = "openai"
        key, endpoint = "", _UNKNOWN
        try:
            if is_page(request):
                return self._page(request, behaviour)
            route = _route(request)
            style, endpoint = _style(route, request), route.name
            mock_access.azure(route, request)
            key = mock_access.credential(route, style, request)
            self._admit(key, behaviour)
            if style != route.format:
                route = replace(route, format=style)
            return self._operation(route, request, behaviour, key)
        except Fault as fault:
            return self.fault(style, fault, key=key, endpoint=endpoint)

    def _page(self, request: Request, behaviour: Behaviour) -> Reply:
        """One of the mock's own pages, which stay out of the books; a wished failure is honoured here too."""
        if behaviour.status:
            raise Fault(behaviour.status, "the mock was told to fail", retry_after=behaviour.retry_after)
        return page(request, self.books, self.last)

    def _admit(self, key: str, behaviour: Behaviour) -> None:
        if self.options.keys and key not in self.options.keys:
            raise Fault(401, f"Incorrect API key provided: {mask(key)}", code="invalid_api_key")
        if behaviour.status:
            raise Fault(behaviour.status, "the mock was told to fail", retry_after=behaviour.retry_after)

    def _operation(self, route: Route, request: Request, behaviour: Behaviour, key: str) -> Reply:
        """The reply of a routed and authenticated request; raises Fault for a body that is not right."""
        if route.format == "anthropic":
            mock_access.version(request)
        asked = mock_checks.body(route, request)
        answer = self._answer(route, asked, behaviour)
        made = self._made_by(route, request, answer)
        billed = route.name in _BILLED
        common: dict[str, Any] = {
            "fields": FIELDS[route.format],
            "key": key,
            "endpoint": route.name,
            "tally": answer.tally if billed else Tally(),
        }
        if isinstance(made, Stream):
            common["fields"] += b"cache-control: no-cache\r\n"
            kind = _JSON if made.events[0][:1] == b"[" else "text/event-stream; charset=utf-8"
            return Reply(200, kind, pieces=made.events, stream=True, lead=made.lead, words=len(answer.words), **common)
        if isinstance(made, bytes):
            return Reply(200, _RAW[route.name], pieces=(made,), **common)
        return Reply(200, _JSON, pieces=(mock_replies.encode(made),), **common)

    def _answer(self, route: Route, asked: Json, behaviour: Behaviour) -> Answer:
        texts = mock_words.prompt_texts(asked)
        for inner in asked.get("requests", ()) if route.name == "batchEmbedContents" else ():
            texts += mock_words.prompt_texts(inner) if isinstance(inner, dict) else []
        words = tuple(mock_words.answer(texts, behaviour.tokens))
        tally = behaviour.usage or mock_words.tally(texts, len(words))
        if route.name in _INPUT_ONLY:
            tally = Tally(input=tally.prompt)
        elif route.format == "gemini":  # Google's usage has no bucket for cache writes.
            tally = replace(tally, input=tally.input + tally.cache_write, cache_write=0)
        model = str(route.model or asked.get("model") or "mock-model")
        return Answer(model, words, tally, IDENT, self.now, asked)

    def _made_by(self, route: Route, request: Request, answer: Answer) -> Json | Stream | bytes:
        if route.name == "streamGenerateContent":
            sse = request.query.get("alt") == "sse"
            return mock_streams.gemini_sse(answer) if sse else mock_streams.gemini_array(answer)
        if answer.asked.get("stream") and route.name in _STREAMS:
            return _STREAMS[route.name](answer)
        if route.name in _BUILDERS:
            return _BUILDERS[route.name](answer)
        if route.name in ("models", "models/*"):
            return self._models(route)
        return _rest(request.method.decode(), route, answer)

    def _models(self, route: Route) -> Json:
        if route.name == "models":
            return mock_rest.model_list(route.format, self.options.models)
        if route.id not in self.options.models:
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


def _route(request: Request) -> Route:
    method, path = request.method.decode(), request.path
    found = find(method, path)
    if isinstance(found, Route):
        return found
    if found:
        raise Fault(405, f"Not allowed to {method} on {path}, expected {', '.join(sorted(found))}")
    raise Fault(404, f"Unknown request URL: {method} {path}", code="unknown_url")


def _style(route: Route, request: Request) -> Format:
    """Three vendors list their models at one path: the headers say whose client asks."""
    if not route.name.startswith("models") or route.format != "openai":
        return route.format
    if b"anthropic-version" in request.fields:
        return "anthropic"
    if b"x-goog-api-key" in request.fields or b"x-goog-api-client" in request.fields or "key" in request.query:
        return "gemini"
    return "openai"
