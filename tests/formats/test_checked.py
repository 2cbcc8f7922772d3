"""Errors say what was seen, what was expected, and where."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats import checked


@pytest.mark.parametrize(
    ("read", "value", "text"),
    [
        (checked.text, 5, "field 'a[1].x' is 5: expected a string"),
        (checked.text, "y" * 50, None),
        (checked.boolean, "true", "field 'a[1].x' is 'true': expected a boolean"),
        (checked.integer, True, "field 'a[1].x' is true: expected a whole number"),
        (checked.integer, 1.5, "field 'a[1].x' is 1.5: expected a whole number"),
        (checked.number, "z" * 50, "field 'a[1].x' is a string: expected a number"),
        (checked.number, False, "field 'a[1].x' is false: expected a number"),
        (checked.mapping, [], "field 'a[1].x' is an array: expected an object"),
        (checked.array, {}, "field 'a[1].x' is an object: expected an array"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(read: Any, value: object, text: str | None) -> None:
    if text is None:
        assert read({"x": value}, "x", "a[1].") == value
        return
    with pytest.raises(FormatError) as caught:
        read({"x": value}, "x", "a[1].")
    assert caught.value.message == text


@pytest.mark.parametrize("read", [checked.text, checked.boolean, checked.integer, checked.number, checked.array])
@pytest.mark.parametrize("holder", [{}, {"x": None}])
def test_null_is_as_good_as_absent(read: Any, holder: dict[str, Any]) -> None:
    assert read(holder, "x") is None


def test_a_whole_number_may_be_written_as_a_float_and_have_a_least() -> None:
    assert checked.integer({"x": 3.0}, "x") == 3
    with pytest.raises(FormatError, match="field 'x' is 0: expected 1 or more"):
        checked.integer({"x": 0}, "x", least=1)


@pytest.mark.parametrize(
    ("body", "text"),
    [(b"[]", "the body is an array: expected an object"), (b"{", "the body is not valid JSON"), (b"null", "is null")],
)
def test_a_body_that_is_no_object_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(FormatError, match=text):
        checked.load(body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"a": "x\\ud83d"}', "x?"),
        (b'{"a": "\\udE00y"}', "?y"),
        (b'{"a": "\\ud83d\\ude00"}', "\U0001f600"),
        (b'{"a": "\\u0000"}', "\0"),
    ],
)
def test_half_a_pair_is_replaced_and_a_whole_one_is_not(body: bytes, text: str) -> None:
    assert checked.load(body) == {"a": text}


def test_a_body_with_half_a_pair_must_still_be_json() -> None:
    with pytest.raises(FormatError, match="not valid JSON"):
        checked.load(b'{"a": "\\ud83d", }')


def test_what_is_missing_is_said() -> None:
    with pytest.raises(FormatError, match="field 'messages' is missing: expected an array"):
        checked.needed(None, "messages", "an array")
