"""Prose is repeatable and cheap to cut; default bodies are what the mock takes; conversations grow by their end."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from fastproxy.formats.operations import find
from fastproxy.loadtest.load.bodies import (
    AI_FORMATS,
    SILENCE,
    Prose,
    conversation,
    credential,
    default_body,
    default_headers,
    default_path,
)
from fastproxy.loadtest.load.shapes import Format


@pytest.mark.parametrize("count", [0, 1, 24, 2048, 2049, 9000])
def test_prose_has_the_words_that_were_asked_for(count: int) -> None:
    prose = Prose(7)
    plain = prose.take(Random(1), count).decode()
    escaped = prose.take(Random(1), count, escaped=True).decode()
    assert len(plain.split()) == count
    assert "\n" not in plain
    assert json.loads(f'"{escaped}"').split() == plain.split()


def test_prose_follows_its_seed_and_survives_growing() -> None:
    prose = Prose("a")
    before = prose.take(Random(3), 40)
    prose.take(Random(3), 50_000)
    assert prose.take(Random(3), 40) == before == Prose("a").take(Random(3), 40)
    assert Prose("b").take(Random(3), 40) != before


def test_escaped_prose_holds_what_prompts_hold() -> None:
    text = Prose(0).take(Random(0), 2000, escaped=True)
    assert b'\\"' in text
    assert b"\\n\\n" in text
    assert any(byte > 127 for byte in text)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", AI_FORMATS)
def test_a_default_request_is_one_of_its_format(kind: Format, stream: bool) -> None:
    path = default_path(kind, "a-model", stream)
    operation = find(b"POST", path.encode())
    assert operation is not None
    assert operation.format == kind.value
    body = json.loads(default_body(kind, "a-model", stream, 5))
    assert "{{text:5}}" in json.dumps(body)
    assert body.get("model", operation.path_model) == "a-model"
    assert bool(body.get("stream")) is (stream and kind is not Format.GEMINI)


def test_each_vendor_takes_its_key_in_its_own_header() -> None:
    headers = {kind: credential(kind, "k") for kind in Format}
    assert headers[Format.ANTHROPIC] == ("x-api-key", "k")
    assert headers[Format.GEMINI] == ("x-goog-api-key", "k")
    assert {headers[kind] for kind in set(Format) - {Format.ANTHROPIC, Format.GEMINI}} == {
        ("authorization", "Bearer k")
    }
    assert default_headers(Format.ANTHROPIC) == (("anthropic-version", "2023-06-01"),)
    assert default_headers(Format.HTTP) == ()


def said(turn: dict[str, Any]) -> tuple[str, str]:
    return turn["role"], turn["parts"][0]["text"] if "parts" in turn else turn["content"]


@pytest.mark.parametrize("kind", AI_FORMATS)
def test_a_conversation_holds_all_that_was_said(kind: Format) -> None:
    first = default_body(kind, "m", True, 5).encode()
    name = {Format.OPENAI_RESPONSES: "input", Format.GEMINI: "contents"}.get(kind, "messages")
    told = "model" if kind is Format.GEMINI else "assistant"
    assert conversation(kind, first, (), ()) == first
    shorter = json.loads(conversation(kind, first, ["one"], ["and?"]))
    longer = json.loads(conversation(kind, first, ["one", ""], ["and?", "so?"]))
    turns = [said(turn) for turn in longer[name]]
    assert turns[-5:] == [("user", "{{text:5}}"), (told, "one"), ("user", "and?"), (told, SILENCE), ("user", "so?")]
    assert longer[name][:-2] == shorter[name]
    assert {key: longer[key] for key in longer if key != name} == {key: shorter[key] for key in shorter if key != name}


@pytest.mark.parametrize("body", [b"[]", b'{"messages": "hello"}', b"{}"])
def test_a_body_that_cannot_grow_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="needs a body with a list 'messages'"):
        conversation(Format.ANTHROPIC, body, ["x"], ["y"])
