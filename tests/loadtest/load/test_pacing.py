"""Arrivals keep the offered rate, follow ramps, and are the same for the same seed."""

from __future__ import annotations

from itertools import pairwise
from statistics import mean, pvariance
from typing import Any

import pytest

from fastproxy.loadtest.load.options import share
from fastproxy.loadtest.load.pacing import NS, arrivals, end_of, level_at, schedule
from fastproxy.loadtest.load.shapes import Arrival, Plan, Recorded, Stage

URL = "http://target.test"


def plan(arrival: Arrival, *stages: Stage, warm_s: float = 0.0, process: int = 0, **more: Any) -> Plan:
    return Plan(url=URL, arrival=arrival, stages=stages, warm_s=warm_s, process=process, **more)


def gaps(times: list[int]) -> list[float]:
    return [(after - before) / NS for before, after in pairwise(times)]


def test_uniform_arrivals_are_evenly_spaced() -> None:
    times = list(arrivals(plan(Arrival.UNIFORM, Stage(10, 100, 100))))
    assert len(times) == 1000
    assert gaps(times) == pytest.approx([0.01] * 999, abs=1e-8)
    assert times[0] == 0.005 * NS


@pytest.mark.parametrize("processes", [2, 3, 7])
@pytest.mark.parametrize("rate", [101.0, 100.0, 33.3])
def test_uniform_arrivals_of_several_processes_fell_into_the_same_moments(processes: int, rate: float) -> None:
    whole = plan(Arrival.UNIFORM, Stage(2, 1, rate), Stage(10, rate, rate), connections=64)
    together = sorted(time for each in share(whole, processes) for time in arrivals(each))
    alone = list(arrivals(whole))
    assert len(together) == len(alone)
    assert max(abs(one - other) for one, other in zip(together, alone, strict=True)) <= 2


def test_poisson_arrivals_have_exponential_gaps() -> None:
    spaces = gaps(list(arrivals(plan(Arrival.POISSON, Stage(100, 200, 200)))))
    assert len(spaces) == pytest.approx(20_000, rel=0.03)
    assert mean(spaces) == pytest.approx(1 / 200, rel=0.03)
    assert pvariance(spaces) == pytest.approx(1 / 200**2, rel=0.1)


@pytest.mark.parametrize(("start", "end"), [(0, 200), (200, 0), (50, 150)])
def test_a_ramp_changes_the_rate_evenly(start: float, end: float) -> None:
    times = list(arrivals(plan(Arrival.UNIFORM, Stage(10, start, end), Stage(1, 10, 10))))
    first_half = sum(time < 5 * NS for time in times)
    assert len(times) in (1009, 1010, 1011)
    assert first_half == pytest.approx((start + (start + end) / 2) / 2 * 5, abs=1)
    assert times == sorted(times)
    assert times[-1] < 11 * NS


def test_the_warm_up_comes_before_the_stages() -> None:
    warm = plan(Arrival.UNIFORM, Stage(2, 0, 100), warm_s=1.0)
    assert schedule(warm) == (Stage(1.0, 100, 100), Stage(2, 0, 100))
    assert end_of(schedule(warm)) == 3 * NS
    assert sum(time < NS for time in arrivals(warm)) == 100


def test_processes_do_not_send_in_the_same_moment() -> None:
    first, again, second = (
        list(arrivals(plan(Arrival.POISSON, Stage(1, 50, 50), process=process))) for process in (0, 0, 1)
    )
    assert first == again != second


def test_a_recording_is_replayed_at_its_pace() -> None:
    recording = tuple(Recorded(at, "GET", "/", (), b"") for at in (3000, 0, 1000))
    assert list(arrivals(Plan(URL, arrival=Arrival.RECORDED, recording=recording, pace=2.0))) == [0, 500_000, 1_500_000]


@pytest.mark.parametrize(("seconds", "level"), [(0, 10), (4.99, 10), (5, 10), (7.5, 20), (9.99, 30), (10, 0)])
def test_levels_follow_the_stages(seconds: float, level: int) -> None:
    assert level_at((Stage(5, 10, 10), Stage(5, 10, 30)), round(seconds * NS)) == level


def test_a_count_without_stages_holds_one_level() -> None:
    stages = schedule(Plan(URL, connections=7, count=5))
    assert level_at(stages, 10**6 * NS) == 7
