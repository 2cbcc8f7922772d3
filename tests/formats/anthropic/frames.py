"""Streams cut into events, and requests as other formats would give them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from fastproxy.formats import anthropic
from fastproxy.formats.chat import ChatRequest, Facts, Part, Target, Tool, Turn
from fastproxy.formats.events import Event, ReplyContext
from fastproxy.formats.notes import Notes

if TYPE_CHECKING:
    from collections.abc import Iterable

GOLDEN = Path(__file__).parents[2] / "golden" / "anthropic"
CONTEXT = ReplyContext("5f2b", "claude", 1)
WEATHER = Tool("get_weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def golden(name: str) -> Any:
    return orjson.loads((GOLDEN / name).read_bytes())


def frames(stream: bytes) -> list[tuple[str, bytes]]:
    """The events of a stream that is well formed: name and data."""
    found = []
    for frame in stream.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        assert name.startswith("event: ")
        assert data.startswith("data: ")
        found.append((name[7:], data[6:].encode()))
    return found


def told(stream: bytes) -> list[dict[str, Any]]:
    """The data of each event; `event:` names its type."""
    said = [(name, orjson.loads(data)) for name, data in frames(stream)]
    assert all(name == body["type"] for name, body in said)
    return [body for _, body in said]


def read(stream: bytes, unwrap_tool: str = "") -> list[Event]:
    reader = anthropic.StreamReader(unwrap_tool=unwrap_tool)
    return [made for name, data in frames(stream) for made in reader.feed(name, data)] + reader.end()


def fed(*said: dict[str, Any], unwrap_tool: str = "") -> list[Event]:
    reader = anthropic.StreamReader(unwrap_tool=unwrap_tool)
    return [made for body in said for made in reader.feed(body["type"], orjson.dumps(body))] + reader.end()


def written(events: Iterable[Event], context: ReplyContext = CONTEXT) -> list[dict[str, Any]]:
    writer = anthropic.StreamWriter(context)
    return told(b"".join(writer.write(event) for event in events))


def request(*turns: Turn, **fields: Any) -> ChatRequest:
    """What a client of another format has asked."""
    return ChatRequest(format="openai-chat", model="m", turns=turns, body={}, **fields)


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


def body_of(asked: ChatRequest, target: Target | None = None, **facts: Any) -> dict[str, Any]:
    return body_and_notes(asked, target, **facts)[0]


def body_and_notes(
    asked: ChatRequest, target: Target | None = None, **facts: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    notes = Notes()
    body, _ = anthropic.write_request(asked, target or Target("claude", Facts(**facts)), notes)
    return body, notes.report(asked, {})
