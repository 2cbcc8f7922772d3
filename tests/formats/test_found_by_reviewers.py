"""Faults that hostile readers have found, each under what went wrong."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats import checked, exact
from fastproxy.formats.anthropic.schema import MAX_SIZE, _Joining, closed_schema, recurs
from fastproxy.formats.chat import Facts, Target, Text, Turn
from fastproxy.formats.convert import convert_reply, convert_request
from fastproxy.formats.events import End, Failure, ReplyContext, TextDelta, ToolDelta, UsageReport
from fastproxy.formats.foreign_tools import fits_strict
from fastproxy.formats.notes import Notes
from fastproxy.formats.registry import CHAT, UPSTREAMS
from fastproxy.formats.turns import join_assistants
from fastproxy.formats.usage_fields import Usage

HI = [{"role": "user", "content": "hi"}]
HALVES = {
    "openai-chat": '{"choices":[{"index":0,"delta":{"content":"a HALF"}}]}',
    "openai-responses": '{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a HALF"}',
    "anthropic": '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a HALF"}}',
    "gemini": '{"candidates":[{"content":{"parts":[{"text":"a HALF"}]},"index":0}]}',
    "ollama": '{"message":{"role":"assistant","content":"a HALF"},"done":false}',
}


@pytest.mark.parametrize("half", ["\\ud83d", "\\uDE00", "\\udc00", "\\udfff"])
@pytest.mark.parametrize("name", UPSTREAMS)
def test_half_an_emoji_broke_a_stream(name: str, half: str) -> None:
    made = UPSTREAMS[name].StreamReader().feed("", HALVES[name].replace("HALF", half).encode())
    assert [event.text for event in made if isinstance(event, TextDelta)] == ["a ?"]


def test_the_second_half_of_a_pair_was_refused_in_small_letters() -> None:
    assert checked.load(b'{"a":"\\ude00 \\uDE00"}') == {"a": "? ?"}


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
def test_half_an_emoji_cost_a_streams_numbers_their_text(name: str) -> None:
    call = '{"name":"f","args":{"x":1.50,"y":"\\ud83d"}}'
    lines = {
        "gemini": ['{"candidates":[{"content":{"parts":[{"functionCall":CALL}]},"finishReason":"STOP"}]}'],
        "anthropic": [
            '{"type":"content_block_start","content_block":{"type":"tool_use","id":"c","name":"f","input":{"x":1.50,'
            '"y":"\\ud83d"}}}', '{"type":"content_block_stop"}',
        ],
    }  # fmt: skip
    reader = UPSTREAMS[name].StreamReader()
    made = [event for line in lines[name] for event in reader.feed("", line.replace("CALL", call).encode())]
    assert [event.arguments for event in made if isinstance(event, ToolDelta)] == ['{"x":1.50,"y":"?"}']


def doubling(levels: int) -> dict[str, Any]:
    """Each definition stands twice in the one before it."""
    named = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": named | {f"a{levels}": {"type": "object"}}, "allOf": [{"$ref": "#/$defs/a0"}]}


def test_references_that_double_took_half_a_minute() -> None:
    joining = _Joining(doubling(25))
    joining.made_of(joining._root)
    assert joining._left > -100  # it has looked at no more than MAX_SIZE
    assert closed_schema(doubling(3), Notes())["type"] == "object"
    assert MAX_SIZE < 2**25


def test_a_chain_of_references_was_followed_from_each_of_its_links() -> None:
    links = {f"a{n}": {"properties": {"x": {"$ref": f"#/$defs/a{n + 1}"}}} for n in range(20)}
    assert not recurs({"$defs": links, "$ref": "#/$defs/a0"})
    assert recurs({"$defs": links | {"a20": {"$ref": "#/$defs/a7"}}, "$ref": "#/$defs/a0"})
    assert recurs({"$defs": {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(2000)}, "$ref": "#/$defs/a0"})


@pytest.mark.parametrize("odd", [None, 5, "x", {}])
def test_branches_without_a_list_of_properties_are_joined(odd: Any) -> None:
    made = closed_schema({"allOf": [{"type": "object", "properties": odd, "required": odd}, {"title": "t"}]}, Notes())
    assert made["title"] == "t"


@pytest.mark.parametrize(
    ("required", "fits"), [(["a"], True), (["a", "b", {}, 1], True), ([], False), ({}, False), (None, False)]
)
def test_what_is_required_may_be_anything(required: Any, fits: bool) -> None:
    schema = {"type": "object", "properties": {"a": {}}, "required": required, "additionalProperties": False}
    assert fits_strict(schema, 0) is fits


def test_replies_side_by_side_ran_into_each_other() -> None:
    said = [{"role": "assistant", "content": text} for text in ("Three?", "Four?")]
    body = {"model": "m", "max_tokens": 9, "messages": [*HI, *said, *HI]}
    for name in ("openai-chat", "ollama"):
        made, _ = convert_request(body, "anthropic", name, Target("m"))
        assert made["messages"][1] == {"role": "assistant", "content": "Three?\nFour?"}


def test_a_reply_of_a_single_turn_stays_as_it_was_read() -> None:
    one, empty = Turn("assistant", (Text("a"),)), Turn("assistant", ())
    assert join_assistants([one, empty, Turn("user", ()), one])[0] is one


def test_the_older_of_two_limits_was_not_looked_at() -> None:
    body = {"model": "m", "messages": HI, "max_completion_tokens": 5, "max_tokens": "many"}
    with pytest.raises(FormatError, match="field 'max_tokens' is 'many'"):
        convert_request(body, "openai-chat", "anthropic", Target("m"))


@pytest.mark.parametrize("name", ["openai-chat", "openai-responses"])
def test_a_reply_of_the_end_of_time_was_not_refused_in_words(name: str) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
    body = {"id": "r", "object": "response", "status": "completed", "output": [], "choices": [choice]}
    body |= exact.loads('{"created":1e400,"created_at":1e400}')
    with pytest.raises(FormatError, match="cannot be read"):
        convert_reply(body, name, "anthropic", ReplyContext("a", "m", 1))


def gemini_end(*parts: dict[str, Any], reason: str = "MALFORMED_FUNCTION_CALL") -> dict[str, Any]:
    candidate = {"content": {"parts": list(parts)}, "finishReason": reason, "finishMessage": "Malformed: print("}
    return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 5}}


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"])
def test_case_108_a_call_that_google_could_not_read_was_an_empty_reply(reason: str) -> None:
    body = gemini_end(reason=reason)
    reader = CHAT["gemini"].StreamReader()
    streamed = reader.feed("", exact.dumps(body)) + reader.end()
    for made in (CHAT["gemini"].read_reply(body), streamed):
        assert made[-2] == UsageReport(Usage(input=5))
        assert isinstance(made[-1], Failure)
        assert made[-1].status == 502
        assert not any(isinstance(event, End) for event in made)
    assert reader.end() == []


def test_a_call_that_google_could_not_read_does_not_take_back_what_was_said() -> None:
    made = CHAT["gemini"].read_reply(gemini_end({"text": "I look it up."}))
    assert [event.reason for event in made if isinstance(event, End)] == ["bad_tool_call"]


def test_a_tool_that_gave_way_to_a_function_was_told_as_sent() -> None:
    search = {"type": "web_search"}
    body = {"model": "m", "input": "hi", "tools": [search, {"type": "function", "name": "web_search"}]}
    made, lost = convert_request(body, "openai-responses", "anthropic", Target("m", builtin_tools="map"))
    assert [tool.get("type") for tool in made["tools"]] == [None]
    assert lost == ("tools[0] dropped: a function has its name",)


def test_a_loss_was_looked_for_in_the_depth_of_an_unknown_field() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    image = {"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}, image]}]
    body = {"deep": deep, "model": "m", "max_tokens": 9, "messages": messages}
    _, lost = convert_request(body, "anthropic", "ollama", Target("m"))
    assert lost[0] == "messages[0].content[1] dropped: an image is base64 data"


def test_citations_of_another_vendor_were_lost_without_a_word() -> None:
    cited = {"type": "url_citation", "url": "https://a.test/", "title": "t", "start_index": 0, "end_index": 2}
    said = {"type": "output_text", "text": "abc", "annotations": [cited]}
    turns = [*HI, {"type": "message", "role": "assistant", "content": [said]}, *HI]
    _, lost = convert_request({"model": "m", "input": turns}, "openai-responses", "anthropic", Target("m"))
    assert lost == ("input[1].content[0] changed: without its citations",)


def test_a_budget_beyond_any_float_was_a_fault_of_ours() -> None:
    thinking = {"thinkingConfig": {"thinkingBudget": 10**400}}
    body = {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": thinking}
    made, _ = convert_request(body, "gemini", "anthropic", Target("m", Facts(thinking="adaptive")))
    assert made["output_config"] == {"effort": "max"}
