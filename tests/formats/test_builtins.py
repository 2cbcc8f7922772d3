"""Tools that run at the vendor, between vendors (case 61): dropped, mapped or refused, and never a client's call."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Target
from fastproxy.formats.convert import convert_request
from fastproxy.formats.events import Event, Foreign, ReplyContext, ToolBegin
from fastproxy.formats.fold import fold
from fastproxy.formats.registry import CHAT

WHERE = {"type": "approximate", "country": "DE"}
ASKED: dict[str, dict[str, Any]] = {
    "anthropic": {
        "max_tokens": 99,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [
            {"type": "web_search_20260209", "name": "web_search", "max_uses": 3, "allowed_domains": ["a.test"],
             "user_location": WHERE},
            {"type": "web_fetch_20250910", "name": "web_fetch"},
            {"type": "code_execution_20250825", "name": "code_execution"},
            {"type": "bash_20250124", "name": "bash"},
        ],
    },
    "openai-responses": {
        "input": "hi",
        "tools": [
            {"type": "web_search", "filters": {"allowed_domains": ["a.test"]}, "user_location": WHERE},
            {"type": "code_interpreter", "container": {"type": "auto"}},
            {"type": "file_search", "vector_store_ids": ["v"]},
        ],
    },
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "tools": [{"googleSearch": {}}, {"urlContext": {}}, {"codeExecution": {}}, {"googleMaps": {}}],
    },
}  # fmt: skip
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
CODE = {"type": "code_execution_20250825", "name": "code_execution"}
INTERPRETER = {"type": "code_interpreter", "container": {"type": "auto"}}
MAPPED = [
    ("anthropic", "openai-responses", [
        {"type": "web_search", "filters": {"allowed_domains": ["a.test"]}, "user_location": WHERE}, INTERPRETER]),
    ("anthropic", "gemini", [{"googleSearch": {}}, {"urlContext": {}}, {"codeExecution": {}}]),
    ("anthropic", "openai-chat", None),
    ("openai-responses", "anthropic", [SEARCH | {"allowed_domains": ["a.test"], "user_location": WHERE}, CODE]),
    ("openai-responses", "gemini", [{"googleSearch": {}}, {"codeExecution": {}}]),
    ("openai-responses", "openai-chat", None),
    ("gemini", "anthropic", [SEARCH, {"type": "web_fetch_20250910", "name": "web_fetch"}, CODE]),
    ("gemini", "openai-responses", [{"type": "web_search"}, INTERPRETER]),
    ("gemini", "openai-chat", None),
]  # fmt: skip


def body_of(source: str) -> dict[str, Any]:
    return {"model": "m", **orjson.loads(orjson.dumps(ASKED[source]))}


@pytest.mark.parametrize(("source", "target", "tools"), MAPPED)
def test_mapped_to_what_does_the_same_and_named(source: str, target: str, tools: list[Any] | None) -> None:
    made, lost = convert_request(body_of(source), source, target, Target("m", builtin_tools="map"))
    assert made.get("tools") == tools
    assert len(lost) == len(ASKED[source]["tools"])  # each is told of, mapped or left out


@pytest.mark.parametrize(("source", "target", "tools"), MAPPED)
def test_dropped_unless_the_channel_says_otherwise(source: str, target: str, tools: list[Any] | None) -> None:
    made, lost = convert_request(body_of(source), source, target, Target("m"))
    assert "tools" not in made
    assert lost == tuple(
        f"tools[{place}] dropped: runs at another vendor" for place in range(len(ASKED[source]["tools"]))
    )


@pytest.mark.parametrize(("source", "target", "tools"), MAPPED)
def test_refused_with_its_name(source: str, target: str, tools: list[Any] | None) -> None:
    with pytest.raises(FormatError, match=r"tool '(web_search_20260209|web_search|googleSearch)' runs at its vendor"):
        convert_request(body_of(source), source, target, Target("m", builtin_tools="refuse"))


@pytest.mark.parametrize("source", ASKED)
@pytest.mark.parametrize("policy", ["drop", "map", "refuse"])
def test_the_vendors_own_are_nobodys_affair(source: str, policy: str) -> None:
    made, lost = convert_request(body_of(source), source, source, Target("m", builtin_tools=policy))
    assert made["tools"] == ASKED[source]["tools"]
    assert lost == ()


def test_options_that_the_other_vendor_does_not_know_are_named() -> None:
    _, lost = convert_request(body_of("anthropic"), "anthropic", "gemini", Target("m", builtin_tools="map"))
    assert lost[0] == "tools[0] changed: sent as googleSearch, without allowed_domains, max_uses, user_location"


def test_a_function_of_that_name_comes_before_the_vendors_tool() -> None:
    body = body_of("openai-responses")
    body["tools"] = [{"type": "web_search"}, {"type": "web_search_preview"}, {"type": "function", "name": "web_search"}]
    made, _ = convert_request(body, "openai-responses", "anthropic", Target("m", builtin_tools="map"))
    assert [tool["name"] for tool in made["tools"]] == ["web_search"]
    assert "input_schema" in made["tools"][0]


def test_a_choice_of_a_tool_that_was_left_out_is_left_out() -> None:
    body = body_of("openai-responses") | {"tool_choice": {"type": "web_search"}}
    body["tools"].append({"type": "function", "name": "f"})
    made, _ = convert_request(body, "openai-responses", "anthropic", Target("m"))
    assert [tool["name"] for tool in made["tools"]] == ["f"]
    assert "tool_choice" not in made
    made, _ = convert_request(body, "openai-responses", "anthropic", Target("m", builtin_tools="map"))
    assert made["tool_choice"] == {"type": "tool", "name": "web_search"}


def test_chat_has_none() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "web_search"}]}
    made, _ = convert_request(body, "openai-chat", "gemini", Target("m", builtin_tools="map"))
    assert made["tools"] == [{"googleSearch": {}}]


FOUND = {
    "type": "web_search_result",
    "url": "https://a.test/",
    "title": "A",
    "encrypted_content": "x",
    "page_age": None,
}
REPLIES: dict[str, dict[str, Any]] = {
    "anthropic": {
        "id": "msg_1", "type": "message", "model": "x", "stop_reason": "end_turn",
        "content": [
            {"type": "text", "text": "Let me look. "},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [FOUND]},
            {"type": "server_tool_use", "id": "srvtoolu_2", "name": "code_execution", "input": {"code": "1"}},
            {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_2", "content":
             {"type": "code_execution_result", "stdout": "1", "stderr": "", "return_code": 0, "content": []}},
            {"type": "text", "text": "It is so.", "citations": [
                {"type": "web_search_result_location", "url": "https://a.test/", "title": "A", "cited_text": "so",
                 "encrypted_index": "e"}]},
        ],
        "usage": {"input_tokens": 1, "output_tokens": 2},
    },
    "openai-responses": {
        "id": "resp_1", "status": "completed", "model": "x",
        "output": [
            {"type": "web_search_call", "id": "ws_1", "status": "completed",
             "action": {"type": "search", "query": "q"}},
            {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1", "container_id": "c",
             "outputs": None},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "Let me look. It is so.", "annotations": [
                    {"type": "url_citation", "url": "https://a.test/", "title": "A", "start_index": 13,
                     "end_index": 22}]}]},
        ],
    },
    "gemini": {
        "responseId": "r", "modelVersion": "x",
        "candidates": [{
            "index": 0, "finishReason": "STOP",
            "content": {"role": "model", "parts": [
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
                {"text": "Let me look. It is so."}]},
            "groundingMetadata": {
                "groundingChunks": [{"web": {"uri": "https://a.test/", "title": "A"}}],
                "groundingSupports": [{"segment": {"startIndex": 13, "endIndex": 22, "text": "It is so."},
                                       "groundingChunkIndices": [0]}]},
        }],
    },
}  # fmt: skip


def both(source: str, target: str) -> tuple[str, str]:
    """The reply as `target`'s client gets it, whole and streamed."""
    events = CHAT[source].read_reply(orjson.loads(orjson.dumps(REPLIES[source])))
    context = ReplyContext("abc", "m", 1)
    writer = CHAT[target].StreamWriter(context)
    streamed = b"".join(writer.write(event) for event in events)
    return orjson.dumps(CHAT[target].write_reply(fold(events), context)).decode(), streamed.decode()


@pytest.mark.parametrize("source", REPLIES)
@pytest.mark.parametrize("target", CHAT)
def test_the_answer_and_its_sources_arrive_and_no_call_does(source: str, target: str) -> None:
    for said in both(source, target):
        assert "It is so." in said
        assert "https://a.test/" in said
        if source != target:
            assert not any(word in said for word in ('"functionCall"', '"tool_calls"', '"tool_use"', '"function_call"'))


@pytest.mark.parametrize("source", REPLIES)
def test_what_the_vendor_ran_is_no_call_of_a_clients_tool(source: str) -> None:
    events: list[Event] = CHAT[source].read_reply(REPLIES[source])
    assert not [event for event in events if isinstance(event, ToolBegin)]
    assert len([event for event in events if isinstance(event, Foreign)]) >= 2
    assert fold(events).choices[0].reason == "stop"
