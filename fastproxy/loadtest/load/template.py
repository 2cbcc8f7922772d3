"""Text with variables, and the whole HTTP/1.1 requests that are made of it. No sockets; the only clock is {{time_ms}}.

    {{n}}            number of the request in its process      {{process}}       number of the process
    {{uuid}}         never the same twice                      {{traceparent}}   a new trace
    {{random:1:100}} a whole number, both ends included        {{choice:a|b|c}}  one of these
    {{text:200}}     200 words of prose; {{text:50:400}} so many of them as chance will have it
    {{line:NAME}}    a line of the data file NAME: the next one for each request, from a place that the seed decides
    {{time_ms}}      Unix time in milliseconds                 {{{{              two braces

In a JSON body, what stands inside a JSON string is escaped for it, so a line may hold quotes; elsewhere (`{"user":
{{line:users}}}`) it is put in as it is. In a path, what cannot stand in one is percent-encoded. `random`, `choice`,
`text` and `line` follow the plan's seed; `uuid` and traces do not, or a repeated run would meet its own caches.

    compile_request, compile_recorded  →  Maker       make() gives the bytes of one request
    compile_upgrade                    →  Upgrade     a WebSocket's beginning; its Maker then makes the messages
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from fastproxy.loadtest.load.bodies import AI_FORMATS, QUESTION_WORDS, conversation, default_headers
from fastproxy.loadtest.load.shapes import Format, Request
from fastproxy.loadtest.load.variables import VARIABLES, Values, fresh_bytes, json_escaped, traceparent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fastproxy.loadtest.load.shapes import Plan, Recorded
    from fastproxy.loadtest.load.variables import Data, Variable

USER_AGENT: Final = "fastproxy-bench"
_TOKEN: Final = re.compile(r"\{\{\{\{|\{\{([^{}]*)\}\}|\{\{(?!\{)")
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_NOT_IN_TARGET: Final = re.compile(rb"[^\x21\x24-\x3b\x3d\x3f-\x7e]")
_VERSION: Final = re.compile(r"/v\d+(?:alpha|beta)?\d*(?=/|$)", re.ASCII)
_WEBSOCKET_ID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class TemplateError(ValueError):
    """A text that cannot be filled; says what was seen and at which line and column of the text."""


# --- templates ----------------------------------------------------------------------------------------------------


class Template:
    """Pieces of text and variables. `static` is the whole text when nothing in it varies."""

    __slots__ = ("_pieces", "static")

    def __init__(self, text: str | bytes, data: Data | None = None, *, json: bool = False) -> None:
        """Raises TemplateError for an unknown variable or a wrong argument. `json`: escape inside JSON strings."""
        whole = text.decode() if isinstance(text, bytes) else text
        self._pieces = _merged(_pieces(whole, data or {}, json))
        first = self._pieces[0] if self._pieces else b""
        self.static = first if len(self._pieces) < 2 and isinstance(first, bytes) else None

    def fill(self, values: Values) -> bytes:
        if self.static is not None:
            return self.static
        return b"".join([piece if piece.__class__ is bytes else piece(values) for piece in self._pieces])  # type: ignore[operator]  # one of two


def _scan(text: str, json: bool) -> Iterator[tuple[str, re.Match[str] | None, bool]]:
    """Each stretch of text, the mark behind it (none behind the last), and whether that stands inside a string."""
    at = 0
    quoted = False
    for match in _TOKEN.finditer(text):
        literal = text[at : match.start()]
        quoted = json and _ends_quoted(literal, quoted)
        at = match.end()
        yield literal, match, quoted
    yield text[at:], None, quoted


def _pieces(text: str, data: Data, json: bool) -> list[bytes | Variable]:
    pieces: list[bytes | Variable] = []
    for literal, match, quoted in _scan(text, json):
        pieces.append(literal.encode())
        if match is not None:
            pieces.append(b"{{" if match[0] == "{{{{" else _variable(text, match, data, quoted))
    return pieces


def _merged(pieces: Sequence[bytes | Variable]) -> list[bytes | Variable]:
    """Neighbouring texts as one."""
    merged: list[bytes | Variable] = []
    for piece in pieces:
        if merged and isinstance(piece, bytes) and isinstance(merged[-1], bytes):
            merged[-1] += piece
        elif piece != b"":
            merged.append(piece)
    return merged


def _ends_quoted(literal: str, quoted: bool) -> bool:
    """Whether a JSON text that begins inside a string (or not) ends inside one."""
    return quoted ^ (re.sub(r"\\.", "", literal, flags=re.DOTALL).count('"') % 2 == 1)


def _variable(text: str, match: re.Match[str], data: Data, quoted: bool) -> bytes | Variable:
    if match[1] is None:
        raise _error(text, match, "'{{' without '}}'; write {{{{ for two braces")
    name, _, argument = match[1].strip().partition(":")
    make = VARIABLES.get(name)
    if make is None:
        known = ", ".join(sorted(VARIABLES))
        raise _error(
            text, match, f"unknown variable {name[:60]!r}; expected one of {known}, or {{{{{{{{ for two braces"
        )
    try:
        return make(argument, data, quoted)
    except ValueError as error:
        raise _error(text, match, f"{{{{{name}}}}}: {error}") from None


def _error(text: str, match: re.Match[str], told: str) -> TemplateError:
    before = text[: match.start()]
    return TemplateError(f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}: {told}")


def substitute(text: str, variables: Mapping[str, str], *, json: bool = False) -> str:
    """`{{name}}` of these replaced by their text, which may hold variables itself; everything else stays."""
    pieces: list[str] = []
    for literal, match, quoted in _scan(text, json):
        pieces.append(literal)
        if match is not None:
            value = variables.get((match[1] or "").strip())
            pieces.append(match[0] if value is None else json_escaped(value).decode() if quoted else value)
    return "".join(pieces)


# --- whole requests -----------------------------------------------------------------------------------------------


class Maker(Protocol):
    """Makes the requests of one kind."""

    def make(self, number: int, turn: int = 0, history: Sequence[str] = ()) -> bytes:
        """The whole request, head and body; of the WebSocket format the text of one message, without its frame.

        Every turn of a conversation is made with the number of its FIRST turn, and with the assistant's replies so
        far (`turn` of them): so it repeats what was said before without anybody keeping it.
        """


class _Parts(msgspec.Struct):
    """A request cut where it may vary. `fields` begins with the version and leaves out what depends on the body."""

    method: bytes
    target: Template
    fields: Template
    body: Template
    length: bool
    trace: bool

    def head(self, values: Values) -> bytes:
        target = self.target.static or _encoded(self.target.fill(values))
        return b"%b %b%b" % (self.method, target, self.fields.fill(values))

    def fixed(self, body: bytes) -> _Fixed | None:
        """A maker for this body, if the head does not vary."""
        target, fields = self.target.static, self.fields.static
        if target is None or fields is None:
            return None
        length = _length(body) if self.length else b""
        return _Fixed(b"%b %b%b%b" % (self.method, target, fields, length), body, self.trace)


class _Fixed:
    """Nothing varies, but for the trace."""

    __slots__ = ("_after", "_before", "_trace")

    def __init__(self, head: bytes, body: bytes, trace: bool) -> None:
        self._before = head + (b"traceparent: 00-" if trace else b"\r\n" + body)
        self._after = b"-01\r\n\r\n" + body
        self._trace = trace

    def make(self, number: int, turn: int = 0, history: Sequence[str] = ()) -> bytes:
        if not self._trace:
            return self._before
        ids = fresh_bytes(24).hex().encode()  # with the join 0.5 us; formatting two random integers takes 0.6
        return b"".join((self._before, ids[:32], b"-", ids[32:], self._after))


class _Varying:
    """Some of target, fields and body vary."""

    __slots__ = ("_parts", "_values")

    def __init__(self, parts: _Parts, values: Values) -> None:
        self._parts = parts
        self._values = values

    def make(self, number: int, turn: int = 0, history: Sequence[str] = ()) -> bytes:
        self._values.begin(number)
        return self._joined(self._parts.head(self._values), self._parts.body.fill(self._values))

    def _joined(self, head: bytes, body: bytes) -> bytes:
        length = _length(body) if self._parts.length else b""
        trace = b"traceparent: %b\r\n" % traceparent() if self._parts.trace else b""
        return b"".join((head, length, trace, b"\r\n", body))


class _Conversation(_Varying):
    """Turns that grow."""

    __slots__ = ("_kind",)

    def __init__(self, parts: _Parts, values: Values, kind: Format) -> None:
        super().__init__(parts, values)
        self._kind = kind

    def make(self, number: int, turn: int = 0, history: Sequence[str] = ()) -> bytes:
        values = self._values
        values.begin_again(number)
        head, body = self._parts.head(values), self._parts.body.fill(values)
        questions = [values.prose.take(values.rng, QUESTION_WORDS).decode() for _ in range(turn)]
        replies = [*history[:turn], *[""] * (turn - len(history))]
        return self._joined(head, conversation(self._kind, body, replies, questions))


class _Message:
    """A WebSocket's message: the body alone."""

    __slots__ = ("_body", "_values")

    def __init__(self, body: Template, values: Values) -> None:
        self._body = body
        self._values = values

    def make(self, number: int, turn: int = 0, history: Sequence[str] = ()) -> bytes:
        self._values.begin(number)
        return self._body.fill(self._values)


