"""One small event of a translated stream: splitting it off, reading it, writing it for a client of each format.

Bounds that the design sets: 1 us to split, 3 us to read, 2 us to write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastproxy.formats.events import Begin, ReplyContext, TextDelta
from fastproxy.formats.registry import CHAT
from fastproxy.wire.sse import SseReader

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

# format → events that come before, and the delta that is measured
EVENTS: dict[str, list[tuple[str, bytes]]] = {
    "openai-chat": [
        ("", b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
             b'"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}'),
        ("", b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
             b'"delta":{"content":"hello"},"logprobs":null,"finish_reason":null}]}'),
    ],
    "openai-responses": [
        ("response.created", b'{"type":"response.created","sequence_number":0,"response":{"id":"r","model":"m"}}'),
        ("response.output_item.added", b'{"type":"response.output_item.added","sequence_number":1,"output_index":0,'
         b'"item":{"id":"msg_1","type":"message","role":"assistant","status":"in_progress","content":[]}}'),
        ("response.content_part.added", b'{"type":"response.content_part.added","sequence_number":2,"output_index":0,'
         b'"item_id":"msg_1","content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}'),
        ("response.output_text.delta", b'{"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1",'
         b'"output_index":0,"content_index":0,"delta":"hello","logprobs":[]}'),
    ],
    "anthropic": [
        ("message_start", b'{"type":"message_start","message":{"id":"m","type":"message","role":"assistant",'
         b'"content":[],"model":"m","stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}'),
        ("content_block_start", b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'),
        ("content_block_delta", b'{"type":"content_block_delta","index":0,'
         b'"delta":{"type":"text_delta","text":"hello"}}'),
    ],
    "gemini": [
        ("", b'{"candidates":[{"content":{"parts":[{"text":"hello"}],"role":"model"},"index":0}],'
             b'"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7},"responseId":"x"}'),
    ],
}  # fmt: skip
every_format = pytest.mark.parametrize("name", EVENTS)


@every_format
def test_split_an_event(benchmark: BenchmarkFixture, name: str) -> None:
    word, data = EVENTS[name][-1]
    piece = (b"event: %b\n" % word.encode() if word else b"") + b"data: %b\n\n" % data
    reader = SseReader()
    assert reader.feed(piece) == benchmark(reader.feed, piece) == [(word, data)]


@every_format
def test_read_a_delta(benchmark: BenchmarkFixture, name: str) -> None:
    reader = CHAT[name].StreamReader()
    *before, (word, data) = EVENTS[name]
    for event in [*before, (word, data)]:
        reader.feed(*event)
    assert benchmark(reader.feed, word, data) == [TextDelta(0, "hello")]


@every_format
def test_write_a_delta(benchmark: BenchmarkFixture, name: str) -> None:
    writer = CHAT[name].StreamWriter(ReplyContext("00ff", "m", 1))
    event = TextDelta(0, "hello")
    for first in (Begin("i", "m"), event):
        writer.write(first)
    assert b'"hello"' in benchmark(writer.write, event)
