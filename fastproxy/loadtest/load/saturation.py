"""What a reader must know before believing the figures of a lane: one sentence each, the gravest first.

    the harness was the limit      it sent late, or had no CPU left, or shared the CPUs with the target
    the load was not what was said too few connections, less sent than offered, no steady state, mostly errors
    the target has a known fault   see artefacts.py

Everything is decided from the tally; nothing is measured here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.artefacts import artefacts
from fastproxy.loadtest.load.figures import Unit
from fastproxy.loadtest.load.histogram import merge, percentile, total
from fastproxy.loadtest.load.shapes import Arrival
from fastproxy.loadtest.load.tally import error_count, error_rate, finished
from fastproxy.loadtest.load.threshold import write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastproxy.loadtest.load.shapes import Buckets, Plan, Second, Tally, Usage

LATE: Final = 1_000.0  # p99 of the lateness
BUSY: Final = 0.9  # own CPU over wall; above it a single-threaded process adds waiting of its own
MANY_ERRORS: Final = 0.1
KEPT_UP: Final = 0.97  # of the offered rate; the tick of the pacing and the end of the run cost a little
FEW_ABOVE_P99: Final = 5


def notes(tally: Tally, plans: Sequence[Plan], cpus: int, usage: Usage | None = None) -> list[str]:
    """All that must be said of a lane.

    `plans` are the shares of the processes that made the load; `cpus` are those of the machine; `usage` is the
    target's, when it runs here.
    """
    if not finished(tally) + tally.aborted:
        return ["nothing was measured: no request ended"]
    said = (
        *harness_notes(tally, plans, cpus),
        *crowding_notes(tally, cpus, usage),
        *load_notes(tally, plans),
        *artefacts(tally, plans[0].timeout_s),
    )
    return list(said)


def harness_notes(tally: Tally, plans: Sequence[Plan], cpus: int) -> list[str]:
    said = []
    late = percentile(tally.lateness, 0.99)
    if plans[0].arrival is not Arrival.CLOSED and late > LATE:
        said.append(f"the harness is the bottleneck: requests left {_time(late)} late (p99)")
    used = tally.cpu / tally.wall / len(plans) if tally.wall else 0.0
    if used > BUSY:
        more = "use more processes" if len(plans) < cpus else "it needs more CPUs"
        said.append(f"the harness is the bottleneck: it used {used:.0%} of its CPU; {more}")
    return said


def crowding_notes(tally: Tally, cpus: int, usage: Usage | None) -> list[str]:
    if usage is None or not tally.wall:
        return []
    used = tally.cpu / tally.wall + usage.cpu / (tally.wall + tally.drain)  # the target was watched to the last reply
    if used < 0.95 * cpus:
        return []
    return [f"target and harness used {used:.2f} of {cpus} CPUs: they took time from each other"]


def load_notes(tally: Tally, plans: Sequence[Plan]) -> list[str]:
    said = []
    if error_rate(tally) >= MANY_ERRORS:
        said.append(_errors(tally))
    level = _offered(plans)
    counted = sum(plan.count for plan in plans)
    if level and not 0 < counted <= tally.sent and not _sent_all(tally.sent, level, tally.wall):
        sent = tally.sent * 1e6 / tally.wall if tally.wall else 0.0
        said.append(f"offered {level:.0f}/s, sent {sent:.0f}/s: the load was smaller than asked")
    if plans[0].arrival is not Arrival.CLOSED and plans[0].keep_alive:  # else each request has one of its own
        said += _waiting(tally, plans)
    if level:
        said += _unsteady(tally.seconds)
    count = total(tally.latency)
    if count and count // 100 < FEW_ABOVE_P99:
        said.append(f"few requests: p99 rests on {max(count // 100, 1)} of {count}")
    return said


def kept_up(tally: Tally, plan: Plan) -> bool:
    """Whether an even offered rate was sent and answered in full, but for the chance of its arrivals.

    `plan` is the whole one. How late the answers were, their latencies tell.
    """
    level = _offered([plan])
    return not level or _sent_all(min(tally.sent, finished(tally) + tally.aborted), level, tally.wall)


def _offered(plans: Sequence[Plan]) -> float:
    """The offered rate of all processes when it is even; 0.0: it is not, or there is none."""
    whole = 0.0
    for plan in plans:
        levels = {level for stage in plan.stages for level in (stage.start, stage.end)}
        if plan.arrival not in (Arrival.POISSON, Arrival.UNIFORM) or len(levels) != 1:
            return 0.0
        whole += levels.pop()
    return whole


def _sent_all(count: int, level: float, wall: int) -> bool:
    wanted = level * wall / 1e6
    return count >= KEPT_UP * wanted - 3 * math.sqrt(wanted)  # three standard deviations of Poisson arrivals


def _errors(tally: Tally) -> str:
    kind = max(tally.errors, key=lambda kind: tally.errors[kind])
    example = tally.error_examples.get(kind, "")
    text = f"{error_rate(tally):.0%} of the requests failed, {tally.errors[kind]} of {error_count(tally)} by {kind!r}"
    return text + (f" ({example})" if example else "") + ": the other figures say little"


def _waiting(tally: Tally, plans: Sequence[Plan]) -> list[str]:
    """Whether the time before the sending was neither our own lateness nor that of connecting."""
    waited = percentile(tally.latency, 0.99) - percentile(tally.service, 0.99)
    own = percentile(tally.lateness, 0.99) + percentile(tally.connect, 0.99)
    if not tally.service or waited - own <= max(LATE, 0.5 * percentile(tally.service, 0.99)):
        return []
    connections = sum(plan.connections for plan in plans)
    if tally.connections < connections:
        return []
    return [f"all {connections} connections were busy: requests waited up to {_time(waited)} for one (p99)"]


def _unsteady(seconds: list[Second]) -> list[str]:
    """Whether the median of the last quarter is twice that of the second, and it rose in between: a queue grows."""
    quarter = len(seconds) // 4
    if not quarter:
        return []
    medians = [_median(seconds[quarter * part : quarter * (part + 1)]) for part in (1, 2, 3)]
    if not medians[0] or not 2 * medians[0] < medians[2] or not medians[0] < medians[1] < medians[2]:
        return []
    if medians[2] - medians[0] < LATE:
        return []
    return [f"not steady: the median rose from {_time(medians[0])} to {_time(medians[2])}; the target is overloaded"]


def _median(seconds: list[Second]) -> float:
    buckets: Buckets = {}
    for second in seconds:
        merge(buckets, second.latency)
    return percentile(buckets, 0.5)


def _time(value: float) -> str:
    return write(value, Unit.TIME)
