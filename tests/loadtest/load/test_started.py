"""Targets that the harness starts: found by their port, named when they fail, stopped with all their children."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from fastproxy.loadtest.load.started import StartFailed, started

if TYPE_CHECKING:
    from pathlib import Path

SERVER = """
import multiprocessing, socket, sys, time
def child():
    time.sleep(60)
if __name__ == "__main__":
    multiprocessing.get_context("fork").Process(target=child).start()
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
        while True:
            server.accept()[0].close()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_is_there_meanwhile_and_gone_behind_it(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    port = free_port()
    with started(f"{sys.executable} '{tmp_path}/server.py' {port}", f"http://127.0.0.1:{port}/x") as pid:
        family = [psutil.Process(pid), *psutil.Process(pid).children()]
        assert len(family) == 2
    _, alive = psutil.wait_procs(family, 3)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"{sys.executable} -c 'import sys; sys.exit(\"no licence\")'", "exit code 1: no licence"),
        ("/nowhere/at/all --x", "/nowhere/at/all"),
        ("unclosed 'quote", "quotation"),
    ],
)
def test_why_it_did_not_start_is_said(command: str, said: str) -> None:
    with pytest.raises(StartFailed, match=said), started(command, f"http://127.0.0.1:{free_port()}"):
        pytest.fail("it did start")
