"""Whether B differs from A: the ratio of figures measured in interleaved pairs, with an interval that can be trusted.

The figure of a pair is B over A of two lanes that ran one after the other, so a slow minute of the machine hits both.
The answer is the median of these ratios, with the 2.5 % and 97.5 % quantiles of the medians of resampled ratios. That
bootstrap is too sure of few pairs: simulated with pairs that do not differ, it says "differs" in 25 % of the cases at
three pairs, 11 % at four, 10 % at eight, 5 % from ten on. So up to nine pairs the interval also covers Student's
interval of the mean logarithm; then at most 5 % are wrong, also with outliers and with skewed noise.
"""

from __future__ import annotations

import math
import random
import statistics
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.shapes import Ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_PAIRS: Final = 3
DIFFERS: Final = "differs"
CANNOT_TELL: Final = "cannot tell"
_RESAMPLES: Final = 4000  # 20 ms for ten pairs; the quantiles stand still to about 1 % of the interval's width
_STUDENT: Final = {3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306}  # pairs → 97.5 % quantile


class TooFewPairs(ValueError):
    """No interval can be given."""


def compare_pairs(a: Sequence[float], b: Sequence[float], figure: str, seed: int = 0) -> Ratio:
    """B over A. Pairs of which one side is not above zero (nothing was measured) are left out.

    Raises: TooFewPairs.
    """
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if _measured(x) and _measured(y)]
    if len(pairs) < MIN_PAIRS:
        raise TooFewPairs(f"{figure}: measured in {len(pairs)} pairs, expected at least {MIN_PAIRS}")
    ratios = [y / x for x, y in pairs]
    low, high = interval(ratios, seed)
    return Ratio(
        figure=figure,
        a=statistics.median(x for x, _ in pairs),
        b=statistics.median(y for _, y in pairs),
        ratio=statistics.median(ratios),
        low=low,
        high=high,
        verdict=CANNOT_TELL if low <= 1.0 <= high else DIFFERS,
    )


def interval(ratios: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of the median of at least three ratios, all above zero."""
    low, high = _bootstrap(ratios, seed)
    if len(ratios) in _STUDENT:
        student_low, student_high = _student(ratios)
        return min(low, student_low), max(high, student_high)
    return low, high


def _measured(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _bootstrap(ratios: Sequence[float], seed: int) -> tuple[float, float]:
    choices = random.Random(seed).choices
    count = len(ratios)
    medians = sorted(statistics.median(choices(ratios, k=count)) for _ in range(_RESAMPLES))
    cut = _RESAMPLES // 40
    return medians[cut], medians[-cut - 1]


def _student(ratios: Sequence[float]) -> tuple[float, float]:
    """Of the logarithms, so that B over A and A over B give the same answer."""
    logs = [math.log(ratio) for ratio in ratios]
    middle = statistics.fmean(logs)
    half = _STUDENT[len(logs)] * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(middle - half), math.exp(min(middle + half, 700.0))  # e^700 is still a number
