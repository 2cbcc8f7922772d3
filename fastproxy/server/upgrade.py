"""Upgrade without a gap: a master starts its successor on the same sockets, and leaves when that one serves.

    old master                                  new master (same argv, sockets inherited)
    USR2 ── fork, exec ───────────────────────► opens what it has no socket for, forks its workers
    both sets of workers accept                 all READY ── "ready" ──►
    "go" ──────────────────────────────────────► takes over the pid file
    drains its workers, exits 0                 master

The link is a socket pair; its end says that the other one died. A successor that dies, or is not ready in time, changes
nothing: the old master stays, and its "go" never comes. A new master whose predecessor dies while it waits takes over.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
from enum import Enum
from typing import TYPE_CHECKING, Final, NoReturn

from fastproxy.server.inherited import hand_over
from fastproxy.server.signals import held_back, unblock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastproxy.server.plan import MasterPlan
    from fastproxy.server.signals import SignalQueue
    from fastproxy.server.sockets import Listeners

_READY: Final = b"ready"
_GO: Final = b"go"
_GRACE_S: Final = 10.0  # from the SIGTERM to the SIGKILL of a successor that was given up


class Progress(Enum):
    WAITING = "waiting"
    READY = "ready"
    LATE = "late"


class Successor:
    """The old master's view of the new one."""

    __slots__ = ("_deadline", "_given_up", "link", "pid")

    def __init__(self, pid: int, link: socket.socket, deadline: float) -> None:
        self.pid = pid
        self.link = link
        self._deadline = deadline
        self._given_up = False

    @classmethod
    def start(cls, plan: MasterPlan, listeners: Listeners, signals: SignalQueue, now: float) -> Successor:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        environ, descriptors = hand_over(listeners, plan, theirs.fileno())
        with held_back():
            pid = os.fork()
            if pid == 0:
                signals.let_go()
                _execute(plan.argv, environ, descriptors)
        theirs.close()
        return cls(pid, ours, now + plan.upgrade_timeout)

    def progress(self, now: float) -> Progress:
        """Look at the link; called at every tick until it says READY or LATE."""
        if self._given_up:
            if now >= self._deadline:
                self._kill(signal.SIGKILL, math.inf)
            return Progress.WAITING
        if _received(self.link) == _READY:
            return Progress.READY
        return Progress.LATE if now >= self._deadline else Progress.WAITING

    def go(self) -> None:
        """It is the master from now on."""
        with contextlib.suppress(OSError):
            self.link.send(_GO)
        self.link.close()

    def give_up(self, now: float) -> None:
        """Stop it; its workers finish what they have begun."""
        if not self._given_up:
            self._given_up = True
            self._kill(signal.SIGTERM, now + _GRACE_S)

    def _kill(self, number: signal.Signals, deadline: float) -> None:
        self._deadline = deadline
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class Predecessor:
    """The new master's view of the old one."""

    __slots__ = ("link",)

    def __init__(self, link: socket.socket) -> None:
        self.link = link

    def report_ready(self) -> None:
        with contextlib.suppress(OSError):
            self.link.send(_READY)

    def has_left(self) -> bool:
        """It said go, or died: we are the master."""
        return _received(self.link) is not None


def _received(link: socket.socket) -> bytes | None:
    """What the other side sent, b"" when it is gone, None when there is nothing yet."""
    try:
        return link.recv(16)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _execute(argv: Sequence[str], environ: Mapping[str, str], descriptors: Sequence[int]) -> NoReturn:
    try:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, True)
        unblock()
        os.execve(argv[0], list(argv), environ)
    finally:
        os._exit(127)
