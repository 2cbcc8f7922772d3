"""The search for the highest rate and the lanes in turns, with lanes that are computed instead of run."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from fastproxy.loadtest.load import run
from fastproxy.loadtest.load.histogram import bucket_of
from fastproxy.loadtest.load.shapes import Arrival, Plan, Series, Tally, Usage
from fastproxy.loadtest.load.statistics import TooFewPairs

CAPACITY = 5_000.0
PLAN = Plan("http://127.0.0.1:1", arrival=Arrival.UNIFORM, connections=32, seed=7)


@dataclass
class Simulated:
    """A crew whose target serves CAPACITY per second; its latency grows towards it as a queue's does."""

    slower: dict[str, float] = field(default_factory=dict)  # factors by target
    lanes: list[tuple[str, float]] = field(default_factory=list)

    def lane(self, plan: Plan, target: run.Target) -> Series:
        (stage,) = plan.stages or (None,)
        seconds = stage.seconds if stage else 1.0
        offered = stage.start if stage and plan.arrival is not Arrival.CLOSED else CAPACITY
        self.lanes.append((target.name, offered))
        served = min(offered, CAPACITY)
        latency = int(400 * self.slower.get(target.name, 1.0) / max(1 - offered / CAPACITY, 0.001))
        done = int(served * seconds)
        tally = Tally(sent=done, done=done, wall=int(seconds * 1e6), latency={bucket_of(latency): done})
        return Series(target.name, target.url, tally, Usage(1, "x", done * 10, 10.0, 1, 1, 1, 1))


def test_the_highest_rate_below_each_bound() -> None:
    crew = Simulated()
    series, found = run.explore(PLAN, run.Target("t", "http://t"), crew, 4.0)  # type: ignore[arg-type]  # a stand-in
    rates = {bound.p99_below: bound.rate for bound in found}
    for bound, rate in rates.items():
        exact = CAPACITY * (1 - 400 / bound)
        assert rate == pytest.approx(exact, rel=0.15)
        assert rate <= exact * 1.01
    assert len(series) == len(crew.lanes) <= 13
    assert crew.lanes[0] == ("t, closed loop", CAPACITY)


def test_two_targets_take_turns_in_changing_order() -> None:
    crew = Simulated({"B": 2.0})
    targets = (run.Target("A", "http://a"), run.Target("B", "http://b"))
    plan = Plan("http://a", arrival=Arrival.CLOSED)
    series, ratios = run.compare(plan, targets, crew, 4)  # type: ignore[arg-type]  # a stand-in
    assert [name for name, _ in crew.lanes] == ["A", "B", "B", "A", "A", "B", "B", "A"]
    assert [one.tally.done for one in series] == [20_000, 20_000]
    verdicts = {ratio.figure: (round(ratio.ratio, 2), ratio.verdict) for ratio in ratios}
    assert verdicts["latency p99"] == (2.0, "differs")
    assert verdicts["CPU per request"] == (1.0, "cannot tell")
    assert "first token p50" not in verdicts


def test_two_pairs_are_too_few() -> None:
    targets = (run.Target("A", "http://a"), run.Target("B", "http://b"))
    with pytest.raises(TooFewPairs):
        run.compare(PLAN, targets, Simulated(), 2)  # type: ignore[arg-type]  # a stand-in
