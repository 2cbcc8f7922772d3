"""Ratios of pairs: right intervals, few false alarms, an answer that does not depend on who is A."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.loadtest.load.statistics import CANNOT_TELL, DIFFERS, TooFewPairs, compare_pairs, interval


def noisy(pairs: int, ratio: float, noise: float, seed: int) -> tuple[list[float], list[float]]:
    """Pairs that share a drift of the machine: both are slow together."""
    rng = random.Random(seed)
    drift = [rng.uniform(50, 150) for _ in range(pairs)]
    return (
        [slow * math.exp(rng.gauss(0, noise)) for slow in drift],
        [slow * ratio * math.exp(rng.gauss(0, noise)) for slow in drift],
    )


@pytest.mark.parametrize(
    ("ratio", "noise", "pairs", "verdict"),
    [
        (1.0, 0.05, 3, CANNOT_TELL),
        (1.0, 0.05, 12, CANNOT_TELL),
        (1.5, 0.02, 3, DIFFERS),
        (1.1, 0.02, 12, DIFFERS),
        (0.8, 0.02, 6, DIFFERS),
        (1.02, 0.2, 6, CANNOT_TELL),
    ],
)
def test_the_verdict(ratio: float, noise: float, pairs: int, verdict: str) -> None:
    a, b = noisy(pairs, ratio, noise, seed=11)
    found = compare_pairs(a, b, "p99", seed=1)
    assert found.verdict == verdict
    assert found.low <= found.ratio <= found.high
    assert found.low <= ratio <= found.high
    assert (found.figure, found.a, found.b) == ("p99", statistics.median(a), statistics.median(b))


@pytest.mark.parametrize("pairs", [3, 4, 6, 8, 10])
def test_equal_targets_are_seldom_called_different(pairs: int) -> None:
    """5 % is promised; with 150 trials 10 % leaves room for chance, and the bare bootstrap of 3 pairs has 25 %."""
    wrong = sum(compare_pairs(*noisy(pairs, 1.0, 0.05, seed), "p99", seed).verdict == DIFFERS for seed in range(150))
    assert wrong <= 15


def test_the_answer_repeats_with_its_seed() -> None:
    a, b = noisy(12, 1.05, 0.05, seed=3)
    assert compare_pairs(a, b, "p50", seed=5) == compare_pairs(a, b, "p50", seed=5)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0.2, 5.0), min_size=3, max_size=12), st.floats(0.1, 10.0))
def test_the_unit_of_a_figure_does_not_matter(ratios: list[float], unit: float) -> None:
    ones = [unit] * len(ratios)
    low, high = interval(ratios, seed=1)
    found = compare_pairs(ones, [unit * ratio for ratio in ratios], "x", seed=1)
    assert [found.low, found.high] == pytest.approx([low, high])
    assert min(ratios) * 0.999 <= found.ratio <= max(ratios) * 1.001


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0.2, 5.0), min_size=3, max_size=11).filter(lambda ratios: len(ratios) % 2 == 1))
def test_swapping_a_and_b_gives_the_reciprocal(ratios: list[float]) -> None:
    ones = [1.0] * len(ratios)
    there, back = compare_pairs(ones, ratios, "x", seed=1), compare_pairs(ratios, ones, "x", seed=1)
    assert back.ratio == pytest.approx(1 / there.ratio)
    assert [back.low, back.high] == pytest.approx([1 / there.high, 1 / there.low], rel=0.05)


def test_pairs_without_a_measurement_are_left_out() -> None:
    found = compare_pairs([0.0, 10, 10, math.inf, 10], [5, 20, 20, 5, 20], "x")
    assert [found.ratio, found.low, found.high] == pytest.approx([2.0, 2.0, 2.0])
    assert found.verdict == DIFFERS


def test_figures_that_are_all_equal_do_not_differ() -> None:
    assert compare_pairs([3.0] * 5, [3.0] * 5, "x").verdict == CANNOT_TELL


def test_two_pairs_are_refused() -> None:
    with pytest.raises(TooFewPairs, match="gap p99: measured in 2 pairs, expected at least 3"):
        compare_pairs([1, 2, 0], [1, 2, 3], "gap p99")


def test_lists_of_different_length_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compare_pairs([1, 2, 3], [1, 2], "x")
