"""A whole run: one lane, two targets in turns, or the search for the highest rate within a bound.

measure    one target under one plan
compare    A B, B A, A B …: a slow minute of the machine hits both; ratios are taken inside each pair
explore    short lanes at rates that a search chooses, until the highest rate below each bound is known
"""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fastproxy.config.cpus import usable_cpus
from fastproxy.loadtest.load import lane
from fastproxy.loadtest.load.frontier import Search
from fastproxy.loadtest.load.histogram import percentile
from fastproxy.loadtest.load.options import share
from fastproxy.loadtest.load.saturation import kept_up
from fastproxy.loadtest.load.shapes import Arrival, Frontier, Plan, Ratio, Run, Series, Stage, Tally
from fastproxy.loadtest.load.statistics import compare_pairs
from fastproxy.loadtest.load.tally import append, error_rate, rate

if TYPE_CHECKING:
    from fastproxy.loadtest.load.interrupt import Interrupt
    from fastproxy.loadtest.load.lane import Target

MIN_PAIRS: Final = 3
Seen = Callable[[str, Tally], None]


@dataclass(frozen=True, slots=True)
class Probe:
    """One try of a search: how long, and how many connections it may open, which must not be what it measures."""

    seconds: float
    connections: int


@dataclass(frozen=True, slots=True)
class Crew:
    """Who makes the load: how many processes, who is told how it goes, and who may end it."""

    processes: int
    seen: Seen
    interrupt: Interrupt

    def is_over(self) -> bool:
        """Whether somebody has asked for the end."""
        return self.interrupt.asked

    def lane(self, plan: Plan, target: Target) -> Series:
        """One lane. Raises: lane.LaneFailed."""
        plans = share(msgspec.structs.replace(plan, url=target.url), self.processes)
        return lane.series(plans, target, lambda tally: self.seen(target.name, tally), self.interrupt)


def measure(plan: Plan, target: Target, crew: Crew) -> list[Series]:
    return [crew.lane(plan, target)]


def compare(plan: Plan, targets: tuple[Target, Target], crew: Crew, pairs: int) -> tuple[list[Series], list[Ratio]]:
    """Two targets in `pairs` interleaved pairs of lanes. An interrupt ends it; a pair that is not whole is dropped."""
    lanes: dict[str, list[Series]] = {target.name: [] for target in targets}
    for target in _turns(targets, pairs):
        lane_of_it = crew.lane(plan, target)
        lanes[target.name].append(lane_of_it)
        if crew.is_over():
            return _compared(plan, (lanes[targets[0].name], lanes[targets[1].name]), lane_of_it)
    return _compared(plan, (lanes[targets[0].name], lanes[targets[1].name]))


def _turns(targets: tuple[Target, Target], pairs: int) -> Iterator[Target]:
    for turn in range(pairs):
        yield from targets if turn % 2 == 0 else reversed(targets)


def _compared(
    plan: Plan, both: tuple[list[Series], list[Series]], cut: Series | None = None
) -> tuple[list[Series], list[Ratio]]:
    first, second = both
    whole = min(sum(one is not cut for one in lanes) for lanes in (first, second))
    if whole < MIN_PAIRS:
        return [_together(lanes) for lanes in (first, second) if lanes], []
    first, second = first[:whole], second[:whole]
    ratios = []
    for figure, read in FIGURES.items():
        a, b = [read(one) for one in first], [read(one) for one in second]
        if all(a) and all(b):
            ratios.append(compare_pairs(a, b, figure, plan.seed))
    return [_together(first), _together(second)], ratios


def explore(plan: Plan, target: Target, crew: Crew, probe: Probe) -> tuple[list[Series], list[Frontier]]:
    """The highest offered rate with p99 below each bound; the fastest closed loop says where to look."""
    closed = msgspec.structs.replace(
        plan, arrival=Arrival.CLOSED, stages=(Stage(probe.seconds, plan.connections, plan.connections),), count=0
    )
    top = crew.lane(closed, replace(target, name=f"{target.name}, closed loop"))
    if crew.is_over():
        return [top], []
    search = Search(1.0, max(rate(top.tally) * 1.2, 10.0))
    lanes = [top]
    while (offered := search.next_rate()) is not None:
        tries = msgspec.structs.replace(
            plan,
            arrival=_open(plan),
            stages=(Stage(probe.seconds, offered, offered),),
            connections=probe.connections,
            count=0,
            warm_s=min(plan.warm_s, 1.0),
        )
        tried = crew.lane(tries, replace(target, name=f"{target.name}, {offered:.0f}/s"))
        lanes.append(tried)
        if crew.is_over():
            break
        search.tell(
            offered, percentile(tried.tally.latency, 0.99), error_rate(tried.tally), kept_up(tried.tally, tries)
        )
    return lanes, search.best()


def _open(plan: Plan) -> Arrival:
    return plan.arrival if plan.arrival in (Arrival.POISSON, Arrival.UNIFORM) else Arrival.POISSON


def _p(share_of: float, name: str) -> Callable[[Series], float]:
    return lambda series: percentile(getattr(series.tally, name), share_of)


def _cpu(series: Series) -> float:
    return series.usage.cpu_per_request if series.usage is not None else 0.0


FIGURES: Final[dict[str, Callable[[Series], float]]] = {
    "requests per second": lambda series: rate(series.tally),
    "latency p50": _p(0.5, "latency"),
    "latency p99": _p(0.99, "latency"),
    "first token p50": _p(0.5, "first_token"),
    "first token p99": _p(0.99, "first_token"),
    "gap p99": _p(0.99, "gap"),
    "CPU per request": _cpu,
}


def _together(lanes: Sequence[Series]) -> Series:
    """Several lanes of one target as one; the use of CPU is the median, which one slow lane cannot move."""
    whole = Tally()
    for one in lanes:
        append(whole, one.tally)
    used = [one.usage for one in lanes if one.usage is not None]
    usage = None
    if used:
        usage = msgspec.structs.replace(
            used[-1],
            cpu=sum(use.cpu for use in used),
            cpu_per_request=median(use.cpu_per_request for use in used),
            memory_start=used[0].memory_start,
            memory_peak=max(use.memory_peak for use in used),
        )
    said = list(dict.fromkeys(note for one in lanes for note in one.notes))
    return Series(lanes[0].name, lanes[0].url, whole, usage, said)


def machine() -> dict[str, Any]:
    """The circumstances without which no figure means anything."""
    model = ""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    return {
        "cpus": usable_cpus(),
        "cpu": model,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "fastproxy": version("fastproxy"),
        "uvloop": version("uvloop"),
        "load_average": round(os.getloadavg()[0], 2),
    }


def new_run(command: list[str], plan: dict[str, Any], series: list[Series]) -> Run:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Run(now, command, machine(), plan, series)
