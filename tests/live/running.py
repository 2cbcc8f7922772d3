"""The product as its users start it: `python -m fastproxy serve …` in a process of its own, and a mock beside it.

    Gateway   a context manager: flags and a config in, `port`, `admin`, `status()`, `metrics()` out; ended by its pid.
              What the gateway wrote to standard error is part of every failure message
    mocking   a mock provider in a thread, with its port
    Mock      what that mock has seen: its newest requests and its books

The environment is cleaned of everything that would make channels or settings by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from fastproxy.loadtest.mock import MockOptions, mask, start
from fastproxy.server.control import reload
from fastproxy.server.status import NotRunning, read_status
from tests.loadtest.mock_process import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT: Final = Path(__file__).parent.parent.parent
STARTED_S: Final = 8.0
STOPPED_S: Final = 5.0
_ANNOUNCED: Final = re.compile(r"serves on (.+)")
_ADMIN: Final = re.compile(r"admin and /metrics on (\S+)")
_SAMPLE: Final = re.compile(r"^(\w+)(\{[^}]*\})? (\S+)$", re.MULTILINE)
T = TypeVar("T")


def until(condition: Callable[[], T], within: float = 8.0) -> T:
    """Poll until the condition gives something true; return it."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.005)
    return found


def clean_environ(**extra: str) -> dict[str, str]:
    """An environment that says nothing about channels, and no proxy of the machine's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **extra}


def command(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One run of the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "fastproxy", *arguments],
        capture_output=True, text=True, timeout=STARTED_S, cwd=ROOT, env=environ or clean_environ(), check=False,
    )  # fmt: skip


def write_config(place: Path, config: Mapping[str, Any]) -> Path:
    """YAML holds JSON, so a configuration is written as that."""
    path = place / "fastproxy.yaml"
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    return path


class Gateway:
    """A running gateway. Its state directory, config and output are below `place`."""

    def __init__(
        self,
        place: Path,
        *flags: str,
        config: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.place = place
        self.state_dir = place / "state"
        self._out, self._log = place / "stdout", place / "stderr"
        told = config or {}
        arguments = [sys.executable, "-m", "fastproxy", "serve", "--state-dir", str(self.state_dir), *flags]
        arguments += ["--config", str(write_config(place, told))] if config is not None else []
        for name, value in (("listen", "127.0.0.1:0"), ("admin", "127.0.0.1:0"), ("workers", "1")):
            arguments += [] if name in told or f"--{name}" in flags else [f"--{name}", value]
        with self._out.open("ab") as out, self._log.open("ab") as log:
            self.process = subprocess.Popen(
                arguments, cwd=ROOT, stdout=out, stderr=log, env=clean_environ(**(environ or {}))
            )

    def __enter__(self) -> Self:
        try:
            until(lambda: self._has_ended() or _ANNOUNCED.search(self.printed()), STARTED_S)
            assert not self._has_ended(), f"the gateway ended with {self.process.returncode}"
            until(lambda: self._has_ended() or self._is_ready(), STARTED_S)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.said()}") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self.stop()
        if error is not None:
            error.add_note(f"the gateway said:\n{self.said()[-4000:]}")

    def stop(self) -> None:
        """Stop now; the master takes its children with it, and they leave by themselves if it is killed."""
        for number in (signal.SIGQUIT, signal.SIGKILL):
            if self._has_ended():
                return
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOPPED_S)

    def _has_ended(self) -> bool:
        return self.process.poll() is not None

    def _is_ready(self) -> bool:
        with contextlib.suppress(NotRunning):
            return bool(self.workers())
        return False

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def printed(self) -> str:
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def addresses(self) -> list[str]:
        """Where it listens for clients, in the order of the configuration."""
        found = _ANNOUNCED.search(self.printed())
        assert found, self.said()
        return found[1].split(", ")

    @property
    def port(self) -> int:
        return int(self.addresses[0].rpartition(":")[2])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin(self) -> int:
        found = _ADMIN.search(self.printed())
        assert found, self.said()
        return int(found[1].rpartition(":")[2])

    def ask(self, method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One plain request on a connection of its own."""
        return ask(self.port, method, target, body, headers)

    def status(self) -> dict[str, Any]:
        return read_status(str(self.state_dir))

    def workers(self) -> dict[int, int]:
        """slot → pid of workers that are ready."""
        return {worker["slot"]: worker["pid"] for worker in self.status()["workers"] if worker["state"] == "ready"}

    def reload(self, config: Mapping[str, Any] | None = None) -> int:
        """HUP, after writing another configuration if one is given; the generation that is in use then."""
        if config is not None:
            write_config(self.place, config)
        return reload(str(self.state_dir))

    def metrics(self) -> dict[str, float]:
        """All samples of /metrics: `name` or `name{label="…"}` → value."""
        reply = ask(self.admin, "GET", "/metrics", headers={"host": "localhost"})
        assert reply.status == 200, reply
        body = reply.body.decode()
        return {found[1] + (found[2] or ""): float(found[3]) for found in _SAMPLE.finditer(body)}

    def settle(self) -> None:
        """Wait until all workers have published their counters once more: they do ten times a second."""
        now = time.monotonic()
        until(lambda: all(now < time.monotonic() - one["heartbeat_age_ms"] / 1000 for one in self.status()["workers"]))

    def tokens(self) -> dict[tuple[str, str], int]:
        """(format, kind) → tokens counted until now."""
        self.settle()
        labels = re.compile(r'fastproxy_tokens_total\{format="([^"]+)",kind="([^"]+)"\}')
        found = ((labels.fullmatch(name), value) for name, value in self.metrics().items())
        return {(match[1], match[2]): int(value) for match, value in found if match is not None}

    def has_counted(self, before: Mapping[tuple[str, str], int], expected: Mapping[tuple[str, str], int]) -> None:
        """Check that exactly `expected` tokens have been added."""
        now = self.tokens()
        added = {name: now[name] - before[name] for name in now if now[name] != before[name]}
        wanted = {name: value for name, value in expected.items() if value}
        assert added == wanted, f"counted {added}, expected {wanted}"

    def errors(self, kind: str) -> int:
        """How many requests ended with this kind of error."""
        self.settle()
        return int(self.metrics()[f'fastproxy_errors_total{{kind="{kind}"}}'])


