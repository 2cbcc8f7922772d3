"""Which operation of which wire format a path of the unified entry means. Data and look-ups; no request, no socket.

    /v1/chat/completions            →  openai-chat       POST  model in the body
    /v1/models/{model}:{verb}       →  gemini            POST  model in the path; also /v1beta, /v1alpha and bare
    /v1/files/{id}                  →  openai            any OpenAI-shaped operation that is relayed as it is

`upstream_path` is relative to a provider's base URL, which ends with the version (`/v1`, `/v1beta`); it keeps the
client's bytes, its query too. The frequent paths are one dictionary look-up; the others are split and walked. Ids and
models that could step out of their place (dot segments, encoded slashes in ids, control characters) match nothing.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, quote, unquote_to_bytes

import msgspec

# method → path pattern below the prefix ("*" is one segment, an id) → (format, where the model is)
_POST: Final = {
    "chat/completions": ("openai-chat", "body"),
    "completions": ("openai", "body"),
    "embeddings": ("openai", "body"),
    "moderations": ("openai", "body?"),
    "rerank": ("openai", "body"),
    "v2/rerank": ("openai", "body"),  # Cohere's second version, as the next
    "v2/embed": ("openai", "body"),
    "decisions": ("openai", "body"),
    "images/generations": ("openai", "body?"),
    "images/edits": ("openai", "form?"),
    "images/variations": ("openai", "form?"),
    "audio/speech": ("openai", "body"),
    "audio/transcriptions": ("openai", "form"),
    "audio/translations": ("openai", "form"),
    "videos": ("openai", "form?"),
    "videos/edits": ("openai", "form?"),
    "videos/extensions": ("openai", "form?"),
    "videos/*/remix": ("openai", "none"),
    "files": ("openai", "none"),
    "batches": ("openai", "none"),
    "batches/*/cancel": ("openai", "none"),
    "responses": ("openai-responses", "body"),
    "responses/compact": ("openai-responses", "body"),
    "responses/input_tokens": ("openai-responses", "body"),
    "responses/*/cancel": ("openai-responses", "none"),
    "messages": ("anthropic", "body"),
    "messages/count_tokens": ("anthropic", "body"),
    "messages/batches": ("anthropic", "none"),
    "messages/batches/*/cancel": ("anthropic", "none"),
}
_GET: Final = {
    "models": ("openai", "none"),
    "realtime": ("openai", "query"),
    "responses": ("openai-responses", "query"),  # a WebSocket
    "responses/*": ("openai-responses", "none"),
    "responses/*/input_items": ("openai-responses", "none"),
    "files": ("openai", "none"),
    "files/*": ("openai", "none"),
    "files/*/content": ("openai", "none"),
    "batches": ("openai", "none"),
    "batches/*": ("openai", "none"),
    "videos": ("openai", "none"),
    "videos/*": ("openai", "none"),
    "videos/*/content": ("openai", "none"),
    "messages/batches": ("anthropic", "none"),
    "messages/batches/*": ("anthropic", "none"),
    "messages/batches/*/results": ("anthropic", "none"),
}
_DELETE: Final = {
    "responses/*": ("openai-responses", "none"),
    "files/*": ("openai", "none"),
    "videos/*": ("openai", "none"),
    "messages/batches/*": ("anthropic", "none"),
}
_TABLE: Final = {b"POST": _POST, b"GET": _GET, b"HEAD": _GET, b"DELETE": _DELETE}

# Where a path below "/v1/" may begin, and where a bare one may: whatever begins otherwise is not of this entry.
_GEMINI_VERSIONS: Final = (b"v1beta", b"v1alpha")
_BARE: Final = frozenset(pattern.partition("/")[0].encode() for pattern in (*_POST, *_GET, *_DELETE))
_PREFIXES: Final = (b"/v1beta/openai/", b"/v1/v1/", b"/v1/", b"/")
_VERBS: Final = frozenset(
    ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents", "generateAnswer",
     "batchGenerateContent", "asyncBatchEmbedContent", "computeTokens", "predict", "predictLongRunning")
)  # fmt: skip
_FREE: Final = frozenset(("responses/input_tokens", "messages/count_tokens", "countTokens", "computeTokens"))
# Gemini's own collections, under its own versions only.
_GEMINI_GET: Final = frozenset(
    ("interactions", "cachedContents", "batches", "operations", "files", "models", "tunedModels")
)
_GEMINI_TABLE: Final = {
    b"POST": frozenset(("interactions", "cachedContents", "batches")),
    b"GET": _GEMINI_GET,
    b"HEAD": _GEMINI_GET,
    b"PATCH": frozenset(("cachedContents",)),
    b"DELETE": frozenset(("interactions", "cachedContents", "batches", "files")),
}

_ID: Final = re.compile(rb"(?!\.{1,2}\Z)[A-Za-z0-9._~:@+=,-]{1,512}")
_PLAIN: Final = r"(?!\.{1,2}(?:/|\Z))[^\x00-\x20\x7f/\\?#%]+"  # a segment of a model's name, decoded
_MODEL: Final = re.compile(rf"{_PLAIN}(?:/{_PLAIN})*")
_COLON: Final = re.compile(rb"(?::|%3[Aa])([A-Za-z]+)\Z")
_QUERY_MODELS: Final = frozenset(("realtime", "responses"))
_QUERY_MODEL: Final = re.compile(rb"((?:\A|&)model=)[^&]*")
_MODELS: Final = ("models", "tunedModels")
_READS: Final = (b"GET", b"HEAD")
_ASKED: Final = (b"POST", b"GET", b"DELETE", b"PATCH")


class Operation(msgspec.Struct, frozen=True, gc=False):
    """What a path means.

    `model` says where the model's name is: body (JSON), form (multipart, or JSON), path (then `path_model` has it,
    decoded; also for /realtime, where the query has it), none. `needs_model` is False where vendors have a default.
    `action` is Gemini's verb. `name` is stable, for records and metrics. `metered` is False where a reply only repeats
    what another one has cost (a stored response) or costs nothing: its counts are not to be added up.
    """

    format: str
    name: str
    model: str
    upstream_path: bytes
    path_model: str | None = None
    action: str = ""
    needs_model: bool = True
    metered: bool = False


def find(method: bytes, path: bytes) -> Operation | None:
    """The operation that `method` asks of `path`, with its query; None when there is none. 90 ns for a frequent one."""
    if method == b"POST":
        found = _FREQUENT.get(path)
        if found is not None:
            return found
    bare, question, query = path.partition(b"?")
    first, _, rest = bare[1:].partition(b"/")
    query = question + query
    if first == b"v1":
        # /v1/v1 is what Anthropic's SDK makes of a base URL that already has the version
        below = rest[3:] if rest[:3] == b"v1/" else rest
        return _of_openai(method, below, query) or _of_interactions(method, rest, query)
    if first in _GEMINI_VERSIONS:
        if rest[:7] == b"openai/":  # where Google serves OpenAI's format
            return _of_openai(method, rest[7:], query)
        return _of_model(method, rest, query, "gemini") or _of_gemini(method, rest, query)
    return _of_openai(method, bare[1:], query) if first in _BARE else None


def allowed(path: bytes) -> tuple[str, bytes] | None:
    """For a path that `find` refused: its format and the value of Allow, when another method would do."""
    found = [(method, operation) for method in _ASKED if (operation := find(method, path)) is not None]
    if not found:
        return None
    methods = [method + (b", HEAD" if method == b"GET" else b"") for method, _ in found]
    return found[0][1].format, b", ".join(methods)


def models_dialect(*, has_anthropic_version: bool, has_goog_key: bool) -> str:
    """Whose list of models `GET /v1/models` means: three protocols share that path and differ in their headers only."""
    if has_anthropic_version:
        return "anthropic"
    return "gemini" if has_goog_key else "openai"


def path_with_model(operation: Operation, new_model: str) -> bytes:
    """The upstream path with another model where the old one stands. Only for operations whose `model` is "path"."""
    path, question, query = operation.upstream_path.partition(b"?")
    name = quote(new_model, safe="/:@!$&'()*+,;=").encode("ascii")
    if operation.name in _QUERY_MODELS:
        return path + question + _QUERY_MODEL.sub(lambda found: found[1] + quote(new_model, safe="").encode(), query)
    start = path.index(b"/", 1) + 1
    end = len(path)
    if operation.action:
        end = path.rindex(b":") if path.endswith(b":" + operation.action.encode()) else path.rindex(b"%3")
    return path[:start] + name + path[end:] + question + query


def in_dialect(operation: Operation, wire_format: str) -> Operation:
    """The same operation for another format's client, as `models_dialect` says."""
    return msgspec.structs.replace(operation, format=wire_format)


