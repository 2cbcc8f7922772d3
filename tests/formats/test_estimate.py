"""Estimates of tokens: they grow with what is said, and a script is not cheaper than it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.chat import ChatRequest, Document, Image, Part, Source, Text, Tool, ToolCall, ToolResult, Turn
from fastproxy.formats.estimate import estimate
from fastproxy.formats.letters import estimate_text
from fastproxy.formats.pictures import USUAL

# Counted with OpenAI's o200k_base.
PROSE = "The quick brown fox jumps over the lazy dog. It was a bright cold day in April, and the clocks were striking."


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("a", 1, 1),
        (PROSE, 22, 30),
        ("こんにちは世界", 5, 9),
        ("Привет, мир, как дела?", 7, 14),
        ("😀" * 10, 5, 20),
    ],
)
def test_texts_are_judged_by_their_letters(text: str, least: int, most: int) -> None:
    assert least <= estimate_text(text) <= most


def request(*parts: Part, tools: tuple[Tool, ...] = ()) -> ChatRequest:
    return ChatRequest("anthropic", "m", (Turn("user", parts),), {}, tools=tools)


@pytest.mark.parametrize(
    "more",
    [
        request(Text(PROSE + PROSE)),
        request(Text(PROSE), Image(Source("image/png", "AAAA"))),
        request(Text(PROSE), Document(Source("application/pdf", "A" * 4000))),
        request(Text(PROSE), ToolCall("1", "f", '{"a":1}')),
        request(Text(PROSE), ToolResult("1", (Text("found"),))),
        request(Text(PROSE), tools=(Tool("f", "does", {"type": "object", "properties": {}}),)),
    ],
)
def test_whatever_is_added_counts(more: ChatRequest) -> None:
    assert estimate(more) > estimate(request(Text(PROSE)))


def test_a_picture_is_not_counted_by_its_bytes() -> None:
    assert estimate(request(Image(Source("image/png", "A" * 4_000_000)))) < 2 * USUAL


@given(st.text(), st.text())
def test_a_longer_text_is_never_cheaper(one: str, other: str) -> None:
    assert estimate_text(one + other) >= max(estimate_text(one), estimate_text(other))
