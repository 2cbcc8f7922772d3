"""Keeps the long tasks of the admin process going: one that fails is logged and started again, later each time.

    RUNNING ── raised ──► WAITING (0.5 s, doubling, 30 s at most) ──► RUNNING
       └────── returned: its work is done; cancelled: the process ends

A task that had run well for a minute starts over with the shortest wait. Nothing that goes wrong in one of them ends
another, or the process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
RUNS_WELL_S: Final = 60.0

_log = logging.getLogger("fastproxy")


def next_wait(wait_s: float, ran_s: float) -> float:
    """How long to wait after this failure, from the last wait (0: none yet) and how long the task has run."""
    if not wait_s or ran_s >= RUNS_WELL_S:
        return FIRST_WAIT_S
    return min(2 * wait_s, LONGEST_WAIT_S)


async def keep(
    name: str,
    run: Callable[[], Coroutine[object, object, None]],
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run the task until it returns, as often as that takes; `name` is for the log."""
    wait_s = 0.0
    while True:
        started = clock()
        # gather hands over whatever the task raised; when we are cancelled, it cancels the task and passes that on
        [error] = await asyncio.gather(run(), return_exceptions=True)
        if error is None:
            return
        wait_s = next_wait(wait_s, clock() - started)
        _log.error("%s failed, it is started again in %.1f s", name, wait_s, exc_info=error)
        await pause(wait_s)
