"""Status from a pid file and an arena that a stand-in for a master holds; the live tests read a real one's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fastproxy.server.control import ReloadFailed, reload
from fastproxy.server.status import NotRunning, read_status, render

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
STAND_IN = """
import os, signal, sys, time
from fastproxy.server.pidfile import PidFile
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena
signal.signal(signal.SIGHUP, signal.SIG_IGN)
PidFile.take(sys.argv[1])
arena = Arena.create(f"{sys.argv[1]}/arena.{os.getpid()}", 6)
master, admin, worker = (arena.column(i) for i in range(3))
master[rows.STATE], master[rows.GENERATION], master[rows.RESTARTS] = rows.READY, 3, 2
master[rows.STARTED] = worker[rows.STARTED] = int((time.time() - 3700) * 1000)
master[rows.OWNER], master[rows.OWNER + 1], master[rows.OWNER + 2] = 1, 1, 1
admin[rows.PID] = 77
worker[rows.PID], worker[rows.STATE], worker[rows.GENERATION] = 78, rows.READY, 3
worker[rows.CLIENTS_OPEN], worker[rows.REQUESTS] = 4, 5
worker[rows.HEARTBEAT] = int(time.monotonic() * 1000)
print("there", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", STAND_IN, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "there\n"
        yield process
        process.kill()


def test_the_shape_that_is_promised(tmp_path: Path, stand_in: subprocess.Popen[str]) -> None:
    status = read_status(str(tmp_path))
    assert json.loads(json.dumps(status)) == status
    worker = status["workers"][0]
    assert 0 <= worker.pop("heartbeat_age_ms") < 5000
    assert 3700 <= worker.pop("uptime_s") < 3710
    assert 3700 <= status.pop("uptime_s") < 3710
    assert status == {
        "master": stand_in.pid,
        "admin": 77,
        "state": "ready",
        "generation": 3,
        "restarts": 2,
        "hangs": 0,
        "reloads": 0,
        "reload_failures": 0,
        "lagging": [],
        "workers": [
            {
                "slot": 0,
                "pid": 78,
                "state": "ready",
                "connections": 4,
                "requests": 5,
                "generation": 3,
                "swaps": 0,
                "longest_swap_ms": 0.0,
            },
        ],
    }


def test_people_get_a_table(tmp_path: Path, stand_in: subprocess.Popen[str]) -> None:
    head, names, worker = render(read_status(str(tmp_path))).splitlines()
    assert head == f"master {stand_in.pid} ready, admin 77, up 1h 1m, generation 3, 2 restarts"
    assert names.split()[:6] == ["slot", "pid", "state", "connections", "requests", "generation"]
    assert worker.split()[:6] == ["0", "78", "ready", "4", "5", "3"]
    assert len(names) == len(worker)


def test_nothing_runs_here(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match=f"no fastproxy runs with state directory {tmp_path}"):
        read_status(str(tmp_path))
    with pytest.raises(NotRunning):
        reload(str(tmp_path))


def test_an_arena_of_another_version_is_named(tmp_path: Path, stand_in: subprocess.Popen[str]) -> None:
    os.truncate(tmp_path / f"arena.{stand_in.pid}", 100)
    with pytest.raises(NotRunning, match="100 bytes are not columns"):
        read_status(str(tmp_path))


def test_a_master_that_does_not_answer_a_reload_is_told(tmp_path: Path, stand_in: subprocess.Popen[str]) -> None:
    started = time.monotonic()
    with pytest.raises(ReloadFailed, match=f"master {stand_in.pid} did not answer within 0.2 s"):
        reload(str(tmp_path), timeout=0.2)
    assert time.monotonic() - started < 3
