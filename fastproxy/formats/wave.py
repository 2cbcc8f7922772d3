"""WAV files and the plain samples inside them: RIFF chunks, no codec.

    "RIFF" size "WAVE"  { id size content [pad] }*      "fmt ": code, channels, rate, bytes/s, block, bits     "data"

Sizes that a stream could not know (0xFFFFFFFF, or more than there is) mean: to the end. Source: Multimedia Programming
Interface and Data Specifications 1.0, 1991.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

_RIFF: Final = struct.Struct("<4sI4s")
_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")
_PLAIN: Final = 1  # the code of samples as they are
_EXTENSIBLE: Final = 0xFFFE
_MAX_CHUNKS: Final = 64


class Sound(NamedTuple):
    """Samples, interleaved by channel, little-endian. `rate` in Hz, `width` in bytes of one sample."""

    samples: bytes
    rate: int
    channels: int = 1
    width: int = 2


class _Found(NamedTuple):
    format: tuple[int, int, int, int, int, int]  # code, channels, rate, bytes per second, block, bits
    start: int
    end: int


def write_wav(sound: Sound) -> bytes:
    """The sound as a file: a head of 44 bytes, then the samples."""
    samples, rate, channels, width = sound
    block = channels * width
    head = _RIFF.pack(b"RIFF", 36 + len(samples), b"WAVE")
    head += _CHUNK.pack(b"fmt ", _FORMAT.size)
    head += _FORMAT.pack(_PLAIN, channels, rate, rate * block, block, 8 * width)
    return b"".join((head, _CHUNK.pack(b"data", len(samples)), samples))


def read_wav(data: bytes) -> Sound | None:
    """The samples of a file; None when it is no WAV, or holds something else than samples as they are."""
    found = _find(data)
    if found is None or found.format[0] not in (_PLAIN, _EXTENSIBLE):
        return None
    _, channels, rate, _, _, bits = found.format
    if not 0 < rate * channels * (bits // 8) < 1 << 32:
        return None  # which nothing plays, and no other head could say
    return Sound(data[found.start : found.end], rate, channels, bits // 8)


def seconds(data: bytes | memoryview) -> float | None:
    """How long a WAV file plays, whatever its codec; None when it is none or does not say."""
    found = _find(data)
    if found is None or found.format[3] == 0:
        return None
    return (found.end - found.start) / found.format[3]


def _find(data: bytes | memoryview) -> _Found | None:
    if len(data) < _RIFF.size:
        return None
    riff, _, wave = _RIFF.unpack_from(data)
    if (riff, wave) != (b"RIFF", b"WAVE"):
        return None
    described, place = None, _RIFF.size
    for _ in range(_MAX_CHUNKS):
        if place + _CHUNK.size > len(data):
            return None
        name, size = _CHUNK.unpack_from(data, place)
        place += _CHUNK.size
        if name == b"fmt " and _FORMAT.size <= size <= len(data) - place:
            described = _FORMAT.unpack_from(data, place)
        elif name == b"data":
            return _Found(described, place, min(place + size, len(data))) if described is not None else None
        place += size + size % 2
    return None
