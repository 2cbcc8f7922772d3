"""Faults that reading the goldens of all pairs has found, each under what went wrong."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastproxy.formats.chat import Facts, Target
from fastproxy.formats.convert import convert_request
from fastproxy.formats.events import (
    Begin,
    Cited,
    End,
    Event,
    Foreign,
    RefusalDelta,
    ReplyContext,
    TextDelta,
    ThinkingDelta,
)
from fastproxy.formats.fold import fold
from fastproxy.formats.registry import CHAT

HI = [{"role": "user", "content": "hi"}]
SECOND_ONLY = Target("o3", drop_fields=frozenset(("max_tokens",)))
FIRST_ONLY = Target("old", drop_fields=frozenset(("max_completion_tokens",)))
CONTEXT = ReplyContext("abc", "m", 1)


@pytest.mark.parametrize(
    ("said", "target", "sent"),
    [
        ({"max_tokens": 300}, SECOND_ONLY, {"max_completion_tokens": 300}),
        ({"max_tokens": 300, "max_completion_tokens": 200}, SECOND_ONLY, {"max_completion_tokens": 200}),
        ({"max_completion_tokens": 200}, FIRST_ONLY, {"max_tokens": 200}),
        ({"max_tokens": 300, "max_completion_tokens": 200}, FIRST_ONLY, {"max_tokens": 200}),
    ],
)
def test_a_limit_was_lost_because_its_first_name_is_refused(said: Any, target: Target, sent: Any) -> None:
    made, lost = convert_request({"model": "m", "messages": HI, **said}, "openai-chat", "openai-chat", target)
    assert {name: made[name] for name in ("max_tokens", "max_completion_tokens") if name in made} == sent
    assert lost == ()


MAP = {"type": "object", "properties": {"map": {"type": "object"}, "n": {"type": "integer"}}}


def test_an_object_of_any_shape_was_sent_to_gemini_as_one_without_properties() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": MAP}}
    output = {"type": "json_schema", "json_schema": {"name": "o", "schema": MAP}}
    made, _ = convert_request(
        {"model": "m", "messages": HI, "tools": [tool]}, "openai-chat", "gemini", Target("gemini-2.5-pro")
    )
    assert made["tools"][0]["functionDeclarations"][0] == {"name": "f", "parametersJsonSchema": MAP}
    made, _ = convert_request(
        {"model": "m", "messages": HI, "response_format": output}, "openai-chat", "gemini", Target("gemini-2.5-pro")
    )
    assert made["generationConfig"]["responseJsonSchema"] == MAP


def test_a_vendors_tool_beside_functions_was_told_as_sent() -> None:
    body = {"model": "m", "input": "hi", "tool_choice": {"type": "web_search"}, "tools": [
        {"type": "web_search"}, {"type": "function", "name": "f", "strict": True}]}  # fmt: skip
    made, lost = convert_request(body, "openai-responses", "gemini", Target("m", builtin_tools="map"))
    assert [list(entry) for entry in made["tools"]] == [["functionDeclarations"]]
    assert lost[0] == "tools[0] dropped: Gemini takes it only without functions"
    assert made["toolConfig"]["functionCallingConfig"]["mode"] == "VALIDATED"  # the choice went, strict did not


@pytest.mark.parametrize("budget", [0, -1])
def test_no_thinking_and_the_models_choice_were_told_as_changed(budget: int) -> None:
    body = {
        "contents": [{"parts": [{"text": "hi"}]}],
        "generationConfig": {"thinkingConfig": {"thinkingBudget": budget}},
    }
    made, lost = convert_request(body, "gemini", "openai-responses", Target("m"))
    assert made.get("reasoning") == ({"effort": "none"} if budget == 0 else None)
    assert lost == ()


@pytest.mark.parametrize("budget", [1, 2048, 2049, 8192, 8193, 10_000, 23_170, 60_000])
def test_one_budget_became_two_efforts(budget: int) -> None:
    body = {
        "model": "m",
        "max_tokens": 99_999,
        "messages": HI,
        "thinking": {"type": "enabled", "budget_tokens": budget},
    }
    chat, _ = convert_request(body, "anthropic", "openai-chat", Target("m"))
    responses, _ = convert_request(body, "anthropic", "openai-responses", Target("m"))
    assert chat["reasoning_effort"] == responses["reasoning"]["effort"]


def test_empty_instructions_became_an_empty_message() -> None:
    body = {"model": "m", "max_tokens": 99, "system": [], "messages": HI}
    made, _ = convert_request(body, "anthropic", "openai-responses", Target("m"))
    assert [item["role"] for item in made["input"]] == ["user"]


def test_the_deprecated_user_is_known_to_responses() -> None:
    body = {"model": "m", "messages": HI, "user": "u", "safety_identifier": "s"}
    made, lost = convert_request(body, "openai-chat", "openai-responses", Target("m"))
    assert (made["user"], made["safety_identifier"], lost) == ("u", "s", ())


def test_a_long_user_id_was_refused_by_responses() -> None:
    body = {"model": "m", "max_tokens": 99, "messages": HI, "metadata": {"user_id": "x" * 135}}
    made, lost = convert_request(body, "anthropic", "openai-responses", Target("m"))
    assert len(made["safety_identifier"]) == 32
    assert lost == ("metadata.user_id changed: over 128 characters: a hash of it",)


def test_a_cache_breakpoint_was_told_as_a_dropped_text() -> None:
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    body = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": [part]}]}
    _, lost = convert_request(body, "anthropic", "openai-responses", Target("m"))
    assert lost == ("messages[0].content[0] changed: without its cache breakpoint: they are automatic",)


@pytest.mark.parametrize("target", ["openai-chat", "openai-responses", "gemini"])
def test_fields_of_anthropics_tools_vanished_without_a_word(target: str) -> None:
    tool = {"name": "f", "input_schema": {"type": "object"}, "defer_loading": True, "input_examples": [{"a": 1}]}
    body = {"model": "m", "max_tokens": 99, "messages": HI, "tools": [tool]}
    _, lost = convert_request(body, "anthropic", target, Target("m"))
    assert "tools[0] changed: without defer_loading, input_examples" in lost


CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
OPTIONAL = CLOSED | {"required": []}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        (OPTIONAL, False),
        ({**CLOSED, "properties": {"a": OPTIONAL}}, False),
        ({**CLOSED, "properties": {"a": {"type": "array", "items": OPTIONAL}}}, False),
        ({**CLOSED, "properties": {"a": {"anyOf": [CLOSED, {"type": "null"}]}}}, True),
        ({"type": "object", "properties": {}}, False),
        ({"allOf": [CLOSED]}, False),
    ],
)
@pytest.mark.parametrize("target", ["openai-chat", "openai-responses"])
def test_strict_meant_more_to_openai_than_the_client_meant(target: str, schema: dict[str, Any], strict: bool) -> None:
    tool = {"name": "f", "input_schema": schema, "strict": True}
    body = {"model": "m", "max_tokens": 99, "messages": HI, "tools": [tool]}
    made, lost = convert_request(body, "anthropic", target, Target("m"))
    sent = made["tools"][0]
    assert sent.get("function", sent)["strict"] is strict
    assert bool(lost) is not strict


def test_a_stop_that_is_not_sent_was_told_as_clamped() -> None:
    body = {"model": "m", "max_tokens": 99, "messages": HI, "stop_sequences": list("abcdef")}
    _, lost = convert_request(body, "anthropic", "openai-chat", Target("m", Facts(stop=False)))
    assert lost == ("stop_sequences dropped: the model refuses it",)


@pytest.mark.parametrize("target", ["openai-chat", "openai-responses", "gemini"])
def test_the_wish_for_citations_vanished_without_a_word(target: str) -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "D"}
    part = {"type": "document", "source": source, "citations": {"enabled": True}}
    body = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": [part]}]}
    assert convert_request(body, "anthropic", target, Target("m"))[1] == (
        "messages[0].content[0] changed: it will not be cited",
    )


def test_an_image_got_another_resolution_without_a_word() -> None:
    images = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": detail}}
        for detail in ("low", "high", "auto")
    ]
    body = {"model": "m", "messages": [{"role": "user", "content": images}]}
    made, lost = convert_request(body, "openai-chat", "gemini", Target("gemini-2.5-pro"))
    assert made["generationConfig"]["mediaResolution"] == "MEDIA_RESOLUTION_HIGH"
    assert lost == ("messages[0].content[0] changed: one resolution for all images, the finest",)


@pytest.mark.parametrize("target", ["anthropic", "gemini"])
def test_an_empty_message_vanished_without_a_word(target: str) -> None:
    messages = [*HI, {"role": "user", "content": " "}, *HI]
    _, lost = convert_request({"model": "m", "messages": messages}, "openai-chat", target, Target("m"))
    assert lost == ("messages[1] changed: it is empty",)


def test_neighbouring_texts_ran_into_each_other() -> None:
    twice = [{"role": "assistant", "content": "Three?"}, {"role": "assistant", "content": "Four?"}]
    body = {"model": "m", "max_tokens": 99, "messages": [*HI, *twice, *HI]}
    made, _ = convert_request(body, "anthropic", "openai-chat", Target("m"))
    assert made["messages"][1]["content"] == "Three?\nFour?"
    items = [
        *HI,
        {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search", "query": "faust"}},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Yes.", "annotations": []}],
        },
        *HI,
    ]
    made, _ = convert_request({"model": "m", "input": items}, "openai-responses", "openai-chat", Target("m"))
    assert made["messages"][1]["content"] == "[web search: faust]\nYes."


# --- replies


def both(name: str, events: list[Event]) -> tuple[str, str]:
    """What a client of this format gets, whole and streamed."""
    writer = CHAT[name].StreamWriter(CONTEXT)
    streamed = b"".join(writer.write(event) for event in events)
    return orjson.dumps(CHAT[name].write_reply(fold(events), CONTEXT)).decode(), streamed.decode()


def test_why_a_prompt_was_blocked_was_not_told_to_chat() -> None:
    blocked: list[Event] = [Begin(), End("content_filter", explanation="the prompt was blocked: PROHIBITED_CONTENT")]
    for said in both("openai-chat", blocked):
        assert '"refusal":"the prompt was blocked: PROHIBITED_CONTENT"' in said
        assert '"finish_reason":"content_filter"' in said


def test_a_refusal_in_the_models_words_was_a_content_filter() -> None:
    for said in both("openai-chat", [Begin(), RefusalDelta(0, "no"), End("refusal")]):
        assert '"finish_reason":"stop"' in said


def test_a_malformed_call_was_told_as_a_refusal() -> None:
    for said in both(
        "openai-responses", [Begin(), End("bad_tool_call", explanation="Malformed function call: print(")]
    ):
        assert "refusal" not in said


@pytest.mark.parametrize("name", ["anthropic", "openai-responses", "gemini"])
def test_the_transcript_of_a_spoken_reply_was_lost(name: str) -> None:
    message = {"role": "assistant", "content": None, "audio": {"id": "a", "data": "AA==", "transcript": "Hello there."}}
    reply = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    for said in both(name, CHAT["openai-chat"].read_reply(reply)):
        assert "Hello there." in said


@pytest.mark.parametrize("name", [name for name in CHAT if name != "openai-responses"])
def test_steps_of_a_vendors_tool_were_part_of_the_answer_for_some(name: str) -> None:
    call = {
        "type": "web_search_call",
        "id": "ws",
        "status": "completed",
        "action": {"type": "search", "query": "faust"},
    }
    events = CHAT["openai-responses"].read_reply({"id": "r", "status": "completed", "output": [call]})
    assert any(isinstance(event, Foreign) for event in events)
    for said in both(name, events):
        assert "faust" not in said


FRAMES = [
    {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Look: "}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "", "citations": []}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {
        "type": "web_search_result_location", "url": "https://a.test/", "title": "A", "cited_text": "so",
        "encrypted_index": "e"}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "It is so."}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
]  # fmt: skip


def cited_events() -> list[Event]:
    reader = CHAT["anthropic"].StreamReader()
    return [event for frame in FRAMES for event in reader.feed("", orjson.dumps(frame))]


def test_a_citation_that_comes_before_its_text_covered_nothing() -> None:
    events = cited_events()
    assert [type(event) for event in events if isinstance(event, Cited | TextDelta)] == [TextDelta, TextDelta, Cited]
    for said in both("openai-chat", events):
        assert '"start_index":6,"end_index":15' in said
    for said in both("openai-responses", events):
        assert '"https://a.test/"' in said
        assert '"end_index":9' in said
    for said in both("gemini", events):
        assert '"segment":{"startIndex":0,"endIndex":9,"text":"It is so."}' in said


def test_what_the_prompt_cost_was_not_told_at_the_start_of_geminis_stream() -> None:
    chunk = {"responseId": "r", "candidates": [{"index": 0, "content": {"parts": [{"text": "a"}]}}],
             "usageMetadata": {"promptTokenCount": 7}}  # fmt: skip
    events = CHAT["gemini"].StreamReader().feed("", orjson.dumps(chunk))
    assert isinstance(events[0], Begin)
    assert events[0].usage is not None
    assert events[0].usage.input == 7
    assert not any(isinstance(event, ThinkingDelta) for event in events)
