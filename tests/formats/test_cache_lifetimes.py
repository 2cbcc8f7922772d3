"""Cache writes that are kept longer are told apart, through streams and translations (case 125)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastproxy.formats.events import End, ReplyContext, TextDelta, UsageReport
from fastproxy.formats.fold import fold
from fastproxy.formats.registry import CHAT
from fastproxy.formats.usage import StreamUsage, read_json
from fastproxy.formats.usage_fields import Usage

WRITTEN = Usage(input=1, cache_read=2, cache_write=9, output=3, cache_write_long=5)
LIVES = {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5}
COUNTS = {
    "input_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 9, "cache_creation": LIVES,
    "output_tokens": 1,
}  # fmt: skip
START = {"type": "message_start", "message": {"id": "m", "model": "x", "usage": COUNTS}}
DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}


def test_a_stream_tells_them_at_its_start_only() -> None:
    reader = CHAT["anthropic"].StreamReader()
    events = [
        event for said in (START, DELTA, {"type": "message_stop"}) for event in reader.feed("", orjson.dumps(said))
    ]
    assert fold(events).usage == WRITTEN


def test_the_meter_of_a_relayed_stream_reads_them_too() -> None:
    meter = StreamUsage("anthropic")
    for said in (START, DELTA):
        meter.feed(b"event: %b\ndata: %b\n\n" % (str(said["type"]).encode(), orjson.dumps(said)))
    assert meter.finish() == WRITTEN


CONTEXT = ReplyContext("a", "m", 1)
REPLY = [TextDelta(0, "hi"), End("stop"), UsageReport(WRITTEN)]


def written(name: str) -> dict[str, Any]:
    body = CHAT[name].write_reply(fold(REPLY), CONTEXT)
    usage: dict[str, Any] = body["usage"]
    return usage


@pytest.mark.parametrize("name", ["anthropic", "openai-responses"])
def test_formats_that_have_the_field_carry_them(name: str) -> None:
    assert read_json(name, orjson.dumps({"usage": written(name)})) == WRITTEN


def test_the_shapes_are_the_vendors() -> None:
    assert written("anthropic")["cache_creation"] == LIVES
    details = written("openai-responses")["input_tokens_details"]
    assert details["cache_write_tokens_details"] == {"ttl_12h_tokens": 5, "ttl_30m_tokens": 4}


def test_formats_without_the_field_keep_the_sum() -> None:
    assert written("openai-chat")["prompt_tokens_details"]["cache_write_tokens"] == 9
