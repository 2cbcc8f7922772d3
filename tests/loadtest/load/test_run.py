"""The search for the highest rate and the lanes in turns, with lanes that are computed instead of run."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from fastproxy.loadtest.load import run
from fastproxy.loadtest.load.histogram import bucket_of
from fastproxy.loadtest.load.interrupt import Interrupt
from fastproxy.loadtest.load.lane import Target
from fastproxy.loadtest.load.shapes import Arrival, Plan, Series, Tally, Usage

CAPACITY = 5_000.0
PLAN = Plan("http://127.0.0.1:1", arrival=Arrival.UNIFORM, connections=32, seed=7)


@dataclass
class Simulated:
    """A crew whose target serves CAPACITY per second; its latency grows towards it as a queue's does."""

    slower: dict[str, float] = field(default_factory=dict)  # factors by target
    interrupt: Interrupt = field(default_factory=Interrupt)
    stops_after: int = 0  # lanes, by an interrupt
    lanes: list[tuple[str, float]] = field(default_factory=list)

    def is_over(self) -> bool:
        return self.interrupt.asked

    def lane(self, plan: Plan, target: Target) -> Series:
        (stage,) = plan.stages or (None,)
        seconds = stage.seconds if stage else 1.0
        offered = stage.start if stage and plan.arrival is not Arrival.CLOSED else CAPACITY
        self.lanes.append((target.name, offered))
        self.interrupt.asked = len(self.lanes) == self.stops_after
        served = min(offered, CAPACITY)
        latency = int(400 * self.slower.get(target.name, 1.0) / max(1 - offered / CAPACITY, 0.001))
        done = int(served * seconds)
        tally = Tally(sent=done, done=done, wall=int(seconds * 1e6), latency={bucket_of(latency): done})
        return Series(target.name, target.url, tally, Usage(1, "x", done * 10, 10.0, 1, 1, 1, 1))


def test_the_highest_rate_below_each_bound() -> None:
    crew = Simulated()
    series, found = run.explore(PLAN, Target("t", "http://t"), crew, run.Probe(4.0, 1024))  # type: ignore[arg-type]  # a stand-in
    rates = {bound.p99_below: bound.rate for bound in found}
    for bound, rate in rates.items():
        exact = CAPACITY * (1 - 400 / bound)
        assert rate == pytest.approx(exact, rel=0.15)
        assert rate <= exact * 1.01
    assert len(series) == len(crew.lanes) <= 13
    assert crew.lanes[0] == ("t, closed loop", CAPACITY)


def test_two_targets_take_turns_in_changing_order() -> None:
    crew = Simulated({"B": 2.0})
    targets = (Target("A", "http://a"), Target("B", "http://b"))
    plan = Plan("http://a", arrival=Arrival.CLOSED)
    series, ratios = run.compare(plan, targets, crew, 4)  # type: ignore[arg-type]  # a stand-in
    assert [name for name, _ in crew.lanes] == ["A", "B", "B", "A", "A", "B", "B", "A"]
    assert [one.tally.done for one in series] == [20_000, 20_000]
    verdicts = {ratio.figure: (round(ratio.ratio, 2), ratio.verdict) for ratio in ratios}
    assert verdicts["latency p99"] == (2.0, "differs")
    assert verdicts["CPU per request"] == (1.0, "cannot tell")
    assert "first token p50" not in verdicts


@pytest.mark.parametrize(("stops_after", "pairs"), [(1, 0), (2, 0), (7, 3), (8, 3), (0, 4)])
def test_an_interrupt_ends_all_lanes_and_drops_the_broken_pair(stops_after: int, pairs: int) -> None:
    crew = Simulated({"B": 2.0}, stops_after=stops_after)
    targets = (Target("A", "http://a"), Target("B", "http://b"))
    series, ratios = run.compare(PLAN, targets, crew, 4)  # type: ignore[arg-type]  # a stand-in
    assert len(crew.lanes) == (stops_after or 8)
    assert bool(ratios) is (pairs >= 3)
    if pairs:
        assert [one.tally.done for one in series] == [int(CAPACITY) * pairs] * 2


def test_an_interrupt_ends_the_search() -> None:
    for stops_after in (1, 3):
        crew = Simulated(stops_after=stops_after)
        series, _ = run.explore(PLAN, Target("t", "http://t"), crew, run.Probe(4.0, 64))  # type: ignore[arg-type]
        assert len(series) == len(crew.lanes) == stops_after
