"""A worker's journal: claimed at its start, looked after at every tick, and told about in the arena.

A journal that cannot be had (a full disk, no rights) does not keep the worker from living: it is tried for again every
second, and until then the snapshot's `when_full` decides about requests, as it does about a journal without room.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from fastproxy.gateway.books import Books
from fastproxy.gateway.exchange import Exchange
from fastproxy.shared import rows
from fastproxy.shared.journal import Journal, JournalError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.server.plan import JournalPlan
    from fastproxy.wire.inbound import Inbound

_EVERY: Final = 10  # ticks between two tries at a journal that cannot be had, and between two looks at long replies
_log = logging.getLogger("fastproxy")


class Bookkeeping:
    """`books` is what the gateway writes into; it stays the same whatever becomes of the journal behind it."""

    __slots__ = ("_complained", "_lost", "_plan", "_spilled", "_ticks", "books")

    def __init__(self, plan: JournalPlan, *, refuses: bool) -> None:
        self._plan = plan
        self._complained = False
        self._lost = self._spilled = 0  # told so far
        self._ticks = 0
        self.books = Books(refuses=refuses)
        self._claim()

    def tick(self, clients: Iterable[Inbound]) -> None:
        """Ten times a second."""
        self._ticks += 1
        if self.books.journal is None:
            if self._ticks % _EVERY == 0:
                self._claim()
        elif self._ticks % _EVERY == 0:
            self.books.progress([inbound.exchange for inbound in clients if isinstance(inbound.exchange, Exchange)])
        self.books.tick()

    def count(self, counts: list[int]) -> None:
        """Add what has happened since the last call."""
        journal, books = self.books.journal, self.books
        lost = books.lost
        spilled = journal.spilled if journal is not None else 0
        counts[rows.JOURNAL_LOST] += lost - self._lost
        counts[rows.JOURNAL_SPILLED] += spilled - self._spilled
        counts[rows.JOURNAL_UNREAD] = journal.unread if journal is not None else 0
        self._lost, self._spilled = lost, spilled

    def close(self) -> None:
        """A last write of everything, and the ring is free for the next worker."""
        if self.books.journal is not None:
            self.books.tick()
            self.books.journal.close()

    def _claim(self) -> None:
        plan = self._plan
        try:
            journal = Journal.claim(plan.directory, plan.size, plan.spill)
        except JournalError as error:
            if not self._complained:
                self._complained = True
                _log.error("nothing can be recorded until this is mended: %s", error)
            return
        if self._complained:
            self._complained = False
            _log.warning("requests are recorded again")
        journal.start_sync()
        self.books.journal = journal
