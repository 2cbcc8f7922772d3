"""What clients of Chat Completions get, chunk by chunk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from fastproxy.formats.chat import Audio, Citation, Image, Opaque, Original, Source
from fastproxy.formats.events import (
    DONE,
    Begin,
    Cited,
    End,
    Event,
    Failure,
    Foreign,
    InChoice,
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
from fastproxy.formats.openai_chat import NAME, StreamReader, StreamWriter, write_reply
from fastproxy.formats.usage_fields import Usage

GOLDEN = Path(__file__).parents[2] / "golden" / "openai_chat"
STREAMS = sorted(GOLDEN.glob("stream_*.sse"))
CONTEXT = ReplyContext("0a1b", "alias", 1700000000)
Json = dict[str, Any]
ROLE: Json = {"role": "assistant", "content": "", "refusal": None}


def wrote(*events: Event, context: ReplyContext = CONTEXT) -> bytes:
    writer = StreamWriter(context)
    return b"".join(writer.write(event) for event in events)


def chunks(*events: Event, context: ReplyContext = CONTEXT) -> list[Json]:
    """The chunks of a stream whose framing is right; [DONE] is left out."""
    text = wrote(*events, context=context).decode()
    assert text.endswith("\n\n")
    lines = text.split("\n\n")[:-1]
    assert all(line.startswith("data: ") and "\n" not in line for line in lines)
    return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


def deltas(*events: Event, context: ReplyContext = CONTEXT) -> list[Json]:
    """The deltas behind the one with the role, and before the last with the finish."""
    found = [item["choices"][0]["delta"] for item in chunks(Begin(), *events, End("stop"), context=context)]
    assert found[0] == ROLE
    assert found[-1] == {}
    return found[1:-1]


def test_case_131_a_text() -> None:
    events = (Begin("up", "real"), TextDelta(0, "Hi"), TextDelta(0, ""), TextDelta(0, " \u2028é"), End("stop"), DONE)
    head = {"id": "chatcmpl-0a1b", "object": "chat.completion.chunk", "created": 1700000000, "model": "alias"}
    expected = [
        {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        for delta, finish in ((ROLE, None), ({"content": "Hi"}, None), ({"content": " \u2028é"}, None), ({}, "stop"))
    ]
    assert chunks(*events) == [{**head, "choices": [choice], "usage": None} for choice in expected]
    assert wrote(*events).endswith(b"data: [DONE]\n\n")


def test_case_158_usage_is_told_to_those_who_asked() -> None:
    events = (Begin(), TextDelta(0, "x"), End("stop"), UsageReport(Usage(1)), UsageReport(Usage(5, 3, 2, 7, 4)), DONE)
    *rest, last = chunks(*events)
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 10
    assert [item["usage"] for item in rest] == [None] * 3
    silent = chunks(*events, context=ReplyContext("0a1b", "alias", 1, include_usage=False))
    assert len(silent) == 3
    assert not any("usage" in item for item in silent)


def test_case_132_calls_are_counted_by_themselves() -> None:
    events = (
        TextDelta(0, "x"),
        ToolBegin(1, "a", "f"),
        ToolDelta(1, '{"x"'),
        ToolDelta(1, ":1}"),
        ToolBegin(2, "", "g"),
    )
    assert deltas(*events) == [
        {"content": "x"},
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
        {"tool_calls": [
            {"index": 1, "id": "call_0a1b_1", "type": "function", "function": {"name": "g", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "found"),
    [
        pytest.param(
            (ThinkingDelta(0, "a"), ThinkingDelta(0, "b"), ThinkingSignature(0, "s", "anthropic"), TextDelta(1, "x")),
            [{"reasoning_content": "a"}, {"reasoning_content": "b"},
             {"reasoning_details": [{"type": "reasoning.text", "text": "ab", "signature": "s", "format": "anthropic",
                                     "id": None, "index": 0}]}, {"content": "x"}], id="case 91",
        ),
        pytest.param(
            (ThinkingDelta(0, "a"), ThinkingDelta(0, "b", part=1), ThinkingDelta(0, "c", part=1)),
            [{"reasoning_content": "a"}, {"reasoning_content": "\n\nb"}, {"reasoning_content": "c"}],
            id="case 148 paragraphs of a summary",
        ),
        pytest.param(
            (ThinkingSignature(0, "d", "anthropic", redacted=True), ThinkingSignature(1, "e", "gemini", id="i")),
            [{"reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "format": "anthropic", "id": None,
                                     "index": 0}]},
             {"reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "e", "format": "gemini",
                                     "id": "i", "index": 1}]}], id="case 93 and 94",
        ),
        pytest.param(
            (ToolBegin(0, "a", "f"), ToolDelta(0, ""), ToolDelta(0, "{}")),
            [{"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
             {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}], id="an empty piece",
        ),
        pytest.param((RefusalDelta(0, "no"), RefusalDelta(0, "")), [{"refusal": "no"}], id="case 148 a refusal"),
        pytest.param(
            (TextDelta(0, "ab"), TextDelta(1, "cde"), Cited(1, Citation(url="u", title="t", start=0, end=3))),
            [{"content": "ab"}, {"content": "cde"}, {"annotations": [{
                "type": "url_citation",
                "url_citation": {"url": "u", "title": "t", "start_index": 2, "end_index": 5}}]}],
            id="case 127",
        ),
        pytest.param((TextDelta(0, "a"), Cited(0, Citation(title="no address"))), [{"content": "a"}], id="case 33"),
        pytest.param(
            (Media(0, Image(Source("image/png", "iVBO"))), Media(1, Image(Source(url="https://x.test/i")))),
            [{"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}, "index": 0}]},
             {"images": [{"type": "image_url", "image_url": {"url": "https://x.test/i"}, "index": 1}]}], id="case 128",
        ),
        pytest.param(
            (Media(0, Audio(Source("audio/wav", "UklG"))),),
            [{"audio": {"id": "audio_0a1b", "data": "UklG", "expires_at": 1700000000, "transcript": ""}}], id="sound",
        ),
        pytest.param(
            (Foreign(0, Opaque("audio", "hi", original=Original(NAME, {"id": "au"}))),), [{"audio": {"id": "au"}}],
            id="our own sound",
        ),
        pytest.param((Foreign(0, Opaque("web_search_call")),), [], id="case 155 what only one format has"),
        pytest.param(
            (TextDelta(0, "x", "c2ln"), ToolBegin(1, "a", "f", signature="c2lo")),
            [{"content": "x", "extra_content": {"google": {"thought_signature": "c2ln"}}},
             {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""},
                              "extra_content": {"google": {"thought_signature": "c2lo"}}}]},
             {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}], id="case 102",
        ),
        pytest.param(
            (ToolBegin(0, "a", "p", custom=True), ToolDelta(0, "1+"), ToolDelta(0, "1")),
            [{"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "input": ""}}]},
             {"tool_calls": [{"index": 0, "custom": {"input": "1+"}}]},
             {"tool_calls": [{"index": 0, "custom": {"input": "1"}}]}], id="case 63",
        ),
    ],
)  # fmt: skip
def test_events(events: tuple[Event, ...], found: list[Json]) -> None:
    assert deltas(*events) == found


def test_case_63_a_wrapped_custom_call_is_held_and_unwrapped() -> None:
    context = ReplyContext("0a1b", "alias", 1, custom_tools=frozenset(("p",)))
    assert deltas(ToolBegin(0, "a", "p"), ToolDelta(0, '{"inp'), ToolDelta(0, 'ut":"1+1"}'), context=context) == [
        {"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "input": ""}}]},
        {"tool_calls": [{"index": 0, "custom": {"input": "1+1"}}]},
    ]


def test_case_19_functions_go_back_as_they_came() -> None:
    context = ReplyContext("0a1b", "alias", 1, functions=True)
    events = (
        Begin(),
        ToolBegin(0, "a", "f"),
        ToolDelta(0, "{"),
        ToolDelta(0, "}"),
        ToolBegin(1, "b", "g"),
        ToolDelta(1, "{}"),
    )
    found = [item["choices"][0] for item in chunks(*events, End("tool_calls"), context=context)]
    assert [choice["delta"] for choice in found] == [
        ROLE,
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{"}},
        {"function_call": {"arguments": "}"}},
        {},
    ]
    assert found[-1]["finish_reason"] == "function_call"


def test_case_106_the_explanation_of_a_refusal() -> None:
    found = chunks(Begin(), End("refusal", explanation="because"))
    assert [item["choices"][0]["delta"] for item in found] == [ROLE, {"refusal": "because"}, {}]
    assert found[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_case_126_logprobs() -> None:
    tokens = ({"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []},)
    choice = chunks(Begin(), TextDelta(0, "a"), Logprobs(tokens))[-1]["choices"][0]
    assert choice["delta"] == {}
    assert choice["logprobs"] == {"content": list(tokens), "refusal": None}


def test_case_159_choices_begin_and_end_each_for_itself() -> None:
    events = (Begin(), TextDelta(0, "a"), TextDelta(0, "b", choice=1), ToolBegin(1, "c", "f", choice=1), End("stop"),
              End("length", choice=1))  # fmt: skip
    found = [(item["choices"][0]["index"], item["choices"][0]["delta"]) for item in chunks(*events)]
    assert [index for index, _ in found] == [0, 0, 1, 1, 1, 0, 1, 1]
    assert found[2] == (1, ROLE)


def test_thoughts_are_hidden_from_who_does_not_want_them() -> None:
    context = ReplyContext("0a1b", "alias", 1, show_thinking=False)
    events = (ThinkingDelta(0, "t"), ThinkingSignature(0, "s", "anthropic"), TextDelta(1, "x"))
    assert deltas(*events, context=context) == [{"content": "x"}]


def test_case_176_a_failure_is_not_an_end() -> None:
    assert wrote(Begin(), Failure(529, "upstream_overloaded", "x")) == wrote(Begin())


def test_a_second_beginning_says_nothing() -> None:
    assert wrote(Begin(), TextDelta(0, "x"), Begin(), InChoice()) == wrote(Begin(), TextDelta(0, "x"))


def test_i6_done_is_said_once() -> None:
    assert wrote(Begin(), End("stop"), DONE, DONE).count(b"[DONE]") == 1


def test_the_service_tier_is_translated() -> None:
    assert {item["service_tier"] for item in chunks(Begin(service_tier="standard"), TextDelta(0, "x"))} == {"default"}


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_goldens_say_the_same_after_a_round_trip(path: Path) -> None:
    def read(text: str) -> list[Event]:
        reader = StreamReader()
        lines = [line.removeprefix("data: ").encode() for line in text.split("\n\n") if line]
        return [event for line in lines for event in reader.feed("", line)]

    events = read(path.read_text(encoding="utf-8"))
    text = wrote(*events).decode()
    # ids, names and time are ours; what is said is theirs
    again, reply = write_reply(fold(read(text)), CONTEXT), write_reply(fold(events), CONTEXT)
    assert again == reply


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_the_sdk_reads_what_is_written(path: Path) -> None:
    reader = StreamReader()
    lines = [line[6:].encode() for line in path.read_text(encoding="utf-8").split("\n\n") if line]
    events = [event for line in lines for event in reader.feed("", line)]
    for item in chunks(*events):
        if path.stem != "stream_custom_call":  # the SDK's type knows only functions here, the API sends both
            ChatCompletionChunk.model_validate(item, strict=True)
