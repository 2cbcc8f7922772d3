"""Whole replies: what others made as an Anthropic client reads it, and errors with status 200."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message

from fastproxy.errors import FormatError
from fastproxy.formats import anthropic
from fastproxy.formats.chat import (
    Citation,
    Image,
    Opaque,
    Part,
    Refusal,
    Source,
    Target,
    Text,
    Thinking,
    ToolCall,
)
from fastproxy.formats.events import (
    REASONS,
    Choice,
    End,
    Failure,
    Foreign,
    Reason,
    Reply,
    ReplyContext,
    TextDelta,
    ToolBegin,
    UsageReport,
)
from fastproxy.formats.fold import fold
from fastproxy.formats.notes import Notes
from fastproxy.formats.usage_fields import Usage
from tests.formats.anthropic.frames import CONTEXT, golden


def reply(*parts: Part, reason: Reason = "stop", usage: Usage | None = None, **ending: Any) -> Reply:
    return Reply("up", "real-model", (Choice(parts, reason, **ending),), usage=usage)


def content(*parts: Part, context: ReplyContext = CONTEXT) -> list[Any]:
    body = anthropic.write_reply(reply(*parts), context)
    Message.model_validate(body)
    found: list[Any] = body["content"]
    return found


@pytest.mark.parametrize("reason", REASONS)
def test_case_107_every_reason_is_one_of_the_sdks(reason: Reason) -> None:
    body = anthropic.write_reply(reply(Text("x"), reason=reason, explanation="because"), CONTEXT)
    Message.model_validate(body)
    assert ("stop_details" in body) == (body["stop_reason"] == "refusal")


def test_case_106_a_refusal_says_why() -> None:
    ends = [event for event in anthropic.read_reply(golden("reply_refusal.json")) if isinstance(event, End)]
    assert ends == [End("refusal", None, "This request may violate the usage policy.")]


def test_case_129_the_stop_sequence_is_kept() -> None:
    folded = fold(anthropic.read_reply(golden("reply_stop_sequence.json")))
    assert (folded.choices[0].reason, folded.choices[0].stop_sequence) == ("stop_sequence", "4")
    assert anthropic.write_reply(folded, CONTEXT)["stop_sequence"] == "4"


def test_case_114_an_empty_reply() -> None:
    folded = fold(anthropic.read_reply(golden("reply_empty.json")))
    assert anthropic.write_reply(folded, CONTEXT)["content"] == []


def test_case_203_calls_are_the_reason_whatever_was_said() -> None:
    body = golden("reply_tools.json") | {"stop_reason": "end_turn"}
    assert fold(anthropic.read_reply(body)).choices[0].reason == "tool_calls"
    body = golden("reply_tools.json") | {"stop_reason": "max_tokens"}
    assert fold(anthropic.read_reply(body)).choices[0].reason == "length"


def test_case_116_a_text_and_calls() -> None:
    found = content(Text(""), ToolCall("", "f", ""), ToolCall("t", "g", '{"a":1}'), ToolCall("u", "h", "{broken"))
    assert found == [
        {"type": "tool_use", "id": "call_5f2b_1", "name": "f", "input": {}},
        {"type": "tool_use", "id": "t", "name": "g", "input": {"a": 1}},
        {"type": "tool_use", "id": "u", "name": "h", "input": {"_raw": "{broken"}},
    ]


def test_case_130_a_refusal_part() -> None:
    body = anthropic.write_reply(reply(Refusal("I won't.")), CONTEXT)
    assert body["content"] == [{"type": "text", "text": "I won't."}]
    assert body["stop_reason"] == "refusal"


def test_case_97_101_foreign_thoughts_carry_their_signature() -> None:
    found = content(
        Thinking("I think", "gAAA", "openai-responses", id="rs_1"),
        Thinking("", "gB", "openai-responses", redacted=True, id="rs_2"),
        Thinking("unsigned"),
        Text("So"),
    )
    assert found == [
        {"type": "thinking", "thinking": "I think", "signature": "fp1.openai-responses.rs_1.gAAA"},
        {"type": "redacted_thinking", "data": "fp1.openai-responses.rs_2.gB"},
        {"type": "thinking", "thinking": "unsigned", "signature": ""},
        {"type": "text", "text": "So"},
    ]


def test_case_102_103_geminis_signatures_have_blocks_of_their_own() -> None:
    found = content(Text("See", "sT"), ToolCall("t", "f", "{}", signature="sC"))
    assert [block["type"] for block in found] == ["text", "thinking", "thinking", "tool_use"]
    body = {"model": "m", "messages": [{"role": "assistant", "content": found}]}
    text, call = anthropic.read_request(body).turns[0].parts
    assert isinstance(text, Text)
    assert isinstance(call, ToolCall)
    assert (text.signature, call.signature) == ("sT", "sC")


def test_a_client_that_wants_no_thoughts_gets_their_signatures_only() -> None:
    context = ReplyContext("1", "m", 1, show_thinking=False)
    assert content(Thinking("secret", "Er==", "anthropic"), Thinking("unsigned"), context=context) == [
        {"type": "thinking", "thinking": "", "signature": "Er=="}
    ]


def test_a_custom_call_goes_out_with_its_input() -> None:
    assert content(ToolCall("t", "sql", "SELECT 1", custom=True))[0]["input"] == {"input": "SELECT 1"}


def test_what_the_model_made_is_shown_in_words() -> None:
    said, step = Opaque("sound", "Found it.", is_said=True), Opaque("step", "I looked.")
    found = content(Image(Source("image/png", data="AAAA")), said, step)
    assert [block["text"] for block in found] == ["![image](data:image/png;base64,AAAA)", "Found it."]


def test_case_33_foreign_citations_do_not_come_back_to_the_api() -> None:
    found = content(Text("Kim won.", None, (Citation("https://example.com", "The race", 0, 8, "Kim"),)))
    assert found[0]["citations"][0]["url"] == "https://example.com"
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "assistant", "content": found}]}
    asked = anthropic.read_request(body)
    made, _ = anthropic.write_request(asked, Target("m"), Notes())
    assert made["messages"] == [{"role": "assistant", "content": [{"type": "text", "text": "Kim won."}]}]


def test_case_119_120_usage() -> None:
    reports = [event for event in anthropic.read_reply(golden("reply_cached.json")) if isinstance(event, UsageReport)]
    assert reports == [UsageReport(Usage(21, 2051, 188086, 7))]
    body = anthropic.write_reply(reply(Text("x"), usage=Usage(21, 2051, 188086, 7, 3)), CONTEXT)
    assert body["usage"] == {
        "input_tokens": 21,
        "cache_creation_input_tokens": 188086,
        "cache_read_input_tokens": 2051,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    }
    nothing = anthropic.write_reply(reply(Text("x")), CONTEXT)["usage"]
    assert set(nothing.values()) == {0}


@pytest.mark.parametrize("usage", [None, [], {"input_tokens": -1}, {}], ids=str)
def test_a_count_that_cannot_be_read_is_no_count(usage: Any) -> None:
    events = anthropic.read_reply(golden("reply_text.json") | {"usage": usage})
    assert not any(isinstance(event, UsageReport) for event in events)


SILENT = Failure(502, "upstream_failed", "the upstream answered 200 without a message")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, Failure(529, "upstream_overloaded", "Overloaded")),
        ({"type": "rate_limit_error", "message": "Slow down"}, Failure(429, "upstream_limited", "Slow down")),
        ({"type": "novel_error"}, SILENT),
        (None, SILENT),
    ],
    ids=["overloaded", "limited", "unknown", "nothing"],
)
def test_case_174_an_error_with_status_200(error: Any, failure: Failure) -> None:
    assert anthropic.read_reply({"type": "error", "error": error}) == [failure]


def test_case_62_a_server_tools_blocks_are_foreign() -> None:
    events = anthropic.read_reply(golden("reply_web_search.json"))
    foreign = [event.part for event in events if isinstance(event, Foreign)]
    assert [part.kind for part in foreign if isinstance(part, Opaque)] == ["server_tool_use", "web_search_tool_result"]
    assert not any(isinstance(event, ToolBegin) for event in events)


@pytest.mark.parametrize(
    "more", [{"toolset_name": "browser"}, {"caller": {"type": "code_execution_20260120", "tool_id": "s"}}], ids=str
)
def test_calls_of_its_own_toolsets_are_not_the_clients(more: dict[str, Any]) -> None:
    body = golden("reply_no_arguments.json")
    body["content"][0] |= more
    folded = fold(anthropic.read_reply(body))
    assert isinstance(folded.choices[0].parts[0], Opaque)
    assert folded.choices[0].reason == "tool_calls"
    assert anthropic.write_reply(folded, CONTEXT)["content"] == body["content"]


def test_case_80_the_input_of_the_json_tool_is_the_text() -> None:
    body = golden("reply_tools.json")
    body["content"] = [{"type": "tool_use", "id": "t", "name": "json_output", "input": {"a": 1}}]
    events = anthropic.read_reply(body, unwrap_tool="json_output")
    assert [event for event in events if isinstance(event, TextDelta | End)] == [TextDelta(0, '{"a":1}'), End("stop")]


@pytest.mark.parametrize("body", [{}, {"content": None}, {"content": "hello"}, {"choices": []}])
def test_what_is_no_message_was_taken_for_an_empty_one(body: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="'content'"):
        anthropic.read_reply(body)
