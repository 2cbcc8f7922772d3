"""The crew at work: keeps as many processes running as are wanted, and every listening socket in somebody's hands.

children.py knows what the life of one process is at; here stand the moves: start, replace, kill the hung, one worker
more or less, everybody out. It must never know of signals to the master, of reloads or upgrades.
"""

from __future__ import annotations

import logging
import math
import os
from signal import SIGKILL, SIGQUIT, SIGTERM, SIGUSR1
from typing import TYPE_CHECKING, Final

from fastproxy.server.children import YOUNG_S, Death, Life, Place, kill_overdue, stop
from fastproxy.server.owners import NOBODY, assign
from fastproxy.server.watch import Watch
from fastproxy.shared import rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from socket import socket

    from fastproxy.server.children import Children
    from fastproxy.server.plan import MasterPlan
    from fastproxy.server.spawn import Nursery

DEADLY_FAILURES: Final = 5  # deaths in a row, before a worker was ever ready, that make a start hopeless
START_TIMEOUT_S: Final = 30.0  # a worker that is not ready by then is as good as hung
DRAIN_MARGIN_S: Final = 2.0  # a worker keeps its own deadline; this is for one that does not
OTHERS_DRAIN_S: Final = 5.0
QUIT_S: Final = 2.0

_log = logging.getLogger("fastproxy")


