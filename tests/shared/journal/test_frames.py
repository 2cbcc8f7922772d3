"""Frames: which bytes are one, and which are not, however little they differ."""

from __future__ import annotations

import pytest

from fastproxy.shared.journal import Frame
from fastproxy.shared.journal.frames import MARK, NUMBER, OWNER, Walker, find, frame_bytes, pack, segment_salt

SALT = 0x0123456789ABCDEF
AT = 4096


def walked(raw: bytes, position: int = AT, epoch: int = 3, salt: int = SALT) -> Walker:
    walker = Walker(salt, position, epoch, [])
    walker.walk(raw, 1 << 40)
    return walker


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 220, 241, 65536])
def test_a_frame_of_any_length_is_found_again(length: int) -> None:
    payload = bytes(range(256)) * 257
    raw = pack(SALT, AT, 3, 15, payload[:length])
    assert len(raw) == frame_bytes(length)
    assert len(raw) % 8 == 0
    walker = walked(raw + raw)
    assert walker.frames == [Frame(15, 3, payload[:length])]
    assert (walker.position, walker.epoch) == (AT + len(raw), 3)


def test_every_bit_of_a_frame_counts() -> None:
    raw = pack(SALT, AT, 3, 4, b"what was appended")
    payload_end = 24 + len(b"what was appended")
    for at in range(payload_end):
        for bit in range(8):
            torn = bytearray(raw)
            torn[at] ^= 1 << bit
            assert walked(bytes(torn)).frames == []


def test_a_frame_that_was_cut_is_none() -> None:
    raw = pack(SALT, AT, 3, 4, b"x" * 100)
    for size in range(24 + 100):
        walker = walked(raw[:size])
        assert (walker.frames, walker.position) == ([], AT)
        assert walker.wanted == (124 if size >= 24 else 0)
    for size in range(24 + 100):
        assert walked(raw[:size].ljust(len(raw), b"\0")).frames == []


@pytest.mark.parametrize(
    ("position", "epoch", "salt"),
    [(AT + 8, 3, SALT), (AT - 8, 3, SALT), (AT + 65536, 3, SALT), (AT, 4, SALT), (AT, 3, SALT + 1),
     (AT, 3, segment_salt(SALT, 1)), (AT, 3, segment_salt(SALT, 2))],
    ids=["moved up", "moved down", "a lap ago", "an older epoch", "another ring", "a segment", "another segment"],
)  # fmt: skip
def test_a_frame_somewhere_else_is_none(position: int, epoch: int, salt: int) -> None:
    assert walked(pack(SALT, AT, 3, 4, b"x" * 100), position, epoch, salt).frames == []


def test_a_walk_goes_through_epochs_upward_and_keeps_only_what_is_the_users() -> None:
    raw = b""
    for epoch, kind, payload in [(3, 1, b"a"), (3, OWNER, b"12345678"), (5, 2, b"b"), (5, 3, b""), (4, 1, b"old")]:
        raw += pack(SALT, AT + len(raw), epoch, kind, payload)
    walker = walked(raw)
    assert walker.frames == [Frame(1, 3, b"a"), Frame(2, 5, b"b"), Frame(3, 5, b"")]
    assert (walker.epoch, walker.position) == (5, AT + len(raw) - 32)


def test_a_walk_stops_at_a_mark_and_at_its_end() -> None:
    first = pack(SALT, AT, 3, 1, b"a")
    second = pack(SALT, AT + len(first), 3, MARK, NUMBER.pack(77))
    walker = walked(first + second)
    assert (walker.mark, walker.position) == (77, AT + len(first))
    walker.pass_mark()
    assert (walker.mark, walker.position) == (-1, AT + len(first) + len(second))
    walker = Walker(SALT, AT, 0, [])
    walker.walk(first + second, AT + 1)
    assert (walker.mark, walker.position) == (-1, AT + len(first))


def test_places_where_a_frame_may_stand_are_found() -> None:
    raw = bytes(range(240)) + pack(SALT, AT + 240, 1, 1, b"") + b"\xff" * 37 + bytes(3)
    raw += pack(SALT, AT + len(raw), 1, 1, b"x" * 9)
    assert find(raw, AT) == [AT + 240, AT + 304]
    assert find(raw, AT + 8) == []
    assert find(raw[:7], AT) == []
    assert find(bytes(64), 0) == [0]  # a position of zero is no proof; the checksum is
