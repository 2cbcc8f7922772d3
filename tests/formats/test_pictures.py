"""The size of a picture from its first bytes, and what vendors charge for it: the examples of their own pages."""

from __future__ import annotations

import struct
from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.chat import Image, Source
from fastproxy.formats.pictures import MAX_SEGMENTS, USUAL, picture_size, picture_tokens


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(5)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def jpeg(width: int, height: int, metadata: int = 0) -> bytes:
    app = b"\xff\xe1" + struct.pack(">H", metadata + 2) + bytes(metadata)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + app + b"\xff" + frame + b"\xff\xd9"  # any number of FF may stand before a marker


def webp(kind: bytes, data: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(data) + 12) + b"WEBP" + kind + struct.pack("<I", len(data)) + data


def lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14))


def lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height))


def extended(width: int, height: int) -> bytes:
    return webp(b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


MAKERS = (png, gif, jpeg, lossless, lossy, extended)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: str(make.__name__))
def test_the_size_stands_in_the_head_of_the_file(make: object) -> None:
    assert callable(make)
    assert picture_size(make(640, 481)) == (640, 481)


def test_a_jpeg_may_have_much_in_front_of_its_size() -> None:
    assert picture_size(jpeg(3000, 2000, metadata=60_000)) == (3000, 2000)


@pytest.mark.parametrize("head", [b"", b"%PDF-1.7", png(0, 5), png(1, 1)[:17], b"\xff\xd8", jpeg(1, 1)[:9], gif(1, 0)])
def test_what_has_no_size_has_none(head: bytes) -> None:
    assert picture_size(head) is None


@given(st.binary(max_size=60), st.sampled_from([make(7, 5) for make in MAKERS]), st.integers(0, 60))
def test_nonsense_is_never_an_error(noise: bytes, head: bytes, cut: int) -> None:
    found = picture_size(head[:cut] + noise)
    assert found is None or min(found) > 0


def picture(size: tuple[int, int] | None, detail: str | None = None) -> Image:
    data = b64encode(png(*size)).decode() if size is not None else None
    return Image(Source("image/png", data, url=None if data else "https://a.test/b.png"), detail)


@pytest.mark.parametrize(
    ("model", "size", "detail", "tokens"),
    [
        ("gpt-4o", (1024, 1024), None, 765),
        ("gpt-4o", (1024, 1024), "low", 85),
        ("gpt-4o", (2048, 4096), "high", 1105),
        ("gpt-4o", (512, 512), None, 255),
        ("gpt-4o", None, None, 765),
        ("gpt-5", (1024, 1024), None, 70 + 4 * 140),
        ("o1", (1024, 1024), None, 75 + 4 * 150),
        ("gpt-4o-mini", (1024, 1024), None, 2833 + 4 * 5667),
        ("gpt-5-mini", (1024, 1024), None, 1659),  # 1024 patches × 1.62
        ("o4-mini", (1800, 2400), None, 2498),  # 1452 patches × 1.72
        ("gpt-5-nano", None, None, USUAL),
        ("claude-sonnet-4-5", (1092, 1092), None, 1590),
        ("claude-sonnet-4-5", (200, 200), None, 54),
        ("claude-sonnet-4-5", (8000, 8000), None, 1600),
        ("claude-sonnet-4-5", None, None, USUAL),
        ("gemini-2.5-flash", (384, 384), None, 258),
        ("gemini-2.5-flash", (960, 540), None, 6 * 258),
        ("gemini-3-pro", (960, 540), None, 1120),
        ("llava", (960, 540), None, USUAL),
    ],
)
def test_what_a_picture_costs(model: str, size: tuple[int, int] | None, detail: str | None, tokens: int) -> None:
    assert picture_tokens(picture(size, detail), model) == tokens


@given(
    st.integers(1, 65_535), st.integers(1, 65_535), st.sampled_from(["gpt-4o", "gpt-5-mini", "claude-x", "gemini-2"])
)
def test_no_size_is_free_or_without_bound(width: int, height: int, model: str) -> None:
    assert 0 < picture_tokens(picture((width, height)), model) <= 64 * 258


@pytest.mark.parametrize("data", [urlsafe_b64encode(png(1024, 1024)).decode().rstrip("="), "!", "A", "é"])
def test_base64_of_any_kind_is_read_or_passed_over(data: str) -> None:
    assert picture_tokens(Image(Source("image/png", data)), "gpt-4o") == 765


def test_a_jpeg_of_nothing_but_fill_bytes_took_15_ms() -> None:
    size = b"\xff\xc0\x00\x11\x08" + (7).to_bytes(2, "big") + (9).to_bytes(2, "big") + bytes(10)
    assert picture_size(b"\xff\xd8" + b"\xff" * 100 + size) == (9, 7)
    assert picture_size(b"\xff\xd8" + b"\xff" * MAX_SEGMENTS + size) is None
