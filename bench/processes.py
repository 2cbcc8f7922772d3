"""Starts, pins, awaits and stops the programs of a measurement, and gives them a scratch folder with certificates.

The load and the upstream share LOAD_CPU; the proxy under test has PROXY_CPU for itself. On a machine with one usable
CPU everything shares it and the ratios mean little; the report then says so.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import trustme

from bench import cpu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USABLE = sorted(os.sched_getaffinity(0))
LOAD_CPU, PROXY_CPU = USABLE[0], USABLE[-1]
START_S = 15.0
STOP_S = 5.0


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


@contextmanager
def running(command: list[str], core: int, port: int, log: Path) -> Iterator[int]:
    """Run a server pinned to a CPU until the block ends; yields its process id once the port accepts."""
    with log.open("ab") as output:
        process = subprocess.Popen(pinned(command, core), stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        _await_port(process, port, log)
        yield process.pid
    finally:
        _stop(process)


def pinned(command: list[str], core: int) -> list[str]:
    """taskset replaces itself by the command, so the process id is the command's."""
    return ["taskset", "--cpu-list", str(core), *command]


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RunFailed(f"{process.args!r} does not listen on {port}:\n{log.read_text(errors='replace')[-2000:]}")


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
    """ca.pem, cert.pem and key.pem (P-256) for localhost."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(folder / "cert.pem", append=number > 0)
