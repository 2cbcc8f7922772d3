"""Versions and budgets, which the facts of test_models.py rest on."""

from __future__ import annotations

import pytest

from fastproxy.providers.families import budgets, rules, version


@pytest.mark.parametrize(
    ("family", "name", "expected"),
    [
        ("claude", "claude-opus-4-5-20251101", (4, 5)),
        ("claude", "claude-sonnet-4-20250514", (4, 0)),
        ("claude", "claude-3-5-haiku-latest", (3, 5)),
        ("claude", "claude-3-opus-20240229", (3, 0)),
        ("claude", "claude-2.1", (2, 1)),
        ("claude", "claude-opus-4.7", (4, 7)),
        ("claude", "claude-4-opus", (4, 0)),
        ("claude", "claude-haiku-4-5@20251001", (4, 5)),
        ("claude", "claude-mythos-preview", (4, 7)),
        ("claude", "gpt-4-claude", None),
        ("gemini", "gemini-2.5-pro", (2, 5)),
        ("gemini", "gemini-3-pro-preview", (3, 0)),
        ("gemini", "gemini-3.1-flash-lite", (3, 1)),
        ("gemini", "gemini-flash-latest", (3, 8)),
        ("gemini", "gemma-3-27b-it", None),
    ],
)
def test_the_version_that_a_name_says(family: str, name: str, expected: tuple[int, int] | None) -> None:
    assert version(family, name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gemini-2.5-pro", (128, 32_768)),
        ("gemini-2.5-flash-lite-preview", (512, 24_576)),
        ("gemini-2.5-flash", (1, 24_576)),
        ("claude-sonnet-4-5", (1_024, 128_000)),
        ("gemini-3-flash", None),
        ("gpt-5", None),
    ],
)
def test_case_68_and_77_how_much_a_model_may_think(name: str, expected: tuple[int, int] | None) -> None:
    assert budgets(name) == expected


def test_what_a_vendor_cannot_do_is_firm() -> None:
    fields, firm = rules("deepseek", "anything")
    assert fields == {"json_schema": False}
    assert firm == {"json_schema"}
