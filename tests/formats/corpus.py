"""The golden corpus: real-looking requests, replies and streams of each format, and the ways through a format.

tests/golden/<package>/request_X.json   reply_X.json   stream_X.sse (the same reply, streamed)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec.structs import asdict

from fastproxy.errors import FormatError
from fastproxy.formats.chat import CHAT_FORMATS, Original, Target, ToolCall
from fastproxy.formats.events import ReplyContext
from fastproxy.formats.fold import fold
from fastproxy.formats.notes import Notes
from fastproxy.formats.registry import CHAT
from fastproxy.wire.sse import SseReader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.formats.chat import ChatRequest
    from fastproxy.formats.events import Event, Reply

ROOT: Final = Path(__file__).parent.parent / "golden"
MODEL: Final = "upstream-model"


@dataclass(frozen=True)
class Golden:
    """One file; `format` is the one it is written in."""

    format: str
    path: Path

    @property
    def name(self) -> str:
        return f"{self.format}:{self.path.stem}"

    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.path.read_bytes())
        return found

    def request(self) -> ChatRequest:
        model = "gemini-model" if self.format == "gemini" else ""
        return CHAT[self.format].read_request(self.body(), model=model)

    def reply_events(self) -> list[Event]:
        return CHAT[self.format].read_reply(self.body())

    def stream_events(self) -> list[Event]:
        return events_of(self.format, [self.path.read_bytes()])

    def whole(self) -> Golden:
        return Golden(
            self.format, self.path.with_name(self.path.name.replace("stream_", "reply_")).with_suffix(".json")
        )

    def streamed(self) -> Golden:
        return Golden(self.format, self.path.with_name(self.path.name.replace("reply_", "stream_")).with_suffix(".sse"))


def goldens(pattern: str) -> list[Golden]:
    return [
        Golden(name, path) for name in CHAT_FORMATS for path in sorted((ROOT / name.replace("-", "_")).glob(pattern))
    ]


REQUESTS: Final = goldens("request_*.json")
REPLIES: Final = goldens("reply_*.json")
STREAMS: Final = goldens("stream_*.sse")


def events_of(name: str, pieces: Iterable[bytes]) -> list[Event]:
    """What a format's reader makes of a stream that comes in `pieces`."""
    sse, reader = SseReader(), CHAT[name].StreamReader()
    events = [event for piece in pieces for word, data in sse.feed(piece) for event in reader.feed(word, data)]
    events += [event for word, data in sse.end() for event in reader.feed(word, data)]
    return events + reader.end()


def context_of(events: list[Event]) -> ReplyContext:
    reply = fold(events)
    custom = {
        part.name for choice in reply.choices for part in choice.parts if isinstance(part, ToolCall) and part.custom
    }
    return ReplyContext("00ff00ff", "client-model", 1_800_000_000, custom_tools=frozenset(custom))


def written_reply(events: list[Event], name: str) -> dict[str, Any]:
    return CHAT[name].write_reply(fold(events), context_of(events))


def written_stream(events: list[Event], name: str) -> bytes:
    writer = CHAT[name].StreamWriter(context_of(events))
    return b"".join(writer.write(event) for event in events)


def written_request(
    request: ChatRequest, name: str, model: str = MODEL, vendor: str = ""
) -> tuple[dict[str, Any], Notes]:
    notes = Notes()
    body, _ = CHAT[name].write_request(request, Target(model, vendor=vendor), notes)
    return body, notes


def crossed(golden: Golden, name: str) -> tuple[ChatRequest, dict[str, Any], Notes] | None:
    """A golden request written in another format; None where it names a file that only its own vendor can open."""
    request = golden.request()
    try:
        return request, *written_request(request, name)
    except FormatError as error:
        refusal = error.message
    opened = (text for text in texts_in(golden.body()) if text.startswith(("file-", "file_", "files/", "gs://")))
    assert next(opened, None), refusal
    assert "of another provider" in refusal or "address of another kind" in refusal, refusal
    return None


def plain(value: Any) -> Any:
    """A vocabulary's value without originals, as dicts and lists, fit to be compared."""
    if isinstance(value, Original):
        return None
    if hasattr(value, "__struct_fields__"):
        return {"is": type(value).__name__} | {key: plain(item) for key, item in asdict(value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def said(reply: Reply) -> dict[str, Any]:
    """What must be the same however a reply came: content, calls, reason, cost."""
    return {"choices": plain(reply.choices), "usage": plain(reply.usage), "model": reply.model, "id": reply.id}


def texts_in(value: Any) -> set[str]:
    """Every string below `value`."""
    if isinstance(value, str):
        return {value}
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return {text for item in items for text in texts_in(item)}


def data_of(stream: bytes) -> list[tuple[str, Any]]:
    """A written stream as (event name, JSON or text)."""
    sse = SseReader()
    events = sse.feed(stream) + sse.end()
    return [
        (name, json.loads(data) if data[:1] in (b"{", b"[") and data != b"[DONE]" else data) for name, data in events
    ]
