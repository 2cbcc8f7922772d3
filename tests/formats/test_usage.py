"""Counts read from whole bodies and from streams that are split anywhere, cut anywhere, or made to mislead."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.formats.usage import (
    END_BYTES,
    HEAD_BYTES,
    TAIL_MAX_BYTES,
    StreamUsage,
    Usage,
    json_reader,
    read_json,
    read_tail,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
CHAT: Json = {
    "prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0, "cache_write_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 2},
}  # fmt: skip
RESPONSES: Json = {
    "input_tokens": 12, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1}, "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 19,
}  # fmt: skip
ANTHROPIC: Json = {
    "input_tokens": 7, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 4, "output_tokens": 7,
    "cache_creation": {"ephemeral_5m_input_tokens": 1}, "output_tokens_details": {"thinking_tokens": 2},
}  # fmt: skip
GEMINI: Json = {
    "promptTokenCount": 12, "candidatesTokenCount": 5, "totalTokenCount": 19, "cachedContentTokenCount": 4,
    "thoughtsTokenCount": 2, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}],
}  # fmt: skip
ALL = Usage(7, 4, 1, 7, 2)
NO_WRITES = Usage(8, 4, 0, 7, 2)  # Gemini has no word for what was written to the cache
LURE = {"usage": {"prompt_tokens": 666, "input_tokens": 666}, "usageMetadata": {"promptTokenCount": 666}}
TEXT = json.dumps(LURE) + ' \\"usage\\":{"prompt_tokens":666} \\\\"usage":{"input_tokens":666}'


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


WHOLE = [
    ("openai-chat", {"id": "c", "choices": [{"message": {"content": TEXT, "x": LURE}}], "usage": CHAT, "z": 1}, ALL),
    ("openai-chat", {"usage": CHAT, "choices": [{"message": {"content": TEXT, "x": LURE}}]}, ALL),
    ("openai-responses", {"output": [{"arguments": TEXT}], "usage": RESPONSES, "metadata": {"usage": "x"}}, ALL),
    ("openai", {"object": "list", "data": [], "usage": {"prompt_tokens": 5, "total_tokens": 5}}, Usage(5)),
    ("openai", {"text": "hi", "usage": {"type": "tokens", "input_tokens": 5, "output_tokens": 2}}, Usage(5, 0, 0, 2)),
    ("openai", {"text": "hi", "usage": {"type": "duration", "seconds": 9}}, None),
    ("anthropic", {"content": [{"type": "tool_use", "input": LURE}], "usage": ANTHROPIC}, ALL),
    ("anthropic", {"input_tokens": 9}, None),  # count_tokens costs nothing
    ("gemini", {"candidates": [{"content": {"parts": [{"functionCall": {"args": LURE}}]}}], "usageMetadata": GEMINI},
     NO_WRITES),
    ("gemini", {"totalTokens": 9}, None),
    ("gemini", [{"usageMetadata": {"promptTokenCount": 1}}, {"usageMetadata": GEMINI}, {}], NO_WRITES),
    ("gemini", {"usage": {"total_input_tokens": 3, "total_output_tokens": 2}}, Usage(3, 0, 0, 2)),
    ("openai-chat", {"error": {"message": TEXT}}, None),
    ("openai-chat", {"usage": None}, None),
    ("openai-chat", {"usage": []}, None),
    ("openai-chat", {"usage": {"prompt_tokens": -1}}, None),
    ("openai-chat", [1, 2], None),
    ("edge", {"usage": CHAT}, None),
]  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(("wire_format", "value", "usage"), WHOLE)
def test_a_whole_body_is_read_exactly(wire_format: str, value: object, usage: Usage | None, indent: int | None) -> None:
    assert read_json(wire_format, json.dumps(value, indent=indent).encode()) == usage
    for separators in ((",", ":"), (", ", ": "), (",", " :")):
        assert json_reader(wire_format)(json.dumps(value, indent=indent, separators=separators).encode()) == usage


@pytest.mark.parametrize("body", [b"", b"{", b"[", b"\xff", b"null", b"{}", b"[" * 100_000, b'{"usage":' * 100_000])
@pytest.mark.parametrize("wire_format", ["openai-chat", "anthropic", "gemini", "nobody"])
def test_garbage_costs_nothing(wire_format: str, body: bytes) -> None:
    assert read_json(wire_format, body) is None
    assert json_reader(wire_format)(body) is None
    assert read_tail(wire_format, body[-12_288:]) is None
    stream = StreamUsage(wire_format)
    stream.feed(body)
    assert stream.finish() is None


BIG = {"x": "a" * 300_000}


@pytest.mark.parametrize(
    ("wire_format", "value", "usage"),
    [
        ("openai-chat", BIG | {"text": TEXT, "usage": CHAT, "service_tier": "default"}, ALL),
        ("openai-responses", BIG | {"usage": RESPONSES, "user": None, "metadata": {"k": "v" * 8_000}}, ALL),
        ("anthropic", BIG | {"input": LURE, "usage": ANTHROPIC}, ALL),
        ("gemini", BIG | {"usageMetadata": GEMINI, "modelVersion": "m"}, NO_WRITES),
        ("gemini", [BIG, {"usageMetadata": GEMINI}], NO_WRITES),
        ("openai-chat", BIG | {"usage": CHAT, "later": LURE, "list": [LURE]}, ALL),
        ("openai-responses", BIG | {"usage": RESPONSES, "metadata": LURE}, ALL),
        ("anthropic", BIG | {"usage": ANTHROPIC, "content": [{"input": LURE}]}, ALL),
        ("gemini", BIG | {"usageMetadata": GEMINI, "candidates": [{"args": LURE}]}, NO_WRITES),
        ("openai-chat", BIG | {"text": '{"usage":{"prompt_tokens":666}}'}, None),
        ("openai-chat", BIG | {"usage": {"a": 1}, "z": {"usage": 3}}, None),
    ],
)
def test_a_large_body_is_read_from_its_end(wire_format: str, value: object, usage: Usage | None) -> None:
    assert read_json(wire_format, encode(value)) == usage
    assert json_reader(wire_format)(encode(value)) == usage


# --- replies read from their end first ------------------------------------------------------------------------------

EVERY_FORMAT = ["openai-chat", "openai-responses", "openai", "anthropic", "gemini", "edge"]
OK_COUNTS = [CHAT, RESPONSES, ANTHROPIC, GEMINI, {"total_input_tokens": 3}, {"total_tokens": 5}, {"input_tokens": "12"}]
ODD_COUNTS = [{}, {"a": 1}, {"prompt_tokens": None}, {"usage": CHAT}, {"prompt_tokens": 2.0}, None]
WRONG_COUNTS = [{"prompt_tokens": -1}, {"input_tokens": 0.5}, {"promptTokenCount": 1 << 50}, [], "usage", 3, True]
LURES = [
    TEXT, LURE, [LURE], {"a": LURE}, {"usage": None}, {"usageMetadata": GEMINI}, '"usage":', '"usage":{}}', "\\", '"',
    '{"usage":{"prompt_tokens":1}}', "x" * END_BYTES, {"x": [{"usage": CHAT}, {"usageMetadata": GEMINI}]}, 1, "é", [],
]  # fmt: skip
HOLDERS = ["response", "message", "x_groq", "interaction"]
PLAIN_NAMES = st.sampled_from(
    ["id", "choices", "model", "x", "usages", "Usage", "usage ", "", "é", "{", "usageMetadata:", 'x"usage', '"usage":']
)
SPELLINGS: list[Callable[[str], str]] = [
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps(text).replace("u", "\\u0075") if text.isascii() else json.dumps(text),
]
COLONS = st.sampled_from([":", ":", ": ", " :", " : ", ":\n", "\t:"])
SPACES = st.sampled_from(["", "", " ", "\n ", "\r\n", "\t"])


@st.composite
def members(draw: st.DrawFn) -> tuple[str, str]:
    """A name and a value as JSON; those that hold counts in some event have such a value as a reply would have."""
    held = draw(st.sampled_from(["usage", "usage", "usageMetadata", *HOLDERS, "other", "other"]))
    name = draw(PLAIN_NAMES) if held == "other" else held
    value: object = draw(st.sampled_from([*LURES, *OK_COUNTS]))
    if held in {"usage", "usageMetadata"}:
        value = draw(st.sampled_from([*OK_COUNTS, *ODD_COUNTS]))
    elif held != "other":
        value = draw(st.sampled_from([None, {}, {"usage": None}, {"id": 1, "usage": draw(st.sampled_from(OK_COUNTS))}]))
    compact = draw(st.booleans())
    text = json.dumps(value, separators=(",", ":") if compact else None, ensure_ascii=draw(st.booleans()))
    return draw(st.sampled_from(SPELLINGS))(name), text


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """A JSON reply: counts first, last, between others, doubled, missing, null or useless, in any spelling."""
    parts = []
    for name, value in draw(st.lists(members(), max_size=6)):
        parts.append(f"{draw(SPACES)}{name}{draw(COLONS)}{value}{draw(SPACES)}")
    body = "{" + ",".join(parts) + "}"
    body = draw(st.sampled_from([body, body, body, f"[{body}]", f"[{body},\n{body}]", f'{{"a":{body}}}']))
    return (draw(SPACES) + body + draw(SPACES)).encode()


FOUND = [  # each was once read otherwise from its end
    ("openai-chat", b'{"say \\"usage":{"prompt_tokens":1}}'),
    ("anthropic", b'{"id":"c","\\\\\\"usage":{"input_tokens":1,"output_tokens":2},"z":1}'),
    ("gemini", b'{"x":1,"a \\"usageMetadata":{"promptTokenCount":1}}'),
    ("gemini", b'{"usage":{"total_input_tokens":1},"usageMetadata":null,'
               b'"interaction":{"usage":{"total_input_tokens":2}}}'),
    ("openai-chat", b'{"response":{"usage" :{"prompt_tokens":1}},"usage":null,'
                    b'"x_groq":{"usage" :{"prompt_tokens":2}}}'),
]  # fmt: skip


@pytest.mark.parametrize(("wire_format", "body"), FOUND)
def test_a_reader_is_not_misled(wire_format: str, body: bytes) -> None:
    json.loads(body)
    assert json_reader(wire_format)(body) == read_json(wire_format, body)


@pytest.mark.parametrize("wire_format", EVERY_FORMAT)
@pytest.mark.parametrize("counts", [*WRONG_COUNTS, *ODD_COUNTS])
@pytest.mark.parametrize("name", ["usage", "usageMetadata"])
def test_a_reader_finds_nothing_in_nonsense(wire_format: str, counts: object, name: str) -> None:
    for value in ({name: counts}, {"a": LURE, name: counts, "z": 1}, {"a": TEXT, name: counts, "z": [LURE]}):
        body = json.dumps(value, separators=(",", ":")).encode()
        assert json_reader(wire_format)(body) == read_json(wire_format, body)


@pytest.mark.parametrize("behind", [0, END_BYTES - 120, END_BYTES, END_BYTES + 120, 3 * END_BYTES])
def test_a_reader_finds_counts_however_far_from_the_end(behind: int) -> None:
    body = b'{"text":"%b","usage":%b,"z":"%b"}' % (b"t" * 5_000, encode(CHAT), b"z" * behind)
    assert json_reader("openai-chat")(body) == ALL


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_reader_says_what_reading_it_whole_says(data: st.DataObject) -> None:
    wire_format = data.draw(st.sampled_from(EVERY_FORMAT))
    body = data.draw(replies())
    assert json_reader(wire_format)(body) == read_json(wire_format, body)


# --- streams -----------------------------------------------------------------------------------------------------


def data(*values: object, end: str = "\n\n") -> bytes:
    return b"".join(b"data: " + encode(value) + end.encode() for value in values)


def named(*values: Json) -> bytes:
    return b"".join(b"event: " + value["type"].encode() + b"\n" + data(value) for value in values)


def words(count: int) -> list[Json]:
    return [{"choices": [{"index": 0, "delta": {"content": f"{n} {TEXT}"}}], "usage": None} for n in range(count)]


def chat(count: int) -> bytes:
    return data(*words(count), {"choices": [], "usage": CHAT}) + b"data: [DONE]\n\n"


def chat_on_the_last_choice(count: int) -> bytes:
    early = {"choices": [{"delta": {}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    late = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": CHAT}
    return data(*words(count), early, late, {"choices": [], "usage": None}) + b"data: [DONE]\n\n"


def responses(count: int) -> bytes:
    deltas = [{"type": "response.output_text.delta", "delta": TEXT} for _ in range(count)]
    output = [{"type": "message", "content": [{"text": TEXT * count}]}, {"type": "function_call", "arguments": TEXT}]
    last = {"output": output, "tools": [LURE], "usage": RESPONSES, "user": None, "metadata": {"usage": "k"}}
    started = {"type": "response.created", "response": {"usage": None, "tools": [LURE]}}
    return named(started, *deltas, {"type": "response.completed", "response": last})


def anthropic(count: int) -> bytes:
    start = {"type": "message_start", "message": {"content": [], "usage": ANTHROPIC | {"output_tokens": 1}}}
    deltas = [{"type": "content_block_delta", "delta": {"type": "text_delta", "text": TEXT}} for _ in range(count)]
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
    return named(start, {"type": "ping"}, *deltas, stop, {"type": "message_stop"})


def gemini(count: int) -> bytes:
    pieces = [{"candidates": [{"content": {"parts": [{"text": TEXT}]}}], "usageMetadata": {"promptTokenCount": 12}}]
    return data(*pieces * (count + 1), {"candidates": [], "usageMetadata": GEMINI}, end="\r\n\r\n")


def gemini_array(count: int) -> bytes:
    pieces = [{"candidates": [{"content": {"parts": [{"text": TEXT}]}}], "usageMetadata": {"promptTokenCount": 12}}]
    last = {"candidates": [{"x": LURE}], "usageMetadata": GEMINI, "modelVersion": "m"}
    return b"[" + b",\r\n".join(json.dumps(value, indent=1).encode() for value in [*pieces * count, last]) + b"\n]\n"


STREAMS: list[tuple[str, Callable[[int], bytes], Usage]] = [
    ("openai-chat", chat, ALL),
    ("openai-chat", chat_on_the_last_choice, ALL),
    ("openai-responses", responses, ALL),
    ("anthropic", anthropic, ALL),
    ("gemini", gemini, NO_WRITES),
    ("gemini", gemini_array, NO_WRITES),
]
EVERY = pytest.mark.parametrize(
    ("wire_format", "make", "usage"), STREAMS, ids=[make.__name__ for _, make, _ in STREAMS]
)


def fed(wire_format: str, *pieces: bytes) -> Usage | None:
    stream = StreamUsage(wire_format)
    for piece in pieces:
        stream.feed(piece)
    return stream.finish()


@EVERY
@pytest.mark.parametrize("count", [0, 1, 5, 40, 400])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_a_stream_of_any_length(
    wire_format: str, make: Callable[[int], bytes], usage: Usage, count: int, ends: bytes
) -> None:
    stream = make(count).replace(b"\r\n", b"\n").replace(b"\n", ends)
    assert fed(wire_format, stream) == usage
    assert fed(wire_format, *(stream[at : at + 1] for at in range(len(stream)))) == usage
    assert fed(wire_format, *(stream[at : at + 1_000] for at in range(0, len(stream), 1_000))) == usage


@EVERY
def test_every_place_to_split(wire_format: str, make: Callable[[int], bytes], usage: Usage) -> None:
    stream = make(3)
    for at in range(len(stream)):
        assert fed(wire_format, stream[:at], stream[at:]) == usage


@given(st.sampled_from(STREAMS), st.integers(0, 120), st.lists(st.integers(0, 60_000), max_size=20))
def test_any_splits(case: tuple[str, Callable[[int], bytes], Usage], count: int, cuts: list[int]) -> None:
    wire_format, make, usage = case
    stream = make(count)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(places)]
    assert fed(wire_format, *pieces) == usage


@EVERY
def test_a_stream_that_is_cut_says_what_it_knew(wire_format: str, make: Callable[[int], bytes], usage: Usage) -> None:
    stream = make(60)
    early = {Usage(12), Usage(1, 0, 0, 1), Usage(7, 4, 1, 1, 1)}  # what the events before the last one say
    for at in range(0, len(stream), 97):
        assert fed(wire_format, stream[:at]) in {None, usage, *early}


def test_anthropics_input_is_known_before_the_stream_ends() -> None:
    stream = anthropic(400)
    assert fed("anthropic", stream[: len(stream) // 2]) == Usage(7, 4, 1, 1, 1)


def test_a_last_event_larger_than_what_is_kept() -> None:
    stream = responses(500)
    assert len(stream.splitlines()[-2]) > 2 * TAIL_MAX_BYTES
    assert fed("openai-responses", stream) == ALL


@pytest.mark.parametrize("kind", ["response.incomplete", "response.failed"])
def test_responses_may_end_otherwise(kind: str) -> None:
    assert fed("openai-responses", named({"type": kind, "response": {"usage": RESPONSES}})) == ALL


@pytest.mark.parametrize(
    ("wire_format", "stream", "usage"),
    [
        ("openai-chat", b'data:{"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n', Usage(1, 0, 0, 2)),
        ("openai-chat", data({"x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}}), Usage(1, 0, 0, 2)),
        ("openai", data({"type": "transcript.text.done", "usage": {"input_tokens": 1, "output_tokens": 2}}),
         Usage(1, 0, 0, 2)),
        ("gemini", named({"type": "interaction.completed", "interaction": {"usage": {"total_input_tokens": 3}}}),
         Usage(3)),
        ("anthropic", named({"type": "message_delta", "usage": {"input_tokens": 3, "output_tokens": 2}}),
         Usage(3, 0, 0, 2)),
        ("openai-chat", data({"choices": [], "usage": None}) + b"data: [DONE]\n\n", None),
        ("openai-chat", b": ping\n\n" * 5_000, None),
        ("openai-chat", b"", None),
        ("anthropic", b"event: message_start\ndata: {broken\n\n", None),
    ],
)  # fmt: skip
def test_other_ways_to_say_it(wire_format: str, stream: bytes, usage: Usage | None) -> None:
    assert fed(wire_format, stream) == usage


def test_what_is_kept_is_bounded() -> None:
    stream = StreamUsage("anthropic")
    for _ in range(10_000):
        stream.feed(b"x" * 999)
        assert len(stream._tail) <= TAIL_MAX_BYTES
    stream.feed(b"x" * 1_000_000)
    assert len(stream._tail) <= TAIL_MAX_BYTES
    assert len(stream._head) == HEAD_BYTES


def test_a_reused_buffer_may_be_fed() -> None:
    stream = StreamUsage("openai-chat")
    buffer = bytearray(chat(1))
    stream.feed(memoryview(buffer))  # type: ignore[arg-type]  # any buffer will do, and callers hold views
    buffer[:] = bytes(len(buffer))
    assert stream.finish() == ALL


@given(st.sampled_from(["openai-chat", "openai-responses", "anthropic", "gemini"]), st.binary(max_size=200))
def test_noise_never_raises(wire_format: str, noise: bytes) -> None:
    lines = b'data: {"usage":' + noise + b'}\n\n"usageMetadata":{' + noise
    fed(wire_format, lines)
    read_json(wire_format, lines)
    read_tail(wire_format, lines)


@pytest.mark.parametrize(
    ("wire_format", "stream", "ended"),
    [
        (
            "openai-chat",
            b'data: {"choices":[{"delta":{"content":"[DONE] \\"finish_reason\\":\\"stop\\""}}]}\n\n',
            False,
        ),
        ("openai-chat", b'data: {"choices":[{"delta":{},"finish_reason":null}]}\n\n', False),
        ("openai-chat", b'data: {"choices":[{"delta":{},"finish_reason": "stop"}]}\n\n', True),
        ("openai-chat", b"data:[DONE]\n\n", True),
        ("openai-chat", b"data: {}\r\rdata: [DONE]\r\r", True),
        ("openai-chat", b'data: {"error": {"message": "x"}}\r\n\r\n', True),
        ("anthropic", b'event: content_block_delta\ndata: {"delta":{"text":"event: message_stop"}}\n\n', False),
        ("anthropic", b'event: message_stop\ndata: {"type":"message_stop"}\n\n', True),
        ("openai-responses", b'data: {"type":"response.output_text.delta","delta":"response.completed"}\n\n', False),
        ("openai-responses", b'data: {"type":"response.incomplete","response":{}}\n\n', True),
        ("openai-responses", b"event: response.completed\ndata: " + b"x" * 40_000, True),
        ("gemini", b'data: {"candidates":[{"content":{"parts":[{"text":"finishReason"}]}}]}\n\n', False),
        ("gemini", b'data: {"candidates":[{"finishReason":"STOP"}]}\n\n', True),
        ("openai", b"data: anything\n\n", True),
    ],
)
def test_a_stream_has_ended_when_it_says_so_in_its_own_words(wire_format: str, stream: bytes, ended: bool) -> None:
    usage = StreamUsage(wire_format)
    usage.feed(stream)
    assert usage.has_ended() is ended
