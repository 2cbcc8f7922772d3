"""The copy: whatever was synced is in it, wherever in the ring it stands, and after whatever the disk has refused."""

from __future__ import annotations

import errno
import os
import random
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared.journal import JournalError, restore
from fastproxy.shared.journal.copies import places
from fastproxy.shared.journal.ringfile import DATA, TAIL_AT, Shape
from tests.shared.journal.rings import SIZE, Reader, abandon, claimed, fill, payload

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("quick_disk")
SLACK = SIZE // 8
SHAPE = Shape(SIZE, SLACK, bytes(16))
END = DATA + SIZE


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 0, []),
        (SIZE, SIZE, []),
        (0, 1, [(DATA, DATA + 4096)]),
        (5000, 9000, [(DATA + 4096, DATA + 12288)]),
        (3 * SIZE + 8, 3 * SIZE + 4096, [(DATA, DATA + 4096)]),
        (SIZE - 8, SIZE, [(END - 4096, END)]),
        (SIZE - 8, SIZE + 240, [(END - 4096, END + 4096), (DATA, DATA + 4096)]),
        (SIZE - 8, SIZE + 20_000, [(END - 4096, END + SLACK), (DATA, DATA + 20_480)]),
        (0, SIZE, [(DATA, END)]),
        (4096, SIZE + 4096, [(DATA + 4096, END + 4096), (DATA, DATA + 4096)]),
    ],
)
def test_which_pages_are_written(first: int, last: int, expected: list[tuple[int, int]]) -> None:
    assert places(SHAPE, first, last) == expected


def from_copy(directory: Path, reader: Reader) -> Reader:
    """What a reader finds after a power cut that left nothing of the rings."""
    (directory / "0.ring").write_bytes(b"")
    assert restore(str(directory), "another") > 0
    return Reader.going_on(reader)


@pytest.mark.parametrize("seed", range(12))
def test_all_that_was_synced_is_in_it_lap_after_lap(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    journal = claimed(tmp_path)
    reader = Reader(tmp_path)
    done = 0
    for _ in range(chance.randrange(20, 80)):
        for number in range(done, done + chance.randrange(1, 60)):
            assert journal.append(2, payload(number, chance.choice([8, 9, 16, 220, 333, 3000])))
            done = number + 1
        if chance.random() < 0.3:
            reader.read(chance.choice([1000, 1 << 20]))
            journal.tick()
        journal.sync()
    abandon(journal)
    reader.close()
    again = from_copy(tmp_path, reader)
    again.read()
    assert again.numbers == list(range(done))
    assert again.set_aside == 0
    again.close()


@pytest.mark.parametrize("frames", [10, 200, 260, 600])
@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_what_the_disk_refused_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, frames: int
) -> None:
    """Also when more than a lap came meanwhile."""
    journal = claimed(tmp_path)
    reader = Reader(tmp_path)
    fill(journal, range(50))
    journal.sync()
    reader.read()

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for first in range(50, 50 + frames, 10):
        if first % 100 == 0:
            reader.read()
        fill(journal, range(first, first + 10))
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            journal.sync()
    assert journal.sync_failures == frames // 10
    journal.sync()
    assert journal.sync_failures == frames // 10
    abandon(journal)
    reader.close()
    again = from_copy(tmp_path, reader)
    again.read()
    assert (again.numbers, again.set_aside) == (list(range(50 + frames)), 0)
    again.close()


def test_a_write_that_is_cut_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = claimed(tmp_path)
    reader = Reader(tmp_path)
    fill(journal, range(200))
    whole = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda descriptor, data, at: whole(descriptor, data[:1000], at))
        journal.sync()
        patch.setattr(os, "pwrite", lambda *_: 0)
        fill(journal, range(200, 210))
        journal.sync()
    assert journal.sync_failures == 1
    abandon(journal)
    reader.close()
    again = from_copy(tmp_path, reader)
    assert again.read() == list(range(200))
    again.close()


def test_the_next_process_copies_what_was_not_synced(tmp_path: Path) -> None:
    """Also what was read: the database may lose its last commits with the power."""
    journal = claimed(tmp_path)
    fill(journal, range(50))
    reader = Reader(tmp_path)
    reader.read()
    fill(journal, range(50, 100))
    abandon(journal)
    abandon(claimed(tmp_path))
    reader.close()
    again = from_copy(tmp_path, Reader(tmp_path))
    assert again.read() == list(range(50, 100))
    again.position = again.position._replace(epoch=1, ring=0)
    assert again.read() == list(range(100))
    again.close()


@pytest.mark.parametrize("spoil", ["gone", "cut", "of another ring", "the ring itself"])
def test_a_copy_that_is_none_is_made_again(tmp_path: Path, spoil: str) -> None:
    journals = [claimed(tmp_path), claimed(tmp_path)]
    fill(journals[0], range(50))
    for journal in journals:
        journal.close()
    copy = tmp_path / "0.copy"
    if spoil == "cut":
        os.truncate(copy, 20_000)
    else:
        copy.unlink()
    if spoil == "of another ring":
        (tmp_path / "1.copy").rename(copy)
    elif spoil == "the ring itself":
        os.link(tmp_path / "0.ring", copy)
    (tmp_path / "0.copy.new").write_bytes(b"left by a process that was killed")
    journal = claimed(tmp_path)
    fill(journal, range(50, 60))
    journal.close()
    assert sorted(name for name in os.listdir(tmp_path) if name.startswith("0")) == ["0.copy", "0.ring"]
    again = from_copy(tmp_path, Reader(tmp_path)) if spoil != "of another ring" else Reader(tmp_path)
    assert again.read() == list(range(60))
    again.close()


def test_a_tail_that_is_being_written_is_not_copied(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(50))
    reader = Reader(tmp_path)
    reader.read()
    journal.sync()
    before = (tmp_path / "0.copy").read_bytes()[TAIL_AT : TAIL_AT + 40]
    journal._ring[TAIL_AT : TAIL_AT + 8] = b"\xff" * 8
    fill(journal, range(50, 60))
    journal.sync()
    assert (tmp_path / "0.copy").read_bytes()[TAIL_AT : TAIL_AT + 40] == before
    reader.close()
    journal.close()


def test_a_ring_without_room_for_its_copy_is_refused_and_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(50))
    journal.close()
    (tmp_path / "0.copy").unlink()
    before = (tmp_path / "0.ring").read_bytes()
    whole = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda descriptor, data, at: whole(descriptor, data[:1000], at) if at < 9000 else 0)
        for _ in range(3):
            with pytest.raises(JournalError, match="No space left"):
                claimed(tmp_path)
    assert os.listdir(tmp_path) == ["0.ring"]
    assert (tmp_path / "0.ring").read_bytes() == before
    journal = claimed(tmp_path)
    assert (journal.name, journal._epoch) == ("0", 2)
    journal.close()
