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

from fastproxy.server.crew import DEADLY_FAILURES
from fastproxy.server.plan import ExitCode
from fastproxy.server.reloads import Reloads
from fastproxy.shared import rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.server.crew import Crew
    from fastproxy.server.handover import Handover
    from fastproxy.server.notify import Notifier
    from fastproxy.server.plan import MasterPlan
    from fastproxy.server.signals import SignalQueue
    from fastproxy.server.sockets import Listeners
    from fastproxy.server.spawn import Shared

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
    shared: Shared
    signals: SignalQueue
    notifier: Notifier
    handover: Handover


class Master:
    __slots__ = ("_actions", "_born", "_column", "_exit_code", "_is_up", "_phase", "_reloads", "_tools")

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._column = tools.crew.children.arena.column(rows.MASTER_COLUMN)
        self._phase = Phase.RUNNING
        self._is_up = False
        self._exit_code = ExitCode.OK
        self._born = time.monotonic()
        self._reloads = Reloads(tools.plan, tools.shared, tools.crew.children.arena, tools.notifier)
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
        tools = self._tools
        tools.crew.private = tools.handover.links()
        tools.crew.start()
        while self._phase is not Phase.GONE:
            tick = RESTLESS_TICK_S if tools.crew.is_restless else TICK_S
            for number in tools.signals.wait(tick, tools.handover.links()):
                self._act(number)
            tools.crew.private = tools.handover.links()
            self._turn(time.monotonic())
        return self._exit_code

    def close_sockets(self) -> None:
        """The paths of Unix sockets stay when another master, older or younger, lives on them."""
        self._tools.listeners.close(unlink=self._tools.handover.is_alone)

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
        self._tools.handover.abandon(time.monotonic())
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
        self._tools.handover.abandon(time.monotonic())
        self._phase = Phase.STOPPING
        self._tools.crew.quit(time.monotonic())

    def _reload(self) -> None:
        if self._phase is not Phase.RUNNING:
            return
        self._reloads.ask(time.monotonic())

    def _upgrade(self) -> None:
        if self._phase is not Phase.RUNNING or not self._is_up:
            _log.warning("upgrade refused: not in full service")
            return
        tools = self._tools
        tools.handover.start(tools.plan, tools.listeners, tools.signals, time.monotonic())

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
            self._watch_handover(now, strangers)
            self._reloads.look(now)
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
        if not tools.handover.report_ready():
            tools.notifier.ready("serving")
            tools.plan.announce(bound)

    def _watch_handover(self, now: float, strangers: dict[int, str]) -> None:
        if self._tools.handover.look_back() and self._is_up:
            self._tools.notifier.ready("serving")
        if self._tools.handover.look_ahead(now, strangers):
            self._leave()

    def _watch_end(self, now: float) -> None:
        crew = self._tools.crew
        if self._phase is Phase.DRAINING and not any(place.is_alive for place in crew.children.workers()):
            crew.drain_others(now)
        if not crew.children.alive():
            self._phase = Phase.GONE

    # --- private -------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Start to drain. Our copies of the sockets go at once: a worker that has stopped was the last to hold them."""
        now = time.monotonic()
        self._phase = Phase.DRAINING
        self._column[rows.STATE] = rows.DRAINING
        self._tools.crew.drain_workers(now)
        if self._tools.handover.is_done:
            self._tools.crew.drain_others(now, only_first=True)
        self.close_sockets()
