"""A whole exchange between two formats, step by step: a request of 1 KB and a reply of 360 B, texts alone, as most are.

    read_request → write_request → (the upstream) → read_reply → fold → write_reply

Beside these: a request with tools, a call and its result, which takes the long way of each writer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.formats.chat import ChatRequest, Target
from fastproxy.formats.events import ReplyContext
from fastproxy.formats.fold import fold
from fastproxy.formats.notes import Notes
from fastproxy.formats.registry import CHAT

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from fastproxy.formats.events import Event, Reply

QUESTION = "Which of these three designs would you take for a service that streams replies, and why? " * 9
ANSWER = "Take the second one: it keeps backpressure where it belongs. " * 6
BRIEF = "You answer briefly."
REQUESTS: dict[str, dict[str, Any]] = {
    "openai-chat": {
        "model": "m", "max_completion_tokens": 256, "temperature": 1,
        "messages": [{"role": "system", "content": BRIEF}, {"role": "user", "content": QUESTION}],
    },
    "openai-responses": {
        "model": "m", "max_output_tokens": 256, "temperature": 1, "instructions": BRIEF, "input": QUESTION
    },
    "anthropic": {
        "model": "m", "max_tokens": 256, "system": BRIEF, "messages": [{"role": "user", "content": QUESTION}]
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": BRIEF}]},
        "contents": [{"role": "user", "parts": [{"text": QUESTION}]}],
        "generationConfig": {"maxOutputTokens": 256, "temperature": 1},
    },
}  # fmt: skip
REPLIES: dict[str, dict[str, Any]] = {
    "openai-chat": {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-1", "service_tier": "default",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": ANSWER, "refusal": None, "annotations": []},
             "logprobs": None, "finish_reason": "stop"}
        ],
        "usage": {
            "prompt_tokens": 220, "completion_tokens": 64, "total_tokens": 284,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
    },
    "openai-responses": {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "error": None, "model": "m-1",
        "output": [
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
             "content": [{"type": "output_text", "text": ANSWER, "annotations": [], "logprobs": []}]}
        ],
        "usage": {
            "input_tokens": 220, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 64, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 284,
        },
    },
    "anthropic": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1",
        "content": [{"type": "text", "text": ANSWER}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {
            "input_tokens": 220, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 64,
            "service_tier": "standard",
        },
    },
    "gemini": {
        "candidates": [
            {"content": {"parts": [{"text": ANSWER}], "role": "model"}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {"promptTokenCount": 220, "candidatesTokenCount": 64, "totalTokenCount": 284},
        "modelVersion": "m-1", "responseId": "r1",
    },
}  # fmt: skip
TOOL_LOOP: dict[str, Any] = {
    "model": "m",
    "max_tokens": 256,
    "system": BRIEF,
    "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}],
    "messages": [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "x"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "a cat"}]},
    ],
}
TARGET = Target("up")
CONTEXT = ReplyContext("00ff", "m", 1)
every_format = pytest.mark.parametrize("name", CHAT)
every_client = pytest.mark.parametrize("client", CHAT)
every_upstream = pytest.mark.parametrize("upstream", CHAT)


def read(client: str) -> ChatRequest:
    return CHAT[client].read_request(REQUESTS[client], model="m")


def replied(upstream: str) -> Reply:
    return fold(CHAT[upstream].read_reply(REPLIES[upstream]))


@every_format
def test_read_a_request(benchmark: BenchmarkFixture, name: str) -> None:
    assert benchmark(read, name).max_output == 256


@every_client
@every_upstream
def test_write_a_request(benchmark: BenchmarkFixture, client: str, upstream: str) -> None:
    request = read(client)

    def write() -> dict[str, Any]:
        return CHAT[upstream].write_request(request, TARGET, Notes())[0]

    assert QUESTION in str(benchmark(write))


@every_format
def test_read_a_reply(benchmark: BenchmarkFixture, name: str) -> None:
    def events() -> list[Event]:
        return CHAT[name].read_reply(REPLIES[name])

    assert len(benchmark(events)) == 5


@every_format
def test_fold_a_reply(benchmark: BenchmarkFixture, name: str) -> None:
    assert benchmark(fold, CHAT[name].read_reply(REPLIES[name])).usage.output == 64


@every_client
@every_upstream
def test_write_a_reply(benchmark: BenchmarkFixture, client: str, upstream: str) -> None:
    reply = replied(upstream)

    def write() -> dict[str, Any]:
        return CHAT[client].write_reply(reply, CONTEXT)

    assert ANSWER in str(benchmark(write))


@every_client
@every_upstream
def test_a_whole_exchange(benchmark: BenchmarkFixture, client: str, upstream: str) -> None:
    def exchange() -> dict[str, Any]:
        CHAT[upstream].write_request(read(client), TARGET, Notes())
        return CHAT[client].write_reply(replied(upstream), CONTEXT)

    assert ANSWER in str(benchmark(exchange))


@every_upstream
def test_write_a_request_with_a_tool_loop(benchmark: BenchmarkFixture, upstream: str) -> None:
    request = CHAT["anthropic"].read_request(TOOL_LOOP)

    def write() -> dict[str, Any]:
        return CHAT[upstream].write_request(request, TARGET, Notes())[0]

    assert "a cat" in str(benchmark(write))
