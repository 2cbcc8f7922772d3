"""Vectors as numbers and as base64: what goes there comes back bit by bit."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.errors import FormatError
from fastproxy.formats.vectors import numbers_of, packed, unpacked

FLOATS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=50)


@given(FLOATS)
def test_a_float32_comes_back_exactly(values: list[float]) -> None:
    assert unpacked(packed(values)) == values


@given(FLOATS)
def test_the_bytes_are_little_endian_float32(values: list[float]) -> None:
    assert base64.b64decode(packed(values)) == struct.pack(f"<{len(values)}f", *values)


def test_whole_numbers_are_numbers() -> None:
    assert unpacked(packed([0, 1, -2])) == [0.0, 1.0, -2.0]


@pytest.mark.parametrize(
    "value", [None, 5, {}, ["0.5"], [None], [True], [[0.5]], "not base64!", base64.b64encode(b"abcde").decode()]
)
def test_what_is_no_vector_is_refused(value: object) -> None:
    with pytest.raises(FormatError, match="an embedding"):
        numbers_of(value)
