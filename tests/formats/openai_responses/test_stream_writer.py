"""Streams for clients: the events that the API would send, in its order, and what the official SDK makes of them."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import orjson
import pytest
from msgspec.structs import replace
from openai import OpenAI
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from fastproxy.formats.carrier import pack
from fastproxy.formats.chat import Citation, Image, Opaque, Original, Source
from fastproxy.formats.events import (
    DONE,
    Begin,
    Cited,
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
from fastproxy.formats.openai_responses import NAME, StreamWriter, read_reply, write_reply
from fastproxy.formats.usage_fields import Usage
from tests.formats.openai_responses.goldens import REPLIES, frames, read_stream, stream_of

CONTEXT = ReplyContext("8a1", "alias", 1792000000)
BEGIN = Begin("up", "upstream-model", 5)
ENTRY: dict[str, object] = {"token": "a", "bytes": [97], "logprob": -0.1, "top_logprobs": []}


def written(*events: Event, context: ReplyContext = CONTEXT) -> bytes:
    writer = StreamWriter(context)
    return b"".join(writer.write(event) for event in events)


def said(*events: Event, context: ReplyContext = CONTEXT) -> list[dict[str, Any]]:
    """The data of each event, proven to be well formed."""
    found = frames(written(*events, context=context))
    values = [orjson.loads(frame.data) for frame in found]
    assert [value["type"] for value in values] == [frame.event for frame in found], "case 157"
    assert [value["sequence_number"] for value in values] == list(range(len(values))), "case 150"
    return values


def names(values: list[dict[str, Any]]) -> list[str]:
    return [value["type"].removeprefix("response.") for value in values]


def accumulated(stream: bytes) -> openai.types.responses.Response:
    """What the official SDK makes of a stream."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http) as client,
        client.responses.stream(model="alias", input="hi") as streamed,
    ):
        final = None
        for event in streamed:
            if event.type in ("response.completed", "response.incomplete"):
                final = event.response
    assert final is not None
    return final


def unparsed(value: Any) -> Any:
    """`value` without what the SDK adds of its own."""
    if isinstance(value, dict):
        return {name: unparsed(one) for name, one in value.items() if name not in ("parsed", "parsed_arguments")}
    return [unparsed(one) for one in value] if isinstance(value, list) else value


EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


@pytest.mark.parametrize("name", REPLIES)
def test_case_150_the_sdk_takes_every_stream(name: str) -> None:
    events = read_stream(stream_of(name))
    stream = written(*events)
    final = accumulated(stream)
    values = said(*events)
    for value in values:
        EVENTS.validate_python(value)
    assert unparsed(final.to_dict()["output"]) == values[-1]["response"]["output"]
    assert final.model == "alias"


@pytest.mark.parametrize("name", REPLIES)
def test_a_stream_that_is_written_adds_up_to_what_was_read(name: str) -> None:
    events = read_stream(stream_of(name))
    last = said(*events)[-1]["response"]
    again = fold(read_stream(frames(written(*events))))
    assert bare(again) == bare(fold(events))
    assert bare(fold(read_reply(last))) == bare(fold(events))


@pytest.mark.parametrize("name", [name for name in REPLIES if name != "reasoning"])
def test_a_stream_ends_with_the_response_that_is_written_whole(name: str) -> None:
    """But for a summary of several paragraphs, which is one text in a whole reply."""
    events = read_stream(stream_of(name))
    assert said(*events)[-1]["response"] == write_reply(fold(events), CONTEXT)


