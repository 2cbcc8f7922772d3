"""Recorded traffic, to be sent again: a file of JSON lines, or a HAR (HTTP Archive 1.2) as browsers save it.

    {"at_ms": 12.5, "method": "POST", "path": "/v1/…", "headers": {"x-a": "b"}, "body": "text" or any JSON}

`headers` may also be a list of pairs (a name may stand twice), `body_base64` holds what is no text, and only `path` is
needed: the method is POST with a body and GET without. Requests are sorted by time; the first one is at 0. Fields that
belong to the connection they came by (host, lengths, encodings) are left out.

The lines of the gateway's own access log (`access_log: json`) are such lines too: `started_at` gives the time, and as
they hold no body, one is made up of the format, the model and as many words as the prompt had tokens for.

Browsers save credentials in a HAR, and such files travel: cookies, authorization and key-like headers and query
parameters of a HAR are dropped, unless the caller says to keep them. Who writes JSON lines means what he writes.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from fastproxy.config.report import SECRET_NAME
from fastproxy.errors import ConfigError, FormatError
from fastproxy.formats.operations import find
from fastproxy.formats.peek import peek
from fastproxy.loadtest.load.bodies import AI_FORMATS, default_body
from fastproxy.loadtest.load.shapes import Format, Recorded
from fastproxy.loadtest.load.template import Template
from fastproxy.loadtest.load.variables import Values

if TYPE_CHECKING:
    from collections.abc import Iterable

Pairs = tuple[tuple[str, str], ...]

SECRET_HEADER: Final = re.compile(r"auth|cookie|credential|key|pass|secret|signature|token|csrf|xsrf", re.IGNORECASE)
_NOT_SECRET: Final = frozenset({"sec-websocket-key", "idempotency-key"})
_SECRET_PARAMETER: Final = re.compile(SECRET_NAME, re.IGNORECASE)
_LATEST_MS: Final = 1e14  # of at_ms, which may count from 1970
_CONNECTION: Final = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"),
        *("proxy-connection", "accept-encoding", "expect", "http2-settings"),
    }
)
_FORMATS: Final = {kind.value: kind for kind in Format}
_BOM: Final = b"\xef\xbb\xbf"


class _Line(msgspec.Struct):
    """One request as it stands in a file of JSON lines."""

    path: str
    at_ms: float = 0.0
    method: str = ""
    headers: dict[str, str] | list[tuple[str, str]] = {}
    body: Any = None
    body_base64: str = ""
    # what a line of the access log has in their place
    started_at: str = ""
    client_format: str = ""
    model: str = ""
    stream: bool = False
    input_tokens: int = 0
    cache_read_tokens: int = 0


class _Named(msgspec.Struct):
    name: str
    value: str = ""


class _Posted(msgspec.Struct):
    text: str = ""
    encoding: str = ""


class _HarRequest(msgspec.Struct):
    method: str
    url: str
    headers: list[_Named] = []
    postData: _Posted | None = None  # the format's own name


class _HarEntry(msgspec.Struct):
    request: _HarRequest
    startedDateTime: str = ""


class _HarLog(msgspec.Struct):
    entries: list[_HarEntry]


class _Har(msgspec.Struct):
    log: _HarLog


class _Top(msgspec.Struct):
    """What tells a HAR from a file of one JSON line."""

    log: dict[str, msgspec.Raw]
    path: msgspec.Raw | None = None


def read_recording(file: str, *, keep_credentials: bool = False) -> tuple[Recorded, ...]:
    """The requests in the order of their times. Raises ConfigError with the line that is wrong."""
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    found = list(_read_har(data, file, keep_credentials) if _is_har(data) else _read_lines(data, file))
    if not found:
        raise ConfigError("holds no request", file=file)
    found.sort(key=lambda recorded: recorded.at)
    first = found[0].at
    return tuple(msgspec.structs.replace(recorded, at=recorded.at - first) for recorded in found)


def _is_har(data: bytes) -> bool:
    """A HAR is one object with a `log`, mostly at its beginning; a line of ours has no such field."""
    bare = data.removeprefix(_BOM)
    if re.match(rb'\s*\{\s*"log"\s*:\s*\{', bare):
        return True
    try:
        return msgspec.json.decode(bare, type=_Top).path is None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _read_lines(data: bytes, file: str) -> Iterable[Recorded]:
    decode = msgspec.json.Decoder(_Line).decode
    chance = Values(0)
    for number, text in enumerate(data.removeprefix(_BOM).splitlines(), 1):
        if not text.strip():
            continue
        try:
            yield _from_line(decode(text), chance)
        except (msgspec.DecodeError, ValueError) as error:
            raise ConfigError(str(error), file=file, line=number, column=1) from None


def _from_line(line: _Line, chance: Values) -> Recorded:
    if not line.path.startswith("/"):
        raise ValueError(f"path: expected one that begins with /, seen {line.path[:60]!r}")
    if line.body is not None and line.body_base64:
        raise ValueError("body and body_base64 exclude each other")
    if not 0 <= line.at_ms <= _LATEST_MS:
        raise ValueError(f"at_ms: {line.at_ms:g} is out of range; expected milliseconds from 0 to {_LATEST_MS:g}")
    headers = tuple(line.headers.items() if isinstance(line.headers, dict) else line.headers)
    path = line.path
    if line.client_format == Format.GEMINI.value and path.endswith(":streamGenerateContent"):
        path += "?alt=sse"  # the log leaves queries out
    at = _microseconds(line.started_at) if line.started_at else round(line.at_ms * 1000)
    return _recorded(at, line.method, path, (_kept(headers, True), _line_body(line, chance)))


def _line_body(line: _Line, chance: Values) -> bytes:
    if line.body_base64:
        return base64.b64decode(line.body_base64, validate=True)
    if isinstance(line.body, str):
        return line.body.encode()
    if line.body is not None:
        return msgspec.json.encode(line.body)
    kind = _FORMATS.get(line.client_format)
    if kind not in AI_FORMATS or not line.input_tokens:
        return b""
    words = max(1, (line.input_tokens + line.cache_read_tokens) * 3 // 4)
    return Template(default_body(kind, line.model, line.stream, words), json=True).fill(chance)


def _microseconds(moment: str) -> int:
    """Raises ValueError."""
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1e6)
    except OverflowError:
        raise ValueError(f"{moment!r} is out of range") from None


def _read_har(data: bytes, file: str, keep_credentials: bool) -> Iterable[Recorded]:
    try:
        entries = msgspec.json.decode(data.removeprefix(_BOM), type=_Har).log.entries
    except msgspec.DecodeError as error:
        raise ConfigError(f"not a HAR: {error}", file=file) from None
    for index, entry in enumerate(entries):
        try:
            if entry.request.url.startswith(("http://", "https://")):
                yield _from_entry(entry, keep_credentials)
        except ValueError as error:
            raise ConfigError(f"entry {index + 1}: {error}", file=file) from None


def _from_entry(entry: _HarEntry, keep_credentials: bool) -> Recorded:
    request = entry.request
    url = urlsplit(request.url)
    query = url.query if keep_credentials else _without_secrets(url.query)
    path = (url.path or "/") + (f"?{query}" if query else "")
    at = _microseconds(entry.startedDateTime) if entry.startedDateTime else 0
    posted = request.postData or _Posted()
    body = base64.b64decode(posted.text) if posted.encoding == "base64" else posted.text.encode()
    headers = _kept([(named.name, named.value) for named in request.headers], keep_credentials)
    return _recorded(at, request.method, path, (headers, body))


def _recorded(at: int, method: str, path: str, rest: tuple[Pairs, bytes]) -> Recorded:
    headers, body = rest
    verb = method.upper() or ("POST" if body else "GET")
    kind, stream = _spoken(verb, path, body)
    return Recorded(at, verb, path, headers, body, kind, stream)


def _spoken(method: str, path: str, body: bytes) -> tuple[Format, bool]:
    """The format by the path, and whether its reply is a stream."""
    operation = find(method.encode(), path.encode("ascii", "replace"))
    kind = _FORMATS.get(operation.format, Format.HTTP) if operation is not None else Format.HTTP
    if kind is Format.HTTP:
        return kind, False
    if kind is Format.GEMINI:
        return kind, ":streamGenerateContent" in path
    try:
        return kind, bool(peek(body).stream)
    except FormatError:
        return kind, False


def _kept(headers: Iterable[tuple[str, str]], keep_credentials: bool) -> Pairs:
    return tuple(
        (name, value)
        for name, value in headers
        if not name.startswith(":")
        and name.lower() not in _CONNECTION
        and (keep_credentials or not is_secret_header(name))
    )


def is_secret_header(name: str) -> bool:
    return bool(SECRET_HEADER.search(name)) and name.lower() not in _NOT_SECRET


def _without_secrets(query: str) -> str:
    parts = (part for part in query.split("&") if not _SECRET_PARAMETER.search(part.partition("=")[0]))
    return "&".join(parts)
