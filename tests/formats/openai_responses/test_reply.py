"""Whole replies: read into events, and written as a Response that the SDK takes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from openai.types.responses import Response

from fastproxy.errors import FormatError
from fastproxy.formats.carrier import pack
from fastproxy.formats.chat import (
    Citation,
    Image,
    Opaque,
    Part,
    Refusal,
    Source,
    Text,
    Thinking,
    ToolCall,
)
from fastproxy.formats.events import DONE, REASONS, Begin, Choice, End, Failure, Reply, ReplyContext, UsageReport
from fastproxy.formats.fold import fold
from fastproxy.formats.openai_responses import NAME, read_reply, write_reply
from fastproxy.formats.usage_fields import Usage
from tests.formats.openai_responses.goldens import REPLIES, load

CONTEXT = ReplyContext("8a1", "alias", 1792000000)


def folded(name: str) -> Reply:
    return fold(read_reply(load(f"reply_{name}")))


def reply(*parts: Part, reason: Any = "stop", **fields: Any) -> Reply:
    return Reply("up", "upstream-model", (Choice(parts, reason, **fields),), usage=Usage(10, 3, 2, 7, 4))


def written(*parts: Part, context: ReplyContext = CONTEXT, **fields: Any) -> list[Any]:
    output = write_reply(reply(*parts, **fields), context)["output"]
    assert isinstance(output, list)
    return output


@pytest.mark.parametrize(
    ("name", "kinds", "reason", "usage"),
    [
        ("text", [Text], "stop", Usage(13, 0, 0, 71, 64)),
        ("calls", [Text, ToolCall, ToolCall], "tool_calls", Usage(120, 0, 0, 40)),
        ("reasoning", [Thinking, Text, ToolCall], "tool_calls", Usage(220, 0, 0, 90, 64)),
        ("refusal", [Refusal], "refusal", Usage(15, 0, 0, 9)),
        ("length", [Text], "length", Usage(12, 0, 0, 16)),
        ("filter", [Text], "content_filter", Usage(12, 0, 0, 4)),
        ("cache", [Text], "stop", Usage(40, 4096, 64, 3)),
        ("citations", [Opaque, Text], "stop", Usage(300, 0, 0, 20)),
        ("custom", [ToolCall], "tool_calls", Usage(90, 0, 0, 30)),
        ("image", [Image], "stop", Usage(30, 0, 0, 10)),
        ("logprobs", [Text], "stop", Usage(5, 0, 0, 2)),
        ("sealed_only", [Thinking, ToolCall], "tool_calls", Usage(50, 0, 0, 70, 60)),
        ("two_parts", [Text, Text, Text], "stop", Usage(7, 0, 0, 9)),
    ],
)
def test_cases_110_to_123_a_reply_is_read(name: str, kinds: list[Any], reason: str, usage: Usage) -> None:
    made = folded(name)
    choice = made.choices[0]
    assert ([type(part) for part in choice.parts], choice.reason, made.usage) == (kinds, reason, usage)


def test_case_97_reasoning_is_read_with_its_seal() -> None:
    item = load("reply_reasoning")["output"][0]
    thinking = folded("reasoning").choices[0].parts[0]
    assert isinstance(thinking, Thinking)
    assert thinking.text == "**Checking the clock**\n\nI need the tool.\n\nThen I answer."
    assert (thinking.signature, thinking.issuer, thinking.id) == (item["encrypted_content"], NAME, "rs_03")


def test_case_127_citations_are_read() -> None:
    text = folded("citations").choices[0].parts[1]
    assert isinstance(text, Text)
    cited = text.citations[0]
    assert (cited.url, cited.title, cited.start, cited.end) == ("https://example.org/faust", "Faust", 20, 34)


def test_a_reply_says_begin_end_usage_done() -> None:
    events = read_reply(load("reply_cache"))
    assert events[0] == Begin("resp_68f07", "gpt-5-2026-08-07", 1792000007, None, "priority")
    assert events[-3:] == [End("stop"), UsageReport(Usage(40, 4096, 64, 3)), DONE]


@pytest.mark.parametrize("usage", [None, {"input_tokens": -1}, {"input_tokens": "many"}, []])
def test_case_124_unreadable_usage_is_no_usage(usage: Any) -> None:
    assert not any(isinstance(event, UsageReport) for event in read_reply({"output": [], "usage": usage}))


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"status": "failed", "output": [], "error": {"code": "rate_limit_exceeded", "message": "slow down"}},
         Failure(429, "upstream_limited", "slow down")),
        ({"status": "failed", "error": None},
         Failure(502, "upstream_failed", "the upstream answered 200 without a message")),
        ({"status": "failed", "error": {"code": "invalid_image", "message": "?"}}, Failure(400, "bad_request", "?")),
        ({"status": "cancelled", "output": []},
         Failure(502, "upstream_failed", "the upstream cancelled the response")),
        ({"error": {"type": "invalid_request_error", "message": "no", "code": None}},
         Failure(400, "bad_request", "no")),
    ],
)  # fmt: skip
def test_cases_174_and_180_an_error_with_status_200(body: dict[str, Any], failure: Failure) -> None:
    assert read_reply(body) == [failure]


def test_what_is_no_reply_is_refused() -> None:
    with pytest.raises(FormatError, match="field 'output' is missing"):
        read_reply({"id": "x"})


@pytest.mark.parametrize("items", [[], [{"type": "message", "content": []}], [{"type": "message"}], ["x"], [{}]])
def test_cases_113_and_114_a_reply_with_nothing_in_it(items: list[Any]) -> None:
    made = fold(read_reply({"output": items, "status": "completed"}))
    assert made.choices[0].reason == "stop"
    assert not any(isinstance(part, Text | ToolCall) for part in made.choices[0].parts)


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_survives_being_written(name: str) -> None:
    made = folded(name)
    body = write_reply(made, CONTEXT)
    assert Response.model_validate(body, strict=False).id == "resp_8a1"
    again = fold(read_reply(body))
    assert bare(again.choices) == bare(made.choices)
    assert again.usage == made.usage


def bare(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(bare(one) for one in value)
    if isinstance(value, Text | Citation | Opaque | Image | Choice):
        kept = {name: bare(getattr(value, name)) for name in value.__struct_fields__ if name != "original"}
        return type(value)(**kept)
    return value


def test_case_118_ids_and_model() -> None:
    body = write_reply(reply(Thinking("hm", "sig", "anthropic"), Text("x"), ToolCall("c1", "f", "{}")), CONTEXT)
    assert (body["id"], body["object"], body["model"], body["created_at"]) == (
        "resp_8a1", "response", "alias", 1792000000,
    )  # fmt: skip
    assert [item["id"] for item in body["output"]] == ["rs_8a1_0", "msg_8a1_1", "fc_8a1_2"]


@pytest.mark.parametrize("reason", REASONS)
def test_case_111_status_by_reason(reason: Any) -> None:
    body = write_reply(reply(Text("x"), reason=reason), CONTEXT)
    why = {"length": "max_output_tokens", "context_window": "max_output_tokens", "content_filter": "content_filter",
           "refusal": "content_filter"}.get(reason)  # fmt: skip
    assert body["status"] == ("incomplete" if why else "completed")
    assert body["incomplete_details"] == ({"reason": why} if why else None)
    assert body["output"][0]["status"] == body["status"]


def test_case_123_usage() -> None:
    assert write_reply(reply(), CONTEXT)["usage"] == {
        "input_tokens": 15,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 22,
    }


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


@pytest.mark.parametrize(
    ("parts", "items"),
    [
        pytest.param((), [], id="case 114 nothing"),
        pytest.param(
            (Text("a"), Text(""), Text("b")),
            [{"id": "msg_8a1_0", "type": "message", "status": "completed", "role": "assistant",
              "content": [text_part("a"), text_part("b")]}],
            id="case 117 texts are parts of one message",
        ),
        pytest.param(
            (Refusal("No."),),
            [{"id": "msg_8a1_0", "type": "message", "status": "completed", "role": "assistant",
              "content": [{"type": "refusal", "refusal": "No."}]}],
            id="case 130 refusal",
        ),
        pytest.param(
            (ToolCall("", "f", ""),),
            [{"id": "fc_8a1_0", "type": "function_call", "status": "completed", "call_id": "call_8a1_0", "name": "f",
              "arguments": "{}"}],
            id="a call without id and arguments",
        ),
        pytest.param(
            (ToolCall("c1", "patch", '{"input":"-a\\n+b"}'),),
            [{"id": "ctc_8a1_0", "type": "custom_tool_call", "status": "completed", "call_id": "c1", "name": "patch",
              "input": "-a\n+b"}],
            id="case 63 a custom tool that was wrapped",
        ),
        pytest.param(
            (ToolCall("c1", "crm__find", "{}"),),
            [{"id": "fc_8a1_0", "type": "function_call", "status": "completed", "call_id": "c1", "name": "find",
              "arguments": "{}", "namespace": "crm"}],
            id="a tool of a namespace",
        ),
        pytest.param(
            (ToolCall("c.1", "f", "{}", signature="s+/="),),
            [{"id": "rs_8a1_0", "type": "reasoning", "summary": [],
              "encrypted_content": pack("gemini", "call:c.1", "s+/=")},
             {"id": "fc_8a1_1", "type": "function_call", "status": "completed", "call_id": "c.1", "name": "f",
              "arguments": "{}"}],
            id="case 101 a call that Gemini signed",
        ),
        pytest.param(
            (Text("a", signature="s+/="), Text("b")),
            [{"id": "msg_8a1_0", "type": "message", "status": "completed", "role": "assistant",
              "content": [text_part("a")]},
             {"id": "rs_8a1_1", "type": "reasoning", "summary": [],
              "encrypted_content": pack("gemini", "text:", "s+/=")},
             {"id": "msg_8a1_2", "type": "message", "status": "completed", "role": "assistant",
              "content": [text_part("b")]}],
            id="case 103 a text that Gemini signed",
        ),
        pytest.param(
            (Thinking("hm", "EqQB", "anthropic"),),
            [{"id": "rs_8a1_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}],
              "encrypted_content": pack("anthropic", None, "EqQB")}],
            id="case 152 another vendor's seal is packed",
        ),
        pytest.param(
            (Thinking("", "data", "anthropic", redacted=True),),
            [{"id": "rs_8a1_0", "type": "reasoning", "summary": [],
              "encrypted_content": pack("anthropic", "redacted", "data")}],
            id="case 94 redacted thinking",
        ),
        pytest.param(
            (Thinking("hm", "gAAA", NAME, id="rs_up"),),
            [{"id": "rs_up", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}],
              "encrypted_content": "gAAA"}],
            id="case 97 its own seal holds for its own id",
        ),
        pytest.param(
            (Thinking("hm"),),
            [{"id": "rs_8a1_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}],
            id="case 101 thoughts without a seal",
        ),
        pytest.param(
            (Image(Source("image/webp", "UklG")),),
            [{"id": "ig_8a1_0", "type": "image_generation_call", "status": "completed", "result": "UklG",
              "output_format": "webp"}],
            id="case 128 image",
        ),
        pytest.param((Opaque("server_tool_use", "x"), Thinking("")), [], id="case 62 what has no word here"),
    ],
)  # fmt: skip
def test_parts_become_items(parts: tuple[Part, ...], items: list[Any]) -> None:
    tools = [{"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "find"}]}]
    context = replace(CONTEXT, custom_tools=frozenset(("patch",)), echo={"tools": tools})
    assert written(*parts, context=context) == items


def test_a_client_that_asked_not_to_see_thoughts_gets_the_seal_only() -> None:
    hidden = replace(CONTEXT, show_thinking=False)
    sealed, plain = Thinking("hm", "EqQB", "anthropic"), Thinking("hm")
    assert [item["summary"] for item in written(sealed, plain, context=hidden)] == [[]]


def test_case_106_an_explained_refusal_is_told() -> None:
    body = write_reply(reply(reason="refusal", explanation="Not allowed."), CONTEXT)
    assert body["output"][0]["content"] == [{"type": "refusal", "refusal": "Not allowed."}]
    assert body["incomplete_details"] == {"reason": "content_filter"}


def test_logprobs_go_with_the_first_text() -> None:
    entry: dict[str, object] = {"token": "a", "bytes": [97], "logprob": -0.1, "top_logprobs": []}
    content = written(Text("a"), Text("b"), logprobs=(entry,))[0]["content"]
    assert [part["logprobs"] for part in content] == [[entry], []]


def test_a_response_repeats_what_the_client_asked() -> None:
    echo: dict[str, object] = {"instructions": "Be brief", "temperature": 0.2, "top_p": None, "unknown": 1}
    body = write_reply(reply(), replace(CONTEXT, echo=echo))
    assert (body["instructions"], body["temperature"], body["top_p"]) == ("Be brief", 0.2, 1.0)
    assert "unknown" not in body


@pytest.mark.parametrize(
    ("tier", "told"),
    [(None, "default"), ("standard", "default"), ("batch", "flex"), ("priority", "priority"), ("?", "default")],
)
def test_case_83_service_tier(tier: str | None, told: str) -> None:
    body = write_reply(replace(reply(), service_tier=tier), CONTEXT)
    assert body["service_tier"] == told
