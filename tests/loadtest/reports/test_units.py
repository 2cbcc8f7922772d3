from __future__ import annotations

import pytest

from fastproxy.loadtest.reports.units import (
    bytes_text,
    clean,
    digits,
    ratio_text,
    seconds_text,
    share_text,
    sparkline,
    time_text,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 µs"), (1, "1.00 µs"), (9.996, "10.0 µs"), (99.96, "100 µs"), (999.4, "999 µs"), (999.6, "1.00 ms"),
        (12_345, "12.3 ms"), (999_400, "999 ms"), (999_600, "1.00 s"), (123_456_789, "123 s"), (5e9, "5,000 s"),
    ],
)  # fmt: skip
def test_a_time_has_three_digits_and_the_unit_that_fits(value: float, text: str) -> None:
    assert time_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.00123, "0.0012"), (0.5, "0.500"), (1.0, "1.00"), (25_103.4, "25,103")]
)
def test_digits_never_show_an_exponent(value: float, text: str) -> None:
    assert digits(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (1e-7, "<0.01 %"), (0.0001, "0.01 %"), (0.031, "3.10 %"), (0.5, "50.0 %")]
)
def test_a_share_that_is_not_nothing_is_never_shown_as_nothing(share: float, text: str) -> None:
    assert share_text(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1536, "1.50 KiB"), (57 << 20, "57.0 MiB"), (3 << 30, "3.00 GiB")],
)
def test_sizes_are_binary(value: float, text: str) -> None:
    assert bytes_text(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(30, "30 s"), (2.5, "2.50 s"), (60, "60 s"), (600, "10 min"), (601, "601 s")]
)
def test_a_chosen_length_stays_as_it_was_chosen(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_a_ratio_to_nothing_is_a_dash() -> None:
    assert (ratio_text(2, 3), ratio_text(0, 3)) == ("1.50 ×", "–")


def test_text_from_elsewhere_cannot_move_the_cursor_or_turn_text_around() -> None:
    assert clean("a\x1b[2J\r\n\t\u202eb é 漢") == "a\ufffd[2J\ufffd\ufffd\ufffd\ufffdb é 漢"


@pytest.mark.parametrize(("values", "line"), [([], ""), ([0, 0], "▁▁"), ([0, 4, 8], "▁▅█"), ([1e-9], "█")])
def test_a_sparkline_reaches_its_top_at_the_largest_value(values: list[float], line: str) -> None:
    assert sparkline(values) == line
