"""Memory of a proxy over a load: idle, at its highest while loaded with short and with long requests, and afterwards.

PSS of the whole process tree. What the kernel keeps for sockets is not in it. `after` is taken SETTLE_S after the last
connection has closed: what stays then, stays.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import cpu, load

if TYPE_CHECKING:
    from bench.load import Lane, Scripts
    from bench.targets import Target

SAMPLE_S = 0.2
SETTLE_S = 3.0
MIB = 2**20


@dataclass(frozen=True, slots=True)
class MemoryLane:
    """MiB of PSS at the three times; `errors` and `rate` are those of the load with short requests."""

    idle_mib: float
    loaded_mib: float
    after_mib: float
    rate: float
    errors: int


def measure(target: Target, scripts: Scripts, seconds: float, connections: int) -> MemoryLane:
    idle = cpu.pss_bytes(target.pid)
    highest, lanes = idle, []
    for body in ("short", "long"):
        seen, top = _watched(target, scripts, (body, seconds, connections))
        highest = max(highest, top)
        lanes.append(seen)
    time.sleep(SETTLE_S)
    return MemoryLane(
        idle_mib=idle / MIB,
        loaded_mib=highest / MIB,
        after_mib=cpu.pss_bytes(target.pid) / MIB,
        rate=lanes[0].rate,
        errors=sum(seen.errors for seen in lanes),
    )


def _watched(target: Target, scripts: Scripts, what: tuple[str, float, int]) -> tuple[Lane, int]:
    """One lane, and the highest PSS that a look every SAMPLE_S saw meanwhile."""
    body, seconds, connections = what
    script = scripts.of(body, target.fields)
    highest = 0
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(load.run, target, script, seconds, connections)
        while not running.done():
            highest = max(highest, cpu.pss_bytes(target.pid))
            time.sleep(SAMPLE_S)
        return running.result(), highest
