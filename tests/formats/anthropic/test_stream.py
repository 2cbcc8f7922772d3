"""Streams, in and out: order, laziness, one end, and the same sum as the whole reply."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import (
    RawContentBlockDeltaEvent,
    RawContentBlockStartEvent,
    RawContentBlockStopEvent,
    RawMessageDeltaEvent,
    RawMessageStartEvent,
    RawMessageStopEvent,
)
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats import anthropic
from fastproxy.formats.chat import Citation, Image, Opaque, Source
from fastproxy.formats.events import (
    DONE,
    Begin,
    Cited,
    Done,
    End,
    Event,
    Failure,
    Foreign,
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
from tests.formats.anthropic.frames import CONTEXT, GOLDEN, fed, frames, golden, read, written

START = {"type": "message_start", "message": golden("reply_empty.json") | {"stop_reason": None}}
STOP = {"type": "message_stop"}


def begun(index: int = 0, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int = 0, **said: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": said}


def stopped(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ended(reason: str | None, **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


# In


def test_case_131_a_texts_events() -> None:
    events = fed(START, begun(type="text", text=""), delta(type="text_delta", text="Hi"), {"type": "ping"}, stopped(),
                 ended("end_turn", output_tokens=5), STOP)  # fmt: skip
    assert events == [
        Begin("msg_01Empty", "claude-sonnet-4-5-20250929", None, Usage(30, 0, 0, 2), "default"),
        TextDelta(0, "Hi"),
        End("stop"),
        UsageReport(Usage(30, 0, 0, 5)),
        DONE,
    ]


def test_case_132_a_call_without_arguments_has_an_empty_object() -> None:
    block: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    events = fed(begun(**block), delta(type="input_json_delta", partial_json=""), stopped())
    assert events == [ToolBegin(0, "t", "f"), ToolDelta(0, "{}")]


@pytest.mark.parametrize(
    ("said", "events"),
    [
        ([begun(type="text", text="Hi"), delta(type="text_delta", text="!")], [TextDelta(0, "Hi"), TextDelta(0, "!")]),
        ([begun(type="tool_use", id="t", name="f", input={"a": 1}), stopped()],
         [ToolBegin(0, "t", "f"), ToolDelta(0, '{"a":1}')]),
        ([begun(type="tool_use", id="t", name="f", input={"a": 1}),
          delta(type="input_json_delta", partial_json='{"a":2}'), stopped()],
         [ToolBegin(0, "t", "f"), ToolDelta(0, '{"a":2}')]),
        ([begun(type="thinking", thinking="x", signature="s")],
         [ThinkingDelta(0, "x"), ThinkingSignature(0, "s", "anthropic")]),
    ],
    ids=["text", "input", "input and deltas", "thinking"],
)  # fmt: skip
def test_case_154_a_block_that_begins_with_content(said: list[dict[str, Any]], events: list[Event]) -> None:
    assert fed(*said) == events


def test_case_155_unknown_events_blocks_and_deltas() -> None:
    events = fed(
        {"type": "from_the_future"},
        begun(type="hologram", data="a"),
        delta(type="hologram_delta", data="b", size=2),
        stopped(),
        begun(1, type="text", text=""),
        delta(1, type="smell_delta", smell="x"),
        delta(1, type="text_delta", text="Hi"),
        {"type": "content_block_delta", "delta": None},
        {"type": "content_block_start", "content_block": 5},
        {"type": "message_start", "message": "x"},
    )
    assert isinstance(events[0], Foreign)
    part = events[0].part
    assert isinstance(part, Opaque)
    assert part.original is not None
    assert part.original.value == {"type": "hologram", "data": "ab", "size": 2}
    assert not part.is_known
    assert events[1:] == [TextDelta(1, "Hi")]


def test_blocks_that_were_not_announced() -> None:
    events = fed(delta(type="thinking_delta", thinking="Hm"), delta(type="text_delta", text="a"),
                 delta(type="text_delta", text="b"))  # fmt: skip
    assert events == [ThinkingDelta(0, "Hm"), TextDelta(1, "a"), TextDelta(1, "b")]


def test_case_163_counts_are_merged_by_field() -> None:
    events = read((GOLDEN / "stream_cached.sse").read_bytes())
    assert fold(events).usage == Usage(21, 2051, 188086, 7)
    assert [event.usage for event in events if isinstance(event, Begin)] == [Usage(21, 2051, 188086, 1)]


def test_case_176_an_error_in_the_stream_ends_it() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    events = fed(START, begun(type="text", text="Hi"), error, delta(type="text_delta", text="!"), STOP)
    assert events[1:] == [TextDelta(0, "Hi"), Failure(529, "upstream_overloaded", "Overloaded")]


@pytest.mark.parametrize("last", range(1, 7))
def test_case_178_a_stream_that_was_cut_is_not_done(last: int) -> None:
    said = [START, begun(type="text", text=""), delta(type="text_delta", text="Hi"), stopped(),
            ended("end_turn", output_tokens=5), STOP]  # fmt: skip
    assert (DONE in fed(*said[:last])) == (last == len(said))


def test_what_is_no_json_is_a_failure() -> None:
    reader = anthropic.StreamReader()
    assert reader.feed("", b"") == reader.feed("", b"[DONE]") == reader.feed("", b"[1]") == []
    assert [type(event) for event in reader.feed("content_block_delta", b'{"type":')] == [Failure]


def test_case_38_half_an_emoji_is_replaced() -> None:
    reader = anthropic.StreamReader()
    reader.feed("", orjson.dumps(begun(type="text", text="")))
    data = (
        rb'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\ud83d \u0000 \ud83d\ude42"}}'
    )
    assert reader.feed("", data) == [TextDelta(0, "a? \0 🙂")]


def test_the_name_of_the_event_stands_in_for_a_missing_type() -> None:
    assert anthropic.StreamReader().feed("message_stop", b"{}") == [End("other"), DONE]


def test_case_80_the_json_tool_is_unwrapped() -> None:
    block: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "json_output", "input": {}}
    said = (begun(**block), delta(type="input_json_delta", partial_json='{"a"'),
            delta(type="input_json_delta", partial_json=":1}"), stopped(), ended("tool_use"), STOP)  # fmt: skip
    assert fed(*said, unwrap_tool="json_output") == [
        TextDelta(0, '{"a"'), TextDelta(0, ":1}"), End("stop"), DONE,
    ]  # fmt: skip
    assert fed(begun(**block), stopped(), unwrap_tool="json_output") == [TextDelta(0, "{}")]
    assert [type(event) for event in fed(*said)] == [ToolBegin, ToolDelta, ToolDelta, End, Done]


# Out


def kinds(said: list[dict[str, Any]]) -> list[str]:
    """The events as short words."""
    return [
        body["type"].removeprefix("content_block_").removeprefix("message_")
        + (":" + (body.get("content_block") or body.get("delta") or {}).get("type", "") if "index" in body else "")
        for body in said
    ]


TEXT = ["start:text", "delta:text_delta", "stop:"]


def test_case_133_157_a_block_begins_with_its_first_content() -> None:
    said = written([Begin("x", "y"), TextDelta(0, ""), TextDelta(0, "Hi"), TextDelta(0, "!"), End("stop"), DONE])
    assert kinds(said) == ["start", "start:text", "delta:text_delta", "delta:text_delta", "stop:", "delta", "stop"]
    assert said[0]["message"]["model"] == "claude"
    assert said[0]["message"]["id"] == "msg_5f2b"
    assert said[0]["message"]["usage"]["input_tokens"] == 0


def test_case_134_the_end_waits_for_the_counts() -> None:
    writer = anthropic.StreamWriter(CONTEXT)
    for event in (Begin(), TextDelta(0, "Hi"), End("length")):
        assert b"message_delta" not in writer.write(event)
    assert writer.write(UsageReport(Usage(9, 1, 2, 3))) == b""
    last = [orjson.loads(data) for _, data in frames(writer.write(DONE))]
    assert last == [
        {
            "type": "message_delta",
            "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
            "usage": {
                "input_tokens": 9,
                "cache_creation_input_tokens": 2,
                "cache_read_input_tokens": 1,
                "output_tokens": 3,
            },
        },
        {"type": "message_stop"},
    ]
    assert writer.write(DONE) == writer.write(TextDelta(1, "late")) == b""


def test_case_135_140_105_blocks_follow_one_another() -> None:
    said = written([
        Begin(), ThinkingDelta(0, "Hm"), ThinkingSignature(0, "gA", "openai-responses", id="rs_1"), TextDelta(1, "a"),
        ToolBegin(2, "t", "f"), ToolDelta(2, '{"x"'), ToolDelta(2, ":1}"), TextDelta(3, "b"), End("tool_calls"), DONE,
    ])  # fmt: skip
    assert kinds(said) == [
        "start", "start:thinking", "delta:thinking_delta", "delta:signature_delta", "stop:", *TEXT,
        "start:tool_use", "delta:input_json_delta", "delta:input_json_delta", "stop:", *TEXT, "delta", "stop",
    ]  # fmt: skip
    assert [body["index"] for body in said if body["type"] == "content_block_start"] == [0, 1, 2, 3]
    assert said[3]["delta"]["signature"] == "fp1.openai-responses.rs_1.gA"


def test_case_177_a_failure_is_not_written_here_and_no_end_either() -> None:
    said = written([Begin(), TextDelta(0, "Hi"), Failure(529, "upstream_failed", "Overloaded")])
    assert kinds(said) == ["start", "start:text", "delta:text_delta"]


def test_case_202_a_reply_of_thoughts_alone() -> None:
    said = written([Begin(), ThinkingDelta(0, "Hm"), End("stop"), DONE])
    assert kinds(said) == ["start", "start:thinking", "delta:thinking_delta", "stop:", "delta", "stop"]


def test_a_stream_without_a_beginning_gets_one() -> None:
    assert kinds(written([DONE])) == ["start", "delta", "stop"]
    assert kinds(written([TextDelta(0, "Hi"), Begin(), DONE])) == ["start", *TEXT, "delta", "stop"]


def test_other_alternatives_are_left_out() -> None:
    said = written(
        [Begin(), TextDelta(0, "a"), TextDelta(0, "b", choice=1), End("length", choice=1), End("stop"), DONE]
    )
    assert kinds(said) == ["start", *TEXT, "delta", "stop"]
    assert said[-2]["delta"]["stop_reason"] == "end_turn"


def test_case_94_redacted_thoughts_are_whole() -> None:
    said = written([Begin(), ThinkingSignature(0, "Em==", "anthropic", redacted=True), DONE])
    assert said[1]["content_block"] == {"type": "redacted_thinking", "data": "Em=="}


def test_thoughts_that_a_client_does_not_want() -> None:
    context = ReplyContext("1", "m", 1, show_thinking=False)
    said = written([Begin(), ThinkingDelta(0, "secret"), ThinkingSignature(0, "Er==", "anthropic"), DONE], context)
    assert kinds(said) == ["start", "start:thinking", "delta:signature_delta", "stop:", "delta", "stop"]
    assert "secret" not in str(said)


def test_a_citation_opens_its_text_but_not_a_text_that_is_over() -> None:
    cited = Citation("https://example.com", "The race", cited_text="Kim")
    said = written([Begin(), Cited(0, cited), TextDelta(0, "Kim"), ToolBegin(1, "t", "f"), Cited(0, cited), DONE])
    assert kinds(said) == [
        "start", "start:text", "delta:citations_delta", "delta:text_delta", "stop:", "start:tool_use", "stop:", "delta",
        "stop",
    ]  # fmt: skip


def test_case_130_a_refusal_is_a_text_and_the_reason() -> None:
    said = written([Begin(), RefusalDelta(0, "I won't."), End("stop"), DONE])
    assert said[-2]["delta"]["stop_reason"] == "refusal"


def test_log_probabilities_have_no_place() -> None:
    assert kinds(written([Begin(), Logprobs(({"token": "a"},)), DONE])) == ["start", "delta", "stop"]


MODELS: dict[str, Any] = {
    "message_start": RawMessageStartEvent,
    "message_delta": RawMessageDeltaEvent,
    "message_stop": RawMessageStopEvent,
    "content_block_start": RawContentBlockStartEvent,
    "content_block_delta": RawContentBlockDeltaEvent,
    "content_block_stop": RawContentBlockStopEvent,
}


@pytest.mark.parametrize("name", ["tools", "thinking_tools", "web_search", "refusal", "cached"])
def test_the_sdk_adds_up_the_same_message(name: str) -> None:
    body, snapshot = golden(f"reply_{name}.json"), None
    pieces: dict[int, bytes] = {}
    for said in written(read((GOLDEN / f"stream_{name}.sse").read_bytes())):
        snapshot = accumulate_event(
            event=MODELS[said["type"]].model_validate(said), current_snapshot=snapshot, json_bufs=pieces
        )
    assert snapshot is not None
    made = snapshot.to_dict()
    assert made["content"] == body["content"]
    assert made["stop_reason"] == body["stop_reason"]
    assert made["usage"]["output_tokens"] == body["usage"]["output_tokens"]  # type: ignore[index]


# A reply of any blocks: the stream and the whole say the same


def blocks() -> st.SearchStrategy[list[Event]]:
    """The events of one block with number 0."""
    text = st.text(max_size=8)
    signature = st.none() | st.text("abc=", min_size=1, max_size=4)
    issuer = st.sampled_from(["anthropic", "gemini", "openai-responses"])
    return st.one_of(
        st.builds(lambda a, b, s: [TextDelta(0, a), TextDelta(0, b, s)], text, text, signature),
        st.builds(lambda a, b: [ThinkingDelta(0, a), ThinkingDelta(0, b)], text, text),
        st.builds(lambda a, s, i: [ThinkingDelta(0, a), ThinkingSignature(0, s or "", i)], text, signature, issuer),
        st.builds(lambda s, i, d: [ThinkingSignature(0, s, i, True, d)], text, issuer, signature),
        st.builds(lambda s, n, c: [ToolBegin(0, "t", "f", c, s), ToolDelta(0, '{"a":"'), ToolDelta(0, f'{n}"}}')],
                  signature, st.integers(), st.booleans()),
        st.builds(lambda a: [RefusalDelta(0, a)], text),
        st.just([Media(0, Image(Source("image/png", data="AAAA")))]),
        st.just([Foreign(0, Opaque("x", "It was so"))]),
        st.just([Cited(0, Citation("https://example.com", "t")), TextDelta(0, "x")]),
    )  # fmt: skip


def numbered(found: list[list[Event]]) -> list[Event]:
    return [_renumbered(event, place) for place, block in enumerate(found) for event in block]


def _renumbered(event: Event, block: int) -> Event:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**{**fields, "block": block})


@given(st.lists(blocks(), max_size=6), st.booleans())
def test_any_reply_is_streamed_as_it_is_written_whole(found: list[list[Event]], shown: bool) -> None:
    context = ReplyContext("1", "m", 1, show_thinking=shown)
    events = [Begin("x", "y"), *numbered(found), End("stop"), UsageReport(Usage(1, 2, 3, 4, 1)), DONE]
    writer = anthropic.StreamWriter(context)
    streamed = fold(read(b"".join(writer.write(event) for event in events)))
    whole = fold(anthropic.read_reply(anthropic.write_reply(fold(events), context)))
    assert streamed == whole
