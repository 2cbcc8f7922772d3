"""How large a picture is, read from the first bytes of its file, and what vendors charge for one of that size. Pure.

    OpenAI      tiles of 512 px, or patches of 32 px for the smaller and newer models   (guide "Images and vision")
    Anthropic   width × height / 750, after shrinking to 1568 px                         (guide "Vision")
    Gemini      258 up to 384 px, else 258 a tile; Gemini 3: 1120                        (guide "Media resolution")

Read in 2026-11. Sizes are (width, height) in pixels. A file whose size is not found is charged as a usual one.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from math import ceil, floor, sqrt
from typing import TYPE_CHECKING, Final

from fastproxy.formats.tokens import bare, ruler

if TYPE_CHECKING:
    from fastproxy.formats.chat import Image

USUAL: Final = 1100  # Anthropic: width × height / 750 of a usual picture; OpenAI high detail 765, Gemini 258 a tile
HEAD_CHARS: Final = 131_072  # of base64: a JPEG may have 64 KB of metadata in front of its size
MAX_SEGMENTS: Final = 1024  # of a JPEG in front of its size; a camera writes some twenty

Size = tuple[int, int]

# model → tokens of the whole, and of a tile; the longest beginning of a name wins
_TILED: Final = {
    "": (85, 170),
    "gpt-4o-mini": (2833, 5667),
    "gpt-5": (70, 140),
    "o1": (75, 150),
    "o3": (75, 150),
    "computer-use": (65, 129),
}
# model → factor on the number of patches
_PATCHED: Final = {"gpt-4.1-mini": 1.62, "gpt-4.1-nano": 2.46, "o4-mini": 1.72, "gpt-5-mini": 1.62, "gpt-5-nano": 2.46}
_MAX_PATCHES: Final = 1536
_PATCH: Final = 32
_CLAUDE_EDGE: Final = 1568
_CLAUDE_PIXELS: Final = 750
_CLAUDE_MOST: Final = 1600
_GEMINI_TILE: Final = 258
_GEMINI_3: Final = 1120
_JPEG_SIZES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def picture_tokens(image: Image, model: str) -> int:
    """What `model` charges for the picture."""
    name = bare(model)
    if name.startswith("gemini-3"):
        return _GEMINI_3
    size = _size_of(image)
    if name.startswith("claude"):
        return _for_claude(size) if size else USUAL
    if name.startswith("gemini"):
        return _for_gemini(size) if size else USUAL
    if ruler(model).is_openai:
        return _for_openai(size, name, is_low=image.detail == "low")
    return USUAL


def _size_of(image: Image) -> Size | None:
    data = image.source.data
    if not data:
        return None
    try:
        head = b64decode(data[:HEAD_CHARS].translate(_STANDARD) + "==")
    except (binascii.Error, ValueError):  # what the vendor will refuse is not ours to refuse
        return None
    return picture_size(head)


_STANDARD: Final = str.maketrans("-_", "+/")


def picture_size(head: bytes) -> Size | None:
    """Width and height of a PNG, JPEG, GIF or WebP from its first bytes; None for anything else, or nonsense."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        size = (_big(head, 16, 4), _big(head, 20, 4))
    elif head.startswith((b"GIF87a", b"GIF89a")):
        size = (_little(head, 6, 2), _little(head, 8, 2))
    elif head.startswith(b"\xff\xd8"):
        size = _of_jpeg(head)
    elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        size = _of_webp(head)
    else:
        return None
    return size if min(size) > 0 and max(size) <= 1 << 16 else None


def _of_jpeg(head: bytes) -> Size:
    """Segment by segment to the frame header (ITU T.81, B.1.1 and B.2.2)."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        if at + 9 > len(head) or head[at] != 0xFF:
            break
        marker = head[at + 1]
        if marker in _JPEG_SIZES:
            return _big(head, at + 7, 2), _big(head, at + 5, 2)
        at += 1 if marker == 0xFF else 2 + max(2, _big(head, at + 2, 2))
    return 0, 0


def _of_webp(head: bytes) -> Size:
    """RFC 9649: extended, lossless, lossy (RFC 6386, 9.1)."""
    kind = head[12:16]
    if kind == b"VP8X":
        return _little(head, 24, 3) + 1, _little(head, 27, 3) + 1
    if kind == b"VP8L" and len(head) >= 25:
        bits = _little(head, 21, 4)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return _little(head, 26, 2) & 0x3FFF, _little(head, 28, 2) & 0x3FFF
    return 0, 0


def _big(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _for_openai(size: Size | None, name: str, *, is_low: bool) -> int:
    for model, factor in _PATCHED.items():
        if name.startswith(model):
            return ceil(_patches(size) * factor) if size else USUAL
    whole, tile = next(_TILED[known] for known in sorted(_TILED, reverse=True) if name.startswith(known))
    if is_low:
        return whole
    return whole + tile * (_tiles(size) if size else 4)  # a square picture has four


def _tiles(size: Size) -> int:
    """Shrunk into a square of 2048, then to a shorter side of 768; in tiles of 512."""
    width, height = _shrunk(size, 2048 / max(size))
    width, height = _shrunk((width, height), 768 / min(width, height))
    return ceil(width / 512) * ceil(height / 512)


def _shrunk(size: tuple[float, float], scale: float) -> tuple[float, float]:
    """Never enlarged."""
    return (size[0] * scale, size[1] * scale) if scale < 1 else size


def _patches(size: Size) -> int:
    """Those that cover the picture; a large one is shrunk until they are few enough, in whole patches one way."""
    width, height = size
    if ceil(width / _PATCH) * ceil(height / _PATCH) <= _MAX_PATCHES:
        return ceil(width / _PATCH) * ceil(height / _PATCH)
    scale = sqrt(_PATCH**2 * _MAX_PATCHES / (width * height))
    across, down = width * scale / _PATCH, height * scale / _PATCH
    scale *= min(max(1, floor(across)) / across, max(1, floor(down)) / down)
    return min(_MAX_PATCHES, ceil(round(width * scale / _PATCH, 6)) * ceil(round(height * scale / _PATCH, 6)))


def _for_claude(size: Size) -> int:
    width, height = _shrunk(size, _CLAUDE_EDGE / max(size))
    return min(_CLAUDE_MOST, ceil(width * height / _CLAUDE_PIXELS))


def _for_gemini(size: Size) -> int:
    if max(size) <= 384:
        return _GEMINI_TILE
    unit = max(1, floor(min(size) / 1.5))
    return _GEMINI_TILE * min(ceil(size[0] / unit) * ceil(size[1] / unit), 64)
