"""Vectors of numbers as vendors write them: a JSON array, or the base64 of little-endian float32.

A float32 becomes the float64 of the same value and back without a change, so either form can be had from the other. A
number of a JSON array that is no float32 is rounded to the nearest, as the vendor itself would have done.
"""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from typing import Any

from fastproxy.errors import FormatError

_IS_LITTLE = sys.byteorder == "little"


def packed(values: list[float]) -> str:
    """The base64 of the values. Raises: FormatError for what is not a number."""
    try:
        numbers = array("f", values)
    except (TypeError, OverflowError):
        raise FormatError("an embedding holds something that is not a number") from None
    if not _IS_LITTLE:
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()


def unpacked(text: str) -> list[float]:
    """The values of a base64. Raises: FormatError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("an embedding is not valid base64") from None
    if len(data) % 4:
        raise FormatError(f"an embedding has {len(data)} bytes: expected a multiple of 4")
    numbers = array("f", data)
    if not _IS_LITTLE:
        numbers.byteswap()
    return numbers.tolist()


def numbers_of(value: Any) -> list[float]:
    """An embedding in whichever form it came. Raises: FormatError."""
    if isinstance(value, str):
        return unpacked(value)
    if isinstance(value, list) and all(type(item) in (float, int) for item in value):
        return value
    raise FormatError("an embedding is neither an array of numbers nor base64")
