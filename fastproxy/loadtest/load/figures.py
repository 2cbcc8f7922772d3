"""The figures of a series by name, as thresholds and comparisons call them: what each is, and in which unit it counts.

    p99, mean, max                         of the latency
    first_token_p50, gap_p99, lateness_max any percentile, mean or maximum of another histogram of the tally
    rate, errors, cpu_per_request, …       the table below

A figure that was not measured (no stream, no process watched, nothing finished) is None, never 0: a test that compares
with it must not pass because nothing happened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.histogram import maximum, mean, percentile
from fastproxy.loadtest.load.tally import HISTOGRAMS, error_count, error_rate, finished, rate, tokens_per_second

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.load.shapes import Series, Usage


class Unit(Enum):
    """What a figure counts in."""

    TIME = "a time"  # microseconds
    SHARE = "a share"  # 0 to 1
    BYTES = "a size"
    COUNT = "a count"
    RATE = "a rate"  # per second


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and how it is read from a series; None when it was not measured."""

    name: str
    unit: Unit
    read: Callable[[Series], float | None]


def find(name: str) -> Figure | None:
    """The figure of that name, or None when there is none."""
    known = TABLE.get(name)
    if known is not None:
        return known
    match = _OF_HISTOGRAM.fullmatch(name)
    if match is None or float(match["percent"] or 0) > 100:
        return None
    histogram = match["histogram"] or "latency"
    unit = Unit.RATE if histogram == "token_rate" else Unit.TIME
    return Figure(name, unit, _of_histogram(histogram, match["statistic"], float(match["percent"] or 0) / 100))


def _of_histogram(histogram: str, statistic: str, share: float) -> Callable[[Series], float | None]:
    def read(series: Series) -> float | None:
        buckets = getattr(series.tally, histogram)
        if not buckets:
            return None
        if statistic == "mean":
            return mean(buckets)
        return maximum(buckets) if statistic == "max" else percentile(buckets, share)

    return read


def _of_usage(read: Callable[[Usage], float]) -> Callable[[Series], float | None]:
    return lambda series: read(series.usage) if series.usage is not None else None


def _cpu_per_request(series: Series) -> float | None:
    return series.usage.cpu_per_request if series.usage is not None and finished(series.tally) else None


_OF_HISTOGRAM: Final = re.compile(
    rf"(?:(?P<histogram>{'|'.join(HISTOGRAMS)})_)?(?P<statistic>p(?P<percent>\d{{1,3}}(?:\.\d+)?)|mean|max)"
)
TABLE: Final = {
    figure.name: figure
    for figure in (
        Figure("rate", Unit.RATE, lambda series: rate(series.tally)),
        Figure("errors", Unit.SHARE, lambda series: error_rate(series.tally) if finished(series.tally) else None),
        Figure("error_count", Unit.COUNT, lambda series: float(error_count(series.tally))),
        Figure("done", Unit.COUNT, lambda series: float(series.tally.done)),
        Figure("tokens_per_second", Unit.RATE, lambda series: tokens_per_second(series.tally)),
        Figure("cpu_per_request", Unit.TIME, _cpu_per_request),
        Figure("memory_start", Unit.BYTES, _of_usage(lambda usage: usage.memory_start)),
        Figure("memory_end", Unit.BYTES, _of_usage(lambda usage: usage.memory_end)),
        Figure("memory_peak", Unit.BYTES, _of_usage(lambda usage: usage.memory_peak)),
    )
}
EXAMPLES: Final = (
    "p50", "p90", "p95", "p99", "p99.9", "max", "mean", "first_byte_p99", "first_token_p50", "gap_p99", "lateness_p99",
    *TABLE,
)  # fmt: skip
