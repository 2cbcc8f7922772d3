"""Streams: Gemini's chunks read, and events written as chunks."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google.genai import types

from fastproxy.formats import gemini
from fastproxy.formats.chat import Citation, Image, Source, Text, Thinking
from fastproxy.formats.events import (
    DONE,
    Begin,
    Cited,
    End,
    Event,
    Failure,
    Logprobs,
    Media,
    RefusalDelta,
    ReplyContext,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolBegin,
    ToolDelta,
    UsageReport,
)
from fastproxy.formats.fold import fold
from fastproxy.formats.usage_fields import Usage
from tests.formats.gemini import golden

CONTEXT = ReplyContext("abc123", "my-model", 1_700_000_000)
LINE_ENDS = str.maketrans({"a": "\u2028", "b": "\u2029", "c": "\x85"})


def chunk(*parts: dict[str, Any], finish: str | None = None, **fields: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "responseId": "r1"} | fields


def written(*events: Event, context: ReplyContext = CONTEXT) -> list[dict[str, Any]]:
    """The chunks that a client gets, as its SDK reads them."""
    writer = gemini.StreamWriter(context)
    stream = b"".join(writer.write(event) for event in events)
    found: list[dict[str, Any]] = []
    for line in stream.decode().splitlines():  # as Google's SDK splits them
        if line:
            assert line.startswith("data: ")
            found.append(orjson.loads(line.removeprefix("data: ")))
            types.GenerateContentResponse.model_validate(found[-1])
    return found


def parts_of(chunks: list[dict[str, Any]]) -> list[Any]:
    return [part for each in chunks for candidate in each["candidates"] for part in candidate["content"]["parts"]]


@pytest.mark.parametrize("name", golden.REPLIES)
def test_case_178_a_stream_that_was_cut_is_not_done(name: str) -> None:
    chunks = golden.chunks(name)
    if len(chunks) > 1 and name != "tools_without_ids":
        events = golden.streamed(*chunks[:-1])
        assert DONE not in events
        assert isinstance(events[-1], UsageReport)


def test_a_stream_without_anything_is_not_done() -> None:
    assert golden.streamed() == []


def test_case_142_a_call_is_whole_at_once() -> None:
    events = golden.streamed(chunk({"functionCall": {"id": "c", "name": "f", "args": {"a": [1]}}}, finish="STOP"))
    assert events[1:4] == [ToolBegin(0, "c", "f"), ToolDelta(0, '{"a":[1]}'), End("tool_calls")]


def test_case_143_arguments_in_pieces_are_told_when_they_are_whole() -> None:
    reader = gemini.StreamReader()
    *pieces, last, _ = golden.chunks("partial_arguments")
    assert [type(event) for piece in pieces for event in reader.feed("", piece)] == [Begin]
    begin, delta = reader.feed("", last)
    assert isinstance(begin, ToolBegin)
    assert isinstance(delta, ToolDelta)
    assert orjson.loads(delta.arguments) == {
        "city": "New York",
        "days": 3,
        "tags": ["a", "b"],
        "deep": {"on": True, "none": None},
    }


def test_case_143_two_calls_in_pieces_are_two_calls() -> None:
    def piece(**call: Any) -> dict[str, Any]:
        return chunk({"functionCall": call})

    path = {"jsonPath": "$.x", "stringValue": "1"}
    events = golden.streamed(
        piece(name="f", willContinue=True),
        piece(partialArgs=[path], willContinue=True),
        piece(name="g", willContinue=True),
        piece(),
        chunk(finish="STOP"),
    )
    calls = [(event.name, event.block) for event in events if isinstance(event, ToolBegin)]
    assert calls == [("f", 0), ("g", 1)]
    assert [event.arguments for event in events if isinstance(event, ToolDelta)] == ['{"x":"1"}', "{}"]


def test_case_143_strange_paths_never_break_it() -> None:
    paths = ["", "$", "$[0]", "$.a[999999]", "$.a.b", "$['x y'].z", "$.a[0][0]", "nonsense", "$." + "a." * 500]
    pieces = [{"jsonPath": path, "stringValue": "v"} for path in paths]
    call = {"functionCall": {"name": "f", "partialArgs": pieces}}
    (delta,) = [event for event in golden.streamed(chunk(call, finish="STOP")) if isinstance(event, ToolDelta)]
    assert len(delta.arguments) < 2000


def test_case_144_the_last_counts_count_once() -> None:
    events = golden.streamed(*golden.chunks("cached"))
    assert [event for event in events if isinstance(event, UsageReport)] == [UsageReport(Usage(904, 4096, 0, 7))]


def test_case_145_what_follows_the_reason_is_not_lost() -> None:
    events = golden.streamed(
        chunk({"text": "a"}, finish="STOP"),
        chunk({"text": "b"}),
        {"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}},
    )
    assert [type(event).__name__ for event in events] == [
        "Begin", "TextDelta", "TextDelta", "End", "UsageReport", "Done",
    ]  # fmt: skip


def test_case_197_stop_in_every_chunk_ends_once() -> None:
    events = golden.streamed(*(chunk({"text": text}, finish="STOP") for text in "abc"))
    assert [event for event in events if isinstance(event, End)] == [End("stop")]
    assert fold(events).choices[0].parts == (Text("abc"),)


def test_case_198_text_and_reason_in_the_last_chunk() -> None:
    events = golden.streamed(chunk({"text": "a"}), chunk({"text": "b"}, finish="MAX_TOKENS"))
    assert events[1:] == [TextDelta(0, "a"), TextDelta(0, "b"), End("length"), DONE]


def test_a_chunk_without_an_index_is_of_the_first_choice() -> None:
    events = golden.streamed({"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]})
    assert events[-2:] == [End("stop"), DONE]


def test_case_159_choices_are_told_apart() -> None:
    reply = fold(golden.streamed(*golden.chunks("two_choices")))
    assert [choice.reason for choice in reply.choices] == ["stop", "length"]


def test_case_176_an_error_in_the_stream_is_a_failure_and_the_last_word() -> None:
    error = {
        "code": 503,
        "message": "overloaded",
        "status": "UNAVAILABLE",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.2s"}],
    }
    events = golden.streamed(chunk({"text": "a"}), {"error": error}, chunk({"text": "b"}, finish="STOP"))
    assert [type(event) for event in events] == [Begin, TextDelta, Failure]
    failure = events[-1]
    assert isinstance(failure, Failure)
    assert (failure.status, failure.message, failure.retry_after) == (503, "overloaded", 8)


@pytest.mark.parametrize("data", [b"{", b"3", b'"x"', b"null", b'{"candidates":[null]}', b"\xff"], ids=repr)
def test_an_event_that_cannot_be_read_is_a_failure(data: bytes) -> None:
    (failure,) = golden.streamed(data)
    assert isinstance(failure, Failure)
    assert failure.status == 502


def test_case_38_half_a_surrogate_pair_is_replaced() -> None:
    (_, delta, *_) = golden.streamed(
        b'{"candidates":[{"content":{"parts":[{"text":"a\\ud800b"}]},"finishReason":"STOP"}]}'
    )
    assert delta == TextDelta(0, "a?b")


def test_an_array_is_read_like_its_elements() -> None:
    pieces = [orjson.loads(piece) for piece in golden.chunks("thinking")]
    assert golden.streamed(orjson.dumps(pieces)) == golden.streamed(*golden.chunks("thinking"))


def test_case_146_text_goes_out_at_once_and_the_end_holds_reason_and_cost() -> None:
    chunks = written(
        Begin("up", "their-model"),
        TextDelta(0, "Hel"),
        TextDelta(0, ""),
        TextDelta(0, "lo"),
        End("length"),
        UsageReport(Usage(3, 0, 0, 2)),
        DONE,
        DONE,
    )
    assert [each.pop("modelVersion") for each in chunks] == ["my-model"] * 3
    assert [each.pop("responseId") for each in chunks] == ["abc123"] * 3
    assert chunks == [
        {"candidates": [{"content": {"parts": [{"text": "Hel"}], "role": "model"}, "index": 0}]},
        {"candidates": [{"content": {"parts": [{"text": "lo"}], "role": "model"}, "index": 0}]},
        {
            "candidates": [
                {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
            ],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        },
    ]


def test_case_146_a_call_goes_out_when_its_arguments_are_whole() -> None:
    writer = gemini.StreamWriter(CONTEXT)
    for event in (ToolBegin(0, "c", "f", signature="c2ln"), ToolDelta(0, '{"a"'), ToolDelta(0, ":1}")):
        assert writer.write(event) == b""
    sent = writer.write(ToolBegin(1, "", "g"))
    assert b'{"functionCall":{"id":"c","name":"f","args":{"a":1}},"thoughtSignature":"c2ln"}' in sent
    assert b'{"functionCall":{"id":"call_abc123_1","name":"g","args":{}}}' in writer.write(End("tool_calls"))


@pytest.mark.parametrize(
    "event",
    [TextDelta(1, "x"), ThinkingDelta(1, "x"), RefusalDelta(1, "x"), End("tool_calls"), DONE],
    ids=lambda event: type(event).__name__,
)
def test_a_waiting_call_goes_out_before_anything_else(event: Event) -> None:
    parts = parts_of(written(ToolBegin(0, "c", "f"), event))
    assert parts[0] == {"functionCall": {"id": "c", "name": "f", "args": {}}}


def test_case_146_without_alt_sse_the_stream_is_one_array() -> None:
    context = ReplyContext("abc123", "my-model", 0, as_array=True)
    writer = gemini.StreamWriter(context)
    events = (TextDelta(0, "a"), TextDelta(0, "b", choice=1), End("stop"), End("stop", choice=1), DONE, DONE)
    pieces = [writer.write(event) for event in events]
    assert pieces[0].startswith(b"[{")
    assert pieces[1].startswith(b",\r\n{")
    assert [len(each["candidates"]) for each in orjson.loads(b"".join(pieces))] == [1, 1, 2]


def test_an_empty_reply_is_a_whole_array_too() -> None:
    writer = gemini.StreamWriter(ReplyContext("abc123", "my-model", 0, as_array=True))
    (only,) = orjson.loads(writer.write(DONE))
    assert only["candidates"][0]["finishReason"] == "OTHER"


def test_line_ends_that_googles_sdk_would_split_at_are_escaped() -> None:
    text = "xaybzc".translate(LINE_ENDS)
    events = (TextDelta(0, text), ToolBegin(1, "c", "f"), ToolDelta(1, orjson.dumps({"a": text}).decode()), End("stop"))
    parts = parts_of(written(*events))
    assert parts[0]["text"] == text
    assert parts[1]["functionCall"]["args"]["a"] == text


def test_case_147_thoughts_and_their_signature() -> None:
    events = (
        ThinkingDelta(0, "a"),
        ThinkingDelta(0, "b", part=1),
        ThinkingSignature(0, "c2ln", "gemini"),
        ThinkingSignature(1, "c2ln", "gemini", redacted=True),
        TextDelta(2, "t", "c2ln"),
    )
    assert parts_of(written(*events)) == [
        {"text": "a", "thought": True},
        {"text": "\n\nb", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": "c2ln"},
        {"thought": True, "thoughtSignature": "c2ln"},
        {"text": "t", "thoughtSignature": "c2ln"},
    ]


def test_case_147_a_foreign_signature_comes_back_on_the_whole_thought() -> None:
    events = (ThinkingDelta(0, "a"), ThinkingDelta(0, "b"), ThinkingSignature(0, "sig", "anthropic"), TextDelta(1, "t"))
    turn = gemini.read_request({"contents": [{"role": "model", "parts": parts_of(written(*events))}]}).turns[0]
    thinking, text = turn.parts
    assert isinstance(thinking, Thinking)
    assert (thinking.text, thinking.signature, thinking.issuer) == ("ab", "sig", "anthropic")
    assert isinstance(text, Text)


def test_a_client_that_does_not_want_thoughts_gets_none() -> None:
    context = ReplyContext("abc123", "m", 0, show_thinking=False)
    assert parts_of(written(ThinkingDelta(0, "a"), TextDelta(1, "t"), context=context)) == [{"text": "t"}]


def test_citations_and_probabilities_stand_in_the_last_chunk() -> None:
    events = (
        TextDelta(0, "Zür"),
        TextDelta(0, "ich."),
        Logprobs(({"token": "Z", "logprob": -1.0, "bytes": None, "top_logprobs": []},)),
        Cited(0, Citation("u", "t", 1, 7)),
        End("stop"),
        DONE,
    )
    last = written(*events)[-1]["candidates"][0]
    assert last["groundingMetadata"]["groundingSupports"][0]["segment"]["text"] == "ürich."
    assert last["logprobsResult"] == {"chosenCandidates": [{"token": "Z", "logProbability": -1.0}]}


def test_an_image_is_one_part() -> None:
    image = Image(Source("image/png", data="aGk="))
    assert parts_of(written(Media(0, image))) == [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]


def test_a_failure_is_not_the_writers() -> None:
    assert written(Failure(503, "overloaded", "x")) == []


@pytest.mark.parametrize("name", golden.REPLIES)
def test_what_is_written_reads_the_same_again(name: str) -> None:
    events = golden.streamed(*golden.chunks(name))
    first, again = fold(events), fold(golden.streamed(*written(*events)))
    assert again.choices == first.choices
    assert again.usage == first.usage
    assert again.id == "abc123"


@pytest.mark.parametrize("name", golden.REPLIES)
def test_a_whole_reply_and_its_stream_say_the_same_to_the_client(name: str) -> None:
    events = golden.streamed(*golden.chunks(name))
    whole = gemini.read_reply(gemini.write_reply(fold(events), CONTEXT))
    assert fold(golden.streamed(*written(*events))) == fold(whole)
