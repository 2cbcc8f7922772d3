"""Parsers of single values: each accepted and refused form, and that what is written is read back the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fastproxy.config.values import (
    choice,
    cut,
    duration,
    is_loopback,
    parse_address,
    parse_boolean,
    parse_duration,
    parse_expires,
    parse_node,
    parse_number,
    parse_percent,
    parse_proxy,
    parse_rate,
    parse_size,
    parse_subnet,
    parse_text,
    size,
    suggest,
    whole,
    write_duration,
    write_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ACCEPTED: list[tuple[Callable[[str], object], str, object]] = [
    (parse_duration, "10s", 10.0),
    (parse_duration, "500ms", 0.5),
    (parse_duration, "1m", 60.0),
    (parse_duration, "1m30s", 90.0),
    (parse_duration, "1.5h", 5400.0),
    (parse_duration, "2d", 172800.0),
    (parse_duration, "10", 10.0),
    (parse_duration, "0", 0.0),
    (parse_size, "64KiB", 65536),
    (parse_size, "32MiB", 33554432),
    (parse_size, "32mib", 33554432),
    (parse_size, "32M", 33554432),
    (parse_size, "1GB", 1_000_000_000),
    (parse_size, "1.5KiB", 1536),
    (parse_size, "10 MiB", 10485760),
    (parse_size, "4096", 4096),
    (parse_size, "7B", 7),
    (parse_rate, "100/s", (100, 1.0)),
    (parse_rate, "6000/m", (6000, 60.0)),
    (parse_rate, "5/h", (5, 3600.0)),
    (parse_address, "127.0.0.1:8080", ("127.0.0.1", 8080, None)),
    (parse_address, "[::1]:80", ("::1", 80, None)),
    (parse_address, "[::]:0", ("::", 0, None)),
    (parse_address, ":8080", ("0.0.0.0", 8080, None)),
    (parse_address, "*:8080", ("0.0.0.0", 8080, None)),
    (parse_address, "my-host.example:443", ("my-host.example", 443, None)),
    (parse_address, "unix:/run/fastproxy.sock", ("", 0, "/run/fastproxy.sock")),
    (parse_subnet, "10.0.0.0/8", "10.0.0.0/8"),
    (parse_subnet, "10.1.2.3/8", "10.0.0.0/8"),
    (parse_subnet, "192.0.2.7", "192.0.2.7/32"),
    (parse_subnet, "2001:db8::/32", "2001:db8::/32"),
    (parse_proxy, "10.1.2.3/8", "10.0.0.0/8"),
    (parse_proxy, " unix: ", "unix:"),
    (parse_expires, "2027-01-01", "2027-01-01T00:00:00+00:00"),
    (parse_expires, "2027-01-01 12:30:00", "2027-01-01T12:30:00+00:00"),
    (parse_expires, "2027-01-01T12:30:00Z", "2027-01-01T12:30:00+00:00"),
    (parse_expires, "2027-01-01T12:30:00+02:00", "2027-01-01T12:30:00+02:00"),
    (parse_boolean, "true", True),
    (parse_boolean, "ON", True),
    (parse_boolean, "0", False),
    (parse_boolean, "no", False),
    (parse_number, "1.25", 1.25),
    (parse_number, "0", 0.0),
    (parse_percent, "5%", "5%"),
    (parse_text, "gpt-5", "gpt-5"),
    (parse_node, "eu-1.example_2", "eu-1.example_2"),
    (parse_node, "7", "7"),
    (parse_node, "a" * 63, "a" * 63),
    (whole(1, 9), "9", 9),
    (whole(-5, 9), "-5", -5),
    (whole(1, 10_000), "10_000", 10000),
    (choice("off", "text"), "TEXT", "text"),
    (choice("off", "text"), "false", "off"),
    (choice("off", "text"), "no", "off"),
    (duration(1, 10), "10s", 10.0),
    (size(1, 1024), "1KiB", 1024),
]

REFUSED: list[tuple[Callable[[str], object], str, str]] = [
    (parse_duration, "10x", "'10x' is not a duration; expected one like 10s, 500ms or 1m30s"),
    (parse_duration, "", "'' is not a duration"),
    (parse_duration, "s", "'s' is not a duration"),
    (parse_duration, "-1s", "'-1s' is not a duration"),
    (parse_duration, "-1", "'-1' is not a duration from 0"),
    (parse_duration, "1e3", "'1e3' is not a duration"),
    (parse_duration, "٣s", "is not a duration"),
    (parse_duration, "nan", "'nan' is not a duration"),
    (parse_duration, "9" * 400, "is not a duration from 0"),
    (parse_size, "lots", "'lots' is not a size; expected one like 64KiB or 32MiB"),
    (parse_size, "-1", "'-1' is not a size"),
    (parse_size, "1.5", "'1.5' is not a whole number of bytes"),
    (parse_size, "5 parsec", "is not a size"),
    (parse_size, "9" * 19, "is not a size"),
    (parse_rate, "100", "'100' is not a rate; expected one like 100/s or 6000/m"),
    (parse_rate, "0/s", "is not a rate"),
    (parse_rate, "1/week", "is not a rate"),
    (parse_address, "8080", "'8080' is not an address; expected HOST:PORT, [IPV6]:PORT, :PORT or unix:/path"),
    (parse_address, "localhost", "is not an address"),
    (parse_address, "host:65536", "is not an address"),
    (parse_address, "host:-1", "is not an address"),
    (parse_address, "::1:80", "is not an address"),
    (parse_address, "[::g]:80", "is not an address"),
    (parse_address, "[127.0.0.1]:80", "is not an address"),
    (parse_address, "[::1]", "is not an address"),
    (parse_address, "a b:80", "is not an address"),
    (parse_address, "http://host:80", "is not an address"),
    (parse_address, "unix:relative", "'relative' is not a Unix socket path"),
    (parse_address, f"unix:/{'x' * 107}", "is not a Unix socket path"),
    (parse_subnet, "10.0.0.0/33", "'10.0.0.0/33' is not a subnet; expected one like 10.0.0.0/8 or 2001:db8::/32"),
    (parse_subnet, "office", "is not a subnet"),
    (parse_proxy, "unix:/run/nginx.sock", "is not a subnet"),
    (parse_expires, "tomorrow", "'tomorrow' is not a date; expected one like 2027-01-01 or 2027-01-01T12:00:00Z"),
    (parse_expires, "2027-02-30", "is not a date"),
    (parse_boolean, "maybe", "'maybe' is not a boolean; expected true or false"),
    (parse_number, "-1", "'-1' is not a number from 0"),
    (parse_number, "inf", "'inf' is not a number from 0"),
    (parse_percent, "5", "'5' is not a percentage; expected one like 5%"),
    (parse_percent, "101%", "is not a percentage"),
    (parse_node, "", "'' is not a node; expected at most 63 letters, digits, dots or dashes"),
    (parse_node, "a" * 64, "is not a node"),
    (parse_node, "a-", "'a-' is not a node"),
    (parse_node, "a/b", "'a/b' is not a node"),
    (parse_text, "  ", "expected text, seen nothing"),
    (parse_text, "a\nb", "expected one line of text, seen a control character"),
    (whole(1, 9), "ten", "'ten' is not a whole number"),
    (whole(1, 9), "10", "10 is out of range; expected 1 to 9"),
    (whole(1, 9), "1.5", "'1.5' is not a whole number"),
    (choice("off", "text"), "txt", "unknown value 'txt'; did you mean 'text'?"),
    (choice("text", "json"), "off", "unknown value 'off'; expected one of json, text"),
    (duration(1, 60), "2m", "2m is out of range; expected 1s to 1m"),
    (size(1024, 1 << 20), "1B", "1B is out of range; expected 1KiB to 1MiB"),
]


@pytest.mark.parametrize(("parser", "text", "value"), ACCEPTED)
def test_accepted(parser: Callable[[str], object], text: str, value: object) -> None:
    assert parser(text) == value
    assert type(parser(text)) is type(value)


@pytest.mark.parametrize(("parser", "text", "error"), REFUSED)
def test_refused(parser: Callable[[str], object], text: str, error: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the text is compared below
        parser(text)
    assert error in str(caught.value)
    assert len(str(caught.value)) < 250


@given(some.integers(min_value=0, max_value=10**12))
def test_a_written_duration_is_read_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(write_duration(seconds)) == pytest.approx(seconds, rel=1e-12, abs=0)


@given(some.integers(min_value=0, max_value=10**17))
def test_a_written_size_is_read_back(count: int) -> None:
    assert parse_size(write_size(count)) == count


def refusal(parser: Callable[[str], object], text: str) -> str:
    try:
        parser(text)
    except ValueError as error:
        return str(error)
    return ""


@given(some.text(max_size=40))
def test_any_text_is_a_value_or_a_printable_refusal(text: str) -> None:
    parsers = (parse_duration, parse_size, parse_rate, parse_address, parse_subnet, parse_expires, parse_number)
    assert all(refusal(parser, text).isprintable() for parser in parsers)


def test_suggestions() -> None:
    assert suggest("chanels", ["channels", "keys"]) == "; did you mean 'channels'?"
    assert suggest("zzz", ["keys", "channels"]) == "; expected one of channels, keys"
    assert suggest("zzz", []) == ""


def test_cut_shows_no_control_character() -> None:
    assert cut("a\x1b[2J") == r"'a\x1b[2J'"
    assert len(cut("x" * 1000)) < 70


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("h", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
