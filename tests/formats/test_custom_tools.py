"""Custom tools as functions with one field, and back (case 63)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.chat import Tool
from fastproxy.formats.custom_tools import unwrap_input, wrap_custom, wrap_input

FLAT = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}
TOLD = "The tool's whole input as plain text. It must match this lark grammar:\nstart: /x/"


@pytest.mark.parametrize(
    ("grammar", "told"),
    [
        (None, "The tool's whole input as plain text."),
        ({"type": "text"}, "The tool's whole input as plain text."),
        (FLAT, TOLD),
        ({"type": "grammar", "grammar": FLAT}, TOLD),
    ],
)  # fmt: skip
def test_a_custom_tool_becomes_a_function_with_one_text(grammar: dict[str, Any] | None, told: str) -> None:
    assert wrap_custom(Tool("patch", kind="custom", grammar=grammar)) == {
        "type": "object",
        "properties": {"input": {"type": "string", "description": told}},
        "required": ["input"],
        "additionalProperties": False,
    }


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_is_wrapped_is_unwrapped(text: str) -> None:
    assert unwrap_input(wrap_input(text)) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input":"a\\nb"}', "a\nb"),
        ('{"input":"a","why":"x"}', "a"),
        ('{"input":7}', '{"input":7}'),
        ('{"code":"a"}', '{"code":"a"}'),
        ('"bare"', "bare"),
        ("*** Begin Patch", "*** Begin Patch"),
        ('{"input":"cut', '{"input":"cut'),
        ("[1]", "[1]"),
        ("", ""),
    ],
)
def test_arguments_of_another_shape_are_the_text_themselves(arguments: str, text: str) -> None:
    assert unwrap_input(arguments) == text


def test_case_38_a_lone_surrogate_is_replaced() -> None:
    assert wrap_input("a\ud800b") == '{"input":"a?b"}'
