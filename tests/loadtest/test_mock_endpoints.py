"""Every endpoint under every prefix, the exact stream framing of each format, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.loadtest.mock_process import BEARER, KEY, ask, chunks

CHAT: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
MESSAGES: dict[str, Any] = {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": CHAT["messages"]}
CONTENTS: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
EMBED: dict[str, Any] = {"content": {"parts": [{"text": "hi"}]}}
BATCH_EMBED: dict[str, Any] = {"requests": [{"model": "models/m", **EMBED}]}
ANTHROPIC = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
GOOGLE = {"x-goog-api-key": KEY}
AZURE = {"api-key": KEY}
FORM = {**BEARER, "content-type": 'multipart/form-data; boundary="b1"'}
UPLOAD = (
    b'--b1\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b'--b1\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--b1\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\nPNG\r\n'
    b'--b1\r\ncontent-disposition: form-data; name="file"; filename="a.mp3"\r\ncontent-type: audio/mpeg\r\n\r\n'
    b"\r\n--b\r\n\r\n--b1--\r\n"
)

# method, path, body, headers, a key that the reply's object must have
Endpoint = tuple[str, str, object, dict[str, str], str]
ENDPOINTS: list[Endpoint] = [
    ("POST", "/v1/chat/completions", CHAT, BEARER, "choices"),
    ("POST", "/chat/completions", CHAT, BEARER, "choices"),
    ("POST", "/openai/v1/chat/completions", CHAT, BEARER, "choices"),
    ("POST", "/openai/v1/chat/completions", CHAT, AZURE, "choices"),
    ("POST", "/api/v1/chat/completions", CHAT, BEARER, "choices"),
    ("POST", "/inference/v1/chat/completions", CHAT, BEARER, "choices"),
    ("POST", "/api/paas/v4/chat/completions", CHAT, BEARER, "choices"),
    ("POST", "/v1beta/openai/chat/completions", CHAT, BEARER, "choices"),
    ("POST", "/openai/deployments/d1/chat/completions?api-version=2024-10-21", CHAT, AZURE, "choices"),
    ("POST", "/openai/deployments/d1/embeddings?api-version=1", {"input": "a", "dimensions": 2}, AZURE, "data"),
    ("POST", "/v1/completions", {"model": "m", "prompt": "hi"}, BEARER, "choices"),
    ("POST", "/v1/responses", {"model": "m", "input": "hi"}, BEARER, "output"),
    ("POST", "/responses", {"model": "m", "input": [{"role": "user", "content": "hi"}]}, BEARER, "output"),
    ("POST", "/v1/responses/input_tokens", {"model": "m", "input": "hi"}, BEARER, "input_tokens"),
    ("GET", "/v1/responses/resp_1", None, BEARER, "output"),
    ("GET", "/v1/responses/resp_1/input_items", None, BEARER, "data"),
    ("POST", "/v1/responses/resp_1/cancel", None, BEARER, "status"),
    ("DELETE", "/v1/responses/resp_1", None, BEARER, "deleted"),
    ("POST", "/v1/embeddings", {"model": "m", "input": [1, 2], "dimensions": 2}, BEARER, "data"),
    ("POST", "/v1/moderations", {"input": "hi"}, BEARER, "results"),
    ("POST", "/v1/images/generations", {"prompt": "hi"}, BEARER, "data"),
    ("POST", "/v1/images/edits", UPLOAD, FORM, "data"),
    ("POST", "/v1/images/variations", UPLOAD, FORM, "data"),
    ("POST", "/v1/audio/transcriptions", UPLOAD, FORM, "text"),
    ("POST", "/v1/audio/translations", UPLOAD, FORM, "text"),
    ("POST", "/v1/rerank", {"model": "m", "query": "q", "documents": ["a", "b"]}, BEARER, "results"),
    ("POST", "/v2/rerank", {"model": "m", "query": "q", "documents": ["a"]}, BEARER, "results"),
    ("POST", "/v1/files", UPLOAD, FORM, "filename"),
    ("GET", "/v1/files", None, BEARER, "data"),
    ("GET", "/v1/files/file-1", None, BEARER, "filename"),
    ("DELETE", "/v1/files/file-1", None, BEARER, "deleted"),
    ("POST", "/v1/batches", {"input_file_id": "f", "endpoint": "/", "completion_window": "24h"}, BEARER, "status"),
    ("GET", "/v1/batches", None, BEARER, "data"),
    ("GET", "/v1/batches/batch_1", None, BEARER, "status"),
    ("POST", "/v1/batches/batch_1/cancel", None, BEARER, "status"),
    ("GET", "/v1/models", None, BEARER, "data"),
    ("GET", "/models", None, BEARER, "data"),
    ("GET", "/v1/models/gpt-5", None, BEARER, "owned_by"),
    ("GET", "/v1/models/openai/gpt-oss-120b", None, BEARER, "owned_by"),
    ("GET", "/v1/models", None, ANTHROPIC, "has_more"),
    ("GET", "/v1/models/claude-sonnet-4-6", None, ANTHROPIC, "display_name"),
    ("GET", "/v1/models", None, GOOGLE, "models"),
    ("GET", "/v1/models?key=" + KEY, None, {}, "models"),
    ("GET", "/v1beta/models", None, GOOGLE, "models"),
    ("GET", "/v1beta/models/gemini-2.5-flash", None, GOOGLE, "supportedGenerationMethods"),
    ("POST", "/v1/messages", MESSAGES, ANTHROPIC, "stop_reason"),
    ("POST", "/messages", MESSAGES, {**BEARER, "anthropic-version": "2026-10-21"}, "stop_reason"),
    ("POST", "/anthropic/v1/messages", MESSAGES, ANTHROPIC, "stop_reason"),
    ("POST", "/v1/messages/count_tokens", {"model": "m", "messages": CHAT["messages"]}, ANTHROPIC, "input_tokens"),
    ("POST", "/v1beta/models/m:generateContent", CONTENTS, GOOGLE, "candidates"),
    ("POST", "/v1/models/m:generateContent", CONTENTS, GOOGLE, "candidates"),
    ("POST", "/v1/models/m%3AgenerateContent", CONTENTS, GOOGLE, "candidates"),
    ("POST", "/v1beta/models/m:generateContent?key=" + KEY, CONTENTS, {}, "candidates"),
    ("POST", "/v1beta/models/m:countTokens", CONTENTS, GOOGLE, "totalTokens"),
    ("POST", "/v1beta/models/m:embedContent", EMBED, GOOGLE, "embedding"),
    ("POST", "/v1beta/models/m:batchEmbedContents", BATCH_EMBED, GOOGLE, "embeddings"),
    ("POST", "/v1/projects/p/locations/l/publishers/google/models/m:generateContent", CONTENTS, BEARER, "candidates"),
]


@pytest.mark.parametrize("case", ENDPOINTS, ids=lambda case: f"{case[0]} {case[1]} {case[4]}")
def test_endpoint(port: int, case: Endpoint) -> None:
    method, path, body, headers, holds = case
    reply = ask(port, method, path, body, headers)
    assert (reply.status, holds in reply.json) == (200, True), reply.body
    assert len(reply.headers) >= 9
    assert ask(port, "GET", "/_books").json["total"]["requests"] == 1


def test_speech_is_not_json(port: int) -> None:
    reply = ask(port, "POST", "/v1/audio/speech", {"model": "m", "input": "hi", "voice": "alloy"}, BEARER)
    assert (reply.status, reply.one("content-type"), reply.body[:3]) == (200, "audio/mpeg", b"ID3")


def test_equal_requests_get_equal_replies_with_ids_of_their_own(port: int) -> None:
    first, second = (ask(port, "POST", "/v1/chat/completions", CHAT, BEARER) for _ in range(2))
    assert first.json["id"] != second.json["id"]
    assert first.one("x-request-id").removeprefix("req_") == first.json["id"].removeprefix("chatcmpl-")
    assert first.json["choices"] == second.json["choices"]


def test_long_requests_that_differ_in_the_middle_only_are_told_apart(port: int) -> None:
    ends: dict[str, Any] = {"user": "c" * 3000}
    texts = [
        ask(port, "POST", "/v1/responses", {"model": "m" * 200, "input": word, **ends}, BEARER).json["output"][0]
        for word in ("one", "two", "one")
    ]
    assert [item["content"][0]["text"].split()[3] for item in texts] == ["one", "two", "one"]


def events(port: int, path: str, body: dict[str, Any], headers: dict[str, str]) -> list[bytes]:
    """The HTTP chunks of a stream of two words: each is one event."""
    reply = ask(port, "POST", path, body, {**headers, "x-mock-tokens": "2"})
    assert reply.status == 200, reply.body
    return chunks(reply.raw)


def test_chat_stream(port: int) -> None:
    plain = events(port, "/v1/chat/completions", {**CHAT, "stream": True}, BEARER)
    usage = events(
        port, "/v1/chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}}, BEARER
    )
    assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in plain + usage)
    assert plain[-1] == usage[-1] == b"data: [DONE]\n\n"
    assert (len(plain), len(usage)) == (5, 6)
    values = [json.loads(event[6:]) for event in usage[:-1]]
    assert [value["choices"][0]["delta"] for value in values[:-1]] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Mock"},
        {"content": " answer"},
        {},
    ]
    assert values[-2]["choices"][0]["finish_reason"] == "stop"
    assert (values[-1]["choices"], values[-1]["usage"]["completion_tokens"]) == ([], 2)
    assert b'"usage"' not in b"".join(plain)


def test_responses_stream(port: int) -> None:
    got = events(port, "/v1/responses", {"model": "m", "input": "hi", "stream": True}, BEARER)
    names = [event.split(b"\n")[0].removeprefix(b"event: ").decode() for event in got]
    values = [json.loads(event.split(b"\ndata: ", 1)[1]) for event in got]
    assert (
        names
        == [value["type"] for value in values]
        == [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    )
    assert [value["sequence_number"] for value in values] == list(range(10))
    assert values[-1]["response"]["usage"]["output_tokens"] == 2
    assert values[0]["response"]["usage"] is None


def test_anthropic_stream(port: int) -> None:
    got = events(port, "/v1/messages", {**MESSAGES, "stream": True}, ANTHROPIC)
    assert [event.split(b"\n")[0].removeprefix(b"event: ").decode() for event in got] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start = json.loads(got[0].split(b"\ndata: ", 1)[1])["message"]
    assert (start["content"], start["stop_reason"], start["usage"]["output_tokens"]) == ([], None, 1)
    assert json.loads(got[-2].split(b"\ndata: ", 1)[1])["usage"]["output_tokens"] == 2


def test_gemini_streams(port: int) -> None:
    path = "/v1beta/models/m:streamGenerateContent"
    sse = events(port, path + "?alt=sse", CONTENTS, GOOGLE)
    assert all(event.startswith(b"data: {") and event.endswith(b"}\r\n\r\n") for event in sse)
    array = json.loads(b"".join(events(port, path, CONTENTS, GOOGLE)))
    for values in ([json.loads(event[6:]) for event in sse], array):
        assert [value["candidates"][0].get("finishReason") for value in values] == [None, "STOP"]
        assert values[-1]["usageMetadata"]["candidatesTokenCount"] == 2


def test_line_separators_are_escaped(port: int) -> None:
    contents = {"contents": [{"parts": [{"text": "a\u2028b"}]}]}
    reply = ask(port, "POST", "/v1beta/models/m:generateContent", contents, GOOGLE)
    assert "\u2028".encode() not in reply.body
    odd = {"contents": [{"parts": [{"text": "x\u2029"}]}]}
    assert "\u2029".encode() not in ask(port, "POST", "/v1beta/models/m:generateContent", odd, GOOGLE).body


NOT_JSON = {**BEARER, "content-type": "text/plain"}
TYPED = {**BEARER, "content-type": "application/json"}
# path, body, headers, status, text in the error
Refusal = tuple[str, object, dict[str, str], int, str]
REFUSALS: list[Refusal] = [
    ("/v1/chat/completions", CHAT, {}, 401, "no key"),
    ("/v1/chat/completions", CHAT, {"x-api-key": KEY}, 401, "got x-api-key"),
    ("/v1/chat/completions", CHAT, {"api-key": KEY}, 401, "got api-key"),
    ("/v1/chat/completions", CHAT, {"x-goog-api-key": KEY}, 401, "got x-goog-api-key"),
    ("/v1/chat/completions", CHAT, {"authorization": "Basic abc"}, 401, "got authorization: Basic"),
    ("/v1/chat/completions", CHAT, {"authorization": "Bearer"}, 401, "wrong kind"),
    ("/v1/chat/completions?key=k", CHAT, BEARER, 400, "more than one credential"),
    ("/v1/chat/completions", CHAT, {**BEARER, "x-api-key": "k"}, 400, "more than one credential"),
    ("/v1/chat/completions", {"messages": CHAT["messages"]}, BEARER, 400, "'model'"),
    ("/v1/chat/completions", {**CHAT, "model": ""}, BEARER, 400, "'model'"),
    ("/v1/chat/completions", {**CHAT, "model": None}, BEARER, 400, "expected a string, but got null"),
    ("/v1/chat/completions", {"model": "m"}, BEARER, 400, "'messages'"),
    ("/v1/chat/completions", {**CHAT, "messages": "hi"}, BEARER, 400, "expected an array, but got a string"),
    ("/v1/chat/completions", {**CHAT, "messages": []}, BEARER, 400, "'messages': empty"),
    ("/v1/chat/completions", {**CHAT, "messages": ["hi"]}, BEARER, 400, "messages[0]: expected an object"),
    ("/v1/chat/completions", {**CHAT, "messages": [{"role": "x", "content": ""}]}, BEARER, 400, "messages[0].role"),
    ("/v1/chat/completions", {**CHAT, "messages": [{"role": "user"}]}, BEARER, 400, "messages[0].content"),
    ("/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": [{}]}]}, BEARER, 400, "needs a type"),
    ("/v1/chat/completions", {**CHAT, "stream": "yes"}, BEARER, 400, "'stream'"),
    ("/v1/chat/completions", {**CHAT, "max_tokens": True}, BEARER, 400, "'max_tokens'"),
    ("/v1/chat/completions", {**CHAT, "stream_options": {}}, BEARER, 400, "only allowed when"),
    ("/v1/chat/completions", b"{}", NOT_JSON, 400, "content-type"),
    ("/v1/chat/completions", b"{}", BEARER, 400, "got nothing"),
    ("/v1/chat/completions", b"{", TYPED, 400, "parse the JSON"),
    ("/v1/chat/completions", b"", TYPED, 400, "parse the JSON"),
    ("/v1/chat/completions", b'{"model":"\xff"}', TYPED, 400, "parse the JSON"),
    ("/v1/chat/completions", b"[]", TYPED, 400, "expected an object"),
    ("/v1/v1/chat/completions", CHAT, BEARER, 404, "Unknown request URL"),
    ("//v1/chat/completions", CHAT, BEARER, 404, "Unknown request URL"),
    ("/v1/chat/completions/", CHAT, BEARER, 404, "Unknown request URL"),
    ("/v1/nothing", CHAT, BEARER, 404, "Unknown request URL"),
    ("/", CHAT, BEARER, 404, "Unknown request URL"),
    ("/v1/models", CHAT, BEARER, 405, "expected GET"),
    ("/openai/deployments/d/chat/completions", CHAT, AZURE, 404, "api-version"),
    ("/v1/embeddings", {"model": "m", "input": 3}, BEARER, 400, "expected a string or an array"),
    ("/v1/embeddings", {"model": "m", "input": "a", "encoding_format": "hex"}, BEARER, 400, "encoding_format"),
    ("/v1/audio/transcriptions", {"model": "m"}, BEARER, 400, "multipart/form-data"),
    ("/v1/audio/transcriptions", UPLOAD[:-6], FORM, 400, "boundary"),
    ("/v1/audio/transcriptions", b"--b1\r\n\r\n\r\n--b1--\r\n", FORM, 400, "without name"),
    ("/v1/responses/chatcmpl-1/cancel", None, BEARER, 404, "ids begin with resp_"),
    ("/v1/chat/completions", CHAT, {**BEARER, "x-mock-latency": "soon"}, 400, "x-mock-latency"),
    ("/v1/chat/completions", CHAT, {**BEARER, "x-mock-latency": "nan"}, 400, "x-mock-latency"),
    ("/v1/chat/completions", CHAT, {**BEARER, "x-mock-lateness": "1"}, 400, "no such header"),
    ("/v1/chat/completions", CHAT, {**BEARER, "x-mock-usage": "tea=1"}, 400, "no such bucket"),
    ("/v1/messages", MESSAGES, {"x-api-key": KEY}, 400, "anthropic-version"),
    ("/v1/messages", MESSAGES, {**ANTHROPIC, "anthropic-version": "2020-01-01"}, 400, "2020-01-01"),
    ("/v1/messages", MESSAGES, {"anthropic-version": "2023-06-01"}, 401, "no key"),
    ("/v1/messages", {"model": "m", "messages": CHAT["messages"]}, ANTHROPIC, 400, "'max_tokens'"),
    ("/v1/messages", {**MESSAGES, "messages": [{"role": "system", "content": ""}]}, ANTHROPIC, 400, "messages[0].role"),
    (
        "/v1/messages",
        {**MESSAGES, "temperature": 1},
        {"x-api-key": KEY, "anthropic-version": "2026-10-21"},
        400,
        "Extra inputs are not permitted",
    ),
    ("/v1beta/models/m:generateContent", CONTENTS, BEARER, 401, "got authorization: Bearer"),
    ("/v1beta/models/m:generateContent", {}, GOOGLE, 400, "'contents'"),
    ("/v1beta/models/m:generateContent", {"contents": [{"role": "user"}]}, GOOGLE, 400, "contents[0].parts"),
    ("/v1beta/models/m:generateContent", {**CONTENTS, "stream": True}, GOOGLE, 400, "Unknown name"),
    ("/v1beta/models/m:batchEmbedContents", {"requests": [EMBED]}, GOOGLE, 400, "requests[0].model"),
    ("/v1beta/models/m:unknownVerb", CONTENTS, GOOGLE, 404, "Unknown request URL"),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: f"{case[0]} {case[3]} {case[4]}")
def test_refusal(port: int, case: Refusal) -> None:
    path, body, headers, status, text = case
    reply = ask(port, "POST", path, body, headers)
    assert (reply.status, text in reply.json["error"]["message"]) == (status, True), reply.body


def test_errors_are_written_in_the_format_of_the_path(port: int) -> None:
    openai = ask(port, "POST", "/v1/chat/completions", CHAT).json["error"]
    anthropic = ask(port, "POST", "/v1/messages", MESSAGES).json
    gemini = ask(port, "POST", "/v1beta/models/m:generateContent", CONTENTS).json["error"]
    assert (openai["type"], openai["code"]) == ("authentication_error", "invalid_api_key")
    assert (anthropic["type"], anthropic["error"]["type"]) == ("error", "authentication_error")
    assert (gemini["code"], gemini["status"]) == (401, "UNAUTHENTICATED")