class Crew:
    __slots__ = ("_column", "_nursery", "_owners", "_plan", "_watch", "children", "private")

    def __init__(self, plan: MasterPlan, nursery: Nursery, now: float) -> None:
        self._plan = plan
        self._nursery = nursery
        self.children: Children = nursery.children
        self._column = self.children.arena.column(rows.MASTER_COLUMN)
        self._watch = Watch(plan.heartbeat_timeout, now)
        self._owners = [NOBODY] * len(nursery.listeners.slots)
        self.private: list[socket] = []  # the master's own, to be closed in every child

    # --- start ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        wanted = [place for place in self.children.places if place.slot < place.role.count]
        self._own({place.slot for place in wanted if place.role.sockets})
        for place in wanted:
            self._fork(place)

    @property
    def is_ready(self) -> bool:
        """Every worker that is wanted serves."""
        return all(place.life in {Life.READY, Life.EMPTY, Life.STOPPING} for place in self.children.workers())

    @property
    def is_hopeless(self) -> bool:
        """A worker dies again and again and has never been ready. Asked only until the first start succeeded."""
        return any(not place.was_ready and place.failures >= DEADLY_FAILURES for place in self.children.workers())

    @property
    def is_restless(self) -> bool:
        """Something is about to change: look again soon."""
        return any(place.life in {Life.STARTING, Life.WAITING} for place in self.children.places)

    # --- every turn ----------------------------------------------------------------------------------------------

    def look(self, now: float) -> dict[int, str]:
        """Who became ready, who died. Returns the dead that are none of ours, as {pid: reason}."""
        self._watch.tick(now)
        for place in self.children.notice_ready():
            _log.debug("%s (pid %d) is ready after %.2f s", place.name, place.pid, now - place.started)
        deaths, strangers = self.children.reap()
        for death in deaths:
            self._mourn(death, now)
        for place in kill_overdue(self.children.places, now):
            _log.warning("%s (pid %d) did not stop in time, killed", place.name, place.pid)
        return strangers

    def mend(self, now: float) -> None:
        """Replace who is missing, kill who is hung, and give the sockets to those who serve."""
        for place in self.children.places:
            if place.life is Life.WAITING and now >= place.respawn_at:
                self._fork(place)
            elif self._is_hung(place, now):
                self._kill(place, now)
        self.share_sockets(now)

    def share_sockets(self, now: float) -> None:
        self._own({place.slot for place in self.children.workers() if self._serves(place, now)})

    # --- one more, one less, all out -----------------------------------------------------------------------------

    def more(self) -> None:
        place = next((place for place in self.children.workers() if place.life is Life.EMPTY), None)
        if place is None:
            _log.warning("no free slot for one more worker: %d were opened at start", len(self._owners))
            return
        place.failures = 0
        self._fork(place)

    def fewer(self, now: float) -> None:
        running = [place for place in self.children.workers() if place.life not in {Life.EMPTY, Life.STOPPING}]
        if len(running) < 2:
            _log.warning("the last worker stays: to stop the gateway send TERM")
            return
        leaving = running[-1]
        # first the sockets, then the signal: it must not stop accepting before somebody else may
        self._own({place.slot for place in running[:-1] if self._serves(place, now)})
        self._stop([leaving], now, self._plan.drain_timeout + DRAIN_MARGIN_S)

    def drain_workers(self, now: float) -> None:
        self._stop(self.children.workers(), now, self._plan.drain_timeout + DRAIN_MARGIN_S)

    def drain_others(self, now: float, *, only_first: bool = False) -> None:
        leaving = [place for place in self.children.others() if place.role.leaves_first or not only_first]
        self._stop([place for place in leaving if place.life is not Life.STOPPING], now, OTHERS_DRAIN_S)

    def pass_on_usr1(self) -> None:
        """Log files were moved: whoever writes one opens it again. A role that does not listen for it ignores it."""
        for place in self.children.places:
            if place.life is Life.READY:
                os.kill(place.pid, SIGUSR1)

    def quit(self, now: float) -> None:
        for place in self.children.places:
            stop(place, SIGQUIT, now + QUIT_S)

    # --- private -------------------------------------------------------------------------------------------------

    def _stop(self, places: Iterable[Place], now: float, within: float) -> None:
        for place in places:
            if place.is_alive:
                _log.info("%s (pid %d) is told to drain", place.name, place.pid)
            stop(place, SIGTERM, now + within)

    def _fork(self, place: Place) -> None:
        try:
            pid = self._nursery.fork(place, self.private)
        except OSError as error:
            _log.error("%s cannot be started: %s", place.name, error)
            self.children.not_born(place)
        else:
            _log.info("%s started, pid %d", place.name, pid)

    def _mourn(self, death: Death, now: float) -> None:
        place = death.place
        if death.was is Life.STOPPING:
            _log.info("%s (pid %d) stopped, %s", place.name, death.pid, death.reason)
            return
        _log.error("%s (pid %d) died, %s", place.name, death.pid, death.reason)
        if place.life is Life.WAITING:
            self._column[rows.RESTARTS] += int(place.role.sockets)
            if place.respawn_at > now:
                _log.warning("%s starts again in %.1f s", place.name, place.respawn_at - now)

    def _is_hung(self, place: Place, now: float) -> bool:
        if place.kill_at < math.inf:
            return False  # killed already, not reaped yet
        if place.life is Life.STARTING:
            return place.role.sockets and self._watch.silence(place.started, now) > START_TIMEOUT_S
        return place.can_be_watched and self._watch.is_hung(place.heartbeat, now)

    def _kill(self, place: Place, now: float) -> None:
        silence = self._watch.silence(place.heartbeat, now)
        _log.error("%s (pid %d) gave no sign of life for %.1f s, killed", place.name, place.pid, silence)
        self._column[rows.HANGS] += 1
        place.kill_at = now + QUIT_S
        os.kill(place.pid, SIGKILL)

    def _serves(self, place: Place, now: float) -> bool:
        """It accepts, or it is only just being replaced: moving its sockets away and back would cost more."""
        if place.life is Life.READY:
            return not self._watch.is_suspect(place.heartbeat, now)
        if place.life not in {Life.STARTING, Life.WAITING}:
            return False
        held = self._owners[place.slot] == place.slot
        return held and place.failures <= 1 and now - place.started < YOUNG_S

    def _own(self, serving: set[int]) -> None:
        """Publish who accepts where; TOPOLOGY tells the workers to look."""
        owners = assign(self._owners, serving, self._nursery.listeners.silent)
        if owners == self._owners:
            return
        self._owners = owners
        for slot, owner in enumerate(owners):
            self._column[rows.OWNER + slot] = owner + 1
        self._column[rows.TOPOLOGY] += 1
