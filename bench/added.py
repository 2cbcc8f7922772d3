"""What a proxy adds to a latency: arithmetic on the lanes of a case, nothing else.

    of_medians   the median of its lanes, minus the median of the reference's: what two tables side by side would say
    median       the median of the differences inside each turn, in which both ran one after the other; low and high too

A slow minute of the machine moves the first, because it may hit more lanes of one than of the other; of the second it
moves one turn, and the range shows it. So the second is judged, and where the two disagree neither is to be trusted.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIGURES = ("p50_us", "p99_us")
Added = dict[str, dict[str, dict[str, float]]]


def added(lanes: Mapping[str, Sequence[Mapping[str, float]]], to: str) -> Added:
    """{target: {figure: {"of_medians", "median", "low", "high"}}} for all but `to`; microseconds.

    The n-th lane of every target is of the n-th turn. Empty when there is no such reference.
    """
    reference = lanes.get(to)
    if not reference:
        return {}
    return {name: {figure: _one(reference, series, figure) for figure in FIGURES}
            for name, series in lanes.items() if name != to}  # fmt: skip


def _one(
    reference: Sequence[Mapping[str, float]], series: Sequence[Mapping[str, float]], figure: str
) -> dict[str, float]:
    pairs = [(theirs[figure], ours[figure]) for theirs, ours in zip(reference, series, strict=True)]
    differences = [ours - theirs for theirs, ours in pairs]
    of_medians = median(ours for _, ours in pairs) - median(theirs for theirs, _ in pairs)
    return {
        "of_medians": of_medians,
        "median": median(differences),
        "low": min(differences),
        "high": max(differences),
    }
