"""What runs in a state directory, read from outside: the pid file and the arena, nothing is asked of the processes.

read_status() gives {"master", "admin" (pid or None), "state", "generation", "uptime_s", "restarts", "hangs", "reloads",
"reload_failures", "lagging": [slots], "workers": [{"slot", "pid", "state", "connections", "requests", "generation",
"heartbeat_age_ms", "uptime_s", "swaps", "longest_swap_ms"}]}. A worker that is just being replaced is listed with its
pid gone: "pid": 0, "state": "stopped". One lags when it serves with another generation than the newest.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from fastproxy.server.pidfile import live_master
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STATES: Final = {rows.STARTING: "starting", rows.READY: "ready", rows.DRAINING: "draining", rows.STOPPED: "stopped"}
_COLUMNS: Final = ("slot", "pid", "state", "connections", "requests", "generation", "heartbeat_age_ms", "uptime_s")


class NotRunning(Exception):
    """No master runs in this state directory, or its arena cannot be read."""


def open_arena(state_dir: str) -> tuple[int, Arena]:
    """(pid of the live master, its arena). Raises NotRunning."""
    master = live_master(state_dir)
    if master is None:
        raise NotRunning(f"no fastproxy runs with state directory {os.path.abspath(state_dir)}")
    try:
        return master, Arena.open(os.path.join(state_dir, f"arena.{master}"))
    except (OSError, ValueError) as error:
        raise NotRunning(f"master {master} has no readable arena: {error}") from error


def read_status(state_dir: str) -> dict[str, Any]:
    """The state of the gateway that runs with this directory. Raises NotRunning."""
    master, arena = open_arena(state_dir)
    column, admin = arena.column(rows.MASTER_COLUMN), arena.column(rows.ADMIN_COLUMN)
    workers = [_worker(slot, cells) for slot, cells in worker_columns(arena)]
    newest = column[rows.GENERATION]
    return {
        "master": master,
        "admin": admin[rows.PID] or None,
        "state": _STATES.get(column[rows.STATE], "unknown"),
        "generation": newest,
        "uptime_s": _age_s(column),
        "restarts": column[rows.RESTARTS],
        "hangs": column[rows.HANGS],
        "reloads": column[rows.RELOADS] + admin[rows.RELOADS],
        "reload_failures": column[rows.RELOAD_FAILURES] + admin[rows.RELOAD_FAILURES],
        "lagging": [one["slot"] for one in workers if one["state"] == "ready" and one["generation"] < newest],
        "workers": workers,
    }


def worker_columns(arena: Arena) -> Iterator[tuple[int, memoryview[int]]]:
    """(slot, column) of every worker that runs or is about to: one that never started has no STARTED."""
    owners = arena.column(rows.MASTER_COLUMN)[rows.OWNER : rows.OWNER + rows.MAX_SLOTS].tolist()
    slots = max((slot + 1 for slot, owner in enumerate(owners) if owner), default=0)
    for slot in range(slots):
        column = arena.column(rows.WORKER_COLUMN + slot)
        if column[rows.PID] or slot + 1 in owners:
            yield slot, column


def render(status: Mapping[str, Any]) -> str:
    """The same for people."""
    admin = f"admin {status['admin']}" if status["admin"] else "no admin"
    head = (
        f"master {status['master']} {status['state']}, {admin}, up {_duration(status['uptime_s'])}, "
        f"generation {status['generation']}, {status['restarts']} restarts"
    )
    if status["lagging"]:
        head += f", not used yet by {', '.join(map(str, status['lagging']))}"
    table = [list(_COLUMNS), *([str(worker[name]) for name in _COLUMNS] for worker in status["workers"])]
    widths = [max(len(line[place]) for line in table) for place in range(len(_COLUMNS))]
    lines = ["  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in table]
    return "\n".join([head, *lines])


def _worker(slot: int, column: memoryview[int]) -> dict[str, Any]:
    return {
        "slot": slot,
        "pid": column[rows.PID],
        "connections": column[rows.CLIENTS_OPEN],
        "requests": column[rows.REQUESTS],
        "generation": column[rows.GENERATION],
        # CLOCK_MONOTONIC is one clock for all processes of a machine
        "heartbeat_age_ms": max(int(time.monotonic() * 1000) - column[rows.HEARTBEAT], 0),
        "uptime_s": _age_s(column),
        "state": _STATES.get(column[rows.STATE], "unknown"),
        "swaps": column[rows.SWAPS],
        "longest_swap_ms": column[rows.SWAP_US_MAX] / 1000,
    }


def _age_s(column: memoryview[int]) -> float:
    return round(max(time.time() - column[rows.STARTED] / 1000, 0.0), 1)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (rest, "s"))
    shown = [f"{value}{unit}" for value, unit in parts if value]
    return " ".join(shown[:2]) or "0s"