@dataclass(frozen=True, slots=True)
class Mock:
    """A mock provider that runs, and what it has seen."""

    port: int
    scheme: str = "http"
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def forget(self) -> None:
        assert ask(self.port, "DELETE", "/_books").status == 200

    def last(self) -> list[dict[str, Any]]:
        """The requests since `forget`, its own pages left out, the newest at the end."""
        seen: list[dict[str, Any]] = ask(self.port, "GET", "/_last").json
        return [request for request in seen if request["path"] not in ("/_last", "/_books")]

    def newest(self) -> dict[str, Any]:
        return self.last()[-1]

    def books(self) -> dict[str, Any]:
        found: dict[str, Any] = ask(self.port, "GET", "/_books").json
        return found

    def requests(self) -> int:
        """How many model calls were answered, refused or cut off."""
        total = self.books()["total"]
        return int(total["requests"] + total["errors"] + total["aborted"])


@contextmanager
def mocking(options: MockOptions | None = None, host: str = "127.0.0.1") -> Iterator[Mock]:
    """A mock that serves while the block runs, in a thread."""
    options = options or MockOptions()
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(start(options, host))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield Mock(server.port, "https" if options.certificate else "http", host)
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(server.wait_closed(), loop).result(STOPPED_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOPPED_S)
        loop.close()


__all__ = ["Gateway", "Mock", "MockOptions", "clean_environ", "command", "mask", "mocking", "until", "write_config"]
