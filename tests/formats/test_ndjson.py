"""The splitter of lines: any cut gives the same lines, and no line is longer than agreed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.errors import FormatError
from fastproxy.formats.ndjson import Lines

STREAM = b'{"a":"\xc3\xa9"}\n\n{"b":2}\r\n  \n{"c":"\\n"}\n{"d":4}'
WHOLE = [("", b'{"a":"\xc3\xa9"}'), ("", b'{"b":2}'), ("", b'{"c":"\\n"}'), ("", b'{"d":4}')]


@given(st.lists(st.integers(1, 12), max_size=40))
def test_any_split_gives_the_same_lines(cuts: list[int]) -> None:
    lines, found, at = Lines(), list[tuple[str, bytes]](), 0
    for size in cuts:
        found += lines.feed(STREAM[at : at + size])
        at += size
    assert found + lines.feed(STREAM[at:]) + lines.end() == WHOLE


def test_byte_by_byte() -> None:
    lines = Lines()
    assert [line for byte in STREAM for line in lines.feed(bytes([byte]))] + lines.end() == WHOLE


def test_the_end_of_a_whole_stream_adds_nothing() -> None:
    lines = Lines()
    assert lines.feed(b"1\n2\n") == [("", b"1"), ("", b"2")]
    assert lines.end() == []


@pytest.mark.parametrize("pieces", [[b"123456789\n"], [b"1234", b"56789"], [b"1\n123456789"], [b"1234", b"56789\n"]])
def test_a_line_that_is_too_long_ends_it(pieces: list[bytes]) -> None:
    lines = Lines(max_line=8)
    *before, last = pieces
    assert [line for piece in before for line in lines.feed(piece)] == []
    with pytest.raises(FormatError, match="longer than 8 bytes"):
        lines.feed(last)
    with pytest.raises(FormatError, match="longer than 8 bytes"):
        lines.feed(b"1\n")
    with pytest.raises(FormatError, match="longer than 8 bytes"):
        lines.end()


def test_a_line_of_just_the_length_passes() -> None:
    assert Lines(max_line=8).feed(b"12345678\n") == [("", b"12345678")]