def bare(reply: Any) -> Any:
    """What must be the same: not ids of the reply, and not where a node came from."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(plain(one) for one in value)
        if not hasattr(value, "__struct_fields__"):
            return value
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__ if name != "original"}

    return plain(reply.choices), reply.usage


def test_case_150_text() -> None:
    values = said(
        BEGIN, TextDelta(0, "Hel"), TextDelta(0, "lo\u2028"), End("stop"), UsageReport(Usage(1, 0, 0, 2)), DONE
    )
    assert names(values) == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert {value["item_id"] for value in values[3:8]} == {values[2]["item"]["id"], values[8]["item"]["id"]}
    assert {value["content_index"] for value in values[3:8]} == {0}
    assert {value["output_index"] for value in values[2:9]} == {0}
    assert "".join(value["delta"] for value in values[4:6]) == values[6]["text"] == "Hello\u2028"
    assert values[0]["response"]["status"] == values[1]["response"]["status"] == "in_progress"
    final = values[-1]["response"]
    assert (final["status"], final["output"], final["usage"]["total_tokens"]) == ("completed", [values[8]["item"]], 3)
    assert b"[DONE]" not in written(BEGIN, DONE)


def test_case_151_calls() -> None:
    events = (BEGIN, ToolBegin(0, "c1", "f"), ToolDelta(0, '{"a'), ToolDelta(0, '":1}'), ToolBegin(1, "c2", "g"),
              End("tool_calls"), DONE)  # fmt: skip
    values = said(*events)
    one = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
           "function_call_arguments.done", "output_item.done"]  # fmt: skip
    assert names(values)[2:-1] == [*one, one[0], *one[2:]]
    assert values[2]["item"] == {"id": "fc_8a1_0", "type": "function_call", "status": "in_progress", "call_id": "c1",
                                 "name": "f", "arguments": ""}  # fmt: skip
    assert (values[5]["arguments"], values[5]["name"]) == ('{"a":1}', "f")
    assert values[6]["item"] == values[2]["item"] | {"status": "completed", "arguments": '{"a":1}'}
    assert values[10]["item"]["arguments"] == values[8]["delta"] == "{}", "no arguments are an empty object"
    assert [value["output_index"] for value in values[2:11]] == [0] * 5 + [1] * 4


def test_case_152_thoughts_come_before_the_message() -> None:
    events = (BEGIN, ThinkingDelta(0, "h"), ThinkingDelta(0, "m"), ThinkingSignature(0, "EqQB", "anthropic"),
              TextDelta(1, "x"), End("stop"), DONE)  # fmt: skip
    values = said(*events)
    assert names(values)[2:10] == [
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done",
        "output_item.done", "output_item.added",
    ]  # fmt: skip
    assert "encrypted_content" not in values[2]["item"]
    assert values[8]["item"] == values[2]["item"] | {
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": pack("anthropic", None, "EqQB"),
    }


def test_paragraphs_of_thought_are_parts_of_the_summary() -> None:
    values = said(BEGIN, ThinkingDelta(0, "a", 0), ThinkingDelta(0, "b", 1), End("stop"), DONE)
    assert [value["summary_index"] for value in values if "summary_index" in value] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert [part["text"] for part in values[-1]["response"]["output"][0]["summary"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("events", "items"),
    [
        pytest.param(
            [ThinkingSignature(0, "gAAA", NAME, id="rs_up")],
            [{"id": "rs_up", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}],
            id="case 98 its own seal under its own id",
        ),
        pytest.param(
            [ThinkingDelta(0, "hm"), ThinkingSignature(0, "gAAA", NAME, id="rs_up")],
            [{"id": "rs_8a1_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}],
              "encrypted_content": pack(NAME, "rs_up", "gAAA")}],
            id="case 98 its own seal under an id of ours",
        ),
        pytest.param(
            [ThinkingSignature(0, "data", "anthropic", redacted=True)],
            [{"id": "rs_8a1_0", "type": "reasoning", "summary": [],
              "encrypted_content": pack("anthropic", "redacted", "data")}],
            id="case 94 redacted",
        ),
        pytest.param(
            [ToolBegin(0, "c1", "f", signature="sig")],
            [{"id": "rs_8a1_0", "type": "reasoning", "summary": [],
              "encrypted_content": pack("gemini", "call:c1", "sig")},
             {"id": "fc_8a1_1", "type": "function_call", "status": "completed", "call_id": "c1", "name": "f",
              "arguments": "{}"}],
            id="case 101 a call that Gemini signed",
        ),
        pytest.param(
            [TextDelta(0, "a"), TextDelta(0, "", signature="sig")],
            [{"id": "msg_8a1_0", "type": "message", "status": "completed", "role": "assistant",
              "content": [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []}]},
             {"id": "rs_8a1_1", "type": "reasoning", "summary": [],
              "encrypted_content": pack("gemini", "text:", "sig")}],
            id="case 103 a text that Gemini signed",
        ),
        pytest.param(
            [ToolBegin(0, "c1", "patch"), ToolDelta(0, '{"inp'), ToolDelta(0, 'ut":"-a"}')],
            [{"id": "ctc_8a1_0", "type": "custom_tool_call", "status": "completed", "call_id": "c1", "name": "patch",
              "input": "-a"}],
            id="case 63 wrapped",
        ),
        pytest.param(
            [ToolBegin(0, "c1", "patch", custom=True), ToolDelta(0, "-a")],
            [{"id": "ctc_8a1_0", "type": "custom_tool_call", "status": "completed", "call_id": "c1", "name": "patch",
              "input": "-a"}],
            id="case 63 native",
        ),
        pytest.param(
            [ToolBegin(0, "", "crm__find")],
            [{"id": "fc_8a1_0", "type": "function_call", "status": "completed", "call_id": "call_8a1_0", "name": "find",
              "arguments": "{}", "namespace": "crm"}],
            id="a tool of a namespace, without an id",
        ),
        pytest.param(
            [Media(0, Image(Source("image/png", "iVBO")))],
            [{"id": "ig_8a1_0", "type": "image_generation_call", "status": "completed", "result": "iVBO",
              "output_format": "png"}],
            id="case 128 image",
        ),
        pytest.param(
            [Foreign(0, Opaque("web_search_call", original=Original(NAME, {"type": "web_search_call", "id": "ws"})))],
            [{"type": "web_search_call", "id": "ws"}],
            id="a built-in call of its own",
        ),
        pytest.param(
            [Foreign(0, Opaque("server_tool_use", original=Original("anthropic", {}))), TextDelta(1, ""),
             ThinkingDelta(2, ""), RefusalDelta(3, ""), Media(4, Image(Source(url="https://e.org/a.png")))],
            [],
            id="what has no word here",
        ),
        pytest.param([TextDelta(0, "x", choice=1), ToolBegin(0, "c", "f", choice=1)], [], id="case 74 other choices"),
    ],
)  # fmt: skip
def test_items_of_the_final_response(events: list[Event], items: list[Any]) -> None:
    tools = [{"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "find"}]}]
    context = replace(CONTEXT, custom_tools=frozenset(("patch",)), echo={"tools": tools})
    assert said(BEGIN, *events, End("stop"), DONE, context=context)[-1]["response"]["output"] == items


def test_case_63_a_wrapped_custom_tool_streams_its_text() -> None:
    context = replace(CONTEXT, custom_tools=frozenset(("patch",)))
    values = said(BEGIN, ToolBegin(0, "c1", "patch"), ToolDelta(0, '{"input":"é"}'), End("stop"), DONE, context=context)
    assert names(values)[2:6] == [
        "output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done",
    ]  # fmt: skip
    assert (values[3]["delta"], values[4]["input"]) == ("é", "é")


def test_texts_and_refusals_are_parts_of_one_message() -> None:
    values = said(BEGIN, TextDelta(0, "a"), TextDelta(1, "b"), RefusalDelta(2, "No."), End("refusal"), DONE)
    content = values[-1]["response"]["output"][0]["content"]
    assert [part.get("text") or part.get("refusal") for part in content] == ["a", "b", "No."]
    assert sorted({value["content_index"] for value in values if "content_index" in value}) == [0, 1, 2]
    assert values[-1]["type"] == "response.completed", "a refusal in its own words is a complete reply"


@pytest.mark.parametrize(
    ("end", "kind", "why"),
    [
        (End("stop"), "completed", None),
        (End("tool_calls"), "completed", None),
        (End("length"), "incomplete", "max_output_tokens"),
        (End("context_window"), "incomplete", "max_output_tokens"),
        (End("content_filter"), "incomplete", "content_filter"),
        (End("refusal"), "incomplete", "content_filter"),
    ],
)
def test_cases_111_and_112_how_it_ends(end: End, kind: str, why: str | None) -> None:
    final = said(BEGIN, TextDelta(0, "x"), end, DONE)[-1]
    assert (final["type"], final["response"]["status"]) == (f"response.{kind}", kind)
    assert final["response"]["incomplete_details"] == (None if why is None else {"reason": why})
    assert final["response"]["output"][0]["status"] == kind


def test_case_106_an_explained_refusal_is_told() -> None:
    values = said(BEGIN, End("refusal", explanation="Not allowed."), DONE)
    assert "refusal.delta" in names(values)
    assert values[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "Not allowed."}]


def test_case_127_citations_are_told_as_they_come() -> None:
    cited = [
        Cited(0, Citation("https://e.org", "E", 0, None)),
        Cited(0, Citation(title="no address")),
        Cited(7, Citation("x")),
    ]
    values = said(BEGIN, TextDelta(0, "See."), *cited, End("stop"), DONE)
    told = [value for value in values if value["type"] == "response.output_text.annotation.added"]
    expected = {"type": "url_citation", "url": "https://e.org", "title": "E", "start_index": 0, "end_index": 4}
    assert [(value["annotation_index"], value["annotation"]) for value in told] == [(0, expected)]
    assert values[-1]["response"]["output"][0]["content"][0]["annotations"] == [expected]


@pytest.mark.parametrize("events", [[TextDelta(0, "a"), Logprobs((ENTRY,))], [Logprobs((ENTRY,)), TextDelta(0, "a")]])
def test_logprobs_stand_with_their_text(events: list[Event]) -> None:
    values = said(BEGIN, *events, End("stop"), DONE)
    done = next(value for value in values if value["type"] == "response.output_text.done")
    assert done["logprobs"] == [ENTRY]
    assert values[-1]["response"]["output"][0]["content"][0]["logprobs"] == [ENTRY]


def test_a_client_that_asked_not_to_see_thoughts_sees_none() -> None:
    hidden = replace(CONTEXT, show_thinking=False)
    events = (
        BEGIN,
        ThinkingDelta(0, "hm"),
        ThinkingSignature(0, "s", "anthropic"),
        TextDelta(1, "x"),
        End("stop"),
        DONE,
    )
    values = said(*events, context=hidden)
    assert not any("summary" in name for name in names(values))
    assert values[-1]["response"]["output"][0]["encrypted_content"] == pack("anthropic", None, "s")


def test_a_reply_that_does_not_begin_is_begun() -> None:
    assert names(said(TextDelta(0, "x"), DONE))[:3] == ["created", "in_progress", "output_item.added"]
    assert names(said(BEGIN, BEGIN, DONE)) == ["created", "in_progress", "completed"]


def test_it_ends_once_and_failures_are_told_by_others() -> None:
    writer = StreamWriter(CONTEXT)
    writer.write(BEGIN)
    assert writer.write(Failure(500, "x", "y")) == b""
    assert writer.write(DONE).startswith(b"event: response.completed\n")
    assert writer.write(DONE) == writer.write(TextDelta(0, "late")) == b""


def test_the_last_count_is_told() -> None:
    begun = replace(BEGIN, usage=Usage(9))
    assert said(begun, End("stop"), DONE)[-1]["response"]["usage"]["input_tokens"] == 9
    counted = said(begun, UsageReport(Usage(10, 1, 2, 3, 1)), End("stop"), DONE)[-1]["response"]["usage"]
    assert (counted["input_tokens"], counted["output_tokens"]) == (13, 3)
