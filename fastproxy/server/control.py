"""Orders to a running master from the command line: `fastproxy reload`.

The order is a signal; the answer is read from the arena, where the master counts reloads and refusals, and every worker
tells which generation it uses.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Final

from fastproxy.server.status import open_arena, worker_columns
from fastproxy.shared import rows

if TYPE_CHECKING:
    from fastproxy.shared.arena import Arena

_POLL_S: Final = 0.02


class ReloadFailed(Exception):
    """The master refused the new configuration, or somebody did not take it in time."""


def reload(state_dir: str, timeout: float = 10.0) -> int:
    """Make the master read its configuration again; return the generation that all workers use now.

    Raises NotRunning when there is no master, ReloadFailed when the old configuration stays (the reason stands in the
    master's log) or a worker has not switched within `timeout` seconds.
    """
    master, arena = open_arena(state_dir)
    column = arena.column(rows.MASTER_COLUMN)
    before = column[rows.GENERATION]
    refused = column[rows.RELOAD_FAILURES]
    os.kill(master, signal.SIGHUP)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if column[rows.RELOAD_FAILURES] > refused:
            raise ReloadFailed(f"master {master} refused the new configuration, its log says why; the old one stays")
        if column[rows.GENERATION] > before and not _behind(arena, column[rows.GENERATION]):
            return column[rows.GENERATION]
        time.sleep(_POLL_S)
    if column[rows.GENERATION] == before:
        raise ReloadFailed(f"master {master} did not answer within {timeout:g} s")
    slots = ", ".join(map(str, _behind(arena, column[rows.GENERATION])))
    raise ReloadFailed(
        f"generation {column[rows.GENERATION]} is published, but not used after {timeout:g} s by {slots}"
    )


def _behind(arena: Arena, generation: int) -> list[int]:
    """Slots of workers that serve with an older generation. Those that start will read the newest."""
    return [
        slot
        for slot, column in worker_columns(arena)
        if column[rows.STATE] == rows.READY and column[rows.GENERATION] < generation
    ]
