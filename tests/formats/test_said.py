"""What was asked and said, in each format's own shape, whole, streamed and cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.letters import estimate_text
from fastproxy.formats.pictures import USUAL
from fastproxy.formats.said import asked, said, said_so_far

TEXT = "a rather long answer of twelve words, which is what it needs"
TOKENS = estimate_text(TEXT)
CALL = '{"city":"Paris"}'


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def message(**said_: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-0123456789", "model": "m", "choices": [{"index": 0, "message": {"role": "a", **said_}}]}


REPLIES: list[tuple[str, Any, int]] = [
    ("openai-chat", message(content=TEXT), TOKENS),
    ("openai-chat", message(content=None, reasoning_content=TEXT), TOKENS),
    ("openai-chat", message(tool_calls=[{"id": "call_1", "function": {"name": "f", "arguments": CALL}}]), 5),
    ("openai", {"object": "text_completion", "choices": [{"text": TEXT, "logprobs": {"tokens": [TEXT]}}]}, TOKENS),
    ("anthropic", {"type": "message", "content": [{"type": "text", "text": TEXT}]}, TOKENS),
    ("anthropic", {"content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"city": "Paris"}}]}, 5),
    ("gemini", {"candidates": [{"content": {"role": "model", "parts": [{"text": TEXT}]}}]}, TOKENS),
    ("gemini", [{"candidates": [{"content": {"parts": [{"text": TEXT}]}}]}], TOKENS),
    ("openai-responses", {"instructions": "x" * 99, "output": [{"content": [{"text": TEXT}]}]}, TOKENS),
    ("ollama", {"model": "m", "message": {"role": "assistant", "content": TEXT}, "done": True}, TOKENS),
    ("openai", {"object": "list", "data": [{"embedding": [0.1, 0.2]}]}, 0),
]  # fmt: skip


@pytest.mark.parametrize(("wire_format", "reply", "tokens"), REPLIES)
def test_a_whole_reply(wire_format: str, reply: Any, tokens: int) -> None:
    assert said(wire_format, encoded(reply)) == tokens


def test_a_reply_that_cannot_be_read_is_judged_unread() -> None:
    whole = encoded(message(content=TEXT * 40))
    assert said("openai-chat", whole[:-10]) == pytest.approx(40 * TOKENS, rel=0.1)
    assert said("openai-chat", encoded(message(content=TEXT * 4000))) == pytest.approx(4000 * TOKENS, rel=0.1)


def events(*values: Any, name: str = "") -> bytes:
    return b"".join(b"data: %b\n\n" % encoded(value) for value in values)


def words(wire_format: str) -> list[Any]:
    """One event per word, as each vendor sends them."""
    shapes: dict[str, Any] = {
        "openai-chat": lambda word: {"choices": [{"index": 0, "delta": {"content": word}}]},
        "openai": lambda word: {"choices": [{"index": 0, "text": word}]},
        "anthropic": lambda word: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": word}},
        "gemini": lambda word: {"candidates": [{"content": {"parts": [{"text": word}]}}]},
        "openai-responses": lambda word: {"type": "response.output_text.delta", "item_id": "msg_1", "delta": word},
        "ollama": lambda word: {"message": {"role": "assistant", "content": word}, "done": False},
    }
    return [shapes[wire_format](f"{word} ") for word in TEXT.split()]


STREAMED = ["openai-chat", "openai", "anthropic", "gemini", "openai-responses"]


@pytest.mark.parametrize("wire_format", STREAMED)
def test_the_deltas_of_a_stream(wire_format: str) -> None:
    text = events(*words(wire_format))
    assert said_so_far(wire_format, text, len(text)) == estimate_text(TEXT + " ")


def test_a_stream_of_lines() -> None:
    text = b"".join(encoded(word) + b"\n" for word in words("ollama"))
    assert said_so_far("ollama", text, len(text)) == estimate_text(TEXT + " ")


@pytest.mark.parametrize("wire_format", STREAMED)
def test_a_long_stream_is_judged_by_its_end(wire_format: str) -> None:
    once = events(*words(wire_format))
    whole = once * 50
    assert said_so_far(wire_format, whole[-12_000:], len(whole)) == pytest.approx(50 * TOKENS, rel=0.05)


def test_the_last_event_of_responses_repeats_what_was_said() -> None:
    last = {"type": "response.completed", "response": {"output": [{"content": [{"text": TEXT}]}]}}
    done = {"type": "response.output_text.done", "text": TEXT}
    assert said_so_far("openai-responses", events(*words("openai-responses"), done, last), 10**6) == TOKENS


SILENT = [b"", b"data: [DONE]\n\n", b": ping\n\n", b"event: ping\ndata: {}\n\n", b"data: 1\n\n"]


@pytest.mark.parametrize("text", SILENT)
def test_events_that_say_nothing_cost_nothing(text: bytes) -> None:
    assert said_so_far("openai-chat", text, len(text)) == 0


SYSTEM = {"role": "system", "content": "be brief"}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 20_000}}
REQUESTS: list[tuple[Any, int]] = [
    ({"model": "m", "messages": [{"role": "user", "content": TEXT}]}, TOKENS + 7),
    ({"model": "m", "messages": [SYSTEM, {"role": "user", "content": TEXT}]}, estimate_text("be brief" + TEXT) + 11),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": TEXT}, PICTURE]}]}, TOKENS + USUAL + 7),
    ({"contents": [{"parts": [{"text": TEXT}, {"inlineData": {"mimeType": "a/b", "data": "A" * 999}}]}]},
     TOKENS + USUAL + 7),
    ({"model": "m", "system": TEXT, "max_tokens": 9, "messages": []}, TOKENS + 3),
    ({"model": "m", "input": TEXT}, TOKENS),
    ({"model": "m", "input": [TEXT, TEXT]}, estimate_text(TEXT * 2)),
    ({"model": "m", "input": [1, 2, 3, 4]}, 4),
    ({"model": "m", "input": [[1, 2], [3]]}, 3),
    ({"model": "m", "prompt": TEXT}, TOKENS),
    ({"model": "m", "query": TEXT, "documents": [TEXT]}, estimate_text(TEXT * 2)),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "tokens"), REQUESTS)
def test_what_was_asked(request_: Any, tokens: int) -> None:
    assert asked(encoded(request_)) == tokens


def test_tools_are_asked_too() -> None:
    plain = {"messages": [{"role": "user", "content": TEXT}]}
    tool = {"type": "function", "function": {"name": "f", "description": "does", "parameters": {"type": "object"}}}
    assert asked(encoded(plain | {"tools": [tool]})) > asked(encoded(plain))


@pytest.mark.parametrize(
    "hostile",
    [
        b"[" * 5000 + b"]" * 5000,
        b'{"messages":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"messages":[' + b"{}," * 20_000 + b"{}]}",
        b'{"messages":"\xff"}',
        b"",
        b"null",
    ],
)
def test_hostile_requests_are_bounded(hostile: bytes) -> None:
    assert 0 <= asked(hostile) <= len(hostile)


@given(st.binary(max_size=200), st.sampled_from(STREAMED))
def test_nonsense_is_never_an_error(noise: bytes, wire_format: str) -> None:
    assert said(wire_format, noise) >= 0
    assert said_so_far(wire_format, noise, 1000) >= 0
    assert asked(noise) >= 0
