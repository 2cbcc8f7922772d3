"""Distributions: what is drawn has the shape that was asked for, the same from the same seed."""

from __future__ import annotations

import random
import statistics
import time
from typing import Any

import pytest

from fastproxy.loadtest.mock import MockOptions
from fastproxy.loadtest.mock_spread import MOST_MS, parse
from tests.loadtest.mock_process import BEARER, ask, serving

pytestmark = pytest.mark.real_time

CHAT: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/chat/completions"


def drawn(text: str, seed: int = 7, count: int = 4000) -> list[float]:
    rng, spread = random.Random(seed), parse(text)
    return [spread.draw(rng) for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "mean", "median", "deviation"),
    [
        ("50", 50, 50, 0),
        ("fixed:2.5", 2.5, 2.5, 0),
        ("uniform:20:80", 50, 50, 17.3),
        ("normal:50:10", 50, 50, 10),
        ("lognormal:50:0.5", 56.7, 50, 30.2),
        ("exponential:50", 50, 34.7, 50),
    ],
)
def test_shapes(text: str, mean: float, median: float, deviation: float) -> None:
    values = drawn(text)
    assert statistics.fmean(values) == pytest.approx(mean, rel=0.06)
    assert statistics.median(values) == pytest.approx(median, rel=0.06)
    assert statistics.pstdev(values) == pytest.approx(deviation, rel=0.12, abs=0.01)
    assert min(values) >= 0


@pytest.mark.parametrize("text", ["uniform:0:9", "normal:1:9", "lognormal:5:1", "exponential:5"])
def test_seeds_decide(text: str) -> None:
    assert drawn(text, 1, 50) == drawn(text, 1, 50) != drawn(text, 2, 50)
    assert all(0 <= value <= MOST_MS for value in drawn(text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "could not convert"),
        ("soon", "could not convert"),
        ("-1", "expected 0 to"),
        ("nan", "expected 0 to"),
        ("gamma:1:2", "one of fixed, uniform"),
        ("normal:1", "expected 2 numbers, got 1"),
        ("exponential:1:2", "expected 1 numbers, got 2"),
        ("uniform:9:1", "smaller number first"),
    ],
)
def test_what_cannot_be_read(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)


def timed(port: int, **wishes: str) -> float:
    """Milliseconds of one call."""
    start = time.monotonic()
    headers = BEARER | {f"x-mock-{name.replace('_', '-')}": value for name, value in wishes.items()}
    assert ask(port, "POST", PATH, CHAT | {"stream": True}, headers).status == 200
    return (time.monotonic() - start) * 1000


def test_by_header_and_seed(port: int) -> None:
    took = [timed(port, latency="uniform:0:150", seed=str(seed)) for seed in (1, 1, 5, 5)]
    assert took[0] == pytest.approx(took[1], abs=25)
    assert took[2] == pytest.approx(took[3], abs=25)
    assert 80 < timed(port, chunk_delay="uniform:9:12", tokens="11") < 1000


def test_by_flag() -> None:
    with serving(MockOptions(latency="uniform:40:60", chunk_delay="normal:10:1")) as port:
        assert 40 + 8 * 4 - 5 < timed(port, tokens="6") < 1000
        assert timed(port, latency="0", chunk_delay="0") < 40
