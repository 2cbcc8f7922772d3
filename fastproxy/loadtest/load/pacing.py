"""When requests are due: the levels of a plan's stages over time, and the times of arrival that follow. Pure; no clock.

All times are nanoseconds since the start of the run. The warm-up comes before the stages, at their first level.
A count without stages holds one level until the count is reached.

    offered rate:  the area under the level is the number of requests; each arrival is the time where that area reaches
                   its place: evenly spaced places are uniform arrivals, exponentially spaced ones a Poisson process
    closed loop:   the level is the number of connections at work
"""

from __future__ import annotations

import math
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.shapes import Arrival, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastproxy.loadtest.load.shapes import Plan

NS: Final = 1_000_000_000
NEVER: Final = 1 << 62  # a time that does not come: 146 years


def schedule(plan: Plan) -> tuple[Stage, ...]:
    """The plan's stages with its warm-up in front. A ramp from nothing warms up at the level it goes to."""
    stages = plan.stages
    if not stages and plan.arrival is not Arrival.RECORDED:
        stages = (Stage(NEVER / NS, plan.connections, plan.connections),)
    if not plan.warm_s or not stages:
        return stages
    level = stages[0].start or stages[0].end
    return (Stage(plan.warm_s, level, level), *stages)


def end_of(stages: Sequence[Stage]) -> int:
    """When the last stage is over."""
    return min(NEVER, round(sum(stage.seconds for stage in stages) * NS))


def level_at(stages: Sequence[Stage], at: int) -> int:
    """The number of connections at work; 0 after the last stage."""
    seconds = at / NS
    for stage in stages:
        if seconds < stage.seconds:
            return round(stage.start + (stage.end - stage.start) * seconds / stage.seconds)
        seconds -= stage.seconds
    return 0


def ramps(stages: Sequence[Stage]) -> bool:
    """Does the level ever change?"""
    return len({level for stage in stages for level in (stage.start, stage.end)}) > 1


def arrivals(plan: Plan) -> Iterator[int]:
    """The intended times of a plan with an offered rate or a recording, in order; it ends with the stages."""
    if plan.arrival is Arrival.RECORDED:
        return _replayed(plan)
    if plan.arrival is Arrival.POISSON:
        places = _poisson(Random(f"{plan.seed}/{plan.process}/arrivals"))
    else:
        places = _uniform(plan.process, plan.processes)
    return _times(schedule(plan), places)


def _replayed(plan: Plan) -> Iterator[int]:
    """At the recording's own times. Its beginning is the warm-up; stages say only how long it may go on."""
    end = end_of(schedule(plan)) if plan.stages else NEVER
    times = (round(at * 1000 / plan.pace) for at in sorted(recorded.at for recorded in plan.recording))
    return (time for time in times if time < end)


def _uniform(process: int, processes: int) -> Iterator[float]:
    """One apart, each process in its own phase: together they are as even as one. The first is half a space in."""
    phase = (process + 0.5) / processes
    return (phase + number for number in count())


def _poisson(rng: Random) -> Iterator[float]:
    place = 0.0
    spread, log = rng.random, math.log
    while True:
        place -= log(1.0 - spread())
        yield place


def _times(stages: Sequence[Stage], places: Iterator[float]) -> Iterator[int]:
    """Where the area under the levels reaches each place."""
    begin, before = 0.0, 0.0
    place = next(places)
    for stage in stages:
        area = (stage.start + stage.end) / 2 * stage.seconds
        while place < before + area:
            yield round((begin + _reached(stage, place - before)) * NS)
            place = next(places)
        begin += stage.seconds
        before += area


def _reached(stage: Stage, area: float) -> float:
    """The time into a stage at which the area under it is so large."""
    if stage.start == stage.end:
        return area / stage.start
    slope = (stage.end - stage.start) / stage.seconds
    # start * t + slope / 2 * t² = area; rounding may push the root of a falling ramp's last request below 0
    return (math.sqrt(max(0.0, stage.start * stage.start + 2 * slope * area)) - stage.start) / slope
