"""Orders to a running master from the command line: `fastproxy reload`.

The order is a signal; the answer is read from the arena, where whoever publishes (the admin process, or the master if
there is none) counts reloads and refusals, and every worker tells which generation it uses.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Final

from fastproxy.server.status import open_arena, worker_columns
from fastproxy.shared import rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.shared.arena import Arena

_POLL_S: Final = 0.02


class ReloadFailed(Exception):
    """The master refused the new configuration, or somebody did not take it in time."""


def reload(state_dir: str, timeout: float = 20.0) -> int:
    """Make the master read its configuration again; return the generation that all workers use now.

    Raises NotRunning when there is no master, ReloadFailed when the old configuration stays (the reason stands in its
    log) or a worker has not switched within `timeout` seconds.
    """
    master, arena = open_arena(state_dir)
    before = _sum(arena, rows.RELOAD_FAILURES)
    # A question that is asked from now on is answered with what the file says now, or later.
    question = arena.column(rows.MASTER_COLUMN)[rows.RELOAD_ASKED] + 1
    os.kill(master, signal.SIGHUP)
    deadline = time.monotonic() + timeout
    if not _comes_true(lambda: _sum(arena, rows.RELOAD_TAKEN) >= question, deadline):
        raise ReloadFailed(f"master {master} did not answer within {timeout:g} s")
    if _sum(arena, rows.RELOAD_FAILURES) > before:
        raise ReloadFailed(f"master {master} refused the new configuration, its log says why; the old one stays")
    generation = arena.column(rows.MASTER_COLUMN)[rows.GENERATION]
    if not _comes_true(lambda: not _behind(arena, generation), deadline):
        slots = ", ".join(map(str, _behind(arena, generation)))
        raise ReloadFailed(f"generation {generation} is published, but not used after {timeout:g} s by {slots}")
    return generation


def _comes_true(condition: Callable[[], bool], deadline: float) -> bool:
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _sum(arena: Arena, row: int) -> int:
    """Of the two that may publish: the master, or the admin process."""
    return arena.column(rows.MASTER_COLUMN)[row] + arena.column(rows.ADMIN_COLUMN)[row]


def _behind(arena: Arena, generation: int) -> list[int]:
    """Slots of workers that serve with an older generation. Those that start will read the newest."""
    return [
        slot
        for slot, column in worker_columns(arena)
        if column[rows.STATE] == rows.READY and column[rows.GENERATION] < generation
    ]
