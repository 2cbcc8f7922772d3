"""Events mode, the way there: a client's request in the format of a channel that speaks another.

The request is read once into the hub's vocabulary and written anew for each attempt, because attempts may differ in
format and model. What could not be carried is named to the client, or refused if its key is strict.
"""

from __future__ import annotations

from secrets import token_hex
from time import time
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.errors import BadRequest
from fastproxy.formats import exact
from fastproxy.formats.anthropic import json_tool
from fastproxy.formats.builtins import with_search
from fastproxy.formats.defaults import put_defaults
from fastproxy.formats.events import ReplyContext
from fastproxy.formats.foreign_files import refuse_foreign_files
from fastproxy.formats.notes import Notes
from fastproxy.formats.openai_responses import state_fields
from fastproxy.formats.registry import CLIENTS, UPSTREAMS, ClientFormat, UpstreamFormat
from fastproxy.formats.stopping import Stopping, unsent_stops
from fastproxy.formats.tool_names import NO_NAMES
from fastproxy.formats.turns import only_texts
from fastproxy.gateway.bounds import check_depth, check_model, load_bounded
from fastproxy.gateway.deployments import deployed
from fastproxy.gateway.form_body import FormExchange, hold_form
from fastproxy.gateway.inline import inlined
from fastproxy.gateway.one_shot import ask, is_one_shot
from fastproxy.gateway.stored import with_previous
from fastproxy.gateway.table import TRACE
from fastproxy.gateway.vault import restore
from fastproxy.providers.quirks import quirks

if TYPE_CHECKING:
    from fastproxy.formats.chat import ChatRequest
    from fastproxy.formats.operations import Operation
    from fastproxy.gateway.asker import Asker
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.gateway.table import Attempt, Key, Table

# The operations that every chat format has, and the one that any of them can stand in for.
CHAT_OPERATIONS: Final = frozenset(
    ("chat_completions", "responses", "messages", "generateContent", "streamGenerateContent", "completions")
)
_END: Final = b"\r\n\r\n"
_NONE: Final[frozenset[str]] = frozenset()
MAX_LOSSY_CHARS: Final = 2000  # of a header line


class Translation:
    """One exchange between two formats: the request as it was understood, and what the attempt in hand made of it."""

    __slots__ = ("losses", "names", "only_texts", "reading", "reply_id", "request", "source", "stores", "upstream")

    def __init__(self, request: ChatRequest, source: ClientFormat, *, remembers: bool) -> None:
        self.request = request
        self.only_texts = only_texts(request.turns)
        self.source = source
        self.upstream: UpstreamFormat = UPSTREAMS["openai-chat"]  # until an attempt says which
        self.names = NO_NAMES
        # Responses are remembered unless their client says no; whoever speaks the format itself does it upstream.
        self.stores = remembers and source.NAME == "openai-responses" and request.store is not False
        self.reply_id = token_hex(16) if self.stores else ""  # request ids are counted on, and could be guessed
        self.losses: tuple[str, ...] = ()
        self.reading: dict[str, Any] = {}  # how the upstream's reply is to be read: options of its format's readers

    @property
    def is_stream(self) -> bool:
        return self.request.stream

    def put(self, request: ChatRequest, attempt: Attempt, table: Table) -> tuple[dict[str, Any], bytes]:
        """The body and the path that ask `attempt` for what `request` means. Raises: FormatError, BadRequest."""
        if not self.only_texts:
            refuse_foreign_files(request, attempt.format)
        upstream = self.upstream = UPSTREAMS[attempt.format]
        notes = Notes()
        model = attempt.rename.get(request.model, request.model)
        meant = table.target(attempt.provider, model, attempt.format)
        if attempt.builtin_tools != meant.builtin_tools:
            meant = replace(meant, builtin_tools=attempt.builtin_tools)
            request = with_search(request)
        try:
            body, self.names = upstream.write_request(request, meant, notes)
            if request.stop and (stops := unsent_stops(request, body)):
                self.upstream = Stopping(upstream, stops)
                notes.forget("stop")
            self.losses = notes.report(self.request, self.source.FIELDS) if notes else ()
        except (TypeError, RecursionError):
            check_depth(dict(self.request.body))  # which is the usual reason
            raise
        if attempt.defaults:
            put_defaults(body, attempt.defaults)
        self.reading = _reading(attempt, body)
        path = upstream.upstream_path(meant, stream=request.stream).encode()
        if attempt.api_version:
            path = deployed(attempt, request.model, path)
        return body, attempt.prefix + path


def is_chat(operation: Operation | None) -> bool:
    return operation is not None and operation.name in CHAT_OPERATIONS


def wants_array(operation: Operation) -> bool:
    """Whether a Gemini client reads its stream as one JSON array: it did not ask for events."""
    return operation.name == "streamGenerateContent" and b"alt=sse" not in operation.upstream_path


