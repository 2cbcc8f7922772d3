"""Damage: bytes that are no frames are never taken for some, are put aside and counted, and the rest is read."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared.journal import START, sources
from fastproxy.shared.journal.aside import set_aside
from tests.shared.journal.rings import DATA, SIZE, Reader, abandon, claimed, fill, number_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("quick_disk")
FRAME = 248
FIRST = 32  # behind the OWNER


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    """Two hundred frames of which nobody has read any, and whose process is gone."""
    journal = claimed(tmp_path)
    fill(journal, range(200))
    journal.close()
    return tmp_path / "0.ring"


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def read_all(directory: Path) -> tuple[list[int], int]:
    reader = Reader(directory)
    reader.read()
    reader.close()
    return reader.numbers, reader.set_aside


def kept(directory: Path) -> list[bytes]:
    folder = directory / "set-aside"
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.exists() else []


def test_a_frame_torn_at_any_byte_is_put_aside_and_the_others_are_read(ring: Path, tmp_path: Path) -> None:
    whole = ring.read_bytes()
    at = DATA + FIRST + 7 * FRAME
    for offset in range(0, 24 + 220, 3):
        overwrite(ring, at + offset, bytes([whole[at + offset] ^ 0x40]))
        reader = Reader(tmp_path)
        assert reader.read(advance=False) == [number for number in range(200) if number != 7]
        assert reader.set_aside == FRAME
        reader.close()
        overwrite(ring, at + offset, whole[at + offset : at + offset + 1])
    assert len(kept(tmp_path)) == 1  # the same place, again and again
    assert read_all(tmp_path) == (list(range(200)), 0)


@pytest.mark.parametrize(
    "what", [bytes, os.urandom, lambda n: b"\xff" * n, lambda n: (b"fastproxy ring\n\0" * 2500)[:n]]
)
@pytest.mark.parametrize(
    ("start", "count"), [(0, 4096), (4096, 4096), (8192, 20_000), (40_000, 8), (3, 5), (0, 40_000)]
)
def test_pages_that_were_overwritten_are_put_aside(
    ring: Path, tmp_path: Path, what: Callable[[int], bytes], start: int, count: int
) -> None:
    overwrite(ring, DATA + start, what(count))
    ends = [(number, FIRST + number * FRAME, FIRST + number * FRAME + 244) for number in range(200)]
    whole = [number for number, first, last in ends if last <= start or first >= start + count]
    numbers, aside = read_all(tmp_path)
    assert numbers == whole
    assert count <= aside + 7 < count + 2 * FRAME + 7
    assert sum(map(len, kept(tmp_path))) == aside


@pytest.mark.parametrize("seed", range(30))
def test_any_damage_leaves_a_part_of_the_truth_in_its_order(ring: Path, tmp_path: Path, seed: int) -> None:
    """Also in the header."""
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 6)):
        count = chance.choice([1, 8, 512, 4096, 10_000])
        junk = bytes(count) if chance.random() < 0.5 else chance.randbytes(count)
        overwrite(ring, chance.randrange(4096, DATA + SIZE - count), junk)
    numbers, _ = read_all(tmp_path)
    assert numbers == sorted(set(numbers))
    journal = claimed(tmp_path)
    fill(journal, range(1000, 1010))
    journal.sync()
    reader = Reader(tmp_path)
    assert reader.read()[-10:] == list(range(1000, 1010))
    reader.close()
    journal.close()


def test_frames_of_an_earlier_lap_are_not_believed(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    reader = Reader(tmp_path)
    fill(journal, range(200))
    old = (tmp_path / "0.ring").read_bytes()[DATA + FIRST : DATA + FIRST + 100 * FRAME]
    reader.read()
    fill(journal, range(200, 400))
    journal.tick()
    lap = SIZE  # the second one has no OWNER in front
    assert journal._at > lap + 100 * FRAME
    overwrite(tmp_path / "0.ring", DATA + FIRST, old)
    numbers = reader.read()
    assert numbers == sorted(set(numbers))
    assert min(numbers) == 200
    assert 100 * FRAME <= reader.set_aside < 103 * FRAME
    reader.close()
    journal.close()


def test_a_ring_whose_second_page_is_gone_goes_on_all_the_same(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    reader = Reader(tmp_path)
    for lap in range(3):
        fill(journal, range(lap * 200, lap * 200 + 200))
        reader.read()
    fill(journal, range(600, 700))
    reader.close()
    abandon(journal)
    overwrite(tmp_path / "0.ring", 4096, bytes(4096))
    again = Reader(tmp_path)
    again.position = reader.position
    other = claimed(tmp_path)
    assert other.name == "1"  # nobody knows what of the first may be overwritten, before the collector says it
    other.close()
    assert again.read() == list(range(600, 700))
    again.position = reader.position
    after = claimed(tmp_path)
    assert (after.name, after._epoch) == ("0", 2)
    fill(after, range(700, 800))
    assert again.read() == list(range(600, 800))
    after.tick()
    fill(after, range(800, 900))
    assert again.read() == list(range(800, 900))
    assert (after.lost, again.set_aside) == (0, 0)
    again.close()
    after.close()


def test_a_new_database_and_no_second_page_begins_with_the_oldest_frame(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    reader = Reader(tmp_path)
    fill(journal, range(200))
    reader.read()
    fill(journal, range(200, 400))
    journal.close()
    overwrite(tmp_path / "0.ring", 4096, bytes(4096))
    numbers, aside = read_all(tmp_path)
    assert numbers == list(range(numbers[0], 400))
    assert 100 < numbers[0] <= 200
    assert aside == 0
    reader.close()


def test_segments_whose_mark_was_damaged_are_put_aside_and_not_lost_in_silence(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(300))
    mark = journal._at - 32
    spilled = (tmp_path / f"0.{1 << 28}.spill").read_bytes()
    journal.close()
    overwrite(tmp_path / "0.ring", DATA + mark + 3, b"?")
    reader = Reader(tmp_path)
    reader.read()
    after = claimed(tmp_path)
    fill(after, range(300, 310))
    assert reader.read()[-10:] == list(range(300, 310)) or reader.numbers[-10:] == list(range(300, 310))
    assert reader.numbers == [*range(247), *range(300, 310)]
    assert reader.set_aside == len(spilled) + 32
    assert spilled in kept(tmp_path)
    assert [name for name in os.listdir(tmp_path) if name.endswith(".spill")] == []
    reader.close()
    after.close()


def test_a_damaged_mark_before_a_whole_one_of_the_same_process(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    reader = Reader(tmp_path)
    fill(journal, range(247))
    mark = journal._at
    fill(journal, range(247, 300))
    reader.position = reader.source.read(START, 32 + 200 * FRAME).position
    reader.source.advance(reader.position)
    journal.tick()
    fill(journal, range(300, 700))  # the ring again, and a second episode
    overwrite(tmp_path / "0.ring", DATA + mark, b"?")
    assert reader.read() == [*range(200, 247), *range(300, 700)]
    assert reader.set_aside == 32 + 53 * FRAME
    reader.close()
    journal.close()


@pytest.mark.parametrize("at", [0, 248, 1000, 53 * 248 - 30])
def test_damage_in_a_segment_is_put_aside_when_the_episode_is_over(tmp_path: Path, at: int) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(300))
    overwrite(tmp_path / f"0.{1 << 28}.spill", at, b"no frame")
    reader = Reader(tmp_path)
    reader.read()
    journal.tick()
    fill(journal, range(300, 310))
    reader.read()
    assert reader.numbers == [number for number in range(310) if number != 247 + at // 248]
    assert reader.set_aside == FRAME
    reader.close()
    journal.close()


@pytest.mark.parametrize("damage", ["zeros", "junk", "cut", "empty"])
@pytest.mark.parametrize("by", ["collector", "worker"])
def test_a_file_that_is_no_ring_any_more_makes_way(tmp_path: Path, damage: str, by: str) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(300))
    journal.close()
    path = tmp_path / "0.ring"
    if damage in ("cut", "empty"):
        os.truncate(path, 30_000 if damage == "cut" else 0)
    else:
        overwrite(path, 0, bytes(100) if damage == "zeros" else b"junk" * 25)
    before = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    if by == "collector":
        assert sources(str(tmp_path), {}) == {}
        assert sorted(os.listdir(tmp_path)) == ["set-aside"]
    after = claimed(tmp_path)
    assert (after.name, after._epoch) == ("0", 1)
    assert sorted(kept(tmp_path), key=len) == sorted(before, key=len)
    fill(after, range(300))
    assert read_all(tmp_path) == (list(range(300)), 0)
    after.close()


def test_a_header_damaged_under_a_living_process_stays_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = claimed(tmp_path)
    overwrite(tmp_path / "0.ring", 0, bytes(100))
    for _ in range(5):
        assert sources(str(tmp_path), {}) == {}
    assert caplog.text.count("a process writes to it") == 1
    assert sorted(os.listdir(tmp_path)) == ["0.copy", "0.ring"]
    journal.close()


def test_what_is_put_aside_has_a_bound(tmp_path: Path) -> None:
    for number in range(100):
        set_aside(str(tmp_path), f"small.{number}", b"x")
    assert len(kept(tmp_path)) == 64
    for path in (tmp_path / "set-aside").iterdir():
        path.unlink()
    for number in range(10):
        set_aside(str(tmp_path), f"large.{number}", bytes(3 << 20))
    assert [len(one) for one in kept(tmp_path)] == [3 << 20] * 5 + [1 << 20]


def test_what_cannot_be_put_aside_is_said_and_the_rest_is_read(
    ring: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "set-aside").write_text("in the way")
    overwrite(ring, DATA + FIRST, b"junk")
    assert read_all(tmp_path) == (list(range(1, 200)), FRAME)
    assert "cannot be kept" in caplog.text


def test_bytes_behind_the_head_are_nothing_at_all(ring: Path, tmp_path: Path) -> None:
    overwrite(ring, DATA + FIRST + 200 * FRAME, os.urandom(5000))
    assert read_all(tmp_path) == (list(range(200)), 0)
    journal = claimed(tmp_path)
    fill(journal, range(200, 210))
    reader = Reader(tmp_path)
    assert reader.read() == list(range(200, 210))
    assert reader.set_aside == 0
    reader.close()
    journal.close()


def test_a_ring_that_was_copied_over_another_is_not_believed(tmp_path: Path) -> None:
    """Its pages but for the first: what an unlucky restore leaves."""
    held = [claimed(tmp_path), claimed(tmp_path)]
    for journal in held:
        fill(journal, range(100))
        journal.close()
    overwrite(tmp_path / "0.ring", DATA, (tmp_path / "1.ring").read_bytes()[DATA:])
    reader = Reader(tmp_path)
    assert reader.read() == []
    assert reader.set_aside == FIRST + 100 * FRAME
    found = sources(str(tmp_path), {})
    assert [number_of(frame.payload) for frame in found["1"].read(START).frames] == list(range(100))
    for source in found.values():
        source.close()
    reader.close()
