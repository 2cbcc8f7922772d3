"""A strict vendor: OpenAI, Anthropic, Google and Ollama in one small server, which refuses what they would refuse.

    /openai/v1/chat/completions   /openai/v1/responses   /anthropic/v1/messages   /gemini/v1beta/models/{m}:{verb}
    /ollama/api/chat

Every request is checked against the types of the vendor's own SDK and against the vendor's rules; a broken one is a 400
in the vendor's shape that names the rule. What came is booked, what was refused too. Streams come in shreds.
"""

from __future__ import annotations

import http.server
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from tests.live.strict import (
    anthropic_rules,
    anthropic_voice,
    gemini_rules,
    gemini_voice,
    ollama_rules,
    ollama_voice,
    openai_rules,
    openai_voice,
    responses_rules,
    responses_voice,
)
from tests.live.strict.dialogue import Ask, Fault, Refused, Say
from tests.live.strict.issued import Issued
from tests.live.strict.pieces import shreds
from tests.live.strict.quiet import QuietHandler
from tests.live.strict.rulebook import Request
from tests.live.strict.scenarios import play

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

KEY: Final = "sk-strict-vendor-0123456789"


class Dialect(NamedTuple):
    """One format: where it is served, its models, who knows its rules and its voice, and the header with the key."""

    format: str
    base: str
    path: re.Pattern[str]
    models: tuple[str, ...]  # the first unless another generation is wanted
    rules: ModuleType
    voice: ModuleType
    key: tuple[str, str]

    @property
    def model(self) -> str:
        return self.models[0]


DIALECTS: Final = (
    Dialect("openai-chat", "/openai/v1", re.compile(r"/openai/v1/chat/completions"), ("gpt-5",), openai_rules,
            openai_voice, ("authorization", f"Bearer {KEY}")),
    Dialect("openai-responses", "/openai/v1", re.compile(r"/openai/v1/responses"), ("gpt-5",), responses_rules,
            responses_voice, ("authorization", f"Bearer {KEY}")),
    Dialect("anthropic", "/anthropic/v1", re.compile(r"/anthropic/v1/messages"),
            ("claude-haiku-4-5", "claude-sonnet-4-6"), anthropic_rules, anthropic_voice, ("x-api-key", KEY)),
    Dialect("gemini", "/gemini/v1beta",
            re.compile(r"/gemini/v1beta/models/([^/:]+):(?:generateContent|(streamGenerateContent))"),
            ("gemini-3-pro-preview", "gemini-2.5-flash"), gemini_rules, gemini_voice, ("x-goog-api-key", KEY)),
    Dialect("ollama", "/ollama", re.compile(r"/ollama/api/chat"), ("qwen3:4b", "gpt-oss:20b"), ollama_rules,
            ollama_voice, ("authorization", f"Bearer {KEY}")),
)  # fmt: skip
UPSTREAMS: Final = tuple(dialect.format for dialect in DIALECTS)
FORMATS: Final = UPSTREAMS[:-1]  # those that clients of the gateway speak as well


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: `ask` is what the model understood, None if it was refused, with the reason in `refused`."""

    format: str
    target: str
    headers: dict[str, str]
    body: dict[str, Any]
    ask: Ask | None
    refused: str


@dataclass(slots=True)
class Vendor:
    """A vendor that runs."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    issued: dict[str, Issued] = field(default_factory=lambda: {name: Issued(name) for name in UPSTREAMS})
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def base(self, wire_format: str) -> str:
        """The base URL, with its version."""
        return f"http://127.0.0.1:{self.port}" + dialect_of(wire_format).base

    def refusals(self) -> list[str]:
        return [one.refused for one in self.seen if one.refused]


def dialect_of(wire_format: str) -> Dialect:
    return next(one for one in DIALECTS if one.format == wire_format)


class _Handler(QuietHandler):
    vendor: Vendor

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        target = urlsplit(self.path)
        for dialect in DIALECTS:
            if match := dialect.path.fullmatch(unquote(target.path)):
                self._serve(dialect, match, raw)
                return
        self._send(404, json.dumps({"error": {"message": f"no {self.path}"}}).encode())

    def _serve(self, dialect: Dialect, match: re.Match[str], raw: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body, said, ask, refused = {}, None, None, ""
        try:
            body = json.loads(raw)
            model = match[1] if match.groups() else body.get("model", "")
            stream = bool(match[2]) if match.groups() else bool(body.get("stream"))
            ask = self._ask(dialect, Request(body, headers, self.vendor.issued[dialect.format], model, stream))
            said = play(ask, unique := f"{next(self.vendor.numbers):06x}")
        except Refused as error:
            refused = str(error)
        except (ValueError, AttributeError, KeyError, TypeError, IndexError) as error:
            refused = f"unreadable: {error!r}"
        self.vendor.seen.append(Seen(dialect.format, self.path, headers, body, ask, refused))
        if refused or said is None or ask is None:
            self._fail(
                dialect,
                Fault(401 if "key_is_ours" in refused else 400, "key" if "key_is_ours" in refused else "", refused),
            )
        elif isinstance(said, Fault):
            self._fail(dialect, said)
        elif ask.stream:
            events = dialect.voice.stream(said, ask, self.vendor.issued[dialect.format], unique)
            self._stream(events, said, getattr(dialect.voice, "TYPE", "text/event-stream"))
        else:
            self._whole(dialect.voice.whole(said, ask, self.vendor.issued[dialect.format], unique), dialect, said)

    def _ask(self, dialect: Dialect, request: Request) -> Ask:
        name, value = dialect.key
        given = request.headers.get(name) or request.headers.get("authorization", "").removeprefix("Bearer ")
        if given != value:
            raise Refused("key_is_ours", f"{name} is missing or wrong")
        others = {one.key[0] for one in DIALECTS} - {name, "authorization"}
        if found := others & request.headers.keys():
            raise Refused("key_is_ours", f"there are other credentials: {found}")
        if request.model not in dialect.models:
            raise Refused("model_is_known", f"The model {request.model!r} does not exist")
        ask: Ask = dialect.rules.read(request)
        return ask

    def _fail(self, dialect: Dialect, fault: Fault) -> None:
        status, body, headers = dialect.voice.error(fault)
        self._send(status, json.dumps(body).encode(), headers)

    def _whole(self, body: dict[str, Any], dialect: Dialect, said: Say) -> None:
        if said.trouble == "break":
            self._fail(dialect, Fault(503, "busy", "this strict vendor broke off"))
            return
        data = json.dumps(body, ensure_ascii=False).encode()
        self._send(200, data, cut=len(data) // 2 if said.trouble else None)

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None, cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:cut])
        self.close_connection = cut is not None

    def _stream(self, events: list[bytes], said: Say, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for shred in shreds(b"".join(events)):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(shred), shred))
        if said.trouble == "cut":
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no fault."""


@contextmanager
def strict_vendor() -> Iterator[Vendor]:
    """A vendor that serves while the block runs, in threads."""
    vendor = Vendor()
    handler = type("Handler", (_Handler,), {"vendor": vendor})
    with _Server(("127.0.0.1", 0), handler) as server:
        vendor.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield vendor
        finally:
            server.shutdown()
            thread.join(5)
