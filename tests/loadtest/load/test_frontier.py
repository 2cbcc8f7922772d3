"""The search against targets whose latency is a known function of the offered rate."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastproxy.loadtest.load.frontier import BOUNDS, MAX_PROBES, Search

Target = Callable[[float], tuple[float, float, bool]]  # rate → p99 in us, share of errors, whether it kept up


def queue(capacity: float, least_us: float = 0.0) -> Target:
    """A single server with Poisson arrivals and exponential service: its p99 is known exactly."""

    def look(rate: float) -> tuple[float, float, bool]:
        if rate >= capacity:
            return 2e6, 0.0, False
        return least_us + math.log(100) * 1e6 / (capacity - rate), 0.0, True

    return look


def frontier_of_queue(capacity: float, bound: int, least_us: float = 0.0) -> float:
    left = bound - least_us
    return max(0.0, capacity - math.log(100) * 1e6 / left) if left > 0 else 0.0


def searched(target: Target, low: float, high: float) -> tuple[dict[int, float], list[float]]:
    search = Search(low, high)
    rates = []
    while (rate := search.next_rate()) is not None:
        rates.append(rate)
        search.tell(rate, *target(rate))
        assert len(rates) <= MAX_PROBES
    return {point.p99_below: point.rate for point in search.best()}, rates


@given(st.floats(8_000, 60_000), st.floats(1.05, 1.6))
@example(8_000, 1.2)
def test_all_bounds_of_a_queue_are_found(capacity: float, above: float) -> None:
    found, _ = searched(queue(capacity), 1.0, capacity * above)
    for bound, rate in found.items():
        true = frontier_of_queue(capacity, bound)
        assert rate <= true
        assert rate == pytest.approx(true, rel=0.09)


@given(st.floats(100, 100_000), st.floats(0, 30_000), st.floats(1.0, 40.0))
def test_nothing_is_claimed_that_does_not_hold(capacity: float, least_us: float, above: float) -> None:
    found, rates = searched(queue(capacity, least_us), 1.0, capacity * above)
    for bound, rate in found.items():
        assert rate <= frontier_of_queue(capacity, bound, least_us)
        assert rate == 0.0 or rate in rates
    assert list(found) == list(BOUNDS)
    assert list(found.values()) == sorted(found.values())


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1), st.booleans()), min_size=MAX_PROBES))
def test_any_answers_end_the_search_inside_its_limits(answers: list[tuple[float, float, bool]]) -> None:
    given_answers = iter(answers)
    _, rates = searched(lambda rate: next(given_answers), 5.0, 50_000.0)
    assert all(5.0 <= rate <= 50_000.0 for rate in rates)
    assert len(rates) == len(set(rates))


def test_a_target_that_always_takes_7_ms_costs_no_probes_for_1_and_5_ms() -> None:
    found, rates = searched(queue(20_000, 7_000), 1.0, 24_000)
    assert (found[1_000], found[5_000]) == (0.0, 0.0)
    assert found[10_000] == pytest.approx(frontier_of_queue(20_000, 10_000, 7_000), rel=0.05)
    assert sum(rate < 5_000 for rate in rates) <= 1


def test_a_rate_with_errors_or_a_growing_queue_holds_no_bound() -> None:
    assert set(searched(lambda rate: (100.0, 0.01, True), 1, 1000)[0].values()) == {0.0}
    assert set(searched(lambda rate: (100.0, 0.0, False), 1, 1000)[0].values()) == {0.0}


def test_a_target_without_limits_is_pushed_to_the_top() -> None:
    found, rates = searched(lambda rate: (100.0, 0.0, True), 1, 10_000)
    assert all(rate > 9_600 for rate in found.values())
    assert len(rates) < MAX_PROBES


def test_an_empty_range_needs_no_probe() -> None:
    search = Search(100.0, 50.0)
    assert search.next_rate() is None
    assert [point.rate for point in search.best()] == [0.0] * len(BOUNDS)
