"""Where texts and streams are cut: never where a reader would like it."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEXT: Final = (1, 2, 5, 3, 11, 1, 7, 23)
_BYTES: Final = (1, 90, 3, 311, 17, 2, 640, 5)


def pieces(text: str) -> Iterator[str]:
    """A text in pieces of a few characters, also between the parts of an emoji."""
    place, sizes = 0, cycle(_TEXT)
    while place < len(text):
        size = next(sizes)
        yield text[place : place + size]
        place += size


def shreds(data: bytes) -> Iterator[bytes]:
    """Bytes in odd portions: a character of four bytes, a `\\r\\n` and an event may lie in two of them."""
    place, sizes = 0, cycle(_BYTES)
    while place < len(data):
        size = next(sizes)
        yield data[place : place + size]
        place += size
