"""Nothing that is valid JSON breaks a reader: every value of every golden, replaced by a value of another kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Target
from fastproxy.formats.events import ReplyContext
from fastproxy.formats.fold import fold
from fastproxy.formats.notes import Notes
from fastproxy.formats.openai_responses import (
    StreamReader,
    StreamWriter,
    read_reply,
    read_request,
    write_reply,
    write_request,
)
from tests.formats.openai_responses.goldens import REPLIES, REQUESTS, load, stream_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD: tuple[Any, ...] = (None, True, -7, 1.5, "", "odd", [], [[]], [None], {}, {"type": "odd"})
CONTEXT = ReplyContext("8a1", "alias", 1792000000)


def bent(value: Any) -> Iterator[Any]:
    """`value` with one of its parts replaced, for each part and each odd value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from ({**value, name: other} for other in (*ODD, *bent(inner)))
            yield {other: one for other, one in value.items() if other != name}
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from ([*value[:place], other, *value[place + 1 :]] for other in (*ODD, *bent(inner)))


@pytest.mark.parametrize("name", REQUESTS)
def test_requests(name: str) -> None:
    for body in bent(load(name)):
        try:
            request = read_request(body)
        except FormatError:
            continue
        written, _ = write_request(request, Target("other"), Notes())
        assert {**written, "model": body["model"]} == body


@pytest.mark.parametrize("name", REPLIES)
def test_replies(name: str) -> None:
    for body in bent(load(f"reply_{name}")):
        try:
            events = read_reply(body)
        except FormatError:
            continue
        writer = StreamWriter(CONTEXT)
        for event in events:
            writer.write(event)
        orjson.dumps(write_reply(fold(events), CONTEXT))


@pytest.mark.parametrize("name", ["reasoning", "citations", "refusal", "logprobs", "custom"])
def test_streams(name: str) -> None:
    """Every event of the stream bent alone, read after those before it."""
    frames = [frame for frame in stream_of(name) if "delta" not in frame.event or frame.data.find(b'"delta":" ') >= 0]
    values = [orjson.loads(frame.data) for frame in frames]
    for place, value in enumerate(values):
        if value["type"] in ("response.created", "response.in_progress", "response.completed"):
            continue
        for other in bent(value):
            reader = StreamReader()
            for one in [*values[:place], other, *values[place + 1 :]]:
                reader.feed("", orjson.dumps(one))
            reader.end()
