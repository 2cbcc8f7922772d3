"""Upstream streams: what they add up to, whatever an upstream leaves out, mixes up or breaks off."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Text, Thinking, ToolCall
from fastproxy.formats.events import DONE, Begin, Done, End, Event, Failure, InChoice, Reply, TextDelta, UsageReport
from fastproxy.formats.fold import fold
from fastproxy.formats.openai_responses import StreamReader, read_reply
from tests.formats.openai_responses.goldens import REPLIES, Frame, load, read_stream, stream_of


def frame(kind: str, **fields: Any) -> Frame:
    return Frame(kind, orjson.dumps({"type": kind} | fields))


def text_delta(delta: str, index: int = 0, number: int = 0) -> Frame:
    return frame("response.output_text.delta", output_index=index, content_index=number, delta=delta)


def message(text: str) -> dict[str, Any]:
    return {"type": "message", "id": f"msg_{text}", "content": [{"type": "output_text", "text": text}]}


def call(call_id: str, arguments: str = "{}") -> dict[str, Any]:
    return {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": "f", "arguments": arguments}


def added(item: dict[str, Any], index: int = 0) -> Frame:
    return frame("response.output_item.added", output_index=index, item=item | {"arguments": "", "content": []})


def done(item: dict[str, Any], index: int = 0) -> Frame:
    return frame("response.output_item.done", output_index=index, item=item)


def completed(*output: dict[str, Any], **fields: Any) -> Frame:
    return frame("response.completed", response={"status": "completed", "output": list(output)} | fields)


CREATED = frame("response.created", response={"id": "r", "model": "m", "created_at": 5.0})


def texts(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def is_in_order(events: list[Event]) -> bool:
    """Blocks of a choice never interleave and their numbers grow by one."""
    blocks = [event.block for event in events if isinstance(event, InChoice) and hasattr(event, "block")]
    return blocks == sorted(blocks) and set(blocks) == set(range(len(set(blocks))))


def stripped(reply: Reply) -> Any:
    return (reply.id, reply.model, reply.created, reply.usage, reply.service_tier, reply.choices)


@pytest.mark.parametrize("name", REPLIES)
def test_case_148_a_stream_adds_up_to_the_whole_reply(name: str) -> None:
    events = read_stream(stream_of(name))
    assert stripped(fold(events)) == stripped(fold(read_reply(load(f"reply_{name}"))))
    assert is_in_order(events)
    assert isinstance(events[0], Begin)
    assert events[-1] == DONE
    assert sum(isinstance(event, End) for event in events) == 1


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (name, kept)
        for name in REPLIES
        for kept in ("done", "item.done", "part.done", "completed", "delta")
        # a built-in tool's item that is told only at the end cannot stand before the text that is out already
        if not (name == "citations" and kept in ("part.done", "delta"))
    ],
)
def test_case_149_whatever_an_upstream_leaves_out_is_made_up_for(name: str, kept: str) -> None:
    """Only the events of one level, and the final one, which is empty when the items have been told."""
    frames = [one for one in stream_of(name) if kept in one.event or one.event in ("response.created",)]
    last = orjson.loads(stream_of(name)[-1].data)
    if kept not in ("completed", "delta", "part.done"):
        last["response"] = last["response"] | {"output": []}
    frames = [one for one in frames if one.event != last["type"]]
    if kept == "completed":
        frames = frames[:1]
    events = read_stream([*frames, Frame(last["type"], orjson.dumps(last))])
    whole = fold(read_reply(load(f"reply_{name}")))
    assert stripped(fold(events)) == stripped(whole)
    assert is_in_order(events)


def test_case_149_only_the_missing_end_is_added() -> None:
    item = message("Hello")
    frames = [CREATED, added(item), text_delta("Hel"), done(item), completed(item)]
    assert [event.text for event in read_stream(frames) if isinstance(event, TextDelta)] == ["Hel", "lo"]


def test_case_149_arguments_are_completed() -> None:
    frames = [
        CREATED,
        added(call("c1")),
        frame("response.function_call_arguments.delta", output_index=0, delta='{"a'),
        frame("response.function_call_arguments.done", output_index=0, arguments='{"a":1}'),
        done(call("c1", '{"a":1}')),
        completed(),
    ]
    assert fold(read_stream(frames)).choices[0].parts == (ToolCall("c1", "f", '{"a":1}'),)


def test_a_late_tool_name_is_waited_for() -> None:
    frames = [
        frame("response.function_call_arguments.delta", output_index=0, delta='{"a":1}'),
        frame("response.function_call_arguments.done", output_index=0, arguments='{"a":1}'),
        done(call("c1", '{"a":1}')),
        completed(),
    ]
    assert fold(read_stream(frames)).choices[0].parts == (ToolCall("c1", "f", '{"a":1}'),)


def test_case_98_the_seal_is_taken_from_the_finished_item() -> None:
    thinking = fold(read_stream(stream_of("sealed_only"))).choices[0].parts[0]
    assert isinstance(thinking, Thinking)
    assert thinking.signature == load("reply_sealed_only")["output"][0]["encrypted_content"]


def test_items_that_interleave_are_read_one_after_the_other() -> None:
    one, two = message("one"), message("two")
    frames = [
        CREATED, added(one), text_delta("o"), added(two, 1), text_delta("tw", 1), text_delta("ne"), text_delta("o", 1),
        done(two, 1), done(one), added(call("c1"), 2), done(call("c1"), 2), completed(one, two, call("c1")),
    ]  # fmt: skip
    events = read_stream(frames)
    assert is_in_order(events)
    assert [part.text for part in fold(events).choices[0].parts if isinstance(part, Text)] == ["one", "two"]
    assert fold(events).choices[0].reason == "tool_calls"


def test_an_item_whose_end_never_comes_does_not_swallow_the_next() -> None:
    one, two = message("one"), message("two")
    frames = [CREATED, added(one), text_delta("on"), added(two, 1), text_delta("two", 1), completed(one, two)]
    events = read_stream(frames)
    assert is_in_order(events)
    assert [part.text for part in fold(events).choices[0].parts if isinstance(part, Text)] == ["one", "two"]


def test_stragglers_of_a_finished_item_say_nothing() -> None:
    item = message("one")
    frames = [CREATED, added(item), done(item), text_delta("one"), done(item), completed(item)]
    assert texts(read_stream(frames)) == "one"


def test_a_final_list_with_gaps_repeats_nothing() -> None:
    one, two = message("one"), message("two")
    frames = [CREATED, added(one, 3), done(one, 3), added(two, 7), done(two, 7), completed(one, two)]
    assert texts(read_stream(frames)) == "onetwo"


def test_thoughts_in_the_open_are_read() -> None:
    item = {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hmm"}]}
    frames = [
        frame("response.reasoning_text.delta", output_index=0, content_index=0, delta="hm"),
        frame("response.reasoning_text.done", output_index=0, content_index=0, text="hmm"),
        done(item),
        completed(item),
    ]
    whole = fold(read_reply({"output": [item], "status": "completed"}))
    part = frame("response.content_part.done", output_index=0, content_index=0, part=item["content"][0])
    assert fold(read_stream([part, *frames[2:]])).choices == whole.choices
    assert fold(read_stream(frames)).choices == whole.choices
    assert whole.choices[0].parts == (Thinking("hmm"),)


@pytest.mark.parametrize(
    ("last", "failure"),
    [
        pytest.param(
            frame("response.failed", response={"error": {"code": "rate_limit_exceeded", "message": "slow"}}),
            Failure(429, "upstream_limited", "slow"),
            id="case 180 failed",
        ),
        pytest.param(
            frame("error", code="server_error", message="broke", param=None, sequence_number=3),
            Failure(500, "upstream_failed", "broke"),
            id="case 177 error, flat",
        ),
        pytest.param(
            frame("error", error={"type": "invalid_request_error", "code": None, "message": "no"}),
            Failure(400, "bad_request", "no"),
            id="case 177 error, nested",
        ),
        pytest.param(
            Frame("", b'{"error":{"message":"broke","code":503}}'),
            Failure(503, "upstream_overloaded", "broke"),
            id="case 177 error without a type",
        ),
        pytest.param(
            frame("response.failed", message="broke", code="server_error"),
            Failure(500, "upstream_failed", "broke"),
            id="case 180 failed, without a response",
        ),
        pytest.param(
            frame("response.cancelled", response={"status": "cancelled"}),
            Failure(502, "upstream_failed", "the upstream cancelled the response"),
            id="case 110 cancelled",
        ),
    ],
)
def test_an_error_ends_the_stream_and_nothing_follows(last: Frame, failure: Failure) -> None:
    events = read_stream([CREATED, added(message("x")), text_delta("x"), last, text_delta("y"), completed()])
    assert events[-1] == failure
    assert texts(events) == "x"
    assert not any(isinstance(event, End | Done) for event in events)


def test_a_failed_response_still_tells_what_it_cost() -> None:
    usage = {"input_tokens": 5, "output_tokens": 2}
    events = read_stream([CREATED, frame("response.failed", response={"error": {"code": "x"}, "usage": usage})])
    assert [type(event) for event in events] == [Begin, UsageReport, Failure]


def test_case_178_a_cut_stream_is_not_done() -> None:
    events = read_stream(stream_of("text")[:-1])
    assert texts(events) == "Bonjour, le monde\u2009! 👋"
    assert not any(isinstance(event, End | Done) for event in events)


@pytest.mark.parametrize(
    "data",
    [b"[DONE]", b"null", b"[]", b'{"type":"response.of_tomorrow"}', b'{"type":"keepalive"}', b"{}",
     b'{"type":"response.created","response":null}', b'{"type":"response.completed"}',
     b'{"type":"response.output_item.added"}', b'{"type":"response.output_item.done","item":7}',
     b'{"type":"response.output_text.delta","delta":null}', b'{"type":"response.content_part.done","part":0}',
     b'{"type":"response.output_text.annotation.added"}', b'{"type":"response.refusal.delta"}',
     b'{"type":"response.web_search_call.searching","output_index":0}'],
)  # fmt: skip
def test_case_155_what_is_unknown_or_odd_says_nothing(data: bytes) -> None:
    assert StreamReader().feed("", data) == []


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(FormatError, match="a stream event is not valid JSON"):
        StreamReader().feed("response.created", b'{"type":')


def test_case_156_the_events_name_stands_in_for_a_missing_type() -> None:
    reader = StreamReader()
    data = b'{"output_index":0,"content_index":0,"delta":"x"}'
    assert reader.feed("response.output_text.delta", data) == [TextDelta(0, "x")]


def test_done_comes_once_and_at_the_end() -> None:
    reader = StreamReader()
    for one in stream_of("text"):
        assert DONE not in reader.feed(*one)
    assert reader.feed("", b"[DONE]") == []
    assert reader.end() == [DONE]
