"""Two runs, made at different times, side by side.

What their seconds tell is used for an interval: each run is cut into up to ten blocks of equal length, and the blocks
are compared as pairs (load/statistics.py). That covers how much each run moved within itself. It cannot cover what
changed around the machine between the two, and the text says so: `--compare` interleaves both and can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.histogram import merge, percentile
from fastproxy.loadtest.load.seconds import end_of_row
from fastproxy.loadtest.load.shapes import Run, Series
from fastproxy.loadtest.load.statistics import TooFewPairs, compare_pairs
from fastproxy.loadtest.reports.figures import measured, plan_text
from fastproxy.loadtest.reports.summary import aligned
from fastproxy.loadtest.reports.units import NOTHING, clean, ratio_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastproxy.loadtest.load.shapes import Buckets, Ratio, Second, Tally

BLOCKS: Final = 10
_VARIES: Final = ("url", "load_average")  # of which a difference says nothing
HEADS: Final = ("", "A", "B", "B/A", "95 % interval", "")
_LATER: Final = "Two runs at two times: the machine may have changed between them. --compare interleaves both targets."


def diff(a: Run, b: Run) -> str:
    """The figures of both runs with B over A, ending in a newline. Series meet by their place."""
    lines = []
    for name, run in (("A", a), ("B", b)):
        lines.append(f"{name}  {clean(run.started)}  {plan_text(run.plan)}")
    for first, second in zip(a.series, b.series, strict=False):
        lines += ["", f"A  {_title(first)}", f"B  {_title(second)}", ""]
        lines += aligned([[*HEADS], *_rows(first, second, ratios(first, second))])
    left = abs(len(a.series) - len(b.series))
    lines += ["", f"{left} series without a counterpart left out"] if left else []
    return "\n".join(line.rstrip() for line in [*lines, "", *changed(a, b), _LATER]) + "\n"


def beside(a: Run, b: Run) -> Run:
    """Both runs as one with two series, for the charts of html.py; of each, its first series."""
    if not (a.series and b.series):
        return a if a.series else b
    first, second = (Series(name, run.series[0].url, run.series[0].tally, run.series[0].usage, run.series[0].notes)
                     for name, run in (("A", a), ("B", b)))  # fmt: skip
    when = f"{a.started} and {b.started}"
    command = [*a.command, "and", *b.command]
    return Run(when, command, b.machine, b.plan, [first, second], ratios(first, second))


def changed(a: Run, b: Run) -> list[str]:
    """What differs in the circumstances: the machine, the versions, the plan."""
    found = []
    for before, after in ((a.machine, b.machine), (a.plan, b.plan)):
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name), after.get(name)
            if old != new and not isinstance(old, list | dict) and name not in _VARIES:
                found.append(f"{clean(name)}: {clean(str(old))[:40]} → {clean(str(new))[:40]}")
    return ["Not the same in both:", *(f"  {line}" for line in found), ""] if found else []


def ratios(a: Series, b: Series) -> list[Ratio]:
    """B over A by every figure that seconds have; nothing where a run is too short for it."""
    pairs = list(zip(_blocks(a.tally), _blocks(b.tally), strict=False))
    found = []
    for key, read in _OF_BLOCK.items():
        try:
            found.append(compare_pairs([read(x) for x, _ in pairs], [read(y) for _, y in pairs], key))
        except TooFewPairs:
            continue
    return found


def _title(series: Series) -> str:
    return f"{clean(series.name)}  {clean(series.url)}"


def _blocks(tally: Tally) -> Sequence[Sequence[Second]]:
    """Up to ten stretches of equal length; the last row, which may be a part of one, is left out."""
    rows = tally.seconds
    if tally.drained:  # what an offered rate had left over is no part of it
        end = rows[0].at + tally.wall / 1e6
        rows = [row for row in rows if end_of_row(row) <= end]
    whole = rows[:-1]
    size = max(len(whole) // BLOCKS, 1)
    return [whole[start : start + size] for start in range(0, len(whole) - size + 1, size)][:BLOCKS]


def _rate(block: Sequence[Second]) -> float:
    return sum(row.done for row in block) / sum(row.width for row in block)


def _percentile(pick: Callable[[Second], Buckets], share: float) -> Callable[[Sequence[Second]], float]:
    def read(block: Sequence[Second]) -> float:
        whole: Buckets = {}
        for second in block:
            merge(whole, pick(second))
        return percentile(whole, share)

    return read


_OF_BLOCK: Final[dict[str, Callable[[Sequence[Second]], float]]] = {
    "rate": _rate,
    "p50": _percentile(lambda second: second.latency, 0.5),
    "p99": _percentile(lambda second: second.latency, 0.99),
    "first_token_p50": _percentile(lambda second: second.first_token, 0.5),
    "first_token_p99": _percentile(lambda second: second.first_token, 0.99),
}


def _rows(a: Series, b: Series, found: list[Ratio]) -> list[list[str]]:
    """One row per figure that both have; the interval and the verdict where the seconds tell them."""
    by_key = {ratio.figure: ratio for ratio in found}
    rows = []
    for figure in measured([a, b]):
        left, right = figure.value(a), figure.value(b)
        texts = [NOTHING if value is None else figure.text(value) for value in (left, right)]
        both = NOTHING if left is None or right is None else ratio_text(left, right)
        ratio = by_key.get(figure.key)
        interval = [f"{ratio.low:.2f} to {ratio.high:.2f}", ratio.verdict] if ratio else ["", ""]
        rows.append([figure.label, *texts, both, *interval])
    return rows
