"""Two workers beside one: how much more a proxy does when it gets a second core.

Needs four CPUs: wrk and the upstream each have their own, the proxy two. With fewer the load would sit on the proxy's
second core and the figure would be about the load; the table then says that it was not measured. `busy` near the number
of workers means that the proxy was at its limit, anything less that the load was.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import load, processes, targets
from bench.cases import CONNECTIONS, SCALING_CPUS, Case
from bench.processes import Place

if TYPE_CHECKING:
    from pathlib import Path

    from bench.course import Terms
    from bench.load import Scripts
    from bench.peers.peer import Peer


@dataclass(frozen=True, slots=True)
class ScalingLane:
    """Requests per second and cores used, with one worker and with two."""

    rate_1: float
    rate_2: float
    busy_1: float
    busy_2: float
    errors: int


def obstacle() -> str:
    """Why it cannot be measured on this machine; empty when it can."""
    count = len(processes.USABLE)
    return "" if count >= SCALING_CPUS else f"not measured: needs {SCALING_CPUS} CPUs, this machine has {count}"


def measure(case: Case, peer: Peer, where: tuple[Path, int], scripts: Scripts, terms: Terms) -> list[ScalingLane]:
    """Both sizes of one peer are up at once and loaded in turns. `where`: the scratch folder, the upstream's port."""
    folder, port = where
    places = (Place(tuple(processes.USABLE[-1:])), Place(tuple(processes.USABLE[-2:])))
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(
                targets.started(peer, folder, case.job(port, processes.open_files(), n), f"{peer.name}_{n}", place)
            )
            for n, place in enumerate(places, 1)
        )
        seen: list[ScalingLane] = []
        for turn in range(terms.pairs):
            order = (one, two) if turn % 2 == 0 else (two, one)
            by_name = {
                target.name: load.run(target, scripts.of("short", target.fields), terms.seconds, CONNECTIONS)
                for target in order
            }
            a, b = by_name[one.name], by_name[two.name]
            seen.append(ScalingLane(a.rate, b.rate, a.busy, b.busy, a.errors + b.errors))
    return seen
