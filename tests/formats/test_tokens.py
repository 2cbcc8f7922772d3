"""Whose tokenizer a model has, and that no text takes longer to count than its bound."""

from __future__ import annotations

import pytest

from fastproxy.formats.tokens import CL100K, O200K, TOTAL_CHARS, WHOLE_CHARS, Counter, ruler

OPENAI, OTHERS = True, False


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4", (CL100K, 1.0, OPENAI)),
        ("gpt-4-0314", (CL100K, 1.0, OPENAI)),
        ("gpt-4-turbo", (CL100K, 1.0, OPENAI)),
        ("gpt-3.5-turbo", (CL100K, 1.0, OPENAI)),
        ("gpt-35-turbo", (CL100K, 1.0, OPENAI)),
        ("ft:gpt-3.5-turbo:me", (CL100K, 1.0, OPENAI)),
        ("text-embedding-3-small", (CL100K, 1.0, OPENAI)),
        ("gpt-4o", (O200K, 1.0, OPENAI)),
        ("gpt-4.1-mini", (O200K, 1.0, OPENAI)),
        ("gpt-4.5-preview", (O200K, 1.0, OPENAI)),
        ("ft:gpt-4o-mini:me", (O200K, 1.0, OPENAI)),
        ("openai/gpt-5-mini", (O200K, 1.0, OPENAI)),
        ("chatgpt-4o-latest", (O200K, 1.0, OPENAI)),
        ("o1", (O200K, 1.0, OPENAI)),
        ("o3-mini", (O200K, 1.0, OPENAI)),
        ("gpt-oss-120b", (O200K, 1.0, OPENAI)),
        ("olmo-2", (O200K, 1.0, OTHERS)),
        ("", (O200K, 1.0, OTHERS)),
        ("gemini-2.5-pro", (O200K, 1.0, OTHERS)),
        ("claude-3-5-sonnet-20241022", (O200K, 1.2, OTHERS)),
        ("claude-opus-4-20250514", (O200K, 1.2, OTHERS)),
        ("claude-opus-4-1-20250805", (O200K, 1.2, OTHERS)),
        ("claude-sonnet-4-5", (O200K, 1.2, OTHERS)),
        ("claude-haiku-4-5", (O200K, 1.2, OTHERS)),
        ("claude-opus-4-7", (O200K, 1.56, OTHERS)),
        ("claude-opus-4.8", (O200K, 1.56, OTHERS)),
        ("us.anthropic.claude-opus-4-8-v1:0", (O200K, 1.56, OTHERS)),
        ("anthropic/claude-sonnet-5", (O200K, 1.56, OTHERS)),
        ("claude-mythos-preview", (O200K, 1.56, OTHERS)),
    ],
)
def test_a_models_tokenizer(model: str, expected: tuple[str, float, bool]) -> None:
    assert ruler(model) == expected


class Letters:
    """A tokenizer with two letters to a token, which knows how much it was given."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, text: str) -> range:
        self.given += len(text)
        return range(len(text) // 2)


def test_a_short_text_is_counted_whole() -> None:
    assert Counter(Letters())("abcdef") == 3


@pytest.mark.parametrize("size", [WHOLE_CHARS, WHOLE_CHARS + 1, 1_000_000, 30_000_000])
def test_a_long_text_is_counted_in_part_and_scaled(size: int) -> None:
    letters = Letters()
    assert Counter(letters)("a" * size) == -(-size // 2) - (size == WHOLE_CHARS and size % 2)
    assert letters.given <= WHOLE_CHARS


def test_many_texts_together_are_bounded_too() -> None:
    letters = Letters()
    counter = Counter(letters)
    text = "a" * 100_000
    assert sum(counter(text) for _ in range(300)) == 300 * 50_000
    assert letters.given <= TOTAL_CHARS
