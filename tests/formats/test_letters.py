"""Tokens by the letters: of texts, and of JSON that nobody takes apart."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.letters import estimate_json, estimate_text

PROSE = "The quick brown fox jumps over the lazy dog. "


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("abcde", 2),
        ("漢字", 2),
        ("かな", 2),
        ("한글", 2),
        ("éé", 1),
        ("éab漢", 3),
        ("\ud800", 1),
        ("😀😀", 1),
    ],
)
def test_letters_of_each_kind(text: str, tokens: int) -> None:
    assert estimate_text(text) == tokens


@given(st.text(), st.text())
def test_a_longer_text_is_never_cheaper(one: str, other: str) -> None:
    assert estimate_text(one + other) >= max(estimate_text(one), estimate_text(other))


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("text", [PROSE * 5000, "漢字かな" * 20_000], ids=["prose", "japanese"])
def test_a_large_text_in_json_is_judged_by_a_part_of_it(text: str, ascii_only: bool) -> None:
    data = json.dumps({"content": text}, ensure_ascii=ascii_only).encode()
    assert estimate_json(data) == pytest.approx(estimate_text(text), rel=0.02)


def test_a_file_in_json_is_not_counted_by_its_bytes() -> None:
    picture = b64encode(bytes(range(256)) * 20_000).decode()
    data = json.dumps({"text": PROSE * 100, "image_url": {"url": picture}}).encode()
    assert estimate_json(data) < 20_000
