"""Start toy_master.py as a process, talk to it, load it lightly, and never leave it behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fastproxy.server.status import NotRunning, read_status

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent.parent
TIMEOUT_S = 8.0


def until(condition: Callable[[], Any], within: float = 8.0) -> float:
    """Poll until the condition holds; return how long it took. Fails when it does not hold in time."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within, f"not within {within} s"
        time.sleep(0.005)
    return time.monotonic() - started


def get(port: int, path: str = "/", host: str = "127.0.0.1") -> int:
    """The pid that answered. Raises OSError or ValueError when there was no whole answer."""
    with socket.create_connection((host, port), TIMEOUT_S) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nhost: toy\r\n\r\n".encode())
        reply = b""
        while part := sock.recv(4096):
            reply += part
    return int(reply.rpartition(b"\r\n\r\n")[2])


class Later:
    """A request in a thread. `pid()` waits for its end: who answered, or None if nobody did."""

    def __init__(self, port: int, path: str) -> None:
        self._pid: int | None = None
        self._thread = threading.Thread(target=self._ask, args=(port, path))
        self._thread.start()

    def pid(self) -> int | None:
        self._thread.join()
        return self._pid

    def _ask(self, port: int, path: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._pid = get(port, path)


def alive(pid: int) -> bool:
    """Running, and not just a zombie that nobody has waited for."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Gateway:
    def __init__(self, state_dir: Path, **options: Any) -> None:
        self.state_dir = state_dir
        self.snapshot(b"one")
        command = [sys.executable, "-m", "tests.live.toy_master", str(state_dir), json.dumps(options)]
        self.log = state_dir / "log"
        with self.log.open("ab") as log:
            environ = os.environ | options.pop("environ", {})
            given = [options["given"]] if "given" in options else []
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log, stdout=log, env=environ, pass_fds=given)
        self._pids = {self.process.pid}

    def __enter__(self) -> Self:
        until(lambda: self.process.poll() is not None or (self.state_dir / "bound.json").exists())
        assert self.process.poll() is None, self.said()
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the masters that we know of; workers leave when their master is gone."""
        with contextlib.suppress(NotRunning):
            self._pids.add(self.status()["master"])
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(4)
        self.process.kill()
        self.process.wait()

    def bound(self) -> list[str]:
        """Where the workers listen, as the master announced it."""
        found: dict[str, list[str]] = json.loads((self.state_dir / "bound.json").read_text(encoding="ascii"))
        return found["worker"]

    @property
    def port(self) -> int:
        return int(self.bound()[0].rpartition(":")[2])

    def status(self) -> dict[str, Any]:
        return read_status(str(self.state_dir))

    def workers(self) -> dict[int, int]:
        """slot → pid of workers that are ready."""
        return {worker["slot"]: worker["pid"] for worker in self.status()["workers"] if worker["state"] == "ready"}

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def snapshot(self, data: bytes) -> None:
        (self.state_dir / "snapshot").write_bytes(data)

    def change(self, **options: Any) -> None:
        """What a successor will be told, on top of our options."""
        (self.state_dir / "changed.json").write_text(json.dumps(options), encoding="ascii")

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def has_workers(self, count: int) -> None:
        until(lambda: len(self.workers()) == count)

    def says_more_than(self, lines: int) -> None:
        until(lambda: self.said().count("\n") > lines)

    def says(self, pattern: str) -> bool:
        return re.search(pattern, self.said()) is not None

    def found(self, pattern: str) -> str:
        """The first group of a pattern in the log."""
        match = re.search(pattern, self.said())
        assert match
        return str(match[1])


@dataclass
class LightLoad:
    """A few threads, one connection per request, until the block ends."""

    port: int
    threads: int = 2
    good: int = 0
    pids: set[int] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._running = [threading.Thread(target=self._loop) for _ in range(self.threads)]
        for thread in self._running:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._running:
            thread.join()

    def grows_by(self, count: int) -> None:
        """Wait until that many more requests went well (or one failed)."""
        goal = self.good + count
        until(lambda: self.good >= goal or self.failures)

    def _loop(self) -> None:
        while not self._stop.wait(0.002):
            try:
                self.pids.add(get(self.port))
                self.good += 1
            except (OSError, ValueError) as error:
                self.failures.append(repr(error))
