"""Frames: how a payload stands in a ring or a spill segment, and how it is told from everything else.

    frame    checksum 8, position 8, epoch 4, kind 1 and length 3, payload, zeros to the next multiple of 8

The position is absolute: bytes since the ring was made (it stands at position % size), or since the start of the
segment. The checksum is xxh3 of the payload, seeded with the salt of the ring (from its random identity), the epoch,
the position and the kind. So a frame of an earlier lap, of another ring or segment, one that moved, and one that was
torn are no frames; and a client cannot send what would be taken for one, because it does not know the salt.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import xxhash

checksum: Final = xxhash.xxh3_64_intdigest
HEADER: Final = struct.Struct("=QQII")  # checksum, position, epoch, length << 8 | kind
OWNER: Final = 16  # a process has taken the ring; payload: its id, 8 bytes
MARK: Final = 17  # go on in this spill segment (8 bytes) and come back when there is a frame behind this one
PROBE: Final = 18  # zeros: whether the disk has room again
NUMBER: Final = struct.Struct("=Q")
MAX_POSITION: Final = 1 << 58
_MASK: Final = (1 << 64) - 1
_EPOCH_STEP: Final = 0x9E3779B97F4A7C15
_SEGMENT_STEP: Final = 0xC2B2AE3D27D4EB4F


class Position(NamedTuple):
    """Where a reader has come; each below 2**58. A newer epoch decides, then `ring`, then `spill` and `offset`."""

    epoch: int
    ring: int  # the next frame in the ring; the MARK as long as its segments are being read
    spill: int  # the segment that is or will be the next to read: epoch << 28 | number
    offset: int  # in that segment


class Frame(NamedTuple):
    kind: int  # 1..15
    epoch: int  # frames with a smaller epoch than the newest one are of processes that are dead
    payload: bytes


class Batch(NamedTuple):
    frames: list[Frame]
    position: Position
    set_aside: int  # bytes that were no frames


START: Final = Position(0, 0, 0, 0)


def frame_bytes(length: int) -> int:
    """What a payload of this length takes."""
    return (length + HEADER.size + 7) & -8


def salt_of(identity: bytes) -> int:
    return int.from_bytes(identity[:8], "little") ^ int.from_bytes(identity[8:], "little")


def segment_salt(salt: int, segment: int) -> int:
    return (salt ^ segment * _SEGMENT_STEP) & _MASK


def epoch_salt(salt: int, epoch: int) -> int:
    """What all frames of one epoch have in common; its seed is this ^ (position << 5 | kind)."""
    return (salt ^ epoch * _EPOCH_STEP) & _MASK


def pack(salt: int, position: int, epoch: int, kind: int, payload: bytes) -> bytes:
    """A whole frame with its padding. The hot path of writer.py does the same in place."""
    check = checksum(payload, epoch_salt(salt, epoch) ^ (position << 5 | kind))
    header = HEADER.pack(check, position, epoch, len(payload) << 8 | kind)
    return (header + payload).ljust(frame_bytes(len(payload)), b"\0")


class Walker:
    """Goes from frame to frame and keeps those of the user. It never goes back to an older epoch."""

    __slots__ = ("epoch", "frames", "mark", "position", "salt", "wanted")

    def __init__(self, salt: int, position: int, epoch: int, frames: list[Frame]) -> None:
        self.salt = salt
        self.position = position
        self.epoch = epoch
        self.frames = frames
        self.mark = -1  # the segment of the MARK where it stands
        self.wanted = 0  # bytes of the frame where it stands, when there were too few of them

    def pass_mark(self) -> None:
        """Behind the MARK where it stands."""
        self.position += frame_bytes(NUMBER.size)
        self.mark = -1

    def walk(self, raw: bytes, until: int) -> None:
        """Take what stands in `raw`, which begins at our position, until this position is reached, until there is no
        whole frame, or a MARK.
        """
        first = position = self.position
        epoch, frames = self.epoch, self.frames
        salt = epoch_salt(self.salt, epoch)
        size = len(raw)
        last = min(until, first + size - HEADER.size + 1)
        self.mark, self.wanted = -1, 0
        while position < last:
            at = position - first
            check, stands, of, word = HEADER.unpack_from(raw, at)
            if stands != position or of < epoch:
                break
            kind = word & 255
            end = at + 24 + (word >> 8)
            if end > size:
                self.wanted = end - at
                break
            payload = raw[at + 24 : end]
            if of != epoch:
                salt = epoch_salt(self.salt, of)
            if checksum(payload, salt ^ (position << 5 | kind)) != check:
                break
            epoch = of
            if kind <= 15:
                frames.append(Frame(kind, of, payload))
            elif kind == MARK:
                self.mark = NUMBER.unpack(payload)[0]
                break
            position += (end - at + 7) & -8
        self.position, self.epoch = position, epoch


def find(raw: bytes, position: int) -> list[int]:
    """Positions in `raw`, which begins at `position`, where a frame may stand: what its header says of its place fits.
    For repairs: 5 ms per MiB.
    """
    cells = memoryview(raw[: len(raw) & -8]).cast("Q").tolist()
    places = range(position - 8, position + len(raw), 8)
    return [place for place, cell in zip(places, cells, strict=False) if place == cell and place >= position]
