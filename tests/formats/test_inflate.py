"""Reading compressed replies on the side: whole, byte by byte, broken, and as bombs."""

from __future__ import annotations

import gzip
import zlib

import pytest

from fastproxy.formats.inflate import MAX_PIECE_BYTES, decoder

PLAIN = b'data: {"usage":{"prompt_tokens":1}}\n\n' * 50


def raw(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


CODED = [
    (b"gzip", gzip.compress(PLAIN, mtime=0)),
    (b"X-GZIP ", gzip.compress(PLAIN, mtime=0)),
    (b"deflate", zlib.compress(PLAIN)),
    (b"deflate", raw(PLAIN)),
]


@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
@pytest.mark.parametrize(("encoding", "data"), CODED)
def test_however_it_is_split(encoding: bytes, data: bytes, step: int) -> None:
    inflate = decoder(encoding)
    assert inflate is not None
    assert b"".join(inflate.feed(data[at : at + step]) for at in range(0, len(data), step)) == PLAIN
    assert inflate.stopped
    assert inflate.feed(data) == b""


def test_what_is_flushed_is_seen_at_once() -> None:
    inflate = decoder(b"gzip")
    assert inflate is not None
    stream = zlib.compressobj(wbits=31)
    for piece in (b"data: 1\n\n", b"data: 2\n\n"):
        assert inflate.feed(stream.compress(piece) + stream.flush(zlib.Z_SYNC_FLUSH)) == piece


@pytest.mark.parametrize("encoding", [b"", b"identity", b"br", b"zstd", b"gzip, gzip", b"gzip;q=1"])
def test_other_encodings_are_not_read(encoding: bytes) -> None:
    assert decoder(encoding) is None


@pytest.mark.parametrize(
    "data", [b"plain text, not gzip", b"\x1f\x8b\x08\x00garbage garbage garbage", b"\x78\x9c\xff\xff"]
)
@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_garbage_ends_the_looking(encoding: bytes, data: bytes) -> None:
    inflate = decoder(encoding)
    assert inflate is not None
    inflate.feed(data * 3)
    assert inflate.stopped
    assert inflate.feed(b"more") == b""


@pytest.mark.parametrize("step", [1_000, 1_000_000])
def test_a_bomb_ends_the_looking(step: int) -> None:
    bomb = gzip.compress(bytes(64_000_000), compresslevel=9, mtime=0)
    inflate = decoder(b"gzip")
    assert inflate is not None
    sizes = [len(inflate.feed(bomb[at : at + step])) for at in range(0, len(bomb), step)]
    assert inflate.stopped
    assert max(sizes) <= MAX_PIECE_BYTES
    assert sum(sizes) <= 2 * MAX_PIECE_BYTES


def test_a_long_honest_stream_is_read_to_its_end() -> None:
    words = b"".join(b'data: {"delta":"%d"}\n\n' % (n * 7919 % 100_003) for n in range(1_000_000))
    data = gzip.compress(words, compresslevel=1, mtime=0)
    inflate = decoder(b"gzip")
    assert inflate is not None
    assert sum(len(inflate.feed(data[at : at + 65_536])) for at in range(0, len(data), 65_536)) == len(words)
