"""POST /api/convert over real sockets: what it gives back, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.admin.access import Access
from fastproxy.admin.api import convert
from fastproxy.admin.app import create_app
from tests.admin.cells import Answer, Cells, fetch, node, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = {
    "model": "gpt-x",
    "seed": 1,
    "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi é"}],
}
DEEP = b"[" * 3000 + b"]" * 3000
REPLY = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(create_app(node(Cells()), Access(None, "127.0.0.1"), version="1.2.3")) as port:
        yield port


def post(port: int, body: Any) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return fetch(port, "/api/convert", {"content-type": "application/json"}, "POST", data)


def test_a_request_and_what_was_lost(port: int) -> None:
    answer = post(port, {"from": "openai-chat", "to": "anthropic", "model": "claude-x", "body": REQUEST})
    assert answer.status == 200
    found = json.loads(answer.body)
    assert found["body"]["model"] == "claude-x"
    assert found["body"]["messages"][0]["role"] == "user"
    assert "system" in found["body"]
    assert any(line.startswith("seed dropped") for line in found["lossy"])


def test_the_same_format_gives_the_same_body(port: int) -> None:
    answer = post(port, {"from": "openai-chat", "to": "openai-chat", "body": REQUEST})
    assert json.loads(answer.body) == {"body": REQUEST, "lossy": []}


def test_a_reply(port: int) -> None:
    answer = post(port, {"from": "anthropic", "to": "openai-chat", "reply": True, "body": REPLY})
    found = json.loads(answer.body)["body"]
    assert (found["object"], found["model"]) == ("chat.completion", "claude-x")
    assert found["choices"][0]["message"]["content"] == "hello"


@pytest.mark.parametrize(
    ("body", "status", "kind", "text"),
    [
        (b"", 400, "bad_request", "not a conversion"),
        (b"{", 400, "bad_request", "not a conversion"),
        (b"[" * 100_000, 400, "bad_request", "not a conversion"),
        (
            b'{"from": "openai-chat", "to": "anthropic", "body": {"a": %b}}' % DEEP,
            400,
            "bad_request",
            "nested too deeply",
        ),
        ({"from": "openai-chat", "body": {}}, 400, "bad_request", "missing required field `to`"),
        ({"from": "openai-chat", "to": "anthropic", "body": []}, 400, "bad_request", "expected `object`, got `array`"),
        ({"from": "a", "to": "b", "body": {}, "c": 1}, 400, "bad_request", "unknown field `c`"),
        ({"from": "openai", "to": "anthropic", "model": "m", "body": REQUEST}, 400, "bad_format", "format 'openai' is"),
        ({"from": "openai-chat", "to": "x", "model": "m", "body": REQUEST}, 400, "bad_format", "format 'x' is unknown"),
        (
            {"from": "gemini", "to": "anthropic", "body": {"contents": []}},
            400,
            "bad_format",
            "field 'model' is missing",
        ),
        (
            {"from": "openai-chat", "to": "anthropic", "body": {"model": "m", "messages": 1}},
            400,
            "bad_format",
            "messages",
        ),
    ],
)
def test_what_cannot_be_converted(port: int, body: Any, status: int, kind: str, text: str) -> None:
    answer = post(port, body)
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["status"], error["kind"]) == (status, status, kind)
    assert text in error["message"]


@pytest.mark.parametrize("depth", [100, 300, 450, 1200])
@pytest.mark.parametrize("target", ["openai-responses", "anthropic", "gemini"])
def test_a_deep_schema_is_converted_or_refused(port: int, target: str, depth: int) -> None:
    schema = b'{"type": "object", "properties": {"a": ' * depth + b"{}" + b"}}" * depth
    tools = b'[{"type": "function", "function": {"name": "f", "parameters": %b}}]' % schema
    request = b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": %b}' % tools
    answer = post(port, b'{"from": "openai-chat", "to": "%b", "body": %b}' % (target.encode(), request))
    assert answer.status == (200 if depth == 100 else answer.status)
    assert answer.status in (200, 400)


def test_a_body_has_a_bound(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "MAX_BODY", 100)
    assert post(port, b"x" * 100).status == 400
    assert post(port, b"x" * 101).status == 413
