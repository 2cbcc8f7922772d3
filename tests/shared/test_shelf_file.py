"""The shelf in a file: what a restart finds again, what it must not believe, and what stands on the disk."""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared import shelf as shelf_module
from fastproxy.shared.sealing import Sealer
from fastproxy.shared.shelf import Shelf
from tests.shared.forks import ended, in_child

if TYPE_CHECKING:
    from pathlib import Path

REGION = 1 << 16
SEALER = Sealer(b"k" * 32)
SECRET = b"a secret that was planted"
ALICE, BOB = b"a" * 16, b"b" * 16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A shelf with one entry, of which all processes are gone."""
    path = tmp_path / "shelf"
    with_entry(path)
    return path


def with_entry(path: Path) -> None:
    shelf, is_anew = Shelf.open(str(path), REGION, SEALER)
    assert not is_anew
    assert shelf.put(ALICE, SECRET, now_ms=1, expires_ms=100)
    shelf.close()


def opened(path: Path, sealer: Sealer = SEALER) -> Shelf:
    shelf, is_anew = Shelf.open(str(path), REGION, sealer)
    assert not is_anew
    return shelf


def where(path: Path, what: bytes) -> int:
    """Where it stands for the last time."""
    return path.read_bytes().rindex(what)


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize(("now", "found"), [(99, SECRET), (100, None)])
def test_a_restart_finds_what_was_kept_until_it_expires(path: Path, now: int, found: bytes | None) -> None:
    assert opened(path).get(ALICE, now) == found


def test_a_process_that_was_killed_leaves_what_it_has_put(path: Path) -> None:

    def puts_and_is_killed() -> bool:
        opened(path).put(BOB, SECRET, now_ms=2)
        os.kill(os.getpid(), signal.SIGKILL)
        return False

    assert ended(in_child(puts_and_is_killed)) == -signal.SIGKILL
    shelf = opened(path)
    assert shelf.get(BOB, 3) == SECRET
    assert shelf.put(ALICE, b"new", now_ms=4)
    assert (shelf.get(ALICE, 5), shelf.get(BOB, 5)) == (b"new", SECRET)


def test_the_file_is_ours_alone_and_no_larger_than_what_is_in_use(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size < 4096 + REGION
    path.chmod(0o644)
    opened(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_that_is_kept_can_be_read_on_the_disk(path: Path) -> None:
    assert SECRET not in path.read_bytes()
    assert ALICE in path.read_bytes()  # keys are hashes already


def test_another_key_opens_nothing(path: Path) -> None:
    assert opened(path, Sealer(b"K" * 32)).get(ALICE, 2) is None
    assert opened(path).get(ALICE, 2) == SECRET


def test_what_was_deleted_is_gone_from_the_disk(path: Path) -> None:
    before = path.read_bytes()
    start = where(path, ALICE)
    opened(path).delete(ALICE)
    after = path.read_bytes()
    assert ALICE not in after
    assert len(after) == len(before)
    assert after[start:] == bytes(len(after) - start)
    assert opened(path).get(ALICE, 2) is None


@pytest.mark.parametrize("size", [4095, 4096, 5000, 6000, -1], ids=str)
def test_a_file_that_was_cut_holds_less_and_breaks_nothing(path: Path, size: int) -> None:
    os.truncate(path, size % path.stat().st_size)
    shelf, _ = Shelf.open(str(path), REGION, SEALER)
    assert shelf.get(ALICE, 2) is None
    assert shelf.put(BOB, b"new", now_ms=3)
    assert shelf.get(BOB, 4) == b"new"


def test_every_torn_entry_is_a_miss(path: Path) -> None:
    whole = path.read_bytes()
    start = where(path, ALICE)
    for at in range(start, len(whole)):
        overwrite(path, at, bytes([whole[at] ^ 1]))
        assert opened(path).get(ALICE, 2) is None
        overwrite(path, at, whole[at : at + 1])
    assert opened(path).get(ALICE, 2) == SECRET


def test_an_entry_that_was_moved_to_another_key_or_time_is_a_miss(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its checksum renewed, as somebody would who can write to the disk."""
    shelf = opened(path)
    monkeypatch.setattr("fastproxy.shared.shelf.xxhash.xxh3_64_intdigest", lambda _: 0)
    shelf.put(BOB, b"bob's", now_ms=1, expires_ms=100)
    shelf.put(ALICE, SECRET, now_ms=1, expires_ms=100)
    start = where(path, ALICE)
    entry = path.read_bytes()[start:]
    overwrite(path, start + 24, (200).to_bytes(8, "little"))
    assert shelf.get(ALICE, 150) is None
    overwrite(path, start + 24, (100).to_bytes(8, "little"))
    assert shelf.get(ALICE, 50) == SECRET
    shelf.put(BOB, SECRET, now_ms=1, expires_ms=100)  # of the same length
    overwrite(path, where(path, BOB) + 16, entry[16:])
    assert shelf.get(BOB, 50) is None


