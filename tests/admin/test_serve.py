"""The role in a process of its own, as the master runs it: a bound socket and an arena in, heartbeats and pages out."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared import rows
from fastproxy.shared.arena import Arena
from tests.admin.cells import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

ROLE = """
import mmap, os, socket, sys
from types import SimpleNamespace
from fastproxy.admin.serve import AdminOptions, admin_role
from fastproxy.shared.arena import Arena
from fastproxy.shared.rows import ADMIN_COLUMN

listener, path, master = socket.socket(fileno=int(sys.argv[1])), sys.argv[2], int(sys.argv[3])
arena = Arena(path, mmap.mmap(os.open(path, os.O_RDWR), 0))
seat = SimpleNamespace(
    column=arena.column(ADMIN_COLUMN), arena=arena, sockets=[[listener]], master_pid=master or os.getppid()
)
admin_role(AdminOptions(key=None, bound="127.0.0.1"))(seat)
"""
# In the middle of something that turns an exception into another one, as extension modules do.
INTERRUPTED = """
import os, signal, sys, types

def run(*_):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        sum(range(1000))
    except SystemExit:
        raise ValueError("something else") from None

runner = sys.modules["fastproxy.admin.runner"] = types.ModuleType("runner")
runner.run, runner.Work = run, lambda *_: None
"""
HEAVY = {"fastapi", "starlette", "uvicorn", "prometheus_client", "psutil", "pydantic", "asyncio"}


@dataclass(frozen=True, slots=True)
class Role:
    process: subprocess.Popen[bytes]
    port: int
    column: memoryview
    arena: Arena

    def is_ready(self) -> bool:
        return self.column[rows.STATE] == rows.READY


def until(condition: Callable[[], bool], seconds: float = 8) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


@contextmanager
def running(tmp_path: Path, master: int = 0, code: str = ROLE) -> Iterator[Role]:
    path = str(tmp_path / "arena")
    arena = Arena.create(path, rows.WORKER_COLUMN + 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        arguments = [sys.executable, "-c", code, str(listener.fileno()), path, str(master)]
        process = subprocess.Popen(arguments, pass_fds=[listener.fileno()])
    try:
        yield Role(process, port, arena.column(rows.ADMIN_COLUMN), arena)
    finally:
        process.kill()
        process.wait()


def test_it_serves_and_beats_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with running(tmp_path) as role:
        assert until(role.is_ready)
        assert role.column[rows.PID] == role.process.pid
        assert abs(role.column[rows.STARTED] / 1000 - time.time()) < 10
        role.arena.column(rows.MASTER_COLUMN)[rows.OWNER] = 1
        worker = role.arena.column(rows.WORKER_COLUMN)
        worker[rows.PID], worker[rows.STATE] = os.getpid(), rows.READY
        worker[rows.HEARTBEAT] = int(time.monotonic() * 1000)
        assert fetch(role.port, "/api/health").status == 200
        assert json.loads(fetch(role.port, "/api/status").body)["admin"] == role.process.pid
        assert b'fastproxy_process_resident_memory_bytes{process="admin"}' in fetch(role.port, "/metrics").body
        first = role.column[rows.HEARTBEAT]
        assert until(lambda: role.column[rows.HEARTBEAT] >= first + 900)
        role.process.send_signal(signal.SIGTERM)
        assert role.process.wait(5) == 0
        assert role.column[rows.STATE] == rows.STOPPED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_an_idle_connection_does_not_hold_it(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as role:
        assert until(role.is_ready)
        with socket.create_connection(("127.0.0.1", role.port)) as connection:
            connection.sendall(b"GET /api/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 503")
            role.process.send_signal(number)
            assert role.process.wait(8) == 0


def test_it_ends_when_its_master_is_gone(tmp_path: Path) -> None:
    with running(tmp_path, master=2**22 + 1) as role:
        assert role.process.wait(8) == 0
        assert role.column[rows.STATE] == rows.STOPPED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stop_before_it_is_ready_is_clean(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as role:
        assert until(lambda: role.column[rows.PID] != 0)
        role.process.send_signal(number)
        assert role.process.wait(5) == 0


def test_a_stop_in_the_middle_of_an_import_was_a_failure(tmp_path: Path) -> None:
    with running(tmp_path, code=INTERRUPTED + ROLE) as role:
        assert role.process.wait(8) == 0


def test_the_master_stays_light() -> None:
    code = "import sys, fastproxy.admin.serve; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=10, check=True)
    assert "fastproxy" in done.stdout
    assert set(done.stdout.split()) & HEAVY == set()
