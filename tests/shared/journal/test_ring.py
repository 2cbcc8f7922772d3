"""The ring: what goes in comes out, whole, in order and once, lap after lap."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared.journal import START, Frame, Position
from tests.shared.journal.rings import SIZE, Reader, claimed, fill, payload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastproxy.shared.journal import Journal


pytestmark = pytest.mark.usefixtures("quick_disk")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = claimed(tmp_path)
    yield journal
    journal.close()


@pytest.fixture
def reader(tmp_path: Path, journal: Journal) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.close()


def test_an_empty_ring_has_no_frames_and_a_new_epoch(reader: Reader) -> None:
    batch = reader.source.read(START)
    assert (batch.frames, batch.position.epoch, batch.set_aside) == ([], 1, 0)


def test_frames_come_at_once_with_their_kind_and_epoch(journal: Journal, reader: Reader) -> None:
    for kind in range(1, 16):
        assert journal.append(kind, b"payload %d" % kind)
    batch = reader.source.read(START)
    assert batch.frames == [Frame(kind, 1, b"payload %d" % kind) for kind in range(1, 16)]
    assert reader.source.read(batch.position).frames == []


@pytest.mark.parametrize("seed", range(8))
def test_many_laps_of_any_lengths_stay_in_order(journal: Journal, reader: Reader, seed: int) -> None:
    chance = random.Random(seed)
    done = 0
    for _ in range(60):
        burst = chance.randrange(1, 60)
        for number in range(done, done + burst):
            assert journal.append(2, payload(number, chance.choice([8, 9, 15, 16, 100, 220, 333])))
        done += burst
        if chance.random() < 0.7:
            reader.read(chance.choice([1, 100, 5000, 1 << 20]))
    reader.read()
    assert reader.numbers == list(range(done))
    assert (journal.lost, journal.spilled, reader.set_aside) == (0, 0, 0)
    assert journal._at > 2 * SIZE


@pytest.mark.parametrize("length", [8, 200, 4000, 8168])
def test_every_place_at_the_end_of_a_lap_is_right(journal: Journal, reader: Reader, length: int) -> None:
    """A frame may begin in the last bytes of the ring and end in the slack behind."""
    done = 0
    while journal._at < 12 * SIZE:
        step = 1 + done % 3
        fill(journal, range(done, done + step), length - done % 8 if length > 16 else length)
        done += step
        reader.read()
    assert reader.numbers == list(range(done))
    assert journal.spilled == 0


def test_what_is_not_committed_is_read_again_and_again(journal: Journal, reader: Reader) -> None:
    fill(journal, range(100))
    first = reader.source.read(START)
    for _ in range(10):
        assert reader.source.read(START) == first
    assert len(first.frames) == 100


def test_a_reader_that_begins_again_goes_on_where_the_database_says(journal: Journal, tmp_path: Path) -> None:
    fill(journal, range(50))
    one = Reader(tmp_path)
    batch = one.source.read(START, 1000)
    one.close()
    two = Reader(tmp_path)
    two.position = batch.position
    assert two.read() == list(range(len(batch.frames), 50))
    two.close()


@pytest.mark.parametrize("max_bytes", [1, 248, 249, 1000, 1 << 30])
def test_a_batch_has_about_as_many_bytes_as_asked_for_and_at_least_one_frame(
    journal: Journal, reader: Reader, max_bytes: int
) -> None:
    fill(journal, range(40))
    batch = reader.source.read(START, max_bytes)
    assert 1 <= len(batch.frames) <= max_bytes // 248 + 1
    assert reader.read(max_bytes) == list(range(40))


def test_room_that_was_read_but_not_advanced_stays_taken(journal: Journal, reader: Reader) -> None:
    fill(journal, range(100))
    before = journal.unread
    reader.read(advance=False)
    assert journal.unread == before
    reader.source.advance(reader.position)
    assert journal.unread == 0
    assert before == 100 * 248 + 32


def test_the_largest_payload_fits_and_one_more_byte_does_not(journal: Journal, reader: Reader) -> None:
    assert journal.append(1, payload(0, journal.max_payload))
    assert not journal.append(1, payload(1, journal.max_payload + 1))
    assert (journal.lost, journal.is_open) == (1, True)
    assert journal.append(1, payload(2))
    assert reader.read() == [0, 2]


def test_a_closed_journal_loses_and_counts(journal: Journal) -> None:
    journal.close()
    assert not journal.append(1, b"late")
    journal.tick()
    journal.sync()
    journal.close()
    assert (journal.lost, journal.unread) == (1, 32)


def test_a_position_is_four_small_numbers(journal: Journal, reader: Reader) -> None:
    fill(journal, range(10))
    position = reader.source.read(START).position
    assert position == Position(1, 32 + 10 * 248, 1 << 28, 0)
