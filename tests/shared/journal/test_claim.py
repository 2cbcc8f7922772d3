"""Who holds which ring, and what becomes of a ring whose process is gone."""

from __future__ import annotations

import os
import select
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared import own_file
from fastproxy.shared.journal import START, Journal, JournalError, claim_collector, ringfile, sources
from tests.shared.forks import in_child
from tests.shared.journal.rings import LIMIT, SIZE, Reader, abandon, claimed, fill, payload

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Never


pytestmark = pytest.mark.usefixtures("quick_disk")


def rings(directory: Path) -> list[str]:
    return sorted(name for name in os.listdir(directory) if name.endswith(".ring"))


def test_each_claim_has_a_ring_of_its_own_and_a_free_one_is_taken_again(tmp_path: Path) -> None:
    held = [claimed(tmp_path) for _ in range(4)]
    assert [journal.name for journal in held] == ["0", "1", "2", "3"]
    identities = {source.identity for source in sources(str(tmp_path), {}).values()}
    assert len(identities) == 4
    held[1].close()
    held[2].close()
    again = claimed(tmp_path)
    assert again.name == "1"
    assert rings(tmp_path) == ["0.ring", "1.ring", "2.ring", "3.ring"]
    for journal in (held[0], held[3], again):
        journal.close()


