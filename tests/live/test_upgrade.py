"""USR2: a new master on the same sockets, no connection refused or cut; and what happens when the new one fails."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.live.toy_gateway import Gateway, Later, LightLoad, alive, get, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


@pytest.mark.parametrize("workers", [1, 2, 3], ids=["fewer", "same", "more than slots were opened for"])
def test_an_upgrade_loses_no_connection_and_cuts_no_exchange(tmp_path: Path, workers: int) -> None:
    with Gateway(tmp_path, workers=2) as gateway:
        old = gateway.process.pid
        later = Later(gateway.port, "/slow/2")
        with LightLoad(gateway.port) as load:
            load.grows_by(20)
            gateway.change(workers=workers)
            gateway.signal(signal.SIGUSR2)
            assert gateway.process.wait(9) == 0
            load.grows_by(50)
        assert later.pid() is not None
        assert load.failures == []
        status = gateway.status()
        assert status["master"] not in {None, old}
        assert len(gateway.workers()) == workers
        assert set(gateway.workers().values()) <= load.pids
        assert [path.name for path in tmp_path.glob("arena.*")] == [f"arena.{status['master']}"]


def test_five_upgrades_in_a_row(tmp_path: Path) -> None:
    """More slots, fewer workers, Unix sockets: the chain of inheritance must not lose one of them."""
    own, unix = str(tmp_path / "own.sock"), str(tmp_path / "toy.sock")
    with Gateway(tmp_path, workers=1, own=own, listen=[["127.0.0.1", 0], unix]) as gateway:
        with LightLoad(gateway.port) as load:
            for workers in (3, 1, 2, 4, 1):
                upgrade(gateway, workers)
                load.grows_by(10)
        assert load.failures == []
        assert os.path.exists(own)
        assert os.path.exists(unix)


def upgrade(gateway: Gateway, workers: int) -> None:
    master = gateway.status()["master"]
    gateway.change(workers=workers)
    os.kill(master, signal.SIGUSR2)
    until(lambda: not alive(master))
    gateway.has_workers(workers)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"worker": "dies", "workers": 4}, "upgrade failed: new master .* died, exit 4"),
        ({"worker": "unready", "upgrade": 9}, "upgrade failed: new master .* was not ready in time"),
        ({"listen": [["192.0.2.1", 80]]}, "upgrade failed: new master .* died, exit 3"),
    ],
    ids=["workers die", "never ready", "cannot listen"],
)
def test_a_failed_upgrade_changes_nothing(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with Gateway(tmp_path, workers=2, upgrade=2) as gateway, LightLoad(gateway.port) as load:
        before = gateway.workers()
        gateway.change(**change)
        gateway.signal(signal.SIGUSR2)
        until(lambda: gateway.says(said))
        until(lambda: gateway.says("upgrade failed: new master .* died"))
        load.grows_by(20)
        assert gateway.workers() == before
        assert gateway.status()["master"] == gateway.process.pid
        assert not load.failures
        gateway.change(worker="toy", workers=2, listen=[["127.0.0.1", 0]], upgrade=8)
        gateway.signal(signal.SIGUSR2)
        assert gateway.process.wait(9) == 0
        load.grows_by(20)
    assert load.failures == []


def test_a_new_master_whose_predecessor_is_killed_takes_over(tmp_path: Path) -> None:
    with Gateway(tmp_path, workers=1) as gateway:
        port = gateway.port
        gateway.signal(signal.SIGUSR2)
        until(lambda: gateway.says("upgrade: new master started"))
        gateway.process.kill()
        gateway.process.wait()
        until(lambda: gateway.says("upgrade: pid .* is the master now"))
        until(lambda: gateway.workers())
        assert get(port) == gateway.workers()[0]


def test_stopping_during_an_upgrade_stops_both(tmp_path: Path) -> None:
    with Gateway(tmp_path, workers=1, upgrade=60) as gateway:
        gateway.change(worker="unready")
        gateway.signal(signal.SIGUSR2)
        until(lambda: gateway.said().count("worker 0 started") == 2)
        successor = int(gateway.found(r"new master started, pid (\d+)"))
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(5) == 0
        until(lambda: not alive(successor))
