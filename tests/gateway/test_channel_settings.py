"""What a channel's settings do to translated and relayed requests: stop sequences, defaults, vendors' tools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.gateway.gateway_stage import status_of
from tests.gateway.translating_stage import CHUNK_END, Translating, body_of, data, dechunked

HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ITEM: dict[str, Any] = {
    "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
    "content": [{"type": "output_text", "text": "one STOP two", "annotations": []}],
}  # fmt: skip
RESPONSE: dict[str, Any] = {
    "id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [ITEM],
    "usage": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8},
}  # fmt: skip
SAFE = [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}]


def test_case_73_a_reply_of_responses_is_cut_at_the_clients_stop_sequence() -> None:
    stage = Translating("openai-responses")
    sent = stage.asks("/v1/chat/completions", HELLO | {"stop": ["STOP"]})
    assert "stop" not in sent
    got = stage.replies(RESPONSE)
    reply = body_of(got)
    assert reply["choices"][0]["message"]["content"] == "one "
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["usage"]["completion_tokens"] == 5
    assert b"x-fastproxy-lossy" not in got


def test_case_73_a_stream_of_responses_is_cut_too_and_names_the_sequence_where_a_format_can() -> None:
    stage = Translating("openai-responses")
    stage.asks("/v1/messages", HELLO | {"max_tokens": 9, "stream": True, "stop_sequences": ["STOP"]})
    stage.begins_stream()
    delta = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0}
    got = stage.streams(
        data({"type": "response.created", "response": {"id": "resp_1"}}),
        data({"type": "response.output_item.added", "output_index": 0, "item": ITEM | {"content": []}}),
        *(data(delta | {"delta": piece}) for piece in ("one S", "TO", "P tw", "o")),
        data({"type": "response.output_item.done", "output_index": 0, "item": ITEM}),
        data({"type": "response.completed", "response": RESPONSE}),
    )
    stage.peer.data_received(CHUNK_END)
    text = dechunked((got + stage.got()).partition(b"\r\n\r\n")[2]).decode()
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    said = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(said) == "one "
    ended = next(event for event in events if event["type"] == "message_delta")
    assert ended["delta"]["stop_reason"] == "stop_sequence"
    assert ended["delta"]["stop_sequence"] == "STOP"
    assert ended["usage"]["output_tokens"] == 5


def test_case_88_a_channel_gives_what_a_translated_request_does_not_say() -> None:
    stage = Translating("gemini", defaults={"safetySettings": SAFE, "generationConfig": {"topK": 5, "topP": 1}})
    sent = stage.asks("/v1/chat/completions", HELLO | {"top_p": 0.5})
    assert sent["safetySettings"] == SAFE
    assert sent["generationConfig"] == {"topP": 0.5, "topK": 5}


def test_case_88_a_channel_gives_what_a_request_of_its_own_format_does_not_say() -> None:
    stage = Translating("gemini", defaults={"safetySettings": SAFE})
    path, contents = "/v1beta/models/m:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}
    assert stage.asks(path, contents) == contents | {"safetySettings": SAFE}
    stage.replies({"candidates": []})
    assert stage.asks(path, contents | {"safety_settings": []}) == contents | {"safety_settings": []}
    stage.replies({"candidates": []})
    assert stage.asks(path, contents) == contents | {"safetySettings": SAFE}  # no lane forgets them


def test_case_88_what_is_no_chat_gets_no_defaults() -> None:
    stage = Translating("gemini", defaults={"safetySettings": SAFE})
    body = {"content": {"parts": [{"text": "hi"}]}}
    assert stage.asks("/v1beta/models/m:embedContent", body) == body


TOOLED = HELLO | {"max_tokens": 9, "tools": [{"type": "web_search_20250305", "name": "web_search"}]}


@pytest.mark.parametrize(("policy", "tools"), [("drop", None), ("map", [{"googleSearch": {}}])])
def test_case_61_the_channel_decides_on_tools_of_other_vendors(policy: str, tools: Any) -> None:
    stage = Translating("gemini", builtin_tools=policy)
    assert stage.asks("/v1/messages", TOOLED).get("tools") == tools


def test_case_61_search_options_of_a_chat_client_ask_for_the_tool() -> None:
    where = {"type": "approximate", "approximate": {"country": "DE"}}
    asked = HELLO | {"web_search_options": {"search_context_size": "low", "user_location": where}}
    stage = Translating("anthropic", builtin_tools="map")
    location = {"type": "approximate", "country": "DE"}
    tool = {"type": "web_search_20250305", "name": "web_search", "user_location": location}
    assert stage.asks("/v1/chat/completions", asked)["tools"] == [tool]
    got = stage.replies({"type": "message", "content": [], "stop_reason": "end_turn", "usage": {}})
    said = b"web_search_options changed: sent as web_search_20250305, without search_context_size"
    assert said in got
    assert "tools" not in Translating("anthropic").asks("/v1/chat/completions", asked)


def test_case_61_a_channel_may_refuse_them() -> None:
    stage = Translating("gemini", builtin_tools="refuse")
    assert stage.asks("/v1/messages", TOOLED) == {}
    got = stage.got()
    assert status_of(got) == 400
    assert b"web_search_20250305" in got


def test_case_17_references_to_items_are_looked_up_and_refused_where_nothing_is_kept() -> None:
    stage = Translating("anthropic")
    stage.asks("/v1/responses", {"model": "m", "input": "hi"})
    reply = body_of(
        stage.replies(
            {"type": "message", "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
             "usage": {"input_tokens": 1, "output_tokens": 1}}
        )
    )  # fmt: skip
    known, unknown = reply["output"][0]["id"], reply["output"][0]["id"][:-1] + "9"
    asked = [
        {"role": "user", "content": "hi"},
        {"type": "item_reference", "id": known},
        {"role": "user", "content": "?"},
    ]
    sent = stage.asks("/v1/responses", {"model": "m", "input": asked})
    assert [message["content"] for message in sent["messages"]] == ["hi", "hello", "?"]
    stage.replies({"type": "message", "content": [], "stop_reason": "end_turn", "usage": {}})
    for stranger in (unknown, "msg_1", "rs_0123"):
        assert stage.asks("/v1/responses", {"model": "m", "input": [{"id": stranger, "type": "item_reference"}]}) == {}
        got = stage.got()
        assert status_of(got) == 400
        assert b"input[0].id" in got


def test_case_17_a_request_cannot_look_through_the_whole_shelf() -> None:
    stage = Translating("anthropic")
    items = [{"type": "item_reference", "id": f"msg_{number}_0"} for number in range(65)]
    assert stage.asks("/v1/responses", {"model": "m", "input": items}) == {}
    assert b"more than 64 responses" in stage.got()


def test_case_35_a_request_that_lives_in_googles_cache_is_refused_elsewhere() -> None:
    stage = Translating("anthropic")
    for name in ("cachedContent", "cached_content"):
        body = {name: "cachedContents/x", "contents": [{"parts": [{"text": "hi"}]}]}
        assert stage.asks("/v1beta/models/m:generateContent", body) == {}
        got = stage.got()
        assert status_of(got) == 400
        assert b"field 'cachedContent' refers to what only its vendor has" in got


def test_case_30_a_file_of_another_vendor_is_refused_with_its_place() -> None:
    stage = Translating("openai-chat")
    image = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [image]}]}
    assert stage.asks("/v1/messages", body) == {}
    assert b"field 'messages[0].content[0]' is a file of another provider" in stage.got()
