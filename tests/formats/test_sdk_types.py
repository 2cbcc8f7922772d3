"""The judge must bite: bodies with one planted fault, in every format."""

from __future__ import annotations

from typing import Any

import pytest

from tests.formats.sdk_types import check_event, check_reply, check_request

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
GOOD: dict[str, dict[str, Any]] = {
    "openai-chat": {"model": "m", "messages": [{"role": "assistant", "tool_calls": [CALL]}], "top_k": 3},
    "openai-responses": {"model": "m", "input": [{"role": "assistant", "type": "message", "content": []}]},
    "anthropic": {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "t"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "t"}]}], "generationConfig": {"topK": 3}},
}  # fmt: skip
BAD = [
    ("openai-chat", {"messages": [{"role": "assistant", "tool_calls": [CALL | {"extra": 1}]}]}),
    ("openai-chat", {"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]}]}),
    ("openai-chat", {"messages": [{"role": "robot", "content": "x"}]}),
    ("openai-chat", {"unknown": 1}),
    ("openai-chat", {"tools": [{"type": "function", "function": {}}]}),
    ("openai-responses", {"input": [{"role": "user", "content": [{"type": "input_text"}]}]}),
    ("openai-responses", {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}),
    ("openai-responses", {"reasoning": {"effort": "enormous"}}),
    ("openai-responses", {"max_tokens": 1}),
    ("anthropic", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
    ("anthropic", {"messages": [{"role": "user", "content": [{"type": "text", "text": "t", "detail": "x"}]}]}),
    ("anthropic", {"messages": [{"role": "tool", "content": "t"}]}),
    ("anthropic", {"tools": [{"name": "f"}]}),
    ("anthropic", {"max_tokens": None}),
    ("gemini", {"contents": [{"role": "user", "parts": [{"text": "t", "detail": 1}]}]}),
    ("gemini", {"generationConfig": {"topX": 3}}),
    ("gemini", {"model": "m"}),
    ("gemini", {"tools": [{"functionDeclarations": [{"name": 1}]}]}),
]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_request_passes(name: str) -> None:
    check_request(name, GOOD[name])


@pytest.mark.parametrize(("name", "fault"), BAD)
def test_a_planted_fault_is_found(name: str, fault: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        check_request(name, GOOD[name] | fault)


@pytest.mark.parametrize("name", GOOD)
def test_a_faulty_reply_or_event_is_found(name: str) -> None:
    for value in ({"choices": 1}, {"type": "nothing"}, {"candidates": [{"content": {"parts": [{"text": 1}]}}]}):
        with pytest.raises(AssertionError):
            check_reply(name, value)
        if name != "openai-chat":
            with pytest.raises(AssertionError):
                check_event(name, value)
