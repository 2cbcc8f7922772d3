"""Stencils: what is filled in is, byte for byte, what the long way would have built; and what is not plain."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.loadtest.mock import MockOptions
from fastproxy.loadtest.mock_books import Books
from fastproxy.loadtest.mock_plain import read
from fastproxy.loadtest.mock_request import read_plain
from fastproxy.loadtest.mock_service import Service
from tests.loadtest.mock_process import BEARER, KEY, request

if TYPE_CHECKING:
    from collections.abc import Callable

ANTHROPIC = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
GOOGLE = {"x-goog-api-key": KEY}
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
TEXTS = [
    "the quick brown fox",
    "",
    'quotes " and "," and \\ and \n lines \t and [1,2]',
    "ünïcödé 日本語 😀 \u2028 \u2029 \x00 \x7f",
    "word " * 3000,
    "wOrD0000mArK 7130000000001 12345678901234",
]
Shape = tuple[str, dict[str, str], "Callable[[str], dict[str, Any]]"]


def chat(**more: Any) -> Callable[[str], dict[str, Any]]:
    said = {"role": "system", "content": "Be brief."}
    return lambda text: {"model": "m", "messages": [said, {"role": "user", "content": text}], **more}


def message(**more: Any) -> Callable[[str], dict[str, Any]]:
    return lambda text: {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": text}], **more}


def contents(text: str) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "a"}, {"text": text}]}, {"parts": [{"text": text}]}]}


def respond(**more: Any) -> Callable[[str], dict[str, Any]]:
    return lambda text: {"model": "m", "input": text, **more}


SHAPES: dict[str, Shape] = {
    "chat": ("/v1/chat/completions", BEARER, chat()),
    "chat with settings": ("/v1/chat/completions", BEARER, chat(max_tokens=5, temperature=1, user="u")),
    "chat stream": ("/v1/chat/completions", BEARER, chat(stream=True)),
    "chat stream with usage": ("/v1/chat/completions", BEARER, chat(**USAGE)),
    "responses": ("/v1/responses", BEARER, respond()),
    "responses stream": ("/v1/responses", BEARER, respond(stream=True)),
    "responses list": ("/v1/responses", BEARER, lambda t: {"model": "m", "input": [{"role": "user", "content": t}]}),
    "messages": ("/v1/messages", ANTHROPIC, message(system="Be brief.")),
    "messages stream": ("/v1/messages", ANTHROPIC, message(stream=True)),
    "gemini": ("/v1beta/models/m:generateContent", GOOGLE, contents),
    "gemini sse": ("/v1beta/models/m:streamGenerateContent?alt=sse", GOOGLE, contents),
    "gemini array": ("/v1beta/models/m:streamGenerateContent", GOOGLE, contents),
}


@pytest.mark.parametrize("tokens", [1, 2, 16, 70])
@pytest.mark.parametrize("name", SHAPES)
def test_the_short_way_says_what_the_long_way_says(name: str, tokens: int) -> None:
    path, headers, body = SHAPES[name]
    service = Service(MockOptions(tokens=tokens), Books())
    first = body("first")
    size = max(len(json.dumps(body(text))) for text in TEXTS)
    data = request("POST", path, padded(first, size), headers | {"content-type": "application/json"})
    asked = read_plain(data)
    service.heads.learn(data, asked, service.recall(asked))
    for text in TEXTS:
        data = request("POST", path, padded(body(text), size), headers | {"content-type": "application/json"})
        found = service.heads.find(data)
        assert found, "it is not plain, or its head is not known"
        wanted = service.recall(read_plain(data))
        stem = b"%08x" % os.getpid()
        assert found.data == (stem + found.data.split(stem)[1][:16]).join(wanted.parts)
        assert (found.key, found.endpoint) == (wanted.reply.key, wanted.reply.endpoint)
        assert found.tally == wanted.reply.tally


def padded(body: dict[str, Any], size: int) -> bytes:
    """JSON of this length: a head is known with its content-length."""
    return json.dumps(body).encode().ljust(size)


PLAIN: list[tuple[str, dict[str, Any], bool]] = [
    ("chat/completions", chat()("x"), True),
    ("chat/completions", chat(tools=[])("x"), False),
    ("chat/completions", chat(seed=1)("x"), False),
    ("chat/completions", chat(stream=None)("x"), False),
    ("chat/completions", chat(max_tokens=True)("x"), False),
    ("chat/completions", chat(stream_options={"include_usage": True})("x"), False),
    ("chat/completions", chat(model="")("x"), False),
    ("chat/completions", {"model": "m", "messages": []}, False),
    ("chat/completions", {"model": "m", "messages": [{"role": "user", "content": None}]}, False),
    ("chat/completions", {"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]}, False),
    ("chat/completions", {"model": "m", "messages": [{"role": "nobody", "content": ""}]}, False),
    ("responses", respond(instructions="x")("x"), False),
    ("messages", message(thinking={"type": "enabled"})("x"), False),
    ("messages", message(temperature=1)("x"), False),
    ("messages", {"model": "m", "messages": [{"role": "user", "content": "x"}]}, False),
    ("generateContent", contents("x"), True),
    ("generateContent", contents("x") | {"generationConfig": {}}, False),
    ("embeddings", {"model": "m", "input": "x"}, False),
]


@pytest.mark.parametrize(("endpoint", "body", "plain"), PLAIN)
def test_what_is_plain(endpoint: str, body: dict[str, Any], plain: bool) -> None:
    assert (read(endpoint, json.dumps(body).encode()) is not None) is plain


@pytest.mark.parametrize("body", [b"", b"{", b'{"model":"\xff"}', b"[]"])
def test_what_is_no_json_is_not_plain(body: bytes) -> None:
    assert read("chat/completions", body) is None
