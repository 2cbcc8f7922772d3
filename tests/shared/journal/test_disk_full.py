"""A full disk: said, counted, survived, and over as soon as there is room.

The disk is a memory file system of 336 KiB where this process may mount one. Where it may not, the kernel refuses to
let files grow: the same kind of answer to the same calls.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared.journal import Journal, JournalError
from tests.shared.journal.rings import LIMIT, SIZE, Reader, abandon, claimed, fill, payload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RING_FILE = 8192 + SIZE + SIZE // 8


class Disk:
    """One with little room, of which a part can be given back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        options = ["-t", "tmpfs", "-o", "size=336k,mode=700", "none", str(path)]
        mount = shutil.which("mount")
        self.is_mounted = mount is not None and subprocess.run([mount, *options], capture_output=True).returncode == 0
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        if self.is_mounted:
            (path / "others").write_bytes(bytes(96 << 10))
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (RING_FILE, self.limits[1]))

    def free(self) -> None:
        """Room for 90 KiB more."""
        if self.is_mounted:
            (self.path / "others").unlink()
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (RING_FILE + (90 << 10), self.limits[1]))

    def close(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limits)
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "disk")
    yield disk
    disk.close()


def fill_up(journal: Journal, first: int) -> int:
    """Append until there is no room; the number of the first that was lost."""
    while journal.append(1, payload(first)):
        first += 1
    return first


def test_a_disk_that_fills_up_loses_what_it_says_it_lost_and_nothing_else(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    journal = claimed(disk.path)
    with caplog.at_level(logging.WARNING, "fastproxy"):
        lost = fill_up(journal, 0)
        assert lost > 450  # 247 in the ring, the others in the spill
        assert (journal.is_open, journal.lost) == (False, 1)
        for number in range(lost + 1, lost + 100):
            assert not journal.append(1, payload(number))
        for _ in range(100):
            journal.tick()
        assert (journal.is_open, journal.lost) == (False, 100)
    assert caplog.text.count("nothing can be spilled") == 1
    disk.free()
    for _ in range(5):
        journal.tick()
    assert journal.is_open
    fill(journal, range(lost + 100, lost + 150))
    assert "100 frames were lost" in caplog.text
    reader = Reader(disk.path)
    assert reader.read() == [*range(lost), *range(lost + 100, lost + 150)]
    assert reader.set_aside == 0
    reader.close()
    journal.close()


def test_a_full_disk_is_no_matter_when_the_collector_makes_room(disk: Disk) -> None:
    journal = claimed(disk.path)
    reader = Reader(disk.path)
    numbers: list[int] = []
    lost = 0
    for _ in range(6):
        lost = fill_up(journal, lost)
        reader.read()
        numbers += [lost]
        for _ in range(5):
            journal.tick()
        assert journal.is_open
        lost += 1
        fill(journal, range(lost, lost + 5))
        lost += 5
    reader.read()
    assert reader.numbers == [number for number in range(lost) if number not in numbers]
    assert (journal.lost, reader.set_aside) == (6, 0)
    reader.close()
    journal.close()


def test_a_process_that_dies_on_a_full_disk_leaves_what_it_had_said(disk: Disk) -> None:
    journal = claimed(disk.path)
    lost = fill_up(journal, 0)
    abandon(journal)
    journal = claimed(disk.path)
    assert not journal.append(1, payload(lost))
    reader = Reader(disk.path)
    assert reader.read() == list(range(lost))
    journal.tick()
    fill(journal, range(lost + 1, lost + 10))
    assert reader.read() == list(range(lost + 1, lost + 10))
    reader.close()
    journal.close()


@pytest.mark.parametrize("size", [1 << 20, 1 << 26])
def test_a_ring_that_does_not_fit_is_refused_at_the_start(disk: Disk, size: int) -> None:
    """And not by a signal, when the first page is touched that the disk does not have."""
    with pytest.raises(JournalError, match=r"no journal in .*(No space left|File too large)"):
        Journal.claim(str(disk.path), size, LIMIT)
    assert [name for name in os.listdir(disk.path) if name != "others"] == []
    claimed(disk.path).close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
def test_whatever_the_disk_says_it_is_no_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(260))

    def refuse(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        patch.setattr(os, "fdatasync", refuse)
        assert not journal.append(1, payload(260))
        journal.sync()
        assert not journal.append(1, payload(261))
        for _ in range(10):
            journal.tick()
    assert (journal.lost, journal.is_open, journal.sync_failures) == (2, False, 1)
    assert os.strerror(code).lower() in caplog.text
    for _ in range(5):
        journal.tick()
    fill(journal, range(262, 270))
    journal.sync()
    assert journal.sync_failures == 1
    reader = Reader(tmp_path)
    assert reader.read() == [*range(260), *range(262, 270)]
    reader.close()
    journal.close()


def test_a_disk_that_cannot_be_synced_is_refused_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed(tmp_path).close()

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        with pytest.raises(JournalError, match="the disk cannot be synced"):
            claimed(tmp_path)
    journal = claimed(tmp_path)
    assert journal.name == "0"
    journal.close()


def test_a_write_that_was_cut_short_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(260))
    whole = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda descriptor, data, at: whole(descriptor, data[:100], at))
        assert not journal.append(1, payload(260))
    for _ in range(5):
        journal.tick()
    fill(journal, range(261, 270))
    reader = Reader(tmp_path)
    reader.read()
    journal.tick()
    fill(journal, range(270, 280))
    reader.read()
    assert reader.numbers == [*range(260), *range(261, 280)]
    assert reader.set_aside == 0
    reader.close()
    journal.close()


def test_a_directory_that_is_gone_is_a_disk_without_room(tmp_path: Path) -> None:
    journal = claimed(tmp_path / "journal")
    fill(journal, range(200))
    shutil.rmtree(tmp_path / "journal")
    lost = fill_up(journal, 200)
    assert (lost, journal.is_open) == (247, False)
    for _ in range(10):
        journal.tick()
    journal.sync()
    journal.close()
    assert journal.sync_failures == 0
