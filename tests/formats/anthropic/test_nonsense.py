"""Whatever JSON stands where a field should be: a client is told, an upstream's nonsense is survived."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.errors import FormatError
from fastproxy.formats import anthropic
from fastproxy.formats.chat import Facts, Target
from fastproxy.formats.fold import fold
from fastproxy.formats.notes import Notes
from tests.formats.anthropic.frames import CONTEXT, GOLDEN, frames, golden, written

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | st.sampled_from(["", "x", "tool_use", "text"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "x"]), inner, max_size=2),
    max_leaves=4,
)
REQUESTS = sorted(GOLDEN.glob("request_*.json"))
STREAMS = sorted(GOLDEN.glob("stream_*.sse"))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with every key or place in it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in pairs for found in ((value, key), *places(item))]


def spoilt(data: st.DataObject, body: Any) -> Any:
    holder, key = data.draw(st.sampled_from(places(body)))
    holder[key] = data.draw(JUNK)
    return body


@given(st.data())
def test_a_spoilt_request_is_read_or_refused(data: st.DataObject) -> None:
    body = spoilt(data, golden(data.draw(st.sampled_from(REQUESTS)).name))
    facts = data.draw(st.sampled_from([Facts(), Facts(json_schema=False, thinking="adaptive", sampling=False)]))
    with contextlib.suppress(FormatError):
        anthropic.write_request(anthropic.read_request(body), Target("m", facts), Notes())


@given(st.data())
def test_a_spoilt_stream_does_not_break_the_reader(data: st.DataObject) -> None:
    said = [orjson.loads(text) for _, text in frames(data.draw(st.sampled_from(STREAMS)).read_bytes())]
    reader = anthropic.StreamReader()
    events = [event for body in spoilt(data, said) for event in reader.feed("", orjson.dumps(body))]
    written(events)
    fold(events)


@given(st.data())
def test_a_spoilt_reply_does_not_break_the_reader(data: st.DataObject) -> None:
    body = golden(data.draw(st.sampled_from(STREAMS)).name.replace("stream_", "reply_").replace(".sse", ".json"))
    with contextlib.suppress(FormatError):  # which says that it is no message
        anthropic.write_reply(fold(anthropic.read_reply(spoilt(data, body))), CONTEXT)
