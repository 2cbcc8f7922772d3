"""Fork one process into its place, and turn the copy of the master that wakes up there into the role.

The child must never return into the master's code: whatever the role does, the process ends here. It lets go of the
master's signals before it can receive one, and closes what is not its own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from fastproxy.server.seat import Seat
from fastproxy.server.signals import held_back, ignore_the_terminal, unblock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from socket import socket

    from fastproxy.server.children import Children, Place
    from fastproxy.server.plan import JournalPlan
    from fastproxy.server.signals import SignalQueue
    from fastproxy.server.sockets import Listeners
    from fastproxy.shared.board import Board
    from fastproxy.shared.register import Register
    from fastproxy.shared.shelf import Shelf

_log = logging.getLogger("fastproxy")


@dataclass(frozen=True, slots=True)
class Shared:
    """Memory of all processes: where the configuration comes from, and what clients come back for."""

    board: Board
    register: Register
    shelf: Shelf
    journal: JournalPlan | None = None


@dataclass(frozen=True, slots=True)
class Nursery:
    """What every child is made from. `pin`: bind each worker to one of the usable CPUs."""

    children: Children
    listeners: Listeners
    shared: Shared
    signals: SignalQueue
    pin: bool

    def fork(self, place: Place, private: Iterable[socket]) -> int:
        """Start the place's process; `private`: sockets of the master that the child must not keep."""
        self.children.prepare(place)
        sys.stdout.flush()
        sys.stderr.flush()
        master_pid = os.getpid()
        with held_back():
            pid = os.fork()
            if pid == 0:
                self._become(place, private, master_pid)
        self.children.born(place, pid)
        return pid

    def _become(self, place: Place, private: Iterable[socket], master_pid: int) -> NoReturn:
        code = 1
        try:
            self.signals.let_go()
            ignore_the_terminal()
            unblock()
            for sock in private:
                sock.close()
            seat = self._seat(place, master_pid)
            if self.pin and place.role.sockets:
                _pin(place.slot)
            place.role.run(seat)
            code = 0
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
        except BaseException:
            # the one broad except of this process: its edge. The master only sees the exit code
            _log.exception("%s (pid %d) failed", place.name, os.getpid())
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(code)

    def _seat(self, place: Place, master_pid: int) -> Seat:
        role = place.role
        keep = self.listeners.slots if role.sockets else [self.listeners.own[role.name]] if role.listen else []
        kept = {sock.fileno() for group in keep for sock in group}
        for sock in list(self.listeners.all()):
            if sock.fileno() not in kept:
                sock.close()
        arena, shared = self.children.arena, self.shared
        return Seat(
            role.name, place.slot, place.column, arena, shared.board, keep, master_pid, shared.shelf, shared.register,
            shared.journal,
        )  # fmt: skip


def _pin(slot: int) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[slot % len(cpus)]})
