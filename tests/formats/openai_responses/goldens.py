"""The golden files of this format, and how a stream of bytes is taken apart in tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fastproxy.formats.openai_responses import StreamReader

if TYPE_CHECKING:
    from fastproxy.formats.events import Event

FOLDER = Path(__file__).parents[2] / "golden" / "openai_responses"
REQUESTS = sorted(path.stem for path in FOLDER.glob("request_*.json"))
REPLIES = sorted(path.stem.removeprefix("reply_") for path in FOLDER.glob("reply_*.json"))


class Frame(NamedTuple):
    """One SSE event."""

    event: str
    data: bytes


def load(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    return value


def frames(stream: bytes) -> list[Frame]:
    made = []
    for block in stream.split(b"\n\n")[:-1]:
        event, data = block.split(b"\n")
        assert event.startswith(b"event: ")
        assert data.startswith(b"data: ")
        made.append(Frame(event[7:].decode(), data[6:]))
    return made


def stream_of(name: str) -> list[Frame]:
    return frames((FOLDER / f"stream_{name}.sse").read_bytes())


def read_stream(stream: list[Frame]) -> list[Event]:
    reader = StreamReader()
    return [event for frame in stream for event in reader.feed(*frame)] + reader.end()
