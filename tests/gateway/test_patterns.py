"""Patterns of model names: what fits, what is listed, and that clients' names are not hoarded."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fastproxy.gateway.patterns import MAX_KNOWN, MAX_KNOWN_LENGTH, models_of


@pytest.mark.parametrize(
    ("pattern", "model", "fits"),
    [
        ("gpt-5", "gpt-5", True), ("gpt-5", "gpt-5-mini", False), ("gpt-5", "GPT-5", False),
        ("gpt-*", "gpt-5", True), ("gpt-*", "gpt-", True), ("gpt-*", "chatgpt-5", False),
        ("*-mini", "gpt-5-mini", True), ("*-mini", "-mini", True), ("*-mini", "mini", False),
        ("claude-*-4*", "claude-opus-4.5", True), ("claude-*-4*", "claude-4", False), ("a*a", "a", False),
        ("a*a", "aa", True), ("*b*", "abc", True), ("*b*", "ac", False), ("a*b*b", "ab", False),
        ("meta/*", "meta/llama[3]", True), ("m[12]", "m1", False), ("m?", "m1", False), ("m.1", "m-1", False),
        ("**", "x", True), ("gpt-*", "", False),
    ],
)  # fmt: skip
def test_what_fits(pattern: str, model: str, fits: bool) -> None:
    models = models_of([pattern])
    assert models is not None
    assert (model in models) is fits
    assert (model in models) is fits  # also when it is remembered


TEXT = some.text(some.sampled_from("ab*"), max_size=8)


@given(TEXT, some.text(some.sampled_from("ab"), max_size=10))
def test_it_fits_as_a_regular_expression_would(pattern: str, model: str) -> None:
    models = models_of([pattern])
    expected = ".*".join(re.escape(part) for part in pattern.split("*"))
    if pattern == "*":
        assert models is None
    else:
        assert models is not None
        assert (model in models) is (re.fullmatch(expected, model) is not None)


@pytest.mark.parametrize(
    ("lists", "allowed", "named"),
    [
        ([["*"], ["*"]], None, None),
        ([["a", "*"], ["b"]], "b", ["b"]),
        ([["a", "b"], ["*"]], "ab", ["a", "b"]),
        ([["a", "b"], ["b", "c"]], "b", ["b"]),
        ([["a*"], ["aa", "b"]], ("aa",), ["aa"]),
        ([["a"], []], "", []),
        ([["a*"], ["*b"]], ("ab", "axb"), []),
    ],
)
def test_both_lists_must_allow_a_model(lists: list[list[str]], allowed: str | None, named: list[str] | None) -> None:
    models = models_of(*lists)
    if models is None:
        assert allowed is None
        return
    tried = ("a", "b", "c", "aa", "ab", "axb", "d")
    assert [name for name in tried if name in models] == list(allowed or "")
    assert sorted(models.named()) == named
    assert None not in models
    assert 7 not in models


def test_names_that_clients_make_up_take_a_bounded_room() -> None:
    models = models_of(["gpt-*"])
    assert models is not None
    for number in range(10 * MAX_KNOWN):
        assert f"gpt-{number}" in models
        assert "x" * (MAX_KNOWN_LENGTH + number) not in models
    assert len(models._known) <= MAX_KNOWN
    assert max(map(len, models._known)) <= MAX_KNOWN_LENGTH


def test_a_long_name_costs_no_more_than_its_length() -> None:
    """A pattern of many stars is no puzzle: each part is looked for once, from left to right."""
    models = models_of(["*a" * 40 + "*b"])
    assert models is not None
    assert "a" * 1_000_000 not in models
