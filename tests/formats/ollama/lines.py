"""Ollama's replies as a server writes them, and requests of no format in particular."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from fastproxy.formats.chat import ChatRequest, Facts, Part, Target, Text, Tool, Turn
from fastproxy.formats.ndjson import Lines
from fastproxy.formats.notes import Notes
from fastproxy.formats.ollama import StreamReader, write_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.formats.events import Event

HEAD: Final = {"model": "qwen3:4b", "created_at": "2026-11-01T10:00:00.1234567Z"}
CREATED: Final = 1_793_527_200
CALL: Final[dict[str, Any]] = {"function": {"name": "get_weather", "arguments": {"city": "Zürich"}}}
END: Final = {"done": True, "done_reason": "stop", "prompt_eval_count": 26, "eval_count": 298, "total_duration": 1}
HELLO: Final = Turn("user", (Text("hi"),))
TOOL: Final = Tool("f", "does", {"type": "object"})


def line(message: dict[str, Any] | None = None, **more: Any) -> bytes:
    said = {} if message is None else {"message": {"role": "assistant", "content": "", **message}}
    return orjson.dumps({**HEAD, **said, "done": False, **more}) + b"\n"


def heard(pieces: Iterable[bytes]) -> list[Event]:
    """What a stream that comes in `pieces` says."""
    split, reader = Lines(), StreamReader()
    events = [event for piece in pieces for name, data in split.feed(piece) for event in reader.feed(name, data)]
    events += [event for name, data in split.end() for event in reader.feed(name, data)]
    return events + reader.end()


def asked(*turns: Turn, **fields: Any) -> ChatRequest:
    return ChatRequest("anthropic", "claude", turns or (HELLO,), {}, **fields)


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


def written(request: ChatRequest, notes: Notes | None = None, **facts: Any) -> dict[str, Any]:
    return write_request(request, Target("m", Facts(**facts)), notes if notes is not None else Notes())[0]
