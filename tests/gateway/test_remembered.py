"""What the gateway remembers between requests: signatures, stored responses; and what it knows by itself: models."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.gateway_stage import status_of
from tests.gateway.test_translation import ANSWER, STREAM
from tests.gateway.translating_stage import Translating, body_of, data, group_key

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
ASKED: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "hi"}],
    "tools": [TOOL],
    "reasoning_effort": "high",
}
THOUGHT = {"type": "thinking", "thinking": "hmm", "signature": "c2lnbmVk"}
CALLED: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [THOUGHT, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 4},
}


def next_turn(call_id: str) -> dict[str, Any]:
    """The next turn of a client that keeps nothing but what its format has a place for."""
    call = {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return ASKED | {
        "messages": [
            *ASKED["messages"],
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call_id, "content": "42"},
        ]
    }


def assistant_blocks(sent: dict[str, Any]) -> list[Any]:
    (turn,) = [message for message in sent["messages"] if message["role"] == "assistant"]
    blocks: list[Any] = turn["content"]
    return blocks


def test_a_signature_that_the_client_cannot_carry_is_put_back() -> None:
    stage = Translating("anthropic", models=("claude-opus-4-1",))
    asked = {"model": "claude-opus-4-1"}
    stage.asks("/v1/chat/completions", ASKED | asked)
    stage.replies(CALLED)
    sent = stage.asks("/v1/chat/completions", next_turn("toolu_1") | asked)
    assert assistant_blocks(sent)[0] == THOUGHT


@pytest.mark.parametrize(("group", "call_id"), [("b", "toolu_1"), ("a", "toolu_2")])
def test_another_group_or_another_call_gets_nobodys_thoughts(group: str, call_id: str) -> None:
    stage = Translating("anthropic", group_key("fp-a", "a"), group_key("fp-b", "b"), models=("claude-opus-4-1",))
    asked = {"model": "claude-opus-4-1"}
    stage.asks("/v1/chat/completions", ASKED | asked, "fp-a")
    stage.replies(CALLED)
    sent = stage.asks("/v1/chat/completions", next_turn(call_id) | asked, f"fp-{group}")
    assert [block["type"] for block in assistant_blocks(sent)] == ["tool_use"]


def test_an_upstream_that_names_no_calls_gets_ids_that_are_never_the_same_twice() -> None:
    ids = set()
    for _ in range(2):
        stage = Translating("gemini")
        stage.asks("/v1/chat/completions", ASKED)
        parts = [
            {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"},
            {"functionCall": {"name": "f"}},
        ]
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        reply = body_of(stage.replies({"candidates": [candidate]}))
        calls = [call["id"] for call in reply["choices"][0]["message"]["tool_calls"]]
        ids |= set(calls)
        sent = stage.asks("/v1/chat/completions", next_turn(calls[0]))
        (model,) = [turn for turn in sent["contents"] if turn["role"] == "model"]
        assert model["parts"][0]["thoughtSignature"] == "c2ln"
    assert len(ids) == 4


RESPONSE: dict[str, Any] = {"model": "m", "input": "first question"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_goes_on_from_a_stored_response(stream: bool) -> None:
    stage = Translating("openai-chat")
    stage.asks("/v1/responses", RESPONSE | {"stream": stream})
    if stream:
        stage.begins_stream()
        reply = stage.streams(*STREAM) + stage.ends_stream()
        response_id = reply.partition(b'"id":"resp_')[2].partition(b'"')[0].decode()
        response_id = f"resp_{response_id}"
    else:
        response_id = body_of(stage.replies(ANSWER))["id"]
    sent = stage.asks("/v1/responses", {"model": "m", "input": "and then?", "previous_response_id": response_id})
    texts = [_text(message) for message in sent["messages"]]
    assert texts == ["first question", "hello", "and then?"]


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def test_a_stored_response_can_be_looked_at_and_deleted() -> None:
    stage = Translating("openai-chat")
    stage.asks("/v1/responses", RESPONSE)
    made = body_of(stage.replies(ANSWER))
    path = f"/v1/responses/{made['id']}"
    stage.asks(path, {}, method="GET")
    assert body_of(stage.got()) == made
    stage.asks(f"{path}/input_items", {}, method="GET")
    (item,) = body_of(stage.got())["data"]
    assert item["role"] == "user"
    stage.asks(path, {}, method="DELETE")
    assert body_of(stage.got()) == {"id": made["id"], "object": "response", "deleted": True}
    stage.asks("/v1/responses", {"model": "m", "input": "?", "previous_response_id": made["id"]})
    refused = stage.got()
    assert (status_of(refused), body_of(refused)["error"]["code"]) == (400, "previous_response_not_found")


def test_nothing_is_stored_for_a_client_that_says_so_or_for_another_group() -> None:
    stage = Translating("openai-chat", group_key("fp-a", "a"), group_key("fp-b", "b"))
    for body, asking in ((RESPONSE | {"store": False}, "fp-a"), (RESPONSE, "fp-b")):
        stage.asks("/v1/responses", body, "fp-a")
        made = body_of(stage.replies(ANSWER))["id"]
        again = {"model": "m", "input": "?", "previous_response_id": made}
        assert stage.asks("/v1/responses", again, asking) == {}
        assert status_of(stage.got()) == 400


@pytest.mark.parametrize(
    ("path", "headers", "names"),
    [
        ("/v1/models", "", lambda found: [item["id"] for item in found["data"]]),
        ("/v1/models", "anthropic-version: 2023-06-01\r\n", lambda found: [item["id"] for item in found["data"]]),
        ("/v1beta/models", "", lambda found: [item["name"].removeprefix("models/") for item in found["models"]]),
    ],
)
def test_models_are_those_that_the_key_may_use(path: str, headers: str, names: Any) -> None:
    stage = Translating("openai-chat", group_key("fp-all", "a"), models=("b", "a"))
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer fp-all\r\n{headers}\r\n"
    stage.user.data_received(request.encode())
    assert names(body_of(stage.got())) == ["a", "b"]


def test_a_model_that_nobody_serves_is_not_found() -> None:
    stage = Translating("openai-chat")
    stage.asks("/v1/models/m", {}, method="GET")
    assert body_of(stage.got())["id"] == "m"
    stage.asks("/v1/models/other", {}, method="GET")
    refused = stage.got()
    assert (status_of(refused), body_of(refused)["error"]["code"]) == (404, "model_not_found")


def test_an_error_event_in_the_middle_is_not_remembered() -> None:
    stage = Translating("openai-chat")
    stage.asks("/v1/responses", RESPONSE | {"stream": True})
    stage.begins_stream()
    reply = stage.streams(*STREAM[:3], data({"error": {"message": "gone"}}))
    made = "resp_" + reply.partition(b'"id":"resp_')[2].partition(b'"')[0].decode()
    stage.asks(f"/v1/responses/{made}", {}, method="GET")
    assert stage.user.exchange is None or stage.got() == b""


@pytest.mark.parametrize(
    ("method", "more"), [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")]
)
def test_a_response_that_nobody_knows_was_said_to_be_untranslatable(method: str, more: str) -> None:
    stage = Translating("openai-chat")
    stage.asks(f"/v1/responses/resp_unknown{more}", {}, method=method)
    refused = stage.got()
    assert (status_of(refused), body_of(refused)["error"]["type"]) == (404, "invalid_request_error")
    assert b"resp_unknown" in refused
