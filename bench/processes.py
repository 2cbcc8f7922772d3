"""Starts, pins, awaits and stops the programs of a measurement, and gives them a scratch folder with certificates.

The load and the upstream share LOAD_CPU; the proxy under test has PROXY_CPU for itself. On a machine with one usable
CPU everything shares it and the ratios mean little; the report then says so. Only the scaling case, which needs four,
places things otherwise.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trustme

from bench import cpu

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

USABLE = sorted(os.sched_getaffinity(0))
LOAD_CPU, PROXY_CPU = USABLE[0], USABLE[-1]
START_S = 15.0
STOP_S = 5.0
SPARE_FILES = 500  # what a proxy opens besides its sockets


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program runs, what its environment has besides ours, and how long it may take to listen."""

    cpus: tuple[int, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    start_s: float = START_S


ON_PROXY_CPU, ON_LOAD_CPU = Place((PROXY_CPU,)), Place((LOAD_CPU,))


class RunFailed(RuntimeError):
    """A program of the measurement did not come up or gave up; the text says what it said last."""


def need(command: str) -> str:
    """The command's path. Raises: RunFailed when it is not installed."""
    found = shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise RunFailed(f"{command} is not installed; on Debian: apt-get install {command}")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def open_files() -> int:
    """Raise our limit of open files as far as it goes (what we start inherits it), and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextmanager
def running(command: list[str], place: Place, port: int, log: Path) -> Iterator[int]:
    """Run a server pinned to its place until the block ends; yields its process id once the port accepts."""
    environment = {**os.environ, **place.environment}
    pin = pinned(command, *place.cpus)
    with log.open("ab") as output:
        process = subprocess.Popen(pin, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment)
    try:
        _await_port(process, port, log, place.start_s)
        yield process.pid
    finally:
        _stop(process)


def pinned(command: list[str], *cpus: int) -> list[str]:
    """taskset replaces itself by the command, so the process id is the command's."""
    return ["taskset", "--cpu-list", ",".join(map(str, cpus)), *command]


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path, start_s: float) -> None:
    end = time.monotonic() + start_s
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    last = log.read_text(errors="replace").strip().splitlines()[-3:]
    raise RunFailed(f"does not listen; it said: {' / '.join(last)[-600:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    family = cpu.tree(process.pid)
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        for member in family:
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        process.wait()


def write_certificates(folder: Path) -> None:
    """ca.pem, cert.pem and key.pem (P-256) for localhost; bundle.pem is the last two in one file."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(folder / "cert.pem", append=number > 0)
    bundle = (folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes()
    (folder / "bundle.pem").write_bytes(bundle)
