"""The spill: what the ring has no room for waits in files, in its place in the order, within a limit."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared.journal import spill as spill_module
from tests.shared.journal.rings import LIMIT, Reader, abandon, claimed, fill, payload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastproxy.shared.journal import Journal

pytestmark = pytest.mark.usefixtures("quick_disk")
RING_FULL = 300  # frames of 248 bytes; the ring has room for 247


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


def spills(directory: Path) -> list[str]:
    return sorted(name for name in os.listdir(directory) if name.endswith(".spill"))


def test_a_full_ring_spills_and_all_comes_in_order(journal: Journal, reader: Reader, tmp_path: Path) -> None:
    fill(journal, range(RING_FULL))
    assert (journal.spilled, journal.lost, journal.is_open) == (RING_FULL - 247, 0, True)
    assert spills(tmp_path) == [f"0.{1 << 28}.spill"]
    assert reader.read() == list(range(RING_FULL))


def test_ring_spill_ring_spill_ring(journal: Journal, reader: Reader, tmp_path: Path) -> None:
    done = 0
    for _ in range(5):
        fill(journal, range(done, done + RING_FULL))
        done += RING_FULL
        reader.read(advance=False)
        fill(journal, range(done, done + 10))  # to the spill: nothing is free yet
        done += 10
        reader.read()
        journal.tick()  # back to the ring
        spilled = journal.spilled
        fill(journal, range(done, done + 10))
        done += 10
        assert journal.spilled == spilled
    reader.read()
    assert reader.numbers == list(range(done))
    assert spills(tmp_path) == []
    assert (journal.lost, reader.set_aside) == (0, 0)


@pytest.mark.parametrize("seed", range(12))
def test_any_mixture_stays_in_order(
    journal: Journal, reader: Reader, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(spill_module, "SEGMENT_BYTES", 7000)
    chance = random.Random(seed)
    done = 0
    for _ in range(80):
        burst = chance.randrange(1, 150)
        for number in range(done, done + burst):
            assert journal.append(1, payload(number, chance.choice([8, 100, 220, 1000])))
        done += burst
        if chance.random() < 0.5:
            journal.tick()
        if chance.random() < 0.4:
            reader.read(chance.choice([1, 3000, 50_000]))
    reader.read()
    assert reader.numbers == list(range(done))
    assert journal.spilled > 0
    assert (journal.lost, reader.set_aside) == (0, 0)


def test_a_long_episode_is_in_segments_that_go_one_by_one(
    journal: Journal, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill_module, "SEGMENT_BYTES", 24_800)
    fill(journal, range(1000))
    before = spills(tmp_path)
    assert len(before) == 8
    assert max((tmp_path / name).stat().st_size for name in before) == 24_800
    left = []
    while len(reader.numbers) < 1000:
        batch = reader.source.read(reader.position, 30_000)
        reader.numbers += [int.from_bytes(frame.payload[:8], "little") for frame in batch.frames]
        reader.position = batch.position
        reader.source.advance(batch.position)
        left.append(len(spills(tmp_path)))
    assert reader.numbers == list(range(1000))
    assert left == sorted(left, reverse=True)
    assert set(left) >= {7, 5, 3, 1}


def test_what_one_process_may_spill_has_a_limit(tmp_path: Path) -> None:
    journal = claimed(tmp_path, 10 * 248 + 100)
    fill(journal, range(257))
    assert (journal.is_open, journal.lost) == (True, 0)
    for number in range(257, 300):
        assert not journal.append(1, payload(number))
    assert (journal.is_open, journal.lost, journal.spilled) == (False, 43, 10)
    for _ in range(30):
        journal.tick()
    assert (journal.is_open, journal.lost) == (False, 43)  # nobody has made room
    reader = Reader(tmp_path)
    assert reader.read() == list(range(257))
    journal.tick()
    assert (journal.is_open, journal.lost) == (True, 43)
    fill(journal, range(300, 310))
    assert reader.read() == list(range(300, 310))
    reader.close()
    journal.close()


def test_without_a_spill_a_full_ring_is_the_end_until_it_is_read(tmp_path: Path) -> None:
    journal = claimed(tmp_path, 0)
    fill(journal, range(247))
    assert not journal.append(1, payload(247))
    assert not journal.append(1, payload(248))
    assert (journal.is_open, journal.lost) == (False, 2)
    reader = Reader(tmp_path)
    reader.read()
    assert journal.append(1, payload(249))  # also without a tick
    assert (journal.is_open, reader.read(), spills(tmp_path)) == (True, [249], [])
    reader.close()
    journal.close()


def test_the_limit_counts_what_earlier_processes_left(tmp_path: Path) -> None:
    first = claimed(tmp_path)
    fill(first, range(RING_FULL))
    abandon(first)
    second = claimed(tmp_path, (RING_FULL - 247) * 248 + 248)
    assert second.append(1, payload(RING_FULL))
    assert not second.append(1, payload(RING_FULL + 1))
    second.close()


def test_a_process_that_died_while_it_spilled_is_followed_in_order(journal: Journal, tmp_path: Path) -> None:
    done = 0
    for _ in range(6):
        fill(journal, range(done, done + RING_FULL))
        done += RING_FULL
        abandon(journal)
        journal = claimed(tmp_path, LIMIT)
    fill(journal, range(done, done + 10))
    reader = Reader(tmp_path)
    assert reader.read() == list(range(done + 10))
    assert reader.position.epoch == 7
    journal.tick()
    fill(journal, range(done + 10, done + 20))
    assert reader.read() == list(range(done + 10, done + 20))
    assert (reader.set_aside, spills(tmp_path)) == (0, [])
    reader.close()
    journal.close()


def test_a_frame_that_was_cut_by_a_kill_is_put_aside_when_the_segment_is_over(
    journal: Journal, reader: Reader, tmp_path: Path
) -> None:
    fill(journal, range(RING_FULL))
    path = tmp_path / spills(tmp_path)[0]
    with path.open("ab") as file:
        file.write(path.read_bytes()[:100])
    assert reader.read() == list(range(RING_FULL))
    assert reader.set_aside == 0  # it may still grow
    abandon(journal)
    after = claimed(tmp_path)
    after.tick()
    fill(after, range(RING_FULL, RING_FULL + 5))
    assert reader.read() == list(range(RING_FULL, RING_FULL + 5))
    assert reader.set_aside == 100
    after.close()


def test_a_segment_that_is_gone_is_as_if_it_were_empty(journal: Journal, reader: Reader, tmp_path: Path) -> None:
    fill(journal, range(RING_FULL))
    (tmp_path / spills(tmp_path)[0]).unlink()
    reader.read()
    journal.tick()
    fill(journal, range(RING_FULL, RING_FULL + 5))
    reader.read()
    assert reader.numbers == [*range(247), *range(RING_FULL, RING_FULL + 5)]


def test_a_frame_too_large_is_lost_in_the_spill_as_in_the_ring(journal: Journal) -> None:
    fill(journal, range(RING_FULL))
    assert not journal.append(1, bytes(journal.max_payload + 1))
    assert (journal.lost, journal.is_open) == (1, True)
    assert journal.append(1, bytes(journal.max_payload))