class Upgrade:
    """Makes the requests that turn a connection into a WebSocket."""

    __slots__ = ("_maker", "_values")

    def __init__(self, parts: _Parts, values: Values) -> None:
        self._maker = _Varying(parts, values)
        self._values = values

    def make(self, number: int) -> tuple[bytes, bytes]:
        """The request, and the value of `sec-websocket-accept` that its reply must have."""
        key = base64.b64encode(fresh_bytes(16))
        accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_ID, usedforsecurity=False).digest())
        return self._maker.make(number)[:-2] + b"sec-websocket-key: %b\r\n\r\n" % key, accept


def compile_request(request: Request, plan: Plan) -> Maker:
    """Raises TemplateError for a text that cannot be filled, and for a head that is none."""
    body = Template(request.body, plan.data, json=is_json(request))
    if request.format is Format.WEBSOCKET:
        return _Message(body, _values(request, plan))
    parts = _parts(request, plan, body)
    if request.turns > 1:
        return _conversation(parts, _values(request, plan), request)
    fixed = None if body.static is None else parts.fixed(body.static)
    return fixed or _Varying(parts, _values(request, plan))


def compile_recorded(recorded: Recorded, plan: Plan) -> Maker:
    """Nothing of a recording is a template; only its trace is new. Raises TemplateError for a head that is none."""
    headers = tuple((name, value.replace("{{", "{{{{")) for name, value in recorded.headers)
    path = recorded.path.replace("{{", "{{{{")
    request = Request(
        method=recorded.method,
        path=path,
        headers=headers,
        body=recorded.body[:1].decode("latin-1"),  # enough to tell its type
        format=recorded.format,
        stream=recorded.stream,
    )
    maker = _parts(request, plan, Template("x" if recorded.body else "")).fixed(recorded.body)
    assert maker is not None, "all braces were doubled"
    return maker


