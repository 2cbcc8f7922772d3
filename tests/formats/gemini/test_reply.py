"""Whole replies: Gemini's read, and any written for Gemini's clients."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from google.genai import types

from fastproxy.formats import gemini
from fastproxy.formats.chat import Citation, Image, Refusal, Source, Text, Thinking, ToolCall
from fastproxy.formats.events import (
    Begin,
    Choice,
    Cited,
    Done,
    End,
    Failure,
    InChoice,
    Reason,
    Reply,
    ReplyContext,
    UsageReport,
)
from fastproxy.formats.fold import fold
from fastproxy.formats.usage_fields import Usage
from tests.formats.gemini import golden

CONTEXT = ReplyContext("abc123", "my-model", 1_700_000_000)


def choice(*parts: dict[str, Any], **fields: Any) -> Choice:
    """The one alternative of a reply with these parts."""
    candidate = {"content": {"parts": list(parts), "role": "model"}, "finishReason": "STOP", "index": 0} | fields
    return fold(gemini.read_reply({"candidates": [candidate], "responseId": "r1"})).choices[0]


def body(*parts: Any, reason: Any = "stop", usage: Usage | None = None, **fields: Any) -> dict[str, Any]:
    reply = Reply("up", "their-model", (Choice(parts, reason, **fields),), usage=usage)
    return gemini.write_reply(reply, CONTEXT)


@pytest.mark.parametrize("name", golden.REPLIES)
def test_a_stream_adds_up_to_the_whole_reply(name: str) -> None:
    whole = gemini.read_reply(golden.reply(name))
    streamed = golden.streamed(*golden.chunks(name))
    assert fold(streamed) == fold(whole)
    for events in (whole, streamed):
        assert [type(event) for event in events].count(Done) == 1
        assert isinstance(events[-1], Done)
        assert isinstance(events[0], Begin)


@pytest.mark.parametrize("name", golden.REPLIES)
def test_blocks_never_interleave(name: str) -> None:
    events = golden.streamed(*golden.chunks(name))
    for index in (0, 1):
        deltas = [event for event in events if isinstance(event, InChoice) and not isinstance(event, Cited)]
        blocks = [event.block for event in deltas if event.choice == index and hasattr(event, "block")]
        assert blocks == sorted(blocks)
        assert set(blocks) == set(range(max(blocks, default=-1) + 1))


@pytest.mark.parametrize("name", golden.REPLIES)
def test_a_reply_written_for_gemini_again_says_the_same(name: str) -> None:
    first = fold(gemini.read_reply(golden.reply(name)))
    written = gemini.write_reply(first, CONTEXT)
    types.GenerateContentResponse.model_validate(written)
    again = fold(gemini.read_reply(written))
    assert again.choices == first.choices if name != "blocked_prompt" else again.choices[0].reason == "content_filter"
    assert again.usage == first.usage
    assert (written["responseId"], written["modelVersion"]) == ("abc123", "my-model")


REASONS: list[tuple[str, Reason]] = [
    ("STOP", "stop"),
    ("MAX_TOKENS", "length"),
    ("SAFETY", "content_filter"),
    ("LANGUAGE", "content_filter"),
    ("MALFORMED_FUNCTION_CALL", "bad_tool_call"),
    ("OTHER", "other"),
    ("SOMETHING_NEW", "other"),
]


@pytest.mark.parametrize(("word", "reason"), REASONS, ids=[row[0] for row in REASONS])
def test_case_108_why_it_ended_is_read(word: str, reason: Reason) -> None:
    made = choice({"text": "a"}, finishReason=word, finishMessage="because")
    assert made == Choice((Text("a"),), reason, explanation="because")


@pytest.mark.parametrize(
    ("word", "reason"),
    [("STOP", "tool_calls"), ("OTHER", "tool_calls"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter")],
)
def test_cases_108_and_203_calls_decide_why_it_ended(word: str, reason: str) -> None:
    assert choice({"functionCall": {"name": "f"}}, finishReason=word).reason == reason


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("stop", "STOP"),
        ("tool_calls", "STOP"),
        ("length", "MAX_TOKENS"),
        ("content_filter", "SAFETY"),
        ("refusal", "SAFETY"),
    ],
)
def test_case_109_why_it_ended_is_written(reason: str, word: str) -> None:
    assert body(Text("a"), reason=reason)["candidates"][0]["finishReason"] == word


def test_case_112_a_blocked_prompt_is_a_reply_that_was_filtered() -> None:
    events = gemini.read_reply(golden.reply("blocked_prompt"))
    assert End("content_filter", explanation="the prompt was blocked: PROHIBITED_CONTENT") in events
    assert UsageReport(Usage(input=11)) in events


def test_case_113_a_reply_without_content_is_empty() -> None:
    assert fold(gemini.read_reply(golden.reply("length"))).choices == (Choice((), "length"),)


def test_case_174_an_error_with_status_200_is_a_failure() -> None:
    error = {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}
    for reply in ({"error": error}, [{"error": error}]):
        (failure,) = gemini.read_reply(reply)  # type: ignore[arg-type]
        assert isinstance(failure, Failure)
        assert (failure.status, failure.message) == (429, "slow down")


@pytest.mark.parametrize(
    "reply",
    [
        {"candidates": 3},
        {"candidates": [3]},
        {"candidates": [{"content": {"parts": [{"text": 3}]}}]},
        {"candidates": [{"content": {"parts": [{"inlineData": 3}]}}]},
        {"promptFeedback": 3},
    ],
    ids=str,
)
def test_nonsense_is_a_failure(reply: dict[str, Any]) -> None:
    (failure,) = gemini.read_reply(reply)
    assert isinstance(failure, Failure)
    assert failure.status == 502


def test_a_reply_that_says_nothing_is_finished_all_the_same() -> None:
    assert gemini.read_reply({}) == [Begin(), End("other"), Done()]


USAGE: list[tuple[str, dict[str, int], Usage]] = [
    (
        "case 121",
        {"promptTokenCount": 10, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 7, "thoughtsTokenCount": 3},
        Usage(15, 0, 0, 10, 3),
    ),
    ("case 200 cached", {"promptTokenCount": 10, "cachedContentTokenCount": 8}, Usage(2, 8)),
]


@pytest.mark.parametrize(("said", "usage"), [row[1:] for row in USAGE], ids=[row[0] for row in USAGE])
def test_the_cost_is_read(said: dict[str, int], usage: Usage) -> None:
    assert fold(gemini.read_reply({"usageMetadata": said})).usage == usage


def test_case_122_the_cost_is_written_and_adds_up() -> None:
    written = body(usage=Usage(input=5, cache_read=3, cache_write=2, output=9, reasoning=4))["usageMetadata"]
    assert written == {
        "promptTokenCount": 10,
        "cachedContentTokenCount": 3,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 4,
        "totalTokenCount": 19,
    }


def test_case_58_a_call_without_an_id_gets_the_same_one_however_it_comes() -> None:
    reply = fold(gemini.read_reply(golden.reply("tools_without_ids")))
    assert [part.id for part in reply.choices[0].parts if isinstance(part, ToolCall)] == [
        "call_r_noid_0",
        "call_r_noid_1",
    ]


def test_case_58_without_a_replys_id_its_calls_have_none() -> None:
    """The gateway makes them up: what can be made of the call alone comes again in the next turn."""
    part = {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}}
    reply = fold(gemini.read_reply({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}))
    assert [each.id for each in reply.choices[0].parts if isinstance(each, ToolCall)] == [""]


def test_cases_102_and_103_signatures_stay_where_they_were() -> None:
    made = choice(
        {"text": "a", "thoughtSignature": "czE="},
        {"text": "b"},
        {"functionCall": {"id": "1", "name": "f"}, "thoughtSignature": "czI="},
        {"functionCall": {"id": "2", "name": "f"}},
        {"text": "", "thoughtSignature": "czM="},
    )
    assert made.parts == (
        Text("a", "czE="),
        Text("b"),
        ToolCall("1", "f", "{}", signature="czI="),
        ToolCall("2", "f", "{}"),
        Text("", "czM="),
    )


def test_case_101_thoughts_are_not_mixed_into_the_text() -> None:
    made = choice({"text": "hm", "thought": True, "thoughtSignature": "czE="}, {"text": "a"})
    assert made.parts == (Thinking("hm", "czE=", "gemini"), Text("a"))


def test_case_126_probabilities_are_read_and_written() -> None:
    reply = fold(gemini.read_reply(golden.reply("two_choices")))
    assert reply.choices[0].logprobs[0]["token"] == "Yes"
    written = gemini.write_reply(reply, CONTEXT)["candidates"][0]["logprobsResult"]
    assert written["chosenCandidates"] == [{"token": "Yes", "logProbability": -0.25}]
    assert [each["token"] for each in written["topCandidates"][0]["candidates"]] == ["Yes", "No"]


def test_case_127_bytes_become_characters() -> None:
    (text,) = fold(gemini.read_reply(golden.reply("grounded"))).choices[0].parts
    assert isinstance(text, Text)
    spans = [(citation.url, text.text[citation.start : citation.end]) for citation in text.citations]
    first, second = "Zürich is Switzerland’s largest city.", "It lies on a lake."
    assert spans == [
        ("https://example.org/zurich", first),
        ("https://example.org/zurich", second),
        ("https://example.com/lake", second),
    ]
    assert [citation.cited_text for citation in text.citations] == [first, second, second]


def test_case_127_and_characters_bytes() -> None:
    text = Text("Zürich.", citations=(Citation("u", "t", 1, 7),))
    grounding = body(text)["candidates"][0]["groundingMetadata"]
    assert grounding["groundingSupports"][0]["segment"] == {"startIndex": 1, "endIndex": 8, "text": "ürich."}
    assert grounding["groundingChunks"] == [{"web": {"uri": "u", "title": "t"}}]


def test_case_127_sources_without_places_and_strange_ones() -> None:
    chunks = [{"web": {"uri": "u"}}]
    (text,) = choice({"text": "a"}, groundingMetadata={"groundingChunks": chunks}).parts
    assert isinstance(text, Text)
    assert text.citations == (Citation("u"),)
    (text,) = choice({"text": "a"}, groundingMetadata={"groundingChunks": 3, "groundingSupports": [{}]}).parts
    assert text == Text("a")


def test_case_128_an_image_of_the_model() -> None:
    made = choice(
        {"text": "draft", "thought": True, "inlineData": {}}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    )
    image = made.parts[-1]
    assert isinstance(image, Image)
    assert image.source == Source("image/png", data="aGk=")
    assert body(Image(Source("image/png", data="aGk=")))["candidates"][0]["content"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    ]


def test_case_118_ids_and_the_model_are_ours() -> None:
    written = body(Text("a"))
    assert written == {
        "candidates": [{"content": {"parts": [{"text": "a"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "modelVersion": "my-model",
        "responseId": "abc123",
    }


def test_a_call_is_written_with_its_arguments_as_an_object() -> None:
    parts = body(ToolCall("c", "f", '{"a":1}', signature="c2ln"), ToolCall("", "g", ""), ToolCall("d", "h", "{"))
    assert parts["candidates"][0]["content"]["parts"] == [
        {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "call_abc123_1", "name": "g", "args": {}}},
        {"functionCall": {"id": "d", "name": "h", "args": {"_raw": "{"}}},
    ]


def test_a_refusal_is_a_text_and_its_explanation_the_message() -> None:
    candidate = body(Refusal("no"), reason="refusal", explanation="because")["candidates"][0]
    assert candidate["content"]["parts"] == [{"text": "no"}]
    assert (candidate["finishReason"], candidate["finishMessage"]) == ("SAFETY", "because")


FOREIGN: list[tuple[str, Thinking]] = [
    ("signed", Thinking("hm", "EqQB+/=", "anthropic")),
    ("case 93 signature alone", Thinking("", "EqQB", "anthropic")),
    ("case 94 redacted", Thinking("", "EmwK", "anthropic", redacted=True)),
    ("case 97 with an id", Thinking("hm", "gAAAA-_=", "openai-responses", id="rs_1.a")),
    ("own", Thinking("hm", "c2ln", "gemini")),
]


@pytest.mark.parametrize("thinking", [row[1] for row in FOREIGN], ids=[row[0] for row in FOREIGN])
@pytest.mark.parametrize("url_safe", [False, True], ids=["as sent", "as Google's SDK sends it back"])
def test_case_147_thoughts_of_others_travel_through_the_client_and_back(thinking: Thinking, url_safe: bool) -> None:
    parts = body(thinking)["candidates"][0]["content"]["parts"]
    assert [part["thought"] for part in parts] == [True]
    base64.b64decode(parts[0]["thoughtSignature"], validate=True)
    if url_safe:
        raw = types.Part.model_validate(parts[0]).thought_signature or b""
        parts[0]["thoughtSignature"] = base64.urlsafe_b64encode(raw).decode()
    turn = gemini.read_request({"contents": [{"role": "model", "parts": parts}]}).turns[0]
    (back,) = turn.parts
    assert isinstance(back, Thinking)
    said = (back.text, back.signature, back.issuer, back.redacted, back.id)
    assert said == (thinking.text, thinking.signature, thinking.issuer, thinking.redacted, thinking.id)


def test_a_client_that_does_not_want_thoughts_gets_their_signatures_only() -> None:
    context = ReplyContext("abc123", "m", 0, show_thinking=False)
    reply = Reply("", "", (Choice((Thinking("hm"), Thinking("hm", "c2ln", "gemini"), Text("a")), "stop"),))
    parts = gemini.write_reply(reply, context)["candidates"][0]["content"]["parts"]
    assert parts == [{"text": "", "thought": True, "thoughtSignature": "c2ln"}, {"text": "a"}]


def test_case_202_a_reply_of_thoughts_only_is_no_empty_message() -> None:
    candidate = body(Thinking("hm"))["candidates"][0]
    assert candidate["content"]["parts"] == [{"text": "hm", "thought": True}]
    assert candidate["finishReason"] == "STOP"
