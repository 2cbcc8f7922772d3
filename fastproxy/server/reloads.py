"""Reloads, as the master sees them: it does them itself, or asks the process that publishes and waits for its answer.

    RELOAD_ASKED   in the master's column, one more for each HUP
    RELOAD_TAKEN   in the publisher's: up to which of these it has answered, with one more of RELOADS or RELOAD_FAILURES

A publisher that is just being replaced finds the question when it is back: both cells outlive it.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final

from fastproxy.errors import ConfigError
from fastproxy.publish.watched import Watched
from fastproxy.server.publishing import publish_all
from fastproxy.shared import rows

if TYPE_CHECKING:
    from fastproxy.server.notify import Notifier
    from fastproxy.server.plan import MasterPlan
    from fastproxy.server.spawn import Shared
    from fastproxy.shared.arena import Arena

ANSWER_S: Final = 20.0  # after which the service manager is told that we serve, whatever became of the reload
WATCH_S: Final = 1.0

_log = logging.getLogger("fastproxy")


class Reloads:
    __slots__ = ("_asked_at", "_column", "_look_at", "_notifier", "_plan", "_shared", "_takers", "_watched")

    def __init__(self, plan: MasterPlan, shared: Shared, arena: Arena, notifier: Notifier) -> None:
        self._plan = plan
        self._shared = shared
        self._notifier = notifier
        self._column = arena.column(rows.MASTER_COLUMN)
        self._takers = arena.column(rows.ADMIN_COLUMN)
        self._asked_at = math.inf
        self._watched = Watched(plan.watch)
        self._look_at = 0.0

    def ask(self, now: float) -> None:
        """At a HUP."""
        self._notifier.reloading()
        self._column[rows.RELOAD_ASKED] += 1
        if self._plan.publisher:
            self._asked_at = now
            return
        self._reload()
        self._column[rows.RELOAD_TAKEN] = self._column[rows.RELOAD_ASKED]
        self._notifier.ready("serving")

    def look(self, now: float) -> None:
        """At every turn: whether there is an answer, or another file."""
        if self._asked_at < math.inf and (self._is_answered or now > self._asked_at + ANSWER_S):
            self._asked_at = math.inf
            self._notifier.ready("serving")
        if self._plan.watch and now >= self._look_at:
            self._look_at = now + WATCH_S
            if self._watched.look():
                _log.info("%s has changed", self._plan.watch)
                self.ask(now)

    @property
    def _is_answered(self) -> bool:
        return self._takers[rows.RELOAD_TAKEN] >= self._column[rows.RELOAD_ASKED]

    def _reload(self) -> None:
        try:
            generation = publish_all(self._plan.reload(), self._shared.register, self._shared.board)
        except (ConfigError, OSError) as error:
            self._column[rows.RELOAD_FAILURES] += 1
            _log.error("reload refused, the old configuration stays: %s", error)
        else:
            self._column[rows.RELOADS] += 1
            _log.info("configuration reloaded, generation %d", generation)
