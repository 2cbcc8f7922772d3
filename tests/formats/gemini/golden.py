"""The golden files of this format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from fastproxy.formats import gemini

if TYPE_CHECKING:
    from fastproxy.formats.events import Event

FOLDER: Final = Path(__file__).resolve().parents[2] / "golden" / "gemini"
REQUESTS: Final = sorted(path.stem.removeprefix("request_") for path in FOLDER.glob("request_*.json"))
REPLIES: Final = sorted(path.stem.removeprefix("reply_") for path in FOLDER.glob("reply_*.json"))


def request(name: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((FOLDER / f"request_{name}.json").read_bytes())
    return found


def reply(name: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((FOLDER / f"reply_{name}.json").read_bytes())
    return found


def chunks(name: str) -> list[bytes]:
    lines = (FOLDER / f"stream_{name}.sse").read_bytes().split(b"\r\n")
    return [line.removeprefix(b"data: ") for line in lines if line]


def streamed(*pieces: bytes | dict[str, Any]) -> list[Event]:
    """The events of a stream, to its end."""
    reader = gemini.StreamReader()
    events: list[Event] = []
    for piece in pieces:
        events += reader.feed("", piece if isinstance(piece, bytes) else orjson.dumps(piece))
    return events + reader.end()