def test_the_directory_and_its_files_are_ours_alone(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "journal"
    os.umask(os.umask(0o022))
    journal = claimed(directory)
    fill(journal, range(300))
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    directory.chmod(0o755)
    claimed(directory).close()
    assert directory.stat().st_mode & 0o777 == 0o700
    journal.close()


def test_many_processes_that_claim_at_once_get_different_rings(tmp_path: Path) -> None:
    go_read, go_write = os.pipe()
    told_read, told_write = os.pipe()

    def claims_and_waits() -> bool:
        os.read(go_read, 1)
        journal = claimed(tmp_path / "journal")
        os.write(told_write, bytes([int(journal.name)]))
        signal.pause()
        return False

    children = [in_child(claims_and_waits) for _ in range(12)]
    os.write(go_write, b"g" * len(children))
    names = b""
    while len(names) < len(children):
        names += os.read(told_read, 100)
    assert sorted(names) == list(range(12))
    found = sources(str(tmp_path / "journal"), {})
    assert [source.is_owned() for source in found.values()] == [True] * 12
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert [source.is_owned() for source in found.values()] == [False] * 12
    assert not [name for name in os.listdir(tmp_path / "journal") if name.endswith(".draft")]
    for source in found.values():
        source.close()
    for descriptor in (go_read, go_write, told_read, told_write):
        os.close(descriptor)


def appends_until_killed(directory: Path, told: int, first: int) -> Never:
    journal = Journal.claim(str(directory), SIZE, LIMIT)
    number = first
    while True:
        if journal.append(1, payload(number, 8 + number % 300)):
            os.write(told, number.to_bytes(8, "little"))  # as the client would see its last byte
        number += 1


def test_a_writer_that_is_killed_in_the_middle_loses_nothing_that_was_said(tmp_path: Path) -> None:
    """Eight times in a row, at any instruction; through ring and spill."""
    reader: Reader | None = None
    said: list[int] = []
    for life in range(8):
        told_read, told_write = os.pipe()
        child = in_child(partial(appends_until_killed, tmp_path, told_write, life * 1_000_000))
        os.close(told_write)
        for _ in range(400):
            said.append(int.from_bytes(os.read(told_read, 8), "little"))  # noqa: PERF401
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while raw := os.read(told_read, 8):
            said.append(int.from_bytes(raw, "little"))
        os.close(told_read)
        if life % 3 == 2:
            reader = reader or Reader(tmp_path)
            reader.read()
    reader = reader or Reader(tmp_path)
    reader.read()
    assert reader.position.epoch == 8
    extra = set(reader.numbers) - set(said)
    assert len(extra) <= 8  # appended, and killed before that was said
    assert [number for number in reader.numbers if number not in extra] == said
    assert (
        reader.set_aside < 8 * 340
    )  # at most half a frame of each life: a write of two pages can be killed between them
    reader.close()


def test_a_new_process_has_the_next_epoch_and_reads_come_before_its_own(tmp_path: Path) -> None:
    for life in range(5):
        journal = claimed(tmp_path)
        fill(journal, range(life * 10, life * 10 + 10))
        abandon(journal)
    reader = Reader(tmp_path)
    batch = reader.source.read(START)
    assert [frame.epoch for frame in batch.frames] == [1 + number // 10 for number in range(50)]
    assert batch.position.epoch == 5
    assert reader.read() == list(range(50))
    reader.close()


def test_who_is_alive(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    reader = Reader(tmp_path)
    assert reader.source.is_owned()
    journal.close()
    assert not reader.source.is_owned()
    reader.close()


@pytest.mark.parametrize("limit", [0, LIMIT])
@pytest.mark.parametrize("length", [8, 220, 224])
def test_a_ring_that_is_full_of_owners_and_marks_is_passed_by(tmp_path: Path, limit: int, length: int) -> None:
    """Processes that die one after the other, and nobody reads: not one frame may be overwritten."""
    journal = claimed(tmp_path, limit)
    number = 0
    while journal.name == "0":
        while journal.append(1, payload(number, length)) and journal.spilled < 1:
            number += 1
        number += 1
        abandon(journal)
        journal = claimed(tmp_path, limit)
    journal.close()
    reader = Reader(tmp_path)
    reader.read()
    lost = set(range(number)) - set(reader.numbers)
    assert reader.position.epoch > 50
    assert len(lost) == (reader.position.epoch if limit == 0 else 0)
    assert (reader.numbers, reader.set_aside) == (sorted(reader.numbers), 0)
    assert reader.numbers[:200] == list(range(200))
    assert claimed(tmp_path, limit).name == "0"
    reader.close()


@pytest.mark.parametrize("size", [SIZE * 2, SIZE * 2 + 1])
def test_another_size_comes_when_the_ring_is_empty(tmp_path: Path, size: int) -> None:
    journal = claimed(tmp_path)
    fill(journal, range(10))
    journal.close()
    journal = claimed(tmp_path, size=size)
    assert journal._size == SIZE
    journal.close()
    reader = Reader(tmp_path)
    assert reader.read() == list(range(10))
    journal = claimed(tmp_path, size=size)
    assert journal._size == -(-size // 4096) * 4096
    fill(journal, range(10, 20))
    assert reader.read() == []  # it has the old file open
    again = sources(str(tmp_path), reader.known)
    assert again["0"] is not reader.source
    assert [frame.epoch for frame in again["0"].read(START).frames] == [1] * 10
    again["0"].close()
    journal.close()


def test_the_same_sources_stay_open_and_those_that_are_gone_are_closed(tmp_path: Path) -> None:
    held = [claimed(tmp_path) for _ in range(3)]
    first = sources(str(tmp_path), {})
    assert sources(str(tmp_path), first) == first
    (tmp_path / "1.ring").unlink()
    second = sources(str(tmp_path), first)
    assert sorted(second) == ["0", "2"]
    assert second["0"] is first["0"]
    with pytest.raises(OSError, match="Bad file"):
        first["1"].read(START)
    assert sources(str(tmp_path / "nowhere"), {}) == {}
    for journal in held:
        journal.close()
    for source in second.values():
        source.close()


def test_there_is_one_collector(tmp_path: Path) -> None:
    held = claim_collector(str(tmp_path / "journal"))
    assert held is not None
    assert claim_collector(str(tmp_path / "journal")) is None
    held.close()
    again = claim_collector(str(tmp_path / "journal"))
    assert again is not None
    again.close()


def test_a_directory_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for call in (lambda path: claimed(path), lambda path: claim_collector(str(path))):
        with pytest.raises(JournalError, match=r"no journal in .*file"):
            call(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


def test_what_is_no_file_of_ours_is_passed_by_and_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = tmp_path / "journal"
    directory.mkdir()
    (tmp_path / "target").write_text("precious")
    (directory / "0.ring").symlink_to(tmp_path / "target")
    (directory / "1.ring").mkdir()
    os.mkfifo(directory / "2.ring")
    journal = claimed(directory)
    assert journal.name == "3"
    found = sources(str(directory), {})
    assert sorted(found) == ["3"]
    assert (tmp_path / "target").read_text() == "precious"
    assert "0.ring is passed by" in caplog.text
    found["3"].close()
    journal.close()


def test_what_a_killed_process_left_of_a_new_ring_is_removed(tmp_path: Path) -> None:
    (tmp_path / "0.ring.0123456789abcdef.draft").write_bytes(bytes(5000))
    journal = claimed(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["0.copy", "0.ring"]
    journal.close()


def test_a_ring_of_another_version_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed(tmp_path).close()
    before = (tmp_path / "0.ring").read_bytes()
    monkeypatch.setattr(ringfile, "VERSION", 2)
    journal = claimed(tmp_path)
    assert journal.name == "1"
    found = sources(str(tmp_path), {})
    assert sorted(found) == ["1"]
    assert (tmp_path / "0.ring").read_bytes() == before
    found["1"].close()
    journal.close()


def test_a_ring_that_was_replaced_before_it_was_locked_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process found it damaged between our open and our lock; ours would be a file that nobody reads."""
    claimed(tmp_path).close()

    def too_late(descriptor: int) -> bool:
        if (tmp_path / "0.ring").exists():
            (tmp_path / "0.ring").unlink()
        return own_file.lock(descriptor)

    monkeypatch.setattr("fastproxy.shared.journal.taking.lock", too_late)
    with monkeypatch.context() as patch:
        patch.setattr("fastproxy.shared.journal.taking.MAX_RINGS", 1)
        with pytest.raises(JournalError, match="held or full"):
            claimed(tmp_path)
    assert rings(tmp_path) == []


def test_all_rings_held_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastproxy.shared.journal.taking.MAX_RINGS", 2)
    held = [claimed(tmp_path) for _ in range(2)]
    with pytest.raises(JournalError, match="all 2 rings are held or full"):
        claimed(tmp_path)
    for journal in held:
        journal.close()


def test_a_lock_does_not_outlive_its_process_by_a_child_that_was_executed(tmp_path: Path) -> None:
    journal = claimed(tmp_path)
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    child = os.posix_spawn(
        "/bin/cat",
        ["cat"],
        {},
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/dev/zero", os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, write_end, 1)],
    )
    select.select([read_end], [], [])
    journal.close()
    claimed_again = claimed(tmp_path)
    assert claimed_again.name == "0"
    claimed_again.close()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(read_end)
    os.close(write_end)


@pytest.mark.parametrize("frames", [100, 247, 300])
def test_a_head_from_before_the_last_lap_made_the_next_process_begin_too_early(tmp_path: Path, frames: int) -> None:
    """Killed before the first tick, after more than a lap: where the head says, something else stands by then."""
    journal = claimed(tmp_path)
    reader = Reader(tmp_path)
    fill(journal, range(200))
    reader.read()
    fill(journal, range(200, 200 + frames))
    abandon(journal)
    journal = claimed(tmp_path)
    fill(journal, range(500, 510))
    assert reader.read() == [*range(200, 200 + frames), *range(500, 510)]
    assert (reader.position.epoch, reader.set_aside) == (2, 0)
    reader.close()
    journal.close()