def _of_openai(method: bytes, rest: bytes, query: bytes) -> Operation | None:
    """What stands below /v1/: the table, and models, which Gemini's clients ask for there too."""
    if rest[:7] == b"models/":
        return _of_model(method, rest, query)
    table = _TABLE.get(method)
    return None if table is None else _listed(table, rest, query)


def _of_interactions(method: bytes, rest: bytes, query: bytes) -> Operation | None:
    """Google's SDK asks for /v1/interactions; its other collections there would be mistaken for OpenAI's."""
    return _of_gemini(method, rest, query) if rest.partition(b"/")[0] == b"interactions" else None


def _listed(table: dict[str, tuple[str, str]], rest: bytes, query: bytes) -> Operation | None:
    """An operation of the table, by its exact path or with its second segment as an id."""
    pattern = _text(rest)
    entry = table.get(pattern) if b"*" not in rest else None
    if entry is None:
        pattern = _with_star(rest)
        entry = table.get(pattern)
        if entry is None:
            return None
    return _make(pattern, entry, b"/" + rest + query, query)


def _with_star(rest: bytes) -> str:
    """The pattern that a path with an id has; "" when the id is none."""
    segments = rest.split(b"/")
    place = 2 if segments[:2] == [b"messages", b"batches"] else 1
    if len(segments) <= place or not _ID.fullmatch(segments[place]):
        return ""
    segments[place] = b"*"
    return _text(b"/".join(segments))


