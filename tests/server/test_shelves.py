"""Which shelf a master opens, and the secrets that make what is on it be found again after a restart."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.config import load
from fastproxy.errors import ConfigError
from fastproxy.publish.compose import make_snapshot
from fastproxy.server.keyring import check_master_key, master_key
from fastproxy.server.pidfile import StateDirTrouble
from fastproxy.server.plan import MasterPlan, Publication, Role, ShelfPlan
from fastproxy.server.shelves import open_shelf
from fastproxy.shared.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fastproxy.server.seat import Seat

REGION = 1 << 16
NAME = b"n" * 16


def run_nothing(seat: Seat) -> None:
    """Never called."""


def plan(state_dir: Path, store: str = "file", region_bytes: int = REGION) -> MasterPlan:
    worker = Role("worker", run_nothing, 2, sockets=True)
    told = ShelfPlan(store, region_bytes, b"k" * 32)
    return MasterPlan(
        (worker,), (), str(state_dir), Publication(b""), lambda: Publication(b""), ("python",), {}, shelf=told
    )


def kept(state_dir: Path) -> bytes | None:
    """What another master would find."""
    return open_shelf(plan(state_dir), is_only_master=False).get(NAME, 2)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """With a shelf of an earlier master."""
    assert open_shelf(plan(tmp_path), is_only_master=True).put(NAME, b"kept", 1)
    return tmp_path


def test_a_file_outlives_its_master(state_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert kept(state_dir) == b"kept"
    assert caplog.text == ""


@pytest.mark.parametrize("store", ["memory", "off"])
def test_without_a_file_nothing_stays_on_the_disk(state_dir: Path, store: str) -> None:
    for is_only_master in (False, True):
        shelf = open_shelf(plan(state_dir, store), is_only_master=is_only_master)
        assert shelf.get(NAME, 2) is None
        assert shelf.put(NAME, b"in memory", 1)
        # beside a running master, which stays if the upgrade fails, nothing of its own is removed
        assert os.listdir(state_dir) == ([] if is_only_master else ["shelf"])


def test_another_size_starts_anew_and_says_so(state_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "fastproxy"):
        assert open_shelf(plan(state_dir, region_bytes=2 * REGION), is_only_master=True).get(NAME, 2) is None
    assert "was of another version or size: what was kept for clients is gone" in caplog.text


def full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        f_bavail, f_frsize = 3, 4096

    monkeypatch.setattr("fastproxy.server.shelves.os.statvfs", lambda _: Full)


def directory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.mkdir()


def foreign(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastproxy.shared.shelf.os.geteuid", lambda: 12345)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (full, "it may grow to 0 MiB, and the disk has 0 MiB left"),
        (directory, "is a directory"),
        (foreign, "it is not a regular file of this user"),
    ],
)
def test_where_no_file_can_be_used_memory_serves_and_it_is_said(
    tmp_path: Path,
    trouble: Callable[[Path, pytest.MonkeyPatch], None],
    said: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trouble(tmp_path / "shelf", monkeypatch)
    with caplog.at_level(logging.WARNING, "fastproxy"):
        shelf = open_shelf(plan(tmp_path), is_only_master=True)
    assert "what is kept for clients will not survive a restart" in caplog.text
    assert said in caplog.text
    assert shelf.put(NAME, b"x", 1)
    assert shelf.get(NAME, 2) == b"x"


# --- the master key --------------------------------------------------------------------------------------------------

GIVEN = bytes(range(32)).hex()


def settings(state_dir: Path, text: str = "", **environ: str) -> Any:
    file = state_dir.parent / "f.yaml"
    file.write_text(text)
    return load({"config": str(file), "state_dir": str(state_dir), "key": ["a-client-key"]}, environ)


@pytest.mark.parametrize("environ", [{}, {"FASTPROXY_MASTER_KEY": GIVEN}], ids=["file", "environment"])
def test_the_secret_is_the_same_after_a_restart(tmp_path: Path, environ: dict[str, str]) -> None:
    told = settings(tmp_path / "state", **environ)
    first, again = (make_snapshot(told, master_key=master_key(told)) for _ in range(2))
    other = make_snapshot(told)
    assert first.snapshot.secret == again.snapshot.secret != other.snapshot.secret
    assert first.entries == again.entries
    assert not set(first.entries) & set(other.entries)
    assert (tmp_path / "state" / "master.key").exists() == (environ == {})


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    of_file = master_key(settings(tmp_path)).derive("x")
    assert master_key(settings(tmp_path, FASTPROXY_MASTER_KEY=GIVEN)).derive("x") != of_file
    assert master_key(settings(tmp_path)).derive("x") == of_file


def test_a_check_makes_nothing_and_refuses_the_same(tmp_path: Path) -> None:
    check_master_key(settings(tmp_path / "state"))
    assert not (tmp_path / "state").exists()
    path = tmp_path / "master.key"
    path.write_text(GIVEN)
    path.chmod(0o640)
    for ask in (check_master_key, master_key):
        with pytest.raises(StateDirTrouble, match="others may read it") as refused:
            ask(settings(tmp_path))
        assert refused.value.exit_code == 5
        with pytest.raises(ConfigError, match="FASTPROXY_MASTER_KEY: seen 5 characters"):
            ask(settings(tmp_path, FASTPROXY_MASTER_KEY="short"))
        ask(settings(tmp_path, FASTPROXY_MASTER_KEY=GIVEN))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 21600), ("remember: {time: 1h}", 3600), ("remember: memory", 21600), ("remember: off", 0)],
)
def test_workers_are_told_for_how_long(tmp_path: Path, text: str, seconds: float) -> None:
    assert make_snapshot(settings(tmp_path, text)).snapshot.remember_s == seconds


def test_a_shelf_in_memory_takes_nothing_until_it_is_used() -> None:
    shelf = Shelf.in_memory()
    assert shelf.get(NAME, 1) is None
    assert os.fstat(shelf._descriptor).st_blocks == 0
