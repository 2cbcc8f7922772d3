"""Positions: the database and the ring each know how far the reader has come, and either may have been set back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastproxy.shared.journal import START, Position
from tests.shared.journal.rings import SIZE, Reader, abandon, claimed, fill, number_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("quick_disk")
FRAME = 248


def at(directory: Path, position: Position) -> Reader:
    reader = Reader(directory)
    reader.position = position
    return reader


def position_behind(directory: Path, frames: int) -> Position:
    """Where somebody is who has read so many; nothing is advanced."""
    reader = Reader(directory)
    position, read = START, 0
    while read < frames:
        batch = reader.source.read(position, 1)
        position, read = batch.position, read + len(batch.frames)
    reader.close()
    return position


def test_replayed_ten_times_it_is_the_same(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(400))
    journal.close()
    claimed(tmp_path).close()
    seen = []
    for _ in range(10):
        reader = Reader(tmp_path)
        reader.read(5000, advance=False)
        seen.append((reader.numbers, reader.position, reader.set_aside))
        reader.close()
    assert seen == [seen[0]] * 10
    assert seen[0][0] == list(range(400))


@pytest.mark.parametrize("frames", [0, 1, 100, 246, 247, 248, 299, 300])
def test_the_database_may_know_more_than_the_tail(tmp_path: Path, frames: int) -> None:
    """It was killed between commit and advance. 247 frames are in the ring, the others are spilled."""
    journal = claimed(tmp_path)
    fill(journal, range(300))
    reader = at(tmp_path, position_behind(tmp_path, frames))
    assert reader.read() == list(range(frames, 300))
    reader.close()
    journal.close()


@pytest.mark.parametrize("frames", [1, 100, 247])
def test_the_database_may_know_less_than_the_tail(tmp_path: Path, frames: int) -> None:
    """It was restored from a copy; what still stands is read again."""
    journal = claimed(tmp_path)
    fill(journal, range(240))
    position = position_behind(tmp_path, min(frames, 240))
    Reader(tmp_path).read()
    reader = at(tmp_path, position)
    assert reader.read() == list(range(min(frames, 240), 240))
    reader.close()
    journal.close()


def test_a_position_that_was_overwritten_goes_on_with_the_oldest_frame_that_stands(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(10))
    position = position_behind(tmp_path, 5)
    other = Reader(tmp_path)
    for lap in range(5):
        fill(journal, range(10 + lap * 200, 210 + lap * 200))
        other.read()
    journal.tick()
    reader = at(tmp_path, position)
    numbers = reader.read()
    assert numbers == list(range(numbers[0], 1010))
    assert len(numbers) > SIZE // FRAME - 4
    assert reader.set_aside == 0
    for one in (reader, other):
        one.close()
    journal.close()


@pytest.mark.parametrize("offset", [1, 8, 100, 247, FRAME + 8])
def test_a_position_inside_a_frame_goes_on_with_the_next_one(tmp_path: Path, offset: int) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(50))
    journal.tick()
    position = position_behind(tmp_path, 10)
    reader = at(tmp_path, position._replace(ring=position.ring + (offset & -8)))
    assert reader.read() == list(range(10 + -(-(offset & -8) // FRAME), 50))
    reader.close()
    journal.close()


def test_a_ring_set_back_behind_the_database_goes_on_with_what_is_new(tmp_path: Path) -> None:
    """A power cut took frames that the database had already committed."""
    journal = claimed(tmp_path)
    fill(journal, range(50))
    journal.sync()
    synced = (tmp_path / "0.ring").read_bytes()
    fill(journal, range(50, 90))
    reader = Reader(tmp_path)
    assert reader.read() == list(range(90))
    position = reader.position
    abandon(journal)
    reader.close()
    (tmp_path / "0.ring").write_bytes(synced)
    reader = at(tmp_path, position)
    assert reader.read() == []
    for life in range(3):
        journal = claimed(tmp_path)
        fill(journal, range(100 + life * 10, 110 + life * 10))  # ends before the database's position
        abandon(journal)
    assert reader.read() == list(range(100, 130))
    assert (reader.position.epoch, reader.set_aside) == (4, 0)
    reader.close()


def test_room_is_not_used_twice_when_the_tail_was_ahead_of_the_ring(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(10))
    journal.sync()
    synced = (tmp_path / "0.ring").read_bytes()
    fill(journal, range(10, 200))
    reader = Reader(tmp_path)
    reader.read()
    header = (tmp_path / "0.ring").read_bytes()[:8192]  # with the tail, not with the frames
    abandon(journal)
    (tmp_path / "0.ring").write_bytes(header + synced[8192:])
    position = reader.position
    reader.close()
    journal = claimed(tmp_path)
    fill(journal, range(300, 600))  # more than the ring
    reader = at(tmp_path, position)
    assert reader.read() == list(range(300, 600))
    assert reader.set_aside == 0
    reader.close()
    journal.close()


def test_more_processes_than_the_header_remembers(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(50))
    journal.sync()
    synced = (tmp_path / "0.ring").read_bytes()
    fill(journal, range(50, 100))
    reader = Reader(tmp_path)
    reader.read()
    abandon(journal)
    reader.close()
    (tmp_path / "0.ring").write_bytes(synced)
    for life in range(70):
        journal = claimed(tmp_path)
        fill(journal, range(1000 + life, 1001 + life))
        abandon(journal)
    reader = at(tmp_path, reader.position)
    fresh = reader.read()
    assert fresh[-70:] == list(range(1000, 1070))
    assert reader.position.epoch == 71
    reader.close()


def test_a_new_database_begins_at_the_tail(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(300))
    first = Reader(tmp_path)
    batch = first.source.read(START, 260 * FRAME)
    first.source.advance(batch.position)
    first.close()
    done = len(batch.frames)
    assert done > 247  # in the middle of the spill
    second = Reader(tmp_path)
    assert second.read() == list(range(done, 300))
    second.close()
    journal.close()


def test_advance_does_not_go_where_no_read_was(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(100))
    reader = Reader(tmp_path)
    batch = reader.source.read(START, 1000)
    reader.source.advance(batch.position._replace(ring=batch.position.ring + 10 * FRAME))
    assert journal.unread == (100 - len(batch.frames)) * FRAME
    assert [number_of(frame.payload) for frame in reader.source.read(batch.position).frames] == list(
        range(len(batch.frames), 100)
    )
    reader.close()
    journal.close()
