"""What follows from a format when little is said, and what does not go together. The strict mock takes it."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from fastproxy.loadtest.load.bodies import AI_FORMATS, credential
from fastproxy.loadtest.load.requests import FieldError, build_request, check_request
from fastproxy.loadtest.load.shapes import Format, Plan, Request
from fastproxy.loadtest.load.template import compile_request


@pytest.mark.parametrize(
    ("given", "method", "path"),
    [
        ({}, "GET", ""),
        ({"body": "x"}, "POST", ""),
        ({"body": "x", "method": "PATCH"}, "PATCH", ""),
        ({"format": Format.OPENAI_CHAT}, "POST", "/v1/chat/completions"),
        ({"format": Format.OPENAI_RESPONSES, "path": "/r"}, "POST", "/r"),
        ({"format": Format.ANTHROPIC}, "POST", "/v1/messages"),
        ({"format": Format.GEMINI}, "POST", "/v1beta/models/gemini-2.5-flash:generateContent"),
        (
            {"format": Format.GEMINI, "model": "m", "stream": True, "body": "{}"},
            "POST",
            "/v1beta/models/m:streamGenerateContent?alt=sse",
        ),
    ],
)
def test_method_and_path_follow_from_what_is_said(given: dict[str, Any], method: str, path: str) -> None:
    request = build_request(given)
    assert (request.method, request.path) == (method, path)
    check_request(request, {})


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"prompt_words": "5"}, "prompt_words"),
        ({"format": Format.OPENAI_CHAT, "body": "x", "model": "m"}, "model"),
        ({"format": Format.WEBSOCKET, "stream": True}, "stream"),
        ({"abort": {"after": 1.0}}, "abort"),
        ({"format": Format.HTTP, "turns": 3}, "turns"),
    ],
)
def test_what_does_not_go_together_names_its_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError, match=field) as caught:
        build_request(given)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (Request(path="{{x}}"), "path"),
        (Request(headers=(("a", "{{x}}"),)), "headers"),
        (Request(body="{{x}}"), "body"),
        (Request(method="a b"), ""),
        (Request(format=Format.WEBSOCKET, headers=(("a b", ""),)), ""),
    ],
)
def test_texts_that_cannot_be_filled_name_their_field(request_: Request, field: str) -> None:
    with pytest.raises(FieldError) as caught:
        check_request(request_, {})
    assert caught.value.field == field


def exchanged(port: int, data: bytes) -> tuple[int, bytes]:
    """Status and body of the reply to these bytes, whose sender wants the connection closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(data)
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = reply.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", AI_FORMATS)
def test_the_mock_takes_every_turn_of_every_format(port: int, kind: Format, stream: bool) -> None:
    plan = Plan(f"http://127.0.0.1:{port}", keep_alive=False)
    request = build_request({"format": kind, "stream": stream, "turns": 3, "headers": (credential(kind, "k"),)})
    maker = compile_request(request, plan)
    for turn in range(3):
        status, body = exchanged(port, maker.make(4, turn, ['it is "so"'] * turn))
        assert status == 200, body
        assert (b"data: " in body) is stream
