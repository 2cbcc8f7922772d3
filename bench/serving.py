"""Start a real `fastproxy serve` and talk to its master: for tests and benches that need the whole program.

`Serving` is a context manager (or `start`, `wait` and `__exit__`, for several at once). It never leaves a process
behind, whichever master an upgrade has put in charge.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fastproxy.server.status import NotRunning, read_status

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
START_S = 15.0
STOP_S = 6.0
# what a developer's shell may hold must not change what is tested
_FOREIGN = re.compile(r"FASTPROXY_|.*(_API_KEY|_BASE_URL)\Z")


def until(condition: Callable[[], Any], within: float = 8.0, every: float = 0.005) -> float:
    """Poll until the condition holds; return how long it took. Fails when it does not hold in time."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within, f"not within {within} s"
        time.sleep(every)
    return time.monotonic() - started


def alive(pid: int) -> bool:
    """Running, and not just a zombie that nobody has waited for."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Serving:
    """`fastproxy serve` with these arguments, on a free port, with its state in `folder`."""

    def __init__(self, folder: Path, *arguments: str, config: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.state_dir = folder / "s"
        self.log = folder / "log"
        self.config = folder / "fastproxy.yaml"
        self.config.write_text(config or "{}\n", encoding="utf-8")
        self._command = [sys.executable, "-m", "fastproxy", "serve", "--config", str(self.config)]
        self._command += ["--listen", "127.0.0.1:0", "--admin", "off", "--state-dir", str(self.state_dir), *arguments]
        self.masters: set[int] = set()
        self.port = 0

    def start(self) -> None:
        """Start it and do not wait; for several at once."""
        environ = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, cwd=ROOT, stdout=log, stderr=log, env=environ)
        self.masters.add(self.process.pid)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait(self) -> None:
        """Until it serves; fails with what it said when it does not."""
        until(lambda: self.process.poll() is not None or self._find_port(), START_S)
        assert self.port, self.said()

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(NotRunning):
            self.masters.add(self.status()["master"])
        for pid in self.masters:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        self.process.kill()
        self.process.wait()

    def _find_port(self) -> bool:
        found = re.search(r"serves on 127\.0\.0\.1:(\d+)", self.said())
        self.port = int(found[1]) if found else 0
        return bool(found)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def status(self) -> dict[str, Any]:
        return read_status(str(self.state_dir))

    @property
    def master(self) -> int:
        """The master in charge; remembered, so that it is stopped at the end."""
        pid = int(self.status()["master"])
        self.masters.add(pid)
        return pid

    def workers(self) -> dict[int, int]:
        """slot → pid of the workers that are ready; empty while there is no master to ask."""
        try:
            found = self.status()["workers"]
        except NotRunning:
            return {}
        return {worker["slot"]: worker["pid"] for worker in found if worker["state"] == "ready"}

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.master, number)
