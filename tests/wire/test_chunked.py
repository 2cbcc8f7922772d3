"""Chunked framing: every split of every encoding gives the same payload, and whatever is ambiguous is refused."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.wire import chunked
from fastproxy.wire.chunked import ChunkError, ChunkReader

TOKEN = st.text("abcXYZ019-_.!", min_size=1, max_size=6).map(str.encode)
QUOTED = st.text('ab ;=,\t"\\', max_size=6).map(
    lambda text: b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
)
EXTENSION = st.tuples(TOKEN, st.none() | TOKEN | QUOTED).map(
    lambda pair: b";" + pair[0] + (b"" if pair[1] is None else b"=" + pair[1])
)
CHUNK = st.tuples(st.binary(min_size=1, max_size=40), st.lists(EXTENSION, max_size=2).map(b"".join), st.integers(0, 3))
TRAILER = st.tuples(TOKEN, st.text("abc 012", max_size=8).map(str.encode)).map(lambda p: p[0] + b": " + p[1] + b"\r\n")


@st.composite
def encodings(draw: st.DrawFn, *, plain: bool = False) -> tuple[bytes, bytes]:
    """A payload and one of its encodings."""
    chunks = draw(st.lists(CHUNK, max_size=6))
    raw = bytearray()
    for data, extension, zeros in chunks:
        digits = b"%x" % len(data) if zeros % 2 else b"%X" % len(data)
        raw += b"0" * zeros + digits + (b"" if plain else extension) + b"\r\n" + data + b"\r\n"
    trailers = b"" if plain else b"".join(draw(st.lists(TRAILER, max_size=2)))
    raw += b"0\r\n" + trailers + b"\r\n"
    return b"".join(data for data, _, _ in chunks), bytes(raw)


def pieces_of(raw: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]
    return [raw[first:last] for first, last in itertools.pairwise(edges)]


def read(pieces: list[bytes]) -> tuple[bytes, bytes, ChunkReader]:
    """The payload, the bytes beyond the end, and the reader."""
    reader, payload, beyond = ChunkReader(), b"", b""
    for piece in pieces:
        if reader.done:
            beyond += piece
            continue
        spans = reader.feed(piece)
        payload += b"".join(piece[first:last] for first, last in spans)
        beyond += piece[reader.end :]
    return payload, beyond, reader


def strict(raw: bytes) -> tuple[bytes, bytes] | None:
    """The payload and the rest by the letter of RFC 9112 7.1, no leniency; None when it is not a whole chunked body."""
    payload = b""
    while True:
        line = re.match(rb"([0-9A-Fa-f]{1,16})((?:;[^\r\n]*)?)\r\n", raw)
        if line is None:
            return None
        size, raw = int(line[1], 16), raw[line.end() :]
        if not size:
            break
        if len(raw) < size + 2 or raw[size : size + 2] != b"\r\n":
            return None
        payload, raw = payload + raw[:size], raw[size + 2 :]
    while not raw.startswith(b"\r\n"):
        field = re.match(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n", raw)
        if field is None:
            return None
        raw = raw[field.end() :]
    return payload, raw[2:]


@settings(deadline=None)
@given(encodings(), st.lists(st.integers(0, 400), max_size=8), st.binary(max_size=8))
def test_every_split_gives_the_payload_and_the_bytes_beyond(
    encoding: tuple[bytes, bytes], cuts: list[int], beyond: bytes
) -> None:
    payload, raw = encoding
    got, rest, reader = read(pieces_of(raw + beyond, cuts))
    assert (got, rest, reader.done) == (payload, beyond, True)
    assert reader.payload_bytes == len(payload)
    assert read([raw[place : place + 1] for place in range(len(raw))])[0] == payload


@settings(deadline=None)
@given(encodings(), st.lists(st.integers(0, 400), max_size=8))
def test_what_passes_as_whole_decodes_to_the_same(encoding: tuple[bytes, bytes], cuts: list[int]) -> None:
    """The relay writes `whole` pieces as they are and makes its own chunks of the others: a client sees one body."""
    payload, raw = encoding
    reader, relayed = ChunkReader(), b""
    for piece in pieces_of(raw, cuts):
        spans = reader.feed(piece)
        data = b"".join(piece[first:last] for first, last in spans)
        if not data:
            continue
        relayed += piece if reader.whole and not reader.done else b"%x\r\n%b\r\n" % (len(data), data)
    assert strict(relayed + chunked.LAST_CHUNK) == (payload, b"")


@settings(deadline=None)
@given(encodings(plain=True))
def test_a_piece_of_whole_chunks_is_known_as_such(encoding: tuple[bytes, bytes]) -> None:
    _, raw = encoding
    reader = ChunkReader()
    reader.feed(raw)
    assert reader.whole
    assert reader.done


@settings(deadline=None, max_examples=300)
@given(
    encodings(),
    st.integers(0, 400),
    st.sampled_from([b"", b"\r", b"\n", b" ", b"0", b"g", b"-", b"+", b"_", b"x", b";", b'"', b"\0", b"\x0b", b"\x80"]),
    st.booleans(),
    st.lists(st.integers(0, 400), max_size=4),
)
def test_a_mutation_is_refused_or_still_unambiguous(
    encoding: tuple[bytes, bytes], place: int, put: bytes, replace: bool, cuts: list[int]
) -> None:
    _, raw = encoding
    place %= len(raw)
    changed = raw[:place] + put + raw[place + replace :]
    outcomes: set[tuple[bytes, bytes] | None] = set()
    for pieces in ([changed], pieces_of(changed, cuts), [changed[at : at + 1] for at in range(len(changed))]):
        try:
            payload, rest, reader = read(pieces)
        except ChunkError:
            outcomes.add(None)
            continue
        outcomes.add((payload, rest) if reader.done else None)
    assert len(outcomes) == 1
    outcome = outcomes.pop()
    assert outcome is None or outcome == strict(changed)


BROKEN = {
    "no size": b"\r\n",
    "space before size": b" 5\r\nhello\r\n0\r\n\r\n",
    "space after size": b"5 \r\nhello\r\n0\r\n\r\n",
    "tab after size": b"5\t\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "underscore": b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "0X": b"0X5\r\nhello\r\n0\r\n\r\n",
    "not hexadecimal": b"5g\r\nhello\r\n0\r\n\r\n",
    "arabic digits": "\u0665\r\nhello\r\n0\r\n\r\n".encode(),
    "17 digits": b"0" * 16 + b"5\r\nhello\r\n0\r\n\r\n",
    "bare lf after size": b"5\nhello\r\n0\r\n\r\n",
    "bare cr after size": b"5\rhello\r\n0\r\n\r\n",
    "bare lf after data": b"5\r\nhello\n0\r\n\r\n",
    "bare cr after data": b"5\r\nhello\r0\r\n\r\n",
    "data too long": b"5\r\nhello!\r\n0\r\n\r\n",
    "data too short": b"5\r\nhell\r\n0\r\n\r\n",
    "bare lf at the end": b"0\r\n\n",
    "bare lf last size": b"0\n\r\n",
    "extension without name": b"5;\r\nhello\r\n0\r\n\r\n",
    "extension with space": b"5; a=b\r\nhello\r\n0\r\n\r\n",
    "unclosed quote": b'5;a="b\r\nhello\r\n0\r\n\r\n',
    "cr in extension": b"5;a=\rb\r\nhello\r\n0\r\n\r\n",
    "nul in extension": b"5;a=\0\r\nhello\r\n0\r\n\r\n",
    "trailer without colon": b"0\r\nabc\r\n\r\n",
    "trailer with space before colon": b"0\r\na : b\r\n\r\n",
    "folded trailer": b"0\r\na: b\r\n c\r\n\r\n",
    "trailer with nul": b"0\r\na: \0\r\n\r\n",
    "trailer with bare cr": b"0\r\na: b\rc: d\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_broken_framing_is_refused(raw: bytes, bytewise: bool) -> None:
    with pytest.raises(ChunkError):
        read([raw[place : place + 1] for place in range(len(raw))] if bytewise else [raw])


@pytest.mark.parametrize(
    "raw",
    [
        b"1;" + b"a" * (chunked.MAX_EXTENSION_BYTES + 1) + b"\r\n",
        b"1;" + b"a" * (chunked.MAX_EXTENSION_BYTES + 64),
        b"".join(b"1;" + b"a" * 4000 + b"\r\nx\r\n" for _ in range(5)),
        b"0\r\n" + b"a: " + b"b" * (chunked.MAX_TRAILER_BYTES + 64) + b"\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * 2000 + b"\r\n",
        b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n",
    ],
    ids=["extension", "unfinished extension", "extensions of one body", "trailer", "trailers", "one-byte chunks"],
)
def test_every_part_has_a_bound(raw: bytes) -> None:
    with pytest.raises(ChunkError):
        read([raw])


def test_a_big_body_in_small_reads_is_not_taken_for_an_attack() -> None:
    raw = (b"400\r\n" + b"x" * 1024 + b"\r\n") * 1000 + b"0\r\n\r\n"
    payload, rest, reader = read([raw[place : place + 1460] for place in range(0, len(raw), 1460)])
    assert (len(payload), rest, reader.done) == (1024_000, b"", True)


def test_a_size_beyond_64_bits_never_wraps() -> None:
    reader = ChunkReader()
    assert reader.feed(b"ffffffffffffffff\r\nab") == [(18, 20)]
    assert reader.payload_bytes == 2**64 - 1
    assert not reader.done


def test_nothing_is_read_after_the_end() -> None:
    reader = ChunkReader()
    assert reader.feed(b"0\r\n\r\n5\r\nhello\r\n") == []
    assert (reader.done, reader.end) == (True, 5)
    assert reader.feed(b"5\r\nhello\r\n") == []
    assert reader.end == 0
