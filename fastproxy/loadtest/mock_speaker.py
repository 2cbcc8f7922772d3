"""Exchange → Reply: what the mock says to one request, before limits and chaos. No memory of replies, no delivery.

The order of the checks is the vendors': frame, path, credential, version, body; then the script, then the operation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fastproxy.loadtest import mock_access, mock_checks, mock_wishes
from fastproxy.loadtest.mock_books import Books, mask
from fastproxy.loadtest.mock_cache import PrefixCache
from fastproxy.loadtest.mock_faults import Fault
from fastproxy.loadtest.mock_operations import make
from fastproxy.loadtest.mock_pages import is_page, page
from fastproxy.loadtest.mock_reply import Reply, refusal
from fastproxy.loadtest.mock_routes import Format, Route, find
from fastproxy.loadtest.mock_script import Question, Script
from fastproxy.loadtest.mock_script_file import read_script
from fastproxy.loadtest.mock_words import prompt_texts

if TYPE_CHECKING:
    from collections import deque

    from fastproxy.loadtest.mock_answer import Json
    from fastproxy.loadtest.mock_behaviour import Behaviour, MockOptions
    from fastproxy.loadtest.mock_exchange import Exchange
    from fastproxy.loadtest.mock_request import Request


class Speaker:
    """One per process. `repeats` is true when nothing but the request decides over a reply."""

    def __init__(self, options: MockOptions, default: Behaviour, books: Books, last: deque[Request | bytes]) -> None:
        self._options = options
        self._default = default
        self._books = books
        self._last = last
        self._cache = PrefixCache(options.prefix_cache)
        self.script = read_script(options.script) if options.script else Script()
        self.repeats = not (self.script.rules or self._cache.active)

    def reply(self, exchange: Exchange) -> Reply:
        """Never raises: what is wrong with a request becomes a reply."""
        request = exchange.request
        try:
            mock_access.framing(request)
        except Fault as fault:
            return replace(refusal("openai", fault, endpoint=exchange.endpoint), close=True)
        try:
            return self._page(exchange) if is_page(request) else self._operation(exchange)
        except Fault as fault:
            return refusal(exchange.style, fault, key=exchange.key, endpoint=exchange.endpoint)

    def _page(self, exchange: Exchange) -> Reply:
        """One of the mock's own pages, which stay out of the books; a wished failure is honoured here too."""
        _fail_if_wished(exchange.behaviour)
        return page(exchange.request, self._books, self._last)

    def _operation(self, exchange: Exchange) -> Reply:
        request = exchange.request
        route = _route(request)
        exchange.style, exchange.endpoint = _style(route, request), route.name
        mock_access.azure(route, request)
        exchange.key = mock_access.credential(route, exchange.style, request)
        if self._options.keys and exchange.key not in self._options.keys:
            raise Fault(401, f"Incorrect API key provided: {mask(exchange.key)}", code="invalid_api_key")
        _fail_if_wished(exchange.behaviour)
        if exchange.style != route.format:
            route = replace(route, format=exchange.style)
        if route.format == "anthropic":
            mock_access.version(request)
        asked = mock_checks.body(route, request)
        if self.script.rules:
            self._follow_script(exchange, route, asked)
        return make(exchange, route, asked, self._cache, self._options.models)

    def _follow_script(self, exchange: Exchange, route: Route, asked: Json) -> None:
        """The script's reply for this request becomes its behaviour; what the request itself wishes comes on top."""
        request, texts = exchange.request, prompt_texts(asked)
        stream = bool(asked.get("stream")) or route.name == "streamGenerateContent"
        model = str(route.model or asked.get("model") or "")
        question = Question(request.path, model, exchange.key, stream, texts[-1] if texts else "")
        changes = self.script.choose(question, exchange.rng)
        if not changes:
            return
        behaviour: Behaviour = replace(self._default, **changes)  # type: ignore[arg-type]
        exchange.behave(mock_wishes.from_request(behaviour, request) if request.wishes else behaviour)
        _fail_if_wished(exchange.behaviour)


def _fail_if_wished(behaviour: Behaviour) -> None:
    if behaviour.status:
        raise Fault(behaviour.status, behaviour.message, retry_after=behaviour.retry_after)


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
