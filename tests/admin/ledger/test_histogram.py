from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from math import ceil

import pytest

from fastproxy.admin.ledger.histogram import bin_of, bounds, quantile


def test_bins_lie_side_by_side_without_gaps() -> None:
    ends = [bounds(number) for number in range(400)]
    assert ends[0] == (0, 1)
    assert all(left[1] == right[0] for left, right in pairwise(ends))


@pytest.mark.parametrize("number", [0, 1, 7, 8, 15, 16, 17, 23, 24, 135, 200, 399])
def test_a_bin_holds_its_bounds(number: int) -> None:
    first, end = bounds(number)
    assert bin_of(first) == bin_of(end - 1) == number


@pytest.mark.parametrize(
    ("us", "number"), [(-5, 0), (0, 0), (15, 15), (16, 16), (17, 16), (31, 23), (32, 24), (1_000_000, 143)]
)
def test_bin_of(us: int, number: int) -> None:
    assert bin_of(us) == number


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("q", [0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0])
def test_a_quantile_is_at_most_a_tenth_off(seed: int, q: float) -> None:
    draw = random.Random(seed)
    times = sorted(int(draw.lognormvariate(11, 2)) for _ in range(draw.randrange(1, 3000)))
    truth = times[max(1, ceil(q * len(times))) - 1]
    found = quantile(Counter(map(bin_of, times)), q)
    assert found is not None
    assert abs(found - truth) <= 0.07 * truth


def test_two_halves_make_the_whole() -> None:
    draw = random.Random(7)
    times = [draw.randrange(1, 10**8) for _ in range(1000)]
    halves = Counter(map(bin_of, times[:400])) + Counter(map(bin_of, times[400:]))
    assert quantile(halves, 0.95) == quantile(Counter(map(bin_of, times)), 0.95)


def test_no_times_have_no_quantile() -> None:
    assert quantile({}, 0.5) is None
