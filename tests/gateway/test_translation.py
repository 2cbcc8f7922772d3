"""Requests of one format to a channel that speaks another: the gateway's part, whichever formats they are."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest

from fastproxy.shared import rows
from tests.gateway.gateway_stage import status_of, warm
from tests.gateway.translating_stage import CHUNK_END, Translating, body_of, data, dechunked, group_key
from tests.wire.fakes import wire_of

HELLO: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
STREAMED = HELLO | {"stream": True}
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}


def piece(delta: dict[str, Any], finish: str | None = None) -> str:
    return data(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-2026",
         "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    )  # fmt: skip


COUNTS = data({"id": "chatcmpl-1", "choices": [], "usage": ANSWER["usage"]})
STREAM = (
    piece({"role": "assistant", "content": ""}),
    piece({"content": "hel"}),
    piece({"content": "lo"}),
    piece({}, "stop"),
    COUNTS,
    "data: [DONE]\n\n",
)


def gateway() -> Translating:
    return Translating("openai-chat")


def test_a_request_goes_up_in_the_channels_format_with_the_channels_credential() -> None:
    stage = Translating("openai-chat", group_key("fp-one", "a"))
    sent = stage.asks("/v1/messages", HELLO | {"system": "be nice"}, "fp-one")
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert stage.upstream_head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:9\r\n")
    assert b"authorization: Bearer sk-up\r\n" in stage.upstream_head
    assert b"fp-one" not in stage.upstream_head


def test_a_whole_reply_comes_back_in_the_clients_format() -> None:
    stage = gateway()
    stage.asks("/v1/messages", HELLO)
    reply = stage.replies(ANSWER, lines="x-request-id: theirs\r\nopenai-organization: secret\r\n")
    message = body_of(reply)
    assert (message["type"], message["content"][0]["text"], message["model"]) == ("message", "hello", "m")
    assert message["usage"]["input_tokens"] == 7
    assert b"x-upstream-request-id: theirs\r\n" in reply
    assert b"x-fastproxy-channel: c\r\n" in reply
    assert b"secret" not in reply


def test_what_a_reply_cost_is_counted_for_the_format_that_reported_it() -> None:
    stage = gateway()
    stage.asks("/v1/messages", HELLO)
    stage.replies(ANSWER)
    first = rows.TOKENS + rows.FORMATS.index("openai-chat") * len(rows.TOKEN_KINDS)
    assert (stage.world.counts[first], stage.world.counts[first + 3]) == (7, 2)
    assert stage.world.counts[rows.USAGE_UNREAD] == 0


def test_the_connections_of_both_sides_are_used_again() -> None:
    stage = gateway()
    for _ in range(3):
        stage.asks("/v1/messages", HELLO)
        assert status_of(stage.replies(ANSWER)) == 200
    assert not wire_of(stage.user).closed
    assert stage.peer.pool.total == 1


def test_a_stream_comes_back_event_by_event() -> None:
    stage = gateway()
    assert stage.asks("/v1/messages", STREAMED)["stream"] is True
    stage.begins_stream()
    assert stage.got() == b""  # an error may still come, and have its own status
    first = stage.streams(*STREAM[:2])
    assert b"content-type: text/event-stream\r\n" in first
    assert b'"text":"hel"' in first
    rest = stage.streams(*STREAM[2:]) + stage.ends_stream()
    assert rest.count(b"event: message_stop") == 1
    assert rest.endswith(CHUNK_END)


@pytest.mark.parametrize("size", [1, 3, 50])
def test_it_does_not_matter_how_a_stream_is_cut_into_reads(size: int) -> None:
    stage, whole = gateway(), gateway()
    text = "".join(STREAM)
    for each, pieces in ((whole, [text]), (stage, [text[at : at + size] for at in range(0, len(text), size)])):
        each.asks("/v1/messages", STREAMED)
        each.begins_stream()
        each.got_all = each.streams(*pieces) + each.ends_stream()  # type: ignore[attr-defined]
    assert _events(stage.got_all) == _events(whole.got_all)  # type: ignore[attr-defined]


def _events(reply: bytes) -> list[Any]:
    lines = [line for line in reply.split(b"\n") if line.startswith(b"data: ")]
    events = [json.loads(line[6:]) for line in lines]
    for event in events:
        event.get("message", {}).pop("id", None)
    return events


def test_a_client_that_wants_a_stream_gets_one_from_a_whole_reply() -> None:
    stage = gateway()
    stage.asks("/v1/messages", STREAMED)
    reply = stage.replies(ANSWER)
    assert b"event: message_start" in reply
    assert b'"text":"hello"' in reply
    assert reply.endswith(CHUNK_END)


def test_a_client_that_wants_a_whole_reply_gets_one_from_a_stream() -> None:
    stage = gateway()
    stage.asks("/v1/messages", HELLO)
    stage.begins_stream()
    assert stage.streams(*STREAM) == b""
    assert body_of(stage.ends_stream())["content"] == [{"type": "text", "text": "hello"}]


def test_a_compressed_reply_is_read() -> None:
    stage = gateway()
    stage.asks("/v1/messages", HELLO)
    packed = gzip.compress(json.dumps(ANSWER).encode())
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}"
    )
    stage.peer.data_received(head.encode() + b"\r\n\r\n" + packed)
    assert body_of(stage.got())["content"][0]["text"] == "hello"


@pytest.mark.parametrize(
    ("status", "seen", "word"),
    [
        (400, 400, "invalid_request_error"),
        (401, 502, "api_error"),
        (403, 502, "api_error"),
        (429, 429, "rate_limit_error"),
        (503, 529, "overloaded_error"),
    ],
)
def test_an_upstreams_refusal_has_the_clients_words(status: int, seen: int, word: str) -> None:
    stage = gateway()
    stage.asks("/v1/messages", HELLO)
    reply = stage.replies({"error": {"message": "no", "type": "x"}}, status, "retry-after: 7\r\n")
    assert (status_of(reply), body_of(reply)["error"]["type"]) == (seen, word)
    assert (b"retry-after: 7\r\n" in reply) is (status != 400)


def test_an_error_before_the_first_event_has_its_own_status() -> None:
    stage = gateway()
    stage.asks("/v1/messages", STREAMED)
    stage.begins_stream()
    reply = stage.streams(data({"error": {"message": "slow down", "type": "rate_limit_error", "code": 429}}))
    assert status_of(reply) >= 400
    assert body_of(reply)["type"] == "error"


@pytest.mark.parametrize("how", ["error event", "end", "cut", "nonsense"])
def test_a_stream_that_breaks_ends_in_one_error_and_no_fake_end(how: str) -> None:
    stage = gateway()
    stage.asks("/v1/messages", STREAMED)
    stage.begins_stream()
    reply = stage.streams(*STREAM[:3])
    if how == "error event":
        reply += stage.streams(data({"error": {"message": "overloaded", "code": 503}}))
    elif how == "end":
        reply += stage.ends_stream()
    elif how == "cut":
        stage.peer.eof_received()
        reply += stage.got()
    else:
        reply += stage.streams("data: {nonsense\n\n")
    assert reply.count(b"event: error") == 1
    assert b"message_stop" not in reply
    assert not reply.endswith(CHUNK_END)
    assert wire_of(stage.user).closed
    assert stage.peer.pool.active == 0


@pytest.mark.parametrize("body", [[], {}, {"choices": "none"}, {"choices": [None]}])
def test_a_reply_of_another_shape_is_a_502_and_harms_nobody(body: Any) -> None:
    stage = gateway()
    stage.asks("/v1/messages", HELLO)
    assert status_of(stage.replies(body)) == 502
    stage.asks("/v1/messages", HELLO)


def test_what_was_lost_is_named_to_the_client() -> None:
    stage = gateway()
    stage.asks("/v1/messages", HELLO | {"top_k": 5})
    assert b"x-fastproxy-lossy: top_k dropped" in stage.replies(ANSWER)


def test_a_strict_key_gets_nothing_that_is_not_whole() -> None:
    stage = Translating("openai-chat", group_key("fp-strict", "a", "strict"), group_key("fp-silent", "a", "silent"))
    assert stage.asks("/v1/messages", HELLO | {"top_k": 5}, "fp-strict") == {}
    refused = stage.got()
    assert (status_of(refused), "top_k" in body_of(refused)["error"]["message"]) == (400, True)
    stage.asks("/v1/messages", HELLO | {"top_k": 5}, "fp-silent")
    assert b"x-fastproxy-lossy" not in stage.replies(ANSWER)


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/v1/messages", HELLO | {"messages": "hi"}, "messages"),
        ("/v1/messages", HELLO | {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ("/v1/responses", {"model": "m", "input": 5}, "input"),
        ("/v1/models/m:generateContent", {"contents": [5]}, "contents[0]"),
    ],
)
def test_bad_requests_are_refused_in_their_own_format_with_their_place(path: str, body: Any, where: str) -> None:
    stage = gateway()
    assert stage.asks(path, body) == {}
    refused = stage.got()
    assert status_of(refused) == 400
    assert f"'{where}'" in body_of(refused)["error"]["message"]


def test_a_client_that_leaves_takes_its_upstream_along() -> None:
    stage = gateway()
    stage.asks("/v1/messages", STREAMED)
    stage.begins_stream()
    stage.streams(*STREAM[:2])
    stage.user.connection_lost(None)
    assert wire_of(stage.peer).aborted
    assert stage.peer.pool.active == 0


def test_a_slow_client_holds_its_upstream_back() -> None:
    stage = gateway()
    stage.asks("/v1/messages", STREAMED)
    stage.begins_stream()
    stage.streams(*STREAM[:2])
    stage.user.pause_writing()
    assert not wire_of(stage.peer).reading
    stage.user.resume_writing()
    assert wire_of(stage.peer).reading


def test_tool_names_that_the_upstream_refuses_come_back_as_they_were() -> None:
    stage = gateway()
    tool = {"name": "mcp.server/tool", "input_schema": {"type": "object", "properties": {}}}
    sent = stage.asks("/v1/messages", HELLO | {"tools": [tool]})
    renamed = sent["tools"][0]["function"]["name"]
    assert "." not in renamed
    call = {"id": "call_1", "type": "function", "function": {"name": renamed, "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    answer = ANSWER | {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    (used,) = body_of(stage.replies(answer))["content"]
    assert (used["type"], used["id"], used["name"]) == ("tool_use", "call_1", "mcp.server/tool")


def test_the_operator_knows_better_than_the_catalogue() -> None:
    stage = Translating("anthropic", models=("mine-1",))
    facts = {"mine*": {"max_output": 77, "sampling": False}}
    stage.world.install(msgspec.structs.replace(stage.snapshot, facts=facts))
    stage.peer = warm(next(iter(stage.world.pools.values())))
    asked = {"model": "mine-1", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}
    sent = stage.asks("/v1/chat/completions", asked)
    assert (sent["max_tokens"], "temperature" in sent) == (77, False)


def test_an_array_of_a_gemini_client_ends_with_its_error() -> None:
    stage = gateway()
    stage.asks("/v1beta/models/m:streamGenerateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})
    stage.begins_stream()
    reply = stage.streams(*STREAM[:3], data({"error": {"message": "overloaded", "code": 503}}))
    array = json.loads(dechunked(reply.partition(b"\r\n\r\n")[2]))
    assert array[0]["candidates"][0]["content"]["parts"][0]["text"] == "hel"
    assert array[-1]["error"]["code"] >= 500
    assert wire_of(stage.user).closed


@pytest.mark.parametrize("upstream", ["openai-chat", "anthropic"])
def test_an_error_behind_the_first_word_of_nothing_was_told_with_status_200(upstream: str) -> None:
    stage = Translating(upstream)
    client = "/v1/messages" if upstream == "openai-chat" else "/v1/chat/completions"
    stage.asks(client, STREAMED)
    stage.begins_stream()
    began = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 1}}}
    begin = STREAM[0] if upstream == "openai-chat" else "event: message_start\n" + data(began)
    assert stage.streams(begin) == b""
    failed = {"type": "error", "error": {"type": "overloaded_error", "code": 503, "message": "busy"}}
    assert status_of(stage.streams("event: error\n" + data(failed))) >= 500


def test_a_ping_sends_what_was_held_back() -> None:
    stage = gateway()
    stage.asks("/v1/messages", STREAMED)
    stage.begins_stream()
    assert stage.streams(STREAM[0]) == b""
    assert b"message_start" in stage.streams(": ping\n\n")
