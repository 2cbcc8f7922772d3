"""The four formats' streams as the mock writes them, cut anywhere; and what must be called an error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from fastproxy.formats.usage import StreamUsage
from fastproxy.loadtest.load.bodies import credential, default_body, default_headers, default_path
from fastproxy.loadtest.load.shapes import Format
from fastproxy.loadtest.load.stream import StreamReader
from fastproxy.loadtest.mock import MockOptions
from tests.loadtest.mock_process import KEY, ask, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = 12
FORMATS = (Format.OPENAI_CHAT, Format.OPENAI_RESPONSES, Format.ANTHROPIC, Format.GEMINI)
MODELS = {Format.ANTHROPIC: "claude-sonnet-4-6", Format.GEMINI: "gemini-2.5-flash"}


@pytest.fixture(scope="module")
def streams() -> Iterator[dict[Format, bytes]]:
    with serving(MockOptions(tokens=WORDS)) as port:
        yield {kind: stream(port, kind) for kind in FORMATS}


def stream(port: int, kind: Format) -> bytes:
    model = MODELS.get(kind, "gpt-5")
    body = default_body(kind, model, True).replace("{{text:200}}", "How?").encode()
    headers = dict((credential(kind, KEY), *default_headers(kind))) | {"content-type": "application/json"}
    answer = ask(port, "POST", default_path(kind, model, True), body, headers)
    assert answer.status == 200, answer.body
    return answer.body


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_cut_gives_the_same(streams: dict[Format, bytes], kind: Format, size: int) -> None:
    data = streams[kind]
    reader = StreamReader(kind, keeps_text=True, keeps_values=True)
    content = sum(reader.feed(data[at : at + size]) for at in range(0, len(data), size))
    whole = StreamReader(kind, keeps_text=True)
    assert content == whole.feed(data) == WORDS
    assert reader.text == whole.text
    assert len("".join(reader.text).split()) == WORDS
    assert (reader.ended, reader.error, reader.fault) == (True, "", "")
    usage = StreamUsage(kind.value)
    usage.feed(data)
    counted = usage.finish()
    assert counted is not None
    assert reader.tokens == counted.output >= WORDS
    assert reader.events == whole.events == len(reader.values) + (kind is Format.OPENAI_CHAT)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_stream_without_its_last_event_has_not_ended(streams: dict[Format, bytes], kind: Format) -> None:
    data = streams[kind].rstrip(b"\r\n")
    reader = StreamReader(kind)
    reader.feed(data[: data.rfind(b"data:")])
    assert not reader.ended


ERRORS = [
    (Format.OPENAI_CHAT, b'data: {"error":{"message":"mice"}}\n\n'),
    (Format.OPENAI_RESPONSES, b'event: error\ndata: {"type":"error","message":"mice"}\n\n'),
    (Format.OPENAI_RESPONSES, b'data: {"type":"response.failed","response":{"error":{"message":"mice"}}}\n\n'),
    (Format.ANTHROPIC, b'event: error\ndata: {"type":"error","error":{"type":"x","message":"mice"}}\n\n'),
    (Format.GEMINI, b'data: {"error":{"code":503,"message":"mice"}}\r\n\r\n'),
]


@pytest.mark.parametrize(("kind", "event"), ERRORS)
def test_error_events_are_seen(kind: Format, event: bytes) -> None:
    reader = StreamReader(kind)
    assert reader.feed(event) == 0
    assert "mice" in reader.error
    assert not reader.fault


CONTENT = [
    (Format.OPENAI_CHAT, b'{"choices":[{"delta":{"role":"assistant","content":""}}]}', 0),
    (Format.OPENAI_CHAT, b'{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}', 1),
    (Format.OPENAI_CHAT, b'{"choices":[{"delta":{"reasoning_content":"hm"}}]}', 1),
    (Format.OPENAI_CHAT, b'{"choices":[],"usage":{"completion_tokens":5}}', 0),
    (Format.OPENAI_CHAT, b'{"choices":[{"text":"word"}]}', 1),
    (Format.OPENAI_RESPONSES, b'{"type":"response.function_call_arguments.delta","delta":"{"}', 1),
    (Format.OPENAI_RESPONSES, b'{"type":"response.created","response":{"usage":null}}', 0),
    (Format.ANTHROPIC, b'{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}', 1),
    (Format.ANTHROPIC, b'{"type":"ping"}', 0),
    (Format.GEMINI, b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}', 1),
    (Format.GEMINI, b'{"candidates":[{"content":{"parts":[{"text":""}]}}]}', 0),
    (Format.HTTP, b"anything", 1),
]


@pytest.mark.parametrize(("kind", "payload", "content"), CONTENT)
def test_content_is_what_the_model_made(kind: Format, payload: bytes, content: int) -> None:
    assert StreamReader(kind).feed(b": comment\n\ndata: " + payload + b"\n\n") == content


@pytest.mark.parametrize("payload", [b"{", b"[]", b'{"choices":"none"}', b'{"type":7}'])
@pytest.mark.parametrize("kind", FORMATS)
def test_an_event_that_cannot_be_read_is_a_fault(kind: Format, payload: bytes) -> None:
    reader = StreamReader(kind)
    reader.feed(b"data: " + payload + b"\n\n")
    ignores = (kind is Format.GEMINI and payload[:1] == b"{") and payload != b"{"
    ignores = ignores or (kind is Format.OPENAI_CHAT and payload == b'{"type":7}')
    assert bool(reader.fault) != ignores


def test_an_event_without_a_blank_line_was_searched_again_and_again() -> None:
    """15 MiB in pieces of 64 bytes: a quarter of a million searches, each of the new bytes only."""
    reader = StreamReader(Format.HTTP)
    reader.feed(b"data: ")
    piece = bytes(64)
    began = time.process_time()
    for _ in range(15 << 14):
        reader.feed(piece)
    assert time.process_time() - began < 2.0
    assert reader.feed(b"\r\n\r") == 0
    assert reader.feed(b"\n") == 1
    assert not reader.fault


def test_an_event_without_end_was_kept_without_bound() -> None:
    reader = StreamReader(Format.HTTP)
    for _ in range(20):
        reader.feed(bytes(1 << 20))
    assert reader.fault.startswith("event too large")
    assert reader.feed(b"\n\ndata: next\n\n") == 1


def test_a_blank_line_may_be_cut_anywhere() -> None:
    for end in (b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\n\n\n\n"):
        data = b"data: 1" + end + b"data: 2\ndata: 3" + end + b":"  # a last \r alone may be half of a line end
        for size in range(1, len(data) + 1):
            reader = StreamReader(Format.HTTP)
            assert sum(reader.feed(data[at : at + size]) for at in range(0, len(data), size)) == 2, (end, size)