def test_an_index_that_was_damaged_leads_nowhere(path: Path) -> None:
    at = path.read_bytes().index(ALICE)
    for place, length in [(2**64 - 1, 5), (5, 2**64 - 1), (60_000, 3000), (2**63, 0), (2**59, 7)]:
        overwrite(path, at + 16, place.to_bytes(8, "little") + length.to_bytes(8, "little"))
        shelf = opened(path)
        assert shelf.get(ALICE, 2) is None
        shelf.delete(ALICE)
        assert shelf.put(BOB, b"new", now_ms=3)
        assert shelf.get(BOB, 4) == b"new"
        overwrite(path, at, ALICE)


@pytest.mark.parametrize("region_bytes", [REGION // 2, REGION * 2])
def test_a_shelf_of_another_size_starts_anew_and_whoever_has_the_old_one_keeps_it(
    path: Path, region_bytes: int
) -> None:
    old = opened(path)
    shelf, is_anew = Shelf.open(str(path), region_bytes, SEALER)
    assert (is_anew, shelf.get(ALICE, 2)) == (True, None)
    assert old.get(ALICE, 2) == SECRET
    assert shelf.put(BOB, b"new", now_ms=3)
    assert Shelf.open(str(path), region_bytes, SEALER)[0].get(BOB, 4) == b"new"


@pytest.mark.parametrize("content", [b"x", b"something else" * 1000], ids=["short", "long"])
def test_a_file_that_is_no_shelf_starts_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "shelf"
    path.write_bytes(content)
    assert Shelf.open(str(path), REGION, SEALER)[1]
    with_entry(path)


def test_a_shelf_of_another_version_starts_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "VERSION", 2)
    assert Shelf.open(str(path), REGION, SEALER)[1]


def test_what_is_no_file_of_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name, kind in {"directory": IsADirectoryError, "link": OSError, "pipe": PermissionError}.items():
        with pytest.raises(kind):
            Shelf.open(str(tmp_path / name), REGION, SEALER)
    assert (tmp_path / "target").read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["directory", "link", "pipe", "target"]


def test_each_process_writes_a_region_of_its_own_and_a_dead_ones_is_taken(path: Path) -> None:
    """Two masters overlap at an upgrade; the workers of a killed one drain beside those of the next."""
    living = [opened(path) for _ in range(5)]
    for number, shelf in enumerate(living):
        assert shelf.put(bytes([number]) * 16, b"%d" % number, now_ms=2)
    size = path.stat().st_size
    assert size > 4096 + 4 * REGION
    for _ in range(3):
        living.pop(1).close()
        shelf = opened(path)
        assert shelf.put(BOB, b"new", now_ms=3)
        living.append(shelf)
    assert path.stat().st_size < size + 4096
    assert [shelf.get(bytes([number]) * 16, 4) for number in range(5)] == [b"%d" % number for number in range(5)]


def test_when_all_regions_are_taken_nothing_is_kept_and_it_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shelf_module, "MAX_REGIONS", 1)
    first, second = opened(path), opened(path)
    assert first.put(ALICE, b"x", now_ms=1)
    with caplog.at_level(logging.ERROR, "fastproxy"):
        assert [second.put(BOB, b"x", now_ms=now) for now in (1, 2, 59_000, 61_000)] == [False] * 4
    assert caplog.text.count("nothing can be kept for clients: all 1 regions are taken") == 2


def test_a_full_disk_is_no_signal_but_a_miss_and_a_line_in_the_log(path: Path) -> None:
    """The file may not grow: the kernel's answer is the same kind of error as on a full disk."""

    def misses() -> bool:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, resource.RLIM_INFINITY))
        shelf = opened(path)
        return not shelf.put(BOB, b"x" * 3000, now_ms=2) and shelf.get(ALICE, 3) == SECRET

    assert ended(in_child(misses)) == 0


def test_a_disk_that_could_not_be_read_failed_the_request(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = opened(path)

    def breaks(*_: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", breaks)
    with caplog.at_level(logging.ERROR, "fastproxy"):
        assert shelf.get(ALICE, 3) is None
    assert "nothing can be kept for clients: input/output error" in caplog.text
