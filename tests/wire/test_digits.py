"""Lengths from the table and beyond it."""

from __future__ import annotations

import pytest

from fastproxy.wire.digits import digits


@pytest.mark.parametrize("number", [0, 7, 910, 4094, 4095, 4096, 4097, 10**15])
def test_every_length_is_written_in_decimal(number: int) -> None:
    assert digits(number) == str(number).encode()
