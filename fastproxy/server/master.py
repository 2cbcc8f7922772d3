"""The master: binds, forks, watches, reloads, upgrades. It has no event loop, parses nothing and touches no connection.

One turn of its life: wait for signals (at most a tick), act on them, then look at everything else: who became ready,
who died, who is hung, who owns which sockets, how far the upgrade or the shutdown is. Decisions about one process stand
in children.py, about all of them in crew.py, about sockets in sockets.py and owners.py; this file is the order of
events, and run.py builds it.

    RUNNING ── TERM, INT, handed over ──────► DRAINING ── all processes gone ──► GONE
       └────── QUIT, workers die at start ──► STOPPING ────────┘   (DRAINING + INT or QUIT ──► STOPPING)

Drain order: workers first, then the other roles (they serve the workers), each with a deadline and SIGKILL behind it.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from enum import Enum
from signal import SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, Signals
from typing import TYPE_CHECKING, Final

from fastproxy.errors import ConfigError
from fastproxy.server.crew import DEADLY_FAILURES
from fastproxy.server.plan import ExitCode
from fastproxy.server.upgrade import Progress, Successor
from fastproxy.shared import rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from fastproxy.server.crew import Crew
    from fastproxy.server.notify import Notifier
    from fastproxy.server.pidfile import PidFile
    from fastproxy.server.plan import MasterPlan
    from fastproxy.server.signals import SignalQueue
    from fastproxy.server.sockets import Listeners
    from fastproxy.server.upgrade import Predecessor
    from fastproxy.shared.board import Board

TICK_S: Final = 0.1
RESTLESS_TICK_S: Final = 0.02

_log = logging.getLogger("fastproxy")


class Phase(Enum):
    RUNNING = "running"
    DRAINING = "draining"
    STOPPING = "stopping"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Tools:
    """What the master works with."""

    plan: MasterPlan
    crew: Crew
    listeners: Listeners
    board: Board
    signals: SignalQueue
    notifier: Notifier


@dataclass(slots=True)
class Claim:
    """Our pid file; it counts only when there is no predecessor (any more)."""

    pid_file: PidFile
    predecessor: Predecessor | None

    @property
    def is_ours(self) -> bool:
        return self.predecessor is None


class Master:
    __slots__ = ("_actions", "_born", "_claim", "_column", "_exit_code", "_is_up", "_phase", "_successor", "_tools")

    def __init__(self, tools: Tools, claim: Claim) -> None:
        self._tools = tools
        self._claim = claim
        self._successor: Successor | None = None
        self._column = tools.crew.children.arena.column(rows.MASTER_COLUMN)
        self._phase = Phase.RUNNING
        self._is_up = False
        self._exit_code = ExitCode.OK
        self._born = time.monotonic()
        self._actions: dict[int, Callable[[], None]] = {
            SIGTERM: self._drain,
            SIGINT: self._interrupt,
            SIGQUIT: self._quit,
            SIGHUP: self._reload,
            SIGUSR1: tools.crew.pass_on_usr1,
            SIGUSR2: self._upgrade,
            SIGTTIN: self._more,
            SIGTTOU: self._fewer,
        }

    def run(self) -> ExitCode:
        """Live until everybody is gone."""
        self._tools.crew.private = self._links()
        self._tools.crew.start()
        while self._phase is not Phase.GONE:
            tick = RESTLESS_TICK_S if self._tools.crew.is_restless else TICK_S
            for number in self._tools.signals.wait(tick, self._links()):
                self._act(number)
            self._turn(time.monotonic())
        return self._exit_code

    def close_sockets(self) -> None:
        """The paths of Unix sockets stay when another master, older or younger, lives on them."""
        self._tools.listeners.close(unlink=self._claim.is_ours and not self._has_handed_over)

    # --- signals -------------------------------------------------------------------------------------------------

    def _act(self, number: int) -> None:
        action = self._actions.get(number)
        if action is None:
            return  # SIGCHLD: being awake is enough
        try:
            action()
        except Exception:
            # the one broad except of this process: whatever an order led to, those who serve must not lose their master
            _log.exception("%s failed", Signals(number).name)

    def _drain(self) -> None:
        if self._phase is not Phase.RUNNING:
            return
        _log.info("draining, for at most %.0f s", self._tools.plan.drain_timeout)
        self._tools.notifier.stopping()
        self._abandon_successor()
        self._leave()

    def _interrupt(self) -> None:
        """The first Ctrl-C is polite, the second one is not."""
        if self._phase is Phase.RUNNING:
            self._drain()
        else:
            self._quit()

    def _quit(self) -> None:
        if self._phase in {Phase.STOPPING, Phase.GONE}:
            return
        _log.info("stopping now")
        self._tools.notifier.stopping()
        self._abandon_successor()
        self._phase = Phase.STOPPING
        self._tools.crew.quit(time.monotonic())

    def _reload(self) -> None:
        if self._phase is not Phase.RUNNING:
            return
        self._tools.notifier.reloading()
        try:
            generation = self._tools.board.publish(self._tools.plan.reload())
        except (ConfigError, OSError) as error:
            self._column[rows.RELOAD_FAILURES] += 1
            _log.error("reload refused, the old configuration stays: %s", error)
        else:
            self._column[rows.RELOADS] += 1
            _log.info("configuration reloaded, generation %d", generation)
        self._tools.notifier.ready("serving")

    def _upgrade(self) -> None:
        if self._phase is not Phase.RUNNING or not self._is_up or not self._claim.is_ours:
            _log.warning("upgrade refused: not in full service")
        elif self._successor is not None:
            _log.warning("upgrade refused: one is under way, pid %d", self._successor.pid)
        elif os.getpid() == 1:
            _log.warning("upgrade refused: process 1 cannot leave without ending its container")
        else:
            tools = self._tools
            self._successor = Successor.start(tools.plan, tools.listeners, tools.signals, time.monotonic())
            tools.crew.private = self._links()
            _log.info("upgrade: new master started, pid %d", self._successor.pid)

    def _more(self) -> None:
        if self._phase is Phase.RUNNING:
            self._tools.crew.more()

    def _fewer(self) -> None:
        if self._phase is Phase.RUNNING:
            self._tools.crew.fewer(time.monotonic())

    # --- every turn ----------------------------------------------------------------------------------------------

    def _turn(self, now: float) -> None:
        self._column[rows.HEARTBEAT] = int(now * 1000)
        self._tools.notifier.watchdog(now)
        crew = self._tools.crew
        strangers = crew.look(now)
        if self._phase is Phase.RUNNING:
            crew.mend(now)
            self._watch_start(now)
            self._watch_successor(now, strangers)
            self._watch_predecessor()
        else:
            self._watch_end(now)

    def _watch_start(self, now: float) -> None:
        """Until every worker has been ready at once for the first time."""
        if self._is_up:
            return
        if self._tools.crew.is_hopeless:
            _log.critical("a worker died %d times in a row without ever being ready, giving up", DEADLY_FAILURES)
            self._exit_code = ExitCode.WORKERS_DIE
            self._quit()
        elif self._tools.crew.is_ready:
            self._is_up = True
            self._come_up(now)

    def _come_up(self, now: float) -> None:
        tools = self._tools
        tools.listeners.listen_on_all()
        tools.crew.share_sockets(now)
        self._column[rows.STATE] = rows.READY
        workers = next((role.name for role in tools.plan.roles if role.sockets), "")
        bound = tools.listeners.bound(workers)
        places = ", ".join(f"{role} on {' and '.join(where)}" for role, where in bound.items())
        _log.info("ready after %.2f s, pid %d: %s", now - self._born, os.getpid(), places or "no sockets")
        if self._claim.predecessor is not None:
            self._claim.predecessor.report_ready()
        else:
            tools.notifier.ready("serving")
            tools.plan.announce(bound)

    def _watch_successor(self, now: float, strangers: dict[int, str]) -> None:
        successor = self._successor
        if successor is None:
            return
        if successor.pid in strangers:
            _log.error("upgrade failed: new master (pid %d) died, %s", successor.pid, strangers[successor.pid])
            self._forget_successor()
            return
        progress = successor.progress(now)
        if progress is Progress.LATE:
            _log.error("upgrade failed: new master (pid %d) was not ready in time", successor.pid)
            successor.give_up(now)
        elif progress is Progress.READY:
            _log.info("upgrade: new master (pid %d) is ready, draining", successor.pid)
            self._tools.notifier.main_pid(successor.pid)
            successor.go()
            self._leave()

    def _watch_predecessor(self) -> None:
        predecessor = self._claim.predecessor
        if predecessor is not None and predecessor.has_left():
            predecessor.link.close()
            self._claim.predecessor = None
            self._claim.pid_file.install()
            self._tools.crew.private = self._links()
            if self._is_up:
                self._tools.notifier.ready("serving")
            _log.info("upgrade: pid %d is the master now", os.getpid())

    def _watch_end(self, now: float) -> None:
        crew = self._tools.crew
        if self._phase is Phase.DRAINING and not any(place.is_alive for place in crew.children.workers()):
            crew.drain_others(now)
        if not crew.children.alive():
            self._phase = Phase.GONE

    # --- private -------------------------------------------------------------------------------------------------

    @property
    def _has_handed_over(self) -> bool:
        return self._successor is not None and self._phase is not Phase.RUNNING

    def _leave(self) -> None:
        """Start to drain. Our copies of the sockets go at once: a worker that has stopped was the last to hold them."""
        now = time.monotonic()
        self._phase = Phase.DRAINING
        self._column[rows.STATE] = rows.DRAINING
        self._tools.crew.drain_workers(now)
        if self._has_handed_over:
            self._tools.crew.drain_others(now, only_first=True)
        self.close_sockets()

    def _abandon_successor(self) -> None:
        """Whoever stops the gateway means the one that is about to replace us, too."""
        if self._successor is not None and not self._has_handed_over:
            self._successor.give_up(time.monotonic())
            self._forget_successor()

    def _forget_successor(self) -> None:
        if self._successor is not None:
            self._successor.link.close()
        self._successor = None
        self._tools.crew.private = self._links()

    def _links(self) -> list[socket]:
        """Sockets that are the master's alone, to watch and to keep from the children."""
        found = [] if self._successor is None or self._phase is not Phase.RUNNING else [self._successor.link]
        if self._claim.predecessor is not None:
            found.append(self._claim.predecessor.link)
        return found
