"""A real PostgreSQL for tests: one cluster for each test process, started by whoever needs it first, gone at its end.

    cluster()                    the running one
    cluster().new_database()     the URL of an empty database; `drop(url)` when done with it
    cluster().stop(), .start()   an outage, for tests of what goes on without it; same address afterwards
    database_url                 a fixture: the test runs once on SQLite and once on PostgreSQL

Needs Debian's `postgresql` (`make test` installs it), of which nothing but the programs is used. They refuse to run as
root, so then they run as the user `postgres`. Nothing is skipped: without the programs these tests fail and say so.
"""

from __future__ import annotations

import atexit
import os
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections import deque
from contextlib import closing, suppress
from functools import cache
from glob import glob
from itertools import count
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES: Final = "/usr/lib/postgresql/*/bin"
USER: Final = "postgres"
READY: Final = b"ready to accept connections"
PATIENCE_S: Final = 30
# Nothing here has to outlive the machine, and little memory is enough.
SETTINGS: Final = (
    "fsync=off", "full_page_writes=off", "jit=off", "shared_buffers=16MB",
    "max_connections=60", "max_worker_processes=2", "autovacuum_naptime=1h", "listen_addresses=127.0.0.1",
)  # fmt: skip


class Missing(RuntimeError):
    """PostgreSQL is not to be had here."""


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs, of the newest version that is installed."""
    found = sorted(glob(PLACES), key=lambda path: [int(number) for number in re.findall(r"\d+", path)])
    path = shutil.which(name, path=found[-1]) if found else shutil.which(name)
    if path is None:
        raise Missing(f"{name} is neither in {PLACES} nor in PATH: these tests need Debian's package `postgresql`")
    return path


def _as_owner() -> list[str]:
    """The beginning of a command that runs as whoever may own a cluster; it dies with us."""
    change = ["--reuid", USER, "--regid", USER, "--init-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *change, "--pdeathsig", "INT"]


def _free_port() -> int:
    """Below those that the kernel gives away, so that it is still ours after an outage."""
    while True:
        port = random.randrange(15_000, 30_000)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Postgres:
    """A cluster in a directory of its own."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="fastproxy-postgres-"))
        self.port = _free_port()
        self.password = secrets.token_hex(8)
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._log: deque[bytes] = deque(maxlen=50)
        self._make()
        self.start()

    def _make(self) -> None:
        password = self.home / "password"
        password.write_text(self.password)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(USER)
            for path in (self.home, password):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self._run(
            *_as_owner(), program("initdb"), "--pgdata", str(self.home / "data"), "--username", USER, "--no-sync",
            "--pwfile", str(password), "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8",
        )  # fmt: skip

    def _run(self, *command: str) -> None:
        environ = {**os.environ, "PGPASSWORD": self.password}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, cwd="/", env=environ
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")

    def start(self) -> None:
        """Serves when this returns."""
        if self._process is not None:
            return
        options = [option for setting in SETTINGS for option in ("-c", setting)]
        command = [
            *_as_owner(), program("postgres"), "-D", str(self.home / "data"), "-k", str(self.home), "-p",
            str(self.port), *options,
        ]  # fmt: skip
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/")
        assert process.stderr is not None
        for line in process.stderr:
            self._log.append(line)
            if READY in line:
                break
        else:
            process.wait(PATIENCE_S)
            process.stderr.close()
            raise RuntimeError(f"PostgreSQL did not start: {b''.join(self._log).decode()}")
        self._process = process
        self._reader = Thread(target=self._log.extend, args=(process.stderr,), daemon=True)
        self._reader.start()

    def stop(self, *, at_once: bool = False) -> None:
        """Connections are cut. `at_once`: as if its processes had been killed."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
        process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert process.stderr is not None
        process.stderr.close()

    def remove(self) -> None:
        self.stop(at_once=True)
        shutil.rmtree(self.home)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        name = f"test_{next(self._numbers)}"
        self.say(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Also while somebody is connected; a stopped cluster is started for it."""
        self.start()
        self.say(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def say(self, statement: str) -> None:
        """As the one who may do everything, for what belongs to no database."""
        self._run(program("psql"), "--no-psqlrc", "--quiet", "--command", statement, self.url("postgres"))


@cache
def cluster() -> Postgres:
    """The one of this process."""
    made = Postgres()
    atexit.register(made.remove)
    return made


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """An empty database of PostgreSQL."""
    url = cluster().new_database()
    yield url
    cluster().drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; on SQLite a file that is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/fastproxy.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


def allow_time(items: list[pytest.Item]) -> None:
    """For pytest_collection_modifyitems: whoever comes first starts the cluster, which takes seconds."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "postgres_url" in names or "database_url" in names:
            item.add_marker(pytest.mark.timeout(60))
