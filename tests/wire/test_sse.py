"""Events out of bytes: the standard's cases by table, any split of any stream, and the bound."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.wire.sse import SseReader

BOM = b"\xef\xbb\xbf"
CASES = {
    "one event": (b"data: x\n\n", [("", b"x")]),
    "a name": (b"event: ping\ndata: {}\n\n", [("ping", b"{}")]),
    "no space": (b"event:ping\ndata:x\n\n", [("ping", b"x")]),
    "only the first space goes": (b"data:  x \n\n", [("", b" x ")]),
    "a name behind the data": (b"data: x\nevent: late\n\n", [("late", b"x")]),
    "the last of two names": (b"event: a\ndata: x\nevent: b\n\n", [("b", b"x")]),
    "lines of data": (b"data: a\ndata:\ndata: b\n\n", [("", b"a\n\nb")]),
    "empty data": (b"data:\n\n", [("", b"")]),
    "data without a colon": (b"data\n\n", [("", b"")]),
    "a name without data is nothing": (b"event: a\n\ndata: x\n\n", [("", b"x")]),
    "comments": (b": hi\n\n:\ndata: x\n: in between\n\n: bye\n\n", [("", b"x")]),
    "id and retry": (b"id: 1\nretry: 5\ndata: x\n\n", [("", b"x")]),
    "unknown fields": (b"datas: y\n data: z\ndata: x\nDATA: y\n\n", [("", b"x")]),
    "blank lines": (b"\n\n\n\ndata: x\n\n\n\n\ndata: y\n\n\n", [("", b"x"), ("", b"y")]),
    "CRLF": (b"event: a\r\ndata: x\r\n\r\ndata: y\r\n\r\n", [("a", b"x"), ("", b"y")]),
    "CR": (b"event: a\rdata: x\r\rdata: y\r\r", [("a", b"x"), ("", b"y")]),
    "ends of all kinds": (b"data: a\r\n\ndata: b\n\r\ndata: c\r\n\r", [("", b"a"), ("", b"b"), ("", b"c")]),
    "a byte order mark": (BOM + b"data: x\n\n", [("", b"x")]),
    "two byte order marks": (BOM + BOM + b"data: x\n\ndata: y\n\n", [("", b"y")]),
    "a mark further on": (b"data: x\n\n" + BOM + b"data: y\n\n", [("", b"x")]),
    "a mark and CRLF": (BOM + b"\r\ndata: x\r\n\r\n", [("", b"x")]),
    "other separators are text": ("data: a\u2028\x0b\x0c\x85\n\n".encode(), [("", "a\u2028\x0b\x0c\x85".encode())]),
    "colons in data": (b"data: a: b\nevent: x: y\n\n", [("x: y", b"a: b")]),
    "a broken name": (b"event: \xff\ndata: x\n\n", [("\ufffd", b"x")]),
    "names change": (
        b"event: a\ndata: 1\n\nevent: a\ndata: 2\n\ndata: 3\n\nevent: a\ndata: 4\ndata: 5\n\n"
        b"event: b\ndata: \n\nevent: b\ndata:6\n\n",
        [("a", b"1"), ("a", b"2"), ("", b"3"), ("a", b"4\n5"), ("b", b""), ("b", b"6")],
    ),
    "done": (b"data: {}\n\ndata: [DONE]\n\n", [("", b"{}"), ("", b"[DONE]")]),
}  # fmt: skip
UNFINISHED = {
    "no blank line": (b"data: x\n\ndata: y\n", [("", b"y")]),
    "no line end": (b"event: a\ndata: y", [("a", b"y")]),
    "half a CRLF": (b"data: y\r\n\r", []),
    "half a mark": (b"\xef\xbb", []),
    "only a comment": (b": bye", []),
    "nothing": (b"", []),
}


def read(*pieces: bytes, limit: int = 1 << 20) -> list[tuple[str, bytes]]:
    reader = SseReader(limit)
    return [event for piece in pieces for event in reader.feed(piece)] + reader.end()


def in_bytes(stream: bytes) -> list[bytes]:
    return [stream[place : place + 1] for place in range(len(stream))]


@pytest.mark.parametrize(("stream", "expected"), CASES.values(), ids=CASES)
def test_the_standard_is_kept(stream: bytes, expected: list[tuple[str, bytes]]) -> None:
    reader = SseReader()
    assert reader.feed(stream) == expected
    assert reader.end() == []
    assert read(*in_bytes(stream)) == expected


@pytest.mark.parametrize(("stream", "expected"), UNFINISHED.values(), ids=UNFINISHED)
def test_an_event_without_its_blank_line_comes_at_the_end(stream: bytes, expected: list[tuple[str, bytes]]) -> None:
    reader = SseReader()
    reader.feed(stream)
    assert reader.end() == expected
    assert reader.end() == []


def test_an_event_comes_with_its_last_byte() -> None:
    for stream in (b"data: x\n\n", b"data: x\r\r", b"event: a\rdata: x\n\r"):
        reader = SseReader()
        assert reader.feed(stream[:-1]) == []
        assert len(reader.feed(stream[-1:])) == 1


def test_the_other_half_of_a_crlf_is_waited_for_across_empty_reads() -> None:
    assert read(b"data: x\r", b"", b"\ndata: y\r", b"\n", b"\r", b"", b"\n") == [("", b"x\ny")]


PIECE = st.sampled_from(
    [b"data: ", b"data:", b"event: ", b"event:", b":", b"id: 1", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", b"x",
     b" ", BOM, b"\xef", b"\xbb", b"{}", b"data", b"retry: 3", "é".encode()]
)  # fmt: skip


@given(st.lists(PIECE, max_size=30).map(b"".join), st.lists(st.integers(0, 80), max_size=8))
def test_every_split_reads_the_same(stream: bytes, cuts: list[int]) -> None:
    whole = read(stream)
    assert read(*in_bytes(stream)) == whole
    places = [0, *sorted(cuts), len(stream)]
    assert read(*(stream[first:last] for first, last in pairwise(places))) == whole


@given(st.lists(PIECE, max_size=30).map(b"".join), st.integers(4, 20))
def test_the_bound_does_not_depend_on_the_split(stream: bytes, limit: int) -> None:
    def outcome(*pieces: bytes) -> list[tuple[str, bytes]] | str:
        try:
            return read(*pieces, limit=limit)
        except ValueError as error:
            return str(error)

    assert outcome(stream) == outcome(*in_bytes(stream))


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_an_event_may_be_as_large_as_the_bound_and_no_larger(size: int) -> None:
    fits = b"data: " + b"x" * 94
    for stream in (fits + b"\n\n" + fits + b"\n\n", b"\n\n" * 200 + fits + b"\r\n\r\n"):
        assert ("", b"x" * 94) in read(*(stream[at : at + size] for at in range(0, len(stream), size)), limit=100)
    too_large = fits + b"x\n\n"
    with pytest.raises(ValueError, match="larger than 100 bytes"):
        read(*(too_large[at : at + size] for at in range(0, len(too_large), size)), limit=100)


def test_a_large_event_in_small_pieces_is_joined_once() -> None:
    """4 MiB in 1 KiB pieces: joined at every piece this would copy 8 GiB."""
    piece = b"x" * 1024
    reader = SseReader()
    for _ in range(4096):
        assert reader.feed(piece) == []
    reader = SseReader()
    reader.feed(b"data: ")
    for _ in range(4096):
        assert reader.feed(piece) == []
    assert reader.feed(b"\n\n") == [("", piece * 4096)]
