"""Where this master keeps what its workers put away for clients: a file of the state directory, or memory.

A shelf is a convenience, so nothing that is wrong with it keeps the gateway from starting: memory takes its place, and
the log says so.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

from fastproxy.shared.sealing import Sealer
from fastproxy.shared.shelf import Shelf

if TYPE_CHECKING:
    from fastproxy.server.plan import MasterPlan

NAME: Final = "shelf"
_log = logging.getLogger("fastproxy")


def open_shelf(plan: MasterPlan, *, is_only_master: bool) -> Shelf:
    """As the plan says. What an earlier master left in a file goes when no file is wanted any more, unless that one
    still runs: it would stay if this one fails."""
    told = plan.shelf
    path = os.path.join(plan.state_dir, NAME)
    if told.store != "file":
        if is_only_master:
            with contextlib.suppress(OSError):
                os.unlink(path)
        return Shelf.in_memory(told.region_bytes)
    try:
        _has_room(path, plan.workers * told.region_bytes)
        shelf, is_anew = Shelf.open(path, told.region_bytes, Sealer(told.key))
    except OSError as error:
        why = error.strerror.lower() if error.strerror else str(error)
        _log.warning("what is kept for clients will not survive a restart: %s cannot be used: %s", path, why)
        return Shelf.in_memory(told.region_bytes)
    if is_anew:
        _log.warning("%s was of another version or size: what was kept for clients is gone", path)
    return shelf


def _has_room(path: str, wanted: int) -> None:
    """Raises OSError when the disk would be full before the shelf is."""
    free = os.statvfs(os.path.dirname(path) or ".")
    room = free.f_bavail * free.f_frsize
    with contextlib.suppress(FileNotFoundError):
        room += os.stat(path).st_blocks * 512
    if room < wanted:
        raise OSError(f"it may grow to {wanted >> 20} MiB, and the disk has {room >> 20} MiB left")
