"""The generations of masters: whether we are the master yet, and whether somebody follows us.

    with a predecessor ── "go" or its death ──► the master ── start() ──► with a successor ── it is ready ──► done
                                                    ▲                          │
                                                    └──── it died or is late ──┘

upgrade.py speaks with the other process; this file remembers what it means. It must never know of workers.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastproxy.server.upgrade import Progress, Successor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from socket import socket

    from fastproxy.server.notify import Notifier
    from fastproxy.server.pidfile import PidFile
    from fastproxy.server.plan import MasterPlan
    from fastproxy.server.signals import SignalQueue
    from fastproxy.server.sockets import Listeners
    from fastproxy.server.upgrade import Predecessor

_log = logging.getLogger("fastproxy")


@dataclass(slots=True)
class Handover:
    """`pid_file` counts only when there is no predecessor (any more)."""

    pid_file: PidFile
    predecessor: Predecessor | None
    notifier: Notifier
    is_done: bool = False  # a successor has been told to go
    _successor: Successor | None = field(default=None)

    @property
    def is_alone(self) -> bool:
        """No other master, older or younger, lives on our sockets."""
        return self.predecessor is None and not self.is_done

    def links(self) -> list[socket]:
        """Sockets that are the master's alone, to watch and to keep from the children."""
        found = [] if self._successor is None else [self._successor.link]
        return found if self.predecessor is None else [*found, self.predecessor.link]

    # --- towards a successor -------------------------------------------------------------------------------------

    def start(self, plan: MasterPlan, listeners: Listeners, signals: SignalQueue, now: float) -> None:
        """Begin an upgrade, unless it cannot be."""
        if self.predecessor is not None:
            _log.warning("upgrade refused: our own is not finished")
        elif self._successor is not None:
            _log.warning("upgrade refused: one is under way, pid %d", self._successor.pid)
        elif os.getpid() == 1:
            _log.warning("upgrade refused: process 1 cannot leave without ending its container")
        else:
            self._successor = Successor.start(plan, listeners, signals, now)
            _log.info("upgrade: new master started, pid %d", self._successor.pid)

    def look_ahead(self, now: float, dead: Mapping[int, str]) -> bool:
        """True once, when the successor serves and it is time for us to leave. `dead`: {pid: reason}."""
        successor = self._successor
        if successor is None:
            return False
        if successor.pid in dead:
            _log.error("upgrade failed: new master (pid %d) died, %s", successor.pid, dead[successor.pid])
            self._forget_successor()
            return False
        progress = successor.progress(now)
        if progress is Progress.LATE:
            _log.error("upgrade failed: new master (pid %d) was not ready in time", successor.pid)
            successor.give_up(now)
        if progress is not Progress.READY:
            return False
        _log.info("upgrade: new master (pid %d) is ready, draining", successor.pid)
        self.notifier.main_pid(successor.pid)
        successor.go()
        self._forget_successor()
        self.is_done = True
        return True

    def abandon(self, now: float) -> None:
        """Whoever stops the gateway means the one that is about to replace us, too."""
        if self._successor is not None:
            self._successor.give_up(now)
            self._forget_successor()

    def _forget_successor(self) -> None:
        if self._successor is not None:
            self._successor.link.close()
        self._successor = None

    # --- from a predecessor --------------------------------------------------------------------------------------

    def report_ready(self) -> bool:
        """False when there is nobody to report to: we are the master already."""
        if self.predecessor is None:
            return False
        self.predecessor.report_ready()
        return True

    def look_back(self) -> bool:
        """True once, when we become the master."""
        if self.predecessor is None or not self.predecessor.has_left():
            return False
        self.predecessor.link.close()
        self.predecessor = None
        self.pid_file.install()
        _log.info("upgrade: pid %d is the master now", os.getpid())
        return True
