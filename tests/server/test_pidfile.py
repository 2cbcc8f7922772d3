"""One master per state directory: the lock decides, not the number in the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fastproxy.server.pidfile import NAME, PidFile, StateDirTrouble, live_master

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
HOLD = """
import sys
from fastproxy.server.pidfile import PidFile
pidfile = PidFile.take(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
pidfile.release()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the directory until its input ends."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_live_master_is_found_and_keeps_others_out(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    assert live_master(str(tmp_path)) == holder.pid
    with pytest.raises(StateDirTrouble, match=rf"another master runs in .*, pid {holder.pid}") as refused:
        PidFile.take(str(tmp_path))
    assert refused.value.exit_code == 5
    assert live_master(str(tmp_path)) == holder.pid


def test_a_killed_master_leaves_a_stale_file_that_gives_way(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    assert (tmp_path / NAME).read_text(encoding="ascii") == f"{holder.pid}\n"
    assert live_master(str(tmp_path)) is None
    pidfile = PidFile.take(str(tmp_path))
    assert pidfile.was_stale
    pidfile.release()


def test_a_number_of_a_living_process_that_is_no_master_does_not_matter(tmp_path: Path) -> None:
    """In a container every master is process 1, before and after a restart."""
    (tmp_path / NAME).write_text(f"{os.getppid()}\n", encoding="ascii")
    assert live_master(str(tmp_path)) is None
    PidFile.take(str(tmp_path)).release()


def test_the_file_goes_with_its_master(tmp_path: Path) -> None:
    pidfile = PidFile.take(str(tmp_path / "new" / "dir"))
    assert not pidfile.was_stale
    assert (tmp_path / "new" / "dir" / NAME).read_text(encoding="ascii") == f"{os.getpid()}\n"
    pidfile.release()
    assert list((tmp_path / "new" / "dir").iterdir()) == []


def test_a_successor_takes_over_and_the_old_one_leaves_its_file_alone(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    successor = PidFile.prepare(str(tmp_path))
    assert live_master(str(tmp_path)) == holder.pid
    successor.install()
    holder.communicate()  # releases
    assert (tmp_path / NAME).read_text(encoding="ascii") == f"{os.getpid()}\n"
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    successor.release()


def test_a_successor_that_fails_leaves_nothing(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    PidFile.prepare(str(tmp_path)).release()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert live_master(str(tmp_path)) == holder.pid


def test_a_state_dir_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateDirTrouble, match=r"state directory .*/file: "):
        PidFile.take(str(tmp_path / "file"))
    assert live_master(str(tmp_path / "nothing")) is None
