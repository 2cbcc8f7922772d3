"""Rich replies, read by the official SDKs: tool calls, thinking, images, JSON of a schema; and how they are counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as google_errors

from tests.live.sdk_calls import openai_client
from tests.loadtest import sdk_content
from tests.loadtest.mock_process import BEARER, KEY, ask, chunks
from tests.loadtest.sdk_content import ARGUMENTS, SCHEMA, TOOL, Said

pytestmark = pytest.mark.timeout(30)
Call = Callable[[str, str, bool, Mapping[str, str]], Said]
CALLS: list[Call] = [sdk_content.chat, sdk_content.responses, sdk_content.messages, sdk_content.gemini]
GOOGLE = {"x-goog-api-key": KEY}
ANTHROPIC = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
FUNCTION = {"type": "function", "function": {**TOOL, "parameters": SCHEMA}}
SAY: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
# wishes, (text, thinking, calls, finish)
Case = tuple[dict[str, str], tuple[str, str, list[tuple[str, Any]], str]]
CASES: dict[str, Case] = {
    "text": ({"tokens": "4"}, ("Mock answer to: Rome?", "", [], "stop")),
    "length": ({"tokens": "2", "finish": "length"}, ("Mock answer", "", [], "length")),
    "tool": ({"tool": "get_weather"}, ("", "", [("get_weather", ARGUMENTS)], "tool_calls")),
    "two tools": (
        {"tool": "get_weather,get_time"},
        ("", "", [("get_weather", ARGUMENTS), ("get_time", {})], "tool_calls"),
    ),
    "thinking": ({"thinking": "1", "tokens": "1"}, ("Mock", "Thinking", [], "stop")),
    "thinking and tool": (
        {"thinking": "1", "tool": "get_weather"},
        ("", "Thinking", [("get_weather", ARGUMENTS)], "tool_calls"),
    ),
}


@pytest.fixture
def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
@pytest.mark.parametrize("name", CASES)
def test_the_sdks_read_what_was_wished(url: str, name: str, call: Call, stream: bool) -> None:
    wishes, expected = CASES[name]
    said = call(url, KEY, stream, {f"x-mock-{name}": value for name, value in wishes.items()})
    assert (said.text, said.thinking, said.calls, said.finish) == expected


FORCED: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("/v1/chat/completions", BEARER, {"model": "m", "messages": SAY, "tools": [FUNCTION], "tool_choice": "required"}),
    (
        "/v1/chat/completions",
        BEARER,
        {"model": "m", "messages": SAY, "tools": [FUNCTION], "tool_choice": {"type": "function", "function": TOOL}},
    ),
    (
        "/v1/responses",
        BEARER,
        {"model": "m", "input": "hi", "tools": [{"type": "function", **TOOL, "parameters": SCHEMA}]}
        | {"tool_choice": {"type": "function", "name": "get_weather"}},
    ),
    (
        "/v1/messages",
        ANTHROPIC,
        {"model": "m", "max_tokens": 9, "messages": SAY, "tools": [{**TOOL, "input_schema": SCHEMA}]}
        | {"tool_choice": {"type": "any"}},
    ),
    (
        "/v1beta/models/m:generateContent",
        GOOGLE,
        {
            "contents": [{"parts": [{"text": "hi"}]}],
            "tools": [{"functionDeclarations": [{**TOOL, "parameters": SCHEMA}]}],
        }
        | {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}}},
    ),
]


@pytest.mark.parametrize(("path", "headers", "body"), FORCED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_forced_tool_is_called(port: int, path: str, headers: dict[str, str], body: dict[str, Any]) -> None:
    text = ask(port, "POST", path, body, headers).body.decode().replace("\\", "")
    assert '"name":"get_weather"' in text
    assert '{"city":"mock","days":1,"unit":"C"}' in text


@pytest.mark.parametrize(
    ("path", "headers", "body", "mark"),
    [
        (
            "/v1/messages",
            ANTHROPIC,
            {"model": "m", "max_tokens": 9, "messages": SAY, "thinking": {"type": "enabled", "budget_tokens": 1024}},
            '"type":"thinking"',
        ),
        ("/v1/responses", BEARER, {"model": "m", "input": "hi", "reasoning": {"summary": "auto"}}, '"summary_text"'),
        (
            "/v1beta/models/m:generateContent",
            GOOGLE,
            {
                "contents": [{"parts": [{"text": "hi"}]}],
                "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
            },
            '"thought":true',
        ),
    ],
)
def test_thinking_comes_when_it_is_asked_for(
    port: int, path: str, headers: dict[str, str], body: dict[str, Any], mark: str
) -> None:
    assert mark in ask(port, "POST", path, body, headers).body.decode()


def test_thinking_and_arguments_are_counted(port: int) -> None:
    body = {
        "model": "m",
        "messages": SAY,
        "tools": [FUNCTION],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    wishes = BEARER | {"x-mock-thinking": "5", "x-mock-tool": "get_weather"}
    events = chunks(ask(port, "POST", "/v1/chat/completions", body, wishes).raw)
    usage = json.loads(events[-2][6:])["usage"]
    fragments = sum(b'"arguments":"' in event and b'"arguments":""' not in event for event in events)
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 5
    assert usage["completion_tokens"] == 5 + fragments
    assert fragments > 1


def test_a_schema_is_followed(url: str) -> None:
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA}}
    with openai_client(url, KEY) as client:
        message: Any = [{"role": "user", "content": "hi"}]
        reply = client.chat.completions.create(model="m", messages=message, response_format=wanted)
        assert json.loads(reply.choices[0].message.content or "") == ARGUMENTS
        parsed = client.responses.create(
            model="m", input="hi", text={"format": {"type": "json_schema", "name": "w", "schema": SCHEMA}}
        )
        assert json.loads(parsed.output_text) == ARGUMENTS


# Streams that fail in the middle


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_an_error_event_is_an_error_in_the_sdk(url: str, port: int, call: Call) -> None:
    with pytest.raises((openai.APIError, anthropic.APIError, google_errors.APIError, AssertionError)):
        call(url, KEY, True, {"x-mock-error-event": "4"})
    books = ask(port, "GET", "/_books").json["total"]
    assert (books["requests"], books["errors"]) == (0, 1)


@pytest.mark.parametrize(
    ("path", "headers", "body", "last"),
    [
        ("/v1/chat/completions", BEARER, {"model": "m", "messages": SAY}, b'data: {"error":'),
        ("/v1/responses", BEARER, {"model": "m", "input": "hi"}, b'event: error\ndata: {"type":"error","code"'),
        (
            "/v1/messages",
            ANTHROPIC,
            {"model": "m", "max_tokens": 9, "messages": SAY},
            b'event: error\ndata: {"type":"error"',
        ),
    ],
)
def test_how_a_stream_says_that_it_failed(
    port: int, path: str, headers: dict[str, str], body: dict[str, Any], last: bytes
) -> None:
    events = chunks(ask(port, "POST", path, body | {"stream": True}, headers | {"x-mock-error-event": "3"}).raw)
    assert len(events) == 4
    assert events[-1].startswith(last)
    assert ask(port, "GET", "/_books").json["total"]["errors"] == 1
