"""Talk to systemd (sd_notify) without a dependency: one datagram per line of state, to the socket in NOTIFY_SOCKET.

A name that begins with @ is an abstract socket. Nothing is ever raised: a service manager that does not listen must not
stop a gateway. When no NOTIFY_SOCKET is given every call does nothing.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MICROSECONDS: Final = 1_000_000


class Notifier:
    __slots__ = ("_address", "_next_watchdog", "_watchdog_s")

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        name = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        microseconds = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        # half of the limit, as sd_watchdog_enabled(3) asks for
        self._watchdog_s = int(microseconds) / _MICROSECONDS / 2 if ours and microseconds.isdigit() else 0.0
        self._next_watchdog = 0.0

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def main_pid(self, pid: int) -> None:
        """Name the successor; systemd believes it only from the process that is the main one so far."""
        self._send(f"MAINPID={pid}")

    def watchdog(self, now: float) -> None:
        """Called at every tick; sends WATCHDOG=1 when half of the time is over."""
        if self._watchdog_s and now >= self._next_watchdog:
            self._next_watchdog = now + self._watchdog_s
            self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(state.encode(), self._address)
