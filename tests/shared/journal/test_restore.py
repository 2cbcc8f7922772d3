"""Restoring: after a boot the copies become the rings, and at no other time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared.journal import Journal, restore, sources
from tests.shared.journal.rings import SIZE, Reader, abandon, claimed, fill

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("quick_disk")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """With two rings: 50 frames that were synced in each, and 10 that were not; their processes are gone."""
    assert restore(str(tmp_path), "first") == 0
    journals = [claimed(tmp_path), claimed(tmp_path)]
    for journal in journals:
        fill(journal, range(50))
        journal.sync()
        fill(journal, range(50, 60))
        abandon(journal)
    return tmp_path


def read_all(directory: Path) -> dict[str, list[int]]:
    found = {}
    for name in sorted(sources(str(directory), {})):
        reader = Reader(directory, name)
        found[name] = reader.read()
        assert reader.set_aside == 0
        reader.close()
    return found


def test_the_same_boot_changes_nothing(directory: Path) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert restore(str(directory), "first") == 0
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert read_all(directory) == {"0": list(range(60)), "1": list(range(60))}


def damage_nothing(_: Path) -> None:
    pass


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def junk(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


@pytest.mark.parametrize("spoil", [damage_nothing, zero, junk, os.unlink, lambda path: os.truncate(path, 5000)])
def test_after_another_boot_the_copies_are_the_rings(directory: Path, spoil: Callable[[Path], None]) -> None:
    for name in ("0.ring", "1.ring"):
        spoil(directory / name)
    assert restore(str(directory), "second") == 2
    assert sorted(os.listdir(directory)) == ["0.ring", "1.ring", "boot"]
    assert restore(str(directory), "second") == 0
    assert read_all(directory) == {"0": list(range(50)), "1": list(range(50))}
    journal = claimed(directory)
    fill(journal, range(60, 70))
    journal.close()
    assert restore(str(directory), "third") == 1
    assert read_all(directory)["0"] == list(range(60, 70))


def test_a_boot_that_nobody_noted_is_another_one(directory: Path) -> None:
    (directory / "boot").unlink()
    assert restore(str(directory), "first") == 2
    assert (directory / "boot").read_text() == "first\n"


def test_the_kernel_says_which_boot_it_is(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "journal"
    directory.mkdir(parents=True)
    (directory / "3.copy.new").write_bytes(b"left by a process that was killed")
    assert restore(str(directory)) == 0
    assert os.listdir(directory) == ["boot"]
    assert directory.stat().st_mode & 0o777 == 0o700
    claimed(directory).close()
    assert restore(str(directory)) == 0
    assert restore(str(directory), "another") == 1
    assert restore(str(directory)) == 0  # no copy is left


class KilledError(BaseException):
    """What no handler stops."""


@pytest.mark.parametrize("after", range(3))
def test_killed_in_the_middle_it_goes_on_the_next_time(
    directory: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    done: list[str] = []
    rename = os.rename

    def dies(source: str, target: str) -> None:
        if len(done) == after:
            raise KilledError
        rename(source, target)
        done.append(target)

    zero(directory / "0.ring")
    zero(directory / "1.ring")
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", dies)
        with pytest.raises(KilledError):
            restore(str(directory), "second")
    assert restore(str(directory), "second") == 2 - after
    assert read_all(directory) == {"0": list(range(50)), "1": list(range(50))}
    assert sorted(os.listdir(directory)) == ["0.ring", "1.ring", "boot"]


def test_a_ring_of_a_live_process_is_not_touched(directory: Path) -> None:
    journal = claimed(directory)
    fill(journal, range(60, 70))
    assert restore(str(directory), "second") == 1
    fill(journal, range(70, 80))
    assert (directory / "0.copy").exists()
    assert read_all(directory) == {"0": list(range(80)), "1": list(range(50))}
    (directory / "0.ring").unlink()
    assert restore(str(directory), "third") == 0  # its copy is held as well
    journal.close()


def test_a_copy_of_another_ring_stays_a_copy(directory: Path) -> None:
    os.replace(directory / "1.copy", directory / "0.copy")
    assert restore(str(directory), "second") == 0
    assert read_all(directory) == {"0": list(range(60)), "1": list(range(60))}
    journal = claimed(directory)
    fill(journal, range(60, 70))
    journal.close()
    assert restore(str(directory), "third") == 1
    assert read_all(directory)["0"] == list(range(60, 70))


@pytest.mark.parametrize("spoil", [zero, junk, lambda path: os.truncate(path, 5000)])
def test_a_copy_that_is_damaged_is_put_aside_and_the_ring_stays(directory: Path, spoil: Callable[[Path], None]) -> None:
    spoil(directory / "0.copy")
    assert restore(str(directory), "second") == 1
    assert read_all(directory) == {"0": list(range(60)), "1": list(range(50))}
    assert [name[:7] for name in os.listdir(directory / "set-aside")] == ["0.copy."]
    assert not (directory / "0.copy").exists()


def test_what_is_no_file_of_ours_is_told_and_left_alone(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    (directory / "precious").write_text("precious")
    (directory / "0.copy").unlink()
    (directory / "0.copy").symlink_to(directory / "precious")
    (directory / "1.ring").unlink()
    (directory / "1.ring").mkdir()
    (directory / "2.copy").mkdir()
    assert restore(str(directory), "second") == 0
    assert caplog.text.count("cannot be restored") == 3
    assert (directory / "precious").read_text() == "precious"
    assert read_all(directory) == {"0": list(range(60))}
    claimed(directory).close()  # makes a copy where the link was
    assert not (directory / "0.copy").is_symlink()
    assert (directory / "precious").read_text() == "precious"


def test_a_directory_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OSError, match="file"):
        restore(str(tmp_path / "file"), "first")


def test_the_database_may_know_more_than_the_copy(directory: Path) -> None:
    reader = Reader(directory)
    assert reader.read() == list(range(60))
    reader.close()
    assert restore(str(directory), "second") == 2
    reader = Reader.going_on(reader)
    for life in range(3):
        journal = claimed(directory)
        fill(journal, range(100 + life * 3, 103 + life * 3))  # ends before the database's position
        journal.close()
    assert reader.read() == list(range(100, 109))
    reader.close()


def test_a_copy_of_a_drained_ring_goes_with_it(directory: Path) -> None:
    """Another size makes a new ring; the old copy would come back as what was read long ago."""
    Reader(directory).read()
    journal = claimed(directory, size=2 * SIZE)
    fill(journal, range(100, 110))
    journal.close()
    (directory / "0.ring").unlink()
    assert restore(str(directory), "second") == 2
    assert read_all(directory)["0"] == list(range(100, 110))


def test_a_claim_that_the_power_cut_took_comes_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read, and had not been copied, came twice: the disk had the OWNER, and not where the epoch began."""
    reader = Reader(directory)
    reader.read()
    reader.close()
    data = (directory / "0.copy").read_bytes()[4096:8192]
    abandon(Journal.claim(str(directory), SIZE, 0))
    with (directory / "0.copy").open("r+b") as file:
        file.seek(4096)
        file.write(data)
    assert restore(str(directory), "second") == 2
    journal = claimed(directory)
    fill(journal, range(100, 110))
    reader = Reader.going_on(reader)
    assert reader.read() == list(range(100, 110))
    reader.close()
    journal.close()