def compile_upgrade(request: Request, plan: Plan) -> Upgrade:
    """How a WebSocket begins. Raises as compile_request."""
    headers = (("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"), *request.headers)
    asked = msgspec.structs.replace(request, method="GET", headers=headers)
    return Upgrade(_parts(asked, plan, Template("")), _values(request, plan))


def _values(request: Request, plan: Plan) -> Values:
    # by name as well, or two kinds of one plan would draw the same numbers
    return Values(f"{plan.seed}/{request.name}", plan.process)


def _conversation(parts: _Parts, values: Values, request: Request) -> Maker:
    maker = _Conversation(parts, values, request.format)
    try:
        maker.make(0, 1, ("x",))
    except (ValueError, msgspec.DecodeError) as error:
        raise TemplateError(f"{request.name}: {error}") from None
    return maker


def _parts(request: Request, plan: Plan, body: Template) -> _Parts:
    if not _NAME.fullmatch(request.method):
        raise TemplateError(f"{request.method[:60]!r} is not a method")
    target = Template(join_target(plan.url, request.path, request.format), plan.data)
    if target.static is not None:
        target.static = _encoded(target.static)
    given = {name.lower() for name, _ in request.headers}
    fields = _fields(request, plan, given, has_body=body.static != b"")
    length = (body.static != b"" or request.method in ("POST", "PUT", "PATCH")) and "content-length" not in given
    trace = plan.trace and "traceparent" not in given
    return _Parts(request.method.encode(), target, Template(fields, plan.data), body, length, trace)


def _fields(request: Request, plan: Plan, given: set[str], *, has_body: bool) -> str:
    """The rest of the first line and all fields but those of length and trace. What the request names wins."""
    own = [
        ("host", urlsplit(plan.url).netloc.rpartition("@")[2]),
        ("user-agent", USER_AGENT),
        ("accept", "text/event-stream" if request.stream else "*/*"),
        *([("content-type", _content_type(request))] if has_body else []),
        *([] if plan.keep_alive else [("connection", "close")]),
        *default_headers(request.format),
    ]
    fields = [*(field for field in own if field[0] not in given), *request.headers]
    for name, value in fields:
        if not _NAME.fullmatch(name):
            raise TemplateError(f"{name[:60]!r} is not the name of a header")
        if any(character in value for character in "\r\n\0"):
            raise TemplateError(f"the header {name!r} has more than one line")
    return " HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)


def _content_type(request: Request) -> str:
    return "application/json" if request.format in AI_FORMATS or is_json(request) else "application/octet-stream"


def is_json(request: Request) -> bool:
    """Whether the body is JSON: by its content type, else by how it begins."""
    for name, value in request.headers:
        if name.lower() == "content-type":
            return "json" in value.lower()
    return begins_json(request.body)


def begins_json(body: str) -> bool:
    begin = body.lstrip()[:2]
    return begin[:1] in ("{", "[") and begin != "{{"


def join_target(url: str, path: str, kind: Format = Format.HTTP) -> str:
    """The target of a request whose path stands behind the path of the plan's URL; queries are joined.

    Users give AI formats as vendors do: the address alone, with a version at its end (`/v1`), or whole; a version
    stands there once, and a path that is already there is not repeated.
    """
    parts = urlsplit(url)
    own, _, own_query = path.partition("?")
    base = parts.path.rstrip("/")
    if own and kind in AI_FORMATS:
        unversioned = _VERSION.sub("", own, count=1)
        versioned = _VERSION.search(base)
        own = "" if base.endswith(unversioned) else unversioned if versioned else own
    query = "&".join(part for part in (parts.query, own_query) if part)
    target = base + (own if own.startswith("/") or not own else f"/{own}") if own else parts.path or "/"
    return f"{target}?{query}" if query else target


def _length(body: bytes) -> bytes:
    return b"content-length: %d\r\n" % len(body)


def _encoded(target: bytes) -> bytes:
    return _NOT_IN_TARGET.sub(lambda match: b"%%%02X" % match[0][0], target)
