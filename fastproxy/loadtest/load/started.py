"""A target that is started for its measurement and stopped behind it: `--command`, `--command-b`."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S: Final = 30.0
STOP_S: Final = 10.0
_LOOK_S: Final = 0.05
_SAID: Final = 2_000  # characters of its output that an error repeats


class StartFailed(Exception):
    """The command ended, or its address did not answer in time; the text repeats what it said."""


@contextmanager
def started(command: str, url: str) -> Iterator[int]:
    """Run `command` (split as a shell would, without one) and give its process id once the URL's port is open.

    Its process group gets TERM at the end, and KILL after 10 s. Raises: StartFailed.
    """
    with tempfile.TemporaryFile() as output:
        try:
            child = subprocess.Popen(shlex.split(command), stdout=output, stderr=output, start_new_session=True)
        except (OSError, ValueError) as error:
            raise StartFailed(f"{command.split(maxsplit=1)[0]}: {error}") from error  # the rest may hold keys
        try:
            _await_port(child, url, output)
            yield child.pid
        finally:
            _stop(child)


def _await_port(child: subprocess.Popen[bytes], url: str, output: IO[bytes]) -> None:
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme in ("https", "wss") else 80))
    latest = time.monotonic() + START_S
    while True:
        if child.poll() is not None:
            raise StartFailed(f"the command ended with exit code {child.returncode}{_said(output)}")
        with suppress(OSError), socket.create_connection(address, 1.0):
            return
        if time.monotonic() > latest:
            raise StartFailed(f"{address[0]}:{address[1]} did not open within {START_S:g} s{_said(output)}")
        time.sleep(_LOOK_S)


def _said(output: IO[bytes]) -> str:
    output.seek(0)
    text = output.read().decode(errors="replace").strip()
    return f": {text[-_SAID:]}" if text else ""


def _stop(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(STOP_S)
            return