def _make(pattern: str, entry: tuple[str, str], upstream_path: bytes, query: bytes) -> Operation:
    wire_format, where = entry
    name = pattern.replace("/*", "_id").replace("/", "_")
    if where == "query":
        names = parse_qs(query[1:].decode("ascii", "replace")).get("model", [""])
        model = names[0] if len(names) == 1 else ""
        return Operation(wire_format, name, "path" if model else "none", upstream_path, model or None)
    is_free = where == "none" or pattern in _FREE
    return Operation(
        wire_format, name, where.rstrip("?"), upstream_path, needs_model=not where.endswith("?"), metered=not is_free
    )


def _of_model(method: bytes, rest: bytes, query: bytes, wire_format: str = "openai") -> Operation | None:
    """`models/{model}` and `models/{model}:{verb}`; a model's name may hold slashes, and the colon may be encoded."""
    kind, slash, tail = rest.partition(b"/")
    if not slash or _text(kind) not in _MODELS:
        return None
    found = _COLON.search(tail)
    action = _text(found[1]) if found is not None else ""
    if found is not None and action in _VERBS:
        if method != b"POST":
            return None
        wire_format, tail = "gemini", tail[: found.start()]
    elif method not in _READS or (kind != b"models" and wire_format != "gemini"):
        return None
    else:
        action = ""
    model = (unquote_to_bytes(tail) if b"%" in tail else tail).decode("utf-8", "replace")
    if not _MODEL.fullmatch(model):
        return None
    is_metered = action != "" and action not in _FREE
    return Operation(wire_format, action or "model", "path", b"/" + rest + query, model, action, metered=is_metered)


def _of_gemini(method: bytes, rest: bytes, query: bytes) -> Operation | None:
    """Gemini's other collections: relayed as they are."""
    segments = rest.split(b"/")
    collection = _text(segments[0])
    if collection not in _GEMINI_TABLE.get(method, frozenset()):
        return None
    longest = 1 if collection in _MODELS else 4
    if len(segments) > longest or not all(_ID.fullmatch(segment) for segment in segments):
        return None
    has_model = method == b"POST" and rest == b"interactions"
    name = collection if len(segments) == 1 else f"{collection}_id"
    where = "body" if has_model else "none"
    return Operation("gemini", name, where, b"/" + rest + query, needs_model=False, metered=has_model)


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _frequent() -> dict[bytes, Operation]:
    """Every POST without an id, under every prefix: one look-up instead of a walk (90 ns against 1,500)."""
    made: dict[bytes, Operation] = {}
    for pattern, entry in _POST.items():
        rest = pattern.encode()
        if b"*" not in rest:
            operation = _make(pattern, entry, b"/" + rest, b"")
            made |= {prefix + rest: operation for prefix in _PREFIXES}
    return made


_FREQUENT: Final = _frequent()