async def translate(exchange: Exchange, attempt: Attempt) -> bytes:
    """The whole upstream head; `exchange.body` becomes the body. Raises: FormatError, BadRequest."""
    if isinstance(exchange, FormExchange):
        await hold_form(exchange)
    if not exchange.entry.reads_body:
        raise BadRequest("the body cannot be read: expected JSON, and content-type: application/json")
    if is_one_shot(exchange.operation):
        path = ask(exchange, attempt)
        _obey_key(exchange)
        return _head(exchange, attempt, path)
    translation = exchange.translation
    if not isinstance(translation, Translation):
        translation = exchange.translation = understand(exchange, load_bounded(bytes(exchange.body)))
    request = translation.request = await inlined(exchange, translation.request, attempt.format)
    body, path = translation.put(restore(exchange, request, attempt), attempt, exchange.table)
    _obey_key(exchange)
    exchange.ask_else(encoded(body), exchange.target)
    return _head(exchange, attempt, path)


def _reading(attempt: Attempt, body: dict[str, Any]) -> dict[str, Any]:
    """What a reader has to undo: a tool that stands for structured output, thoughts inside the text."""
    if attempt.format == "anthropic" and (name := json_tool(body)):
        return {"unwrap_tool": name}
    if attempt.format == "openai-chat" and quirks(attempt.provider).tags:
        return {"think_tags": True}
    return {}


def understand(asker: Asker, body: dict[str, Any]) -> Translation:
    """What the client's body asks for. Raises: FormatError, BadRequest."""
    operation = asker.operation
    assert operation is not None
    source = CLIENTS[operation.name if operation.name in CLIENTS else operation.format]
    if source.NAME == "openai-responses":
        body = _self_contained(asker, body)
    elif source.NAME == "gemini" and (body.get("cachedContent") or body.get("cached_content")):
        raise BadRequest("field 'cachedContent' refers to what only its vendor has; send the contents themselves")
    try:
        if operation.model == "path":
            stream = operation.action == "streamGenerateContent"
            request = source.read_request(body, model=operation.path_model or "", stream=stream)
        else:
            request = source.read_request(body)
    except (TypeError, RecursionError):
        check_depth(body)  # which is the usual reason
        raise
    check_model(request.model)
    return Translation(request, source, remembers=asker.table.snapshot.remember_s > 0)


def _self_contained(asker: Asker, body: dict[str, Any]) -> dict[str, Any]:
    """A request of Responses that needs nothing of its vendor's memory. Raises: BadRequest."""
    needed = state_fields(body)
    if needed:
        raise BadRequest(f"field '{needed[0]}' refers to what only its vendor has; send the items themselves")
    return with_previous(asker, body)


def encoded(body: dict[str, Any]) -> bytes:
    """The body as it goes up. Raises: BadRequest."""
    try:
        return exact.dumps(body)
    except (TypeError, RecursionError):  # orjson's end is at 254 levels
        raise BadRequest("the body is nested too deeply to be translated") from None


def _obey_key(exchange: Exchange) -> None:
    """A strict key wants all or nothing."""
    losses = exchange.translation.losses if exchange.translation is not None else ()
    if losses and exchange.key is not None and exchange.key.lossy == "strict":
        raise BadRequest(f"the channel's format cannot carry the request whole: {'; '.join(losses)}"[:MAX_LOSSY_CHARS])


def _head(exchange: Exchange, attempt: Attempt, path: bytes) -> bytes:
    head = exchange.head
    if head.reading is None and head.shape.host_at >= 0:
        exchange.inbound.reading = head.shape.reading(attempt.drop)  # the next of its shape is recognised at once
    trace = [b"%b: %b\r\n" % (name, value) for name in TRACE if (value := head.get(name)) is not None]
    auth = attempt.auth() if attempt.auth is not None else b""
    return upstream_head(attempt, path, b"".join(trace), (auth, b"%d" % len(exchange.body)))


def upstream_head(attempt: Attempt, path: bytes, trace: bytes, rest: tuple[bytes, bytes]) -> bytes:
    """The head of a translated request: nothing of the client's but its trace. `rest`: the credential, the length."""
    auth, digits = rest
    return b"".join((b"POST ", path, attempt.fixed, trace, auth, attempt.via, b"content-length: ", digits, _END))


def lossy_line(losses: tuple[str, ...], key: Key | None) -> bytes:
    """What was lost, as a header line; nothing for a key that does not want to know."""
    if not losses or (key is not None and key.lossy == "silent"):
        return b""
    text = "; ".join(losses)
    printable = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return b"x-fastproxy-lossy: " + printable[:MAX_LOSSY_CHARS].encode() + b"\r\n"


def reply_context(asker: Asker, translation: Translation) -> ReplyContext:
    """What the writer of the client's format needs to know of its request."""
    request, operation = translation.request, asker.operation
    assert operation is not None
    return ReplyContext(
        id=translation.reply_id or asker.name().decode(),
        model=request.model,
        created=int(time()),
        include_usage=request.include_usage,
        functions="functions" in request.body,
        as_array=wants_array(operation),
        show_thinking=request.reasoning is None or request.reasoning.show is not False,
        custom_tools=frozenset([tool.name for tool in request.tools if tool.kind == "custom"])
        if request.tools
        else _NONE,
        echo={**request.body, "store": translation.stores},
    )
