"""Counting requests: exactly where the tokenizer is known, in a thread, and off where it is switched off."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import msgspec
import pytest

from fastproxy.formats.estimate import estimate
from fastproxy.formats.letters import estimate_text
from fastproxy.formats.operations import find
from fastproxy.formats.registry import CHAT
from fastproxy.formats.tokens import Counter, ruler
from fastproxy.gateway import counting
from fastproxy.gateway.counting import count_body
from fastproxy.providers.vocabulary import encoder
from tests.gateway.gateway_stage import json_of, status_of
from tests.gateway.translating_stage import Translating

Turns = list[tuple[str, str | None, str]]

# OpenAI's cookbook, "How to count tokens with tiktoken", sections 6 and 7
JARGON: Turns = [
    ("system", None,
     "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."),
    ("system", "example_user", "New synergies will help drive top-line growth."),
    ("system", "example_assistant", "Things working well together will increase revenue."),
    ("system", "example_user",
     "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."),
    ("system", "example_assistant", "Let's talk later when we're less busy about how to do better."),
    ("user", None, "This late pivot means we don't have time to boil the ocean for the client deliverable."),
]  # fmt: skip
WEATHER = {
    "name": "get_current_weather",
    "description": "Get the current weather in a given location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
            "unit": {
                "type": "string",
                "description": "The unit of temperature to return",
                "enum": ["celsius", "fahrenheit"],
            },
        },
        "required": ["location"],
    },
}
ASKING: Turns = [
    ("system", None, "You are a helpful assistant that can answer to questions about the weather."),
    ("user", None, "What's the weather like in San Francisco?"),
]


def items(turns: Turns) -> list[dict[str, Any]]:
    return [{"role": role, "content": text} | ({"name": name} if name else {}) for role, name, text in turns]


def counted(path: bytes, body: dict[str, Any], tokenizer: str = "lazy") -> int:
    operation = find(b"POST", path)
    assert operation is not None
    stage = Translating("openai-chat")
    stage.world.install(msgspec.structs.replace(stage.snapshot, tokenizer=tokenizer))
    return count_body(operation, json.dumps(body).encode(), stage.world.table)


@pytest.mark.parametrize(("model", "plain", "with_tools"), [("gpt-4o", 124, 101), ("gpt-4", 129, 105)])
def test_openais_formula_gives_openais_numbers(model: str, plain: int, with_tools: int) -> None:
    def tokens(turns: Turns, **more: Any) -> int:
        request = CHAT["openai-chat"].read_request({"model": model, "messages": items(turns), **more})
        return estimate(request, Counter(encoder(ruler(model).vocabulary)))

    assert tokens(JARGON) == plain
    assert tokens(ASKING, tools=[{"type": "function", "function": WEATHER}]) == with_tools
    body = {"model": model, "input": items(ASKING), "tools": [{"type": "function", **WEATHER}]}
    assert counted(b"/v1/responses/input_tokens", body) == with_tools


async def asks(stage: Translating, path: str, body: dict[str, Any]) -> bytes:
    stage.asks(path, body)
    await asyncio.wait(list(stage.tasks))
    await asyncio.sleep(0)
    return stage.got()


COUNT = "/v1/messages/count_tokens"
MESSAGE = {"model": "gpt-4o", "max_tokens": 9, "messages": [{"role": "user", "content": "tiktoken is great!"}]}


CLAUDE = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "What's the weather like in San Francisco?"}],
    "tools": [
        {"name": "get_weather", "description": WEATHER["description"], "input_schema": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}},
            "required": ["location"],
        }}
    ],
}  # fmt: skip


def test_claudes_tools_cost_what_its_page_says() -> None:
    assert counted(b"/v1/messages/count_tokens", CLAUDE) == pytest.approx(403, rel=0.02)


PROSE = "The quick brown fox jumps over the lazy dog. " * 20


def test_the_same_text_costs_more_with_a_finer_tokenizer() -> None:
    def tokens(model: str) -> int:
        message = {"role": "user", "content": PROSE}
        return counted(b"/v1/messages/count_tokens", {"model": model, "max_tokens": 9, "messages": [message]})

    assert tokens("gpt-4o") < tokens("claude-sonnet-4-5") < tokens("claude-opus-4-8")


def test_the_tokenizer_is_that_of_the_model_behind_the_name() -> None:
    """Claude Code asks for Claude, and a channel makes GPT of it."""
    stage = Translating("openai-chat", models=("claude-opus-4-8",))
    (channel,) = stage.snapshot.channels
    renaming = msgspec.structs.replace(channel, rename={"claude-opus-4-8": "gpt-4o"})
    stage.world.install(msgspec.structs.replace(stage.snapshot, channels=(renaming,)))
    for model, expected in (("claude-opus-4-8", 13), ("claude-opus-4-7", 17)):
        reply = asyncio.run(asks(stage, COUNT, MESSAGE | {"model": model}))
        assert json_of(reply) == {"input_tokens": expected}


def test_without_a_tokenizer_the_letters_are_counted() -> None:
    contents = {"contents": [{"role": "user", "parts": [{"text": PROSE}]}]}
    assert counted(b"/v1beta/models/g:countTokens", contents, "off") == estimate_text(PROSE) + 7


@pytest.mark.parametrize("letter", ["a", " ", "\n", "^", "\u3000", "\u0301"])
def test_no_text_takes_longer_than_its_bound(letter: str) -> None:
    """Some tokenizers take a time that grows with the square of a word: here the test's own limit would end it."""
    message = {"role": "user", "content": letter * 1_000_000}
    body = {"model": "gpt-4o", "max_tokens": 9, "messages": [message]}
    assert counted(b"/v1/messages/count_tokens", body) > 1000


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (COUNT, MESSAGE, {"input_tokens": 13}),
        ("/v1/responses/input_tokens", {"model": "gpt-4o", "input": "tiktoken is great!"},
         {"object": "response.input_tokens", "input_tokens": 13}),
        ("/v1beta/models/gpt-4o:countTokens", {"contents": [{"parts": [{"text": "tiktoken is great!"}]}]},
         {"totalTokens": 13}),
    ],
)  # fmt: skip
def test_a_count_is_given_in_the_clients_format_and_marked(
    path: str, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    reply = asyncio.run(asks(Translating("openai-chat"), path, body))
    assert json_of(reply) == expected
    assert b"\r\nx-fastproxy-estimated: 1\r\n" in reply


def test_a_count_is_made_in_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    plain = counting.count_body

    def noted(*arguments: Any) -> int:
        threads.append(threading.current_thread().name)
        return plain(*arguments)

    monkeypatch.setattr(counting, "count_body", noted)
    asyncio.run(asks(Translating("openai-chat"), COUNT, MESSAGE))
    asyncio.run(asks(Translating("openai-chat"), COUNT, MESSAGE))
    assert threads[0].startswith("fastproxy-tokens")
    assert threads == [threads[0]] * 2


def test_a_broken_count_is_refused_in_the_clients_format() -> None:
    reply = asyncio.run(asks(Translating("openai-chat"), COUNT, MESSAGE | {"messages": 5}))
    assert status_of(reply) == 400
    assert json_of(reply)["error"]["type"] == "invalid_request_error"


def test_the_setting_reaches_the_count() -> None:
    stage = Translating("openai-chat")
    stage.world.install(msgspec.structs.replace(stage.snapshot, tokenizer="off"))
    body = MESSAGE | {"messages": [{"role": "user", "content": PROSE}]}
    reply = asyncio.run(asks(stage, "/v1/messages/count_tokens", body))
    assert json_of(reply) == {"input_tokens": estimate_text(PROSE) + 7}
