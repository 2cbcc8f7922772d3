"""Series on their way into charts over time: seconds merged into columns.

Long runs are shown in at most 240 columns: seconds are merged histogram by histogram, so the percentiles of a column
are those of all its requests. A column is as wide as whole rows of the run (load/seconds.py), and its rates are divided
by the seconds that its rows stand for. A second that a series does not have is one in which nothing came back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.histogram import merge
from fastproxy.loadtest.load.seconds import coarsest, end_of_row
from fastproxy.loadtest.reports.units import clean

if TYPE_CHECKING:
    from fastproxy.loadtest.load.shapes import Buckets, Run, Second, Series

COLOURS: Final = 6  # that style.py has
_COLUMNS: Final = 240


@dataclass(slots=True)
class Column:
    """What one series did in one column of a time chart."""

    at: int
    seconds: int = 0
    done: int = 0
    errors: int = 0
    latency: Buckets = field(default_factory=dict)
    first_token: Buckets = field(default_factory=dict)

    def add(self, second: Second) -> None:
        self.seconds += second.width
        self.done += second.done
        self.errors += second.errors
        merge(self.latency, second.latency)
        merge(self.first_token, second.first_token)


@dataclass(frozen=True, slots=True)
class Lane:
    """A series on its way into charts. `prefix` names it in legends and is empty when it is alone."""

    prefix: str
    colour: int
    series: Series
    columns: tuple[Column, ...]
    width: int
    end: float  # of the measured time; a column that reaches beyond it has no whole rate


def lanes_of(run: Run) -> list[Lane]:
    rows = [row for lane in run.series for row in lane.tally.seconds]
    span = max(map(end_of_row, rows)) - min(row.at for row in rows) if rows else 1
    each = coarsest(rows)
    width = math.ceil(span / _COLUMNS / each) * each
    warm = float(run.plan.get("warm_s") or 0)
    alone = len(run.series) == 1
    return [
        Lane(
            "" if alone else clean(series.name),
            place % COLOURS,
            series,
            _columns(series.tally.seconds, width),
            width,
            warm + series.tally.wall / 1e6 if series.tally.wall else math.inf,
        )
        for place, series in enumerate(run.series)
    ]


def _columns(seconds: list[Second], width: int) -> tuple[Column, ...]:
    columns: dict[int, Column] = {}
    for second in seconds:
        start = second.at // width * width
        columns.setdefault(start, Column(start)).add(second)
    if columns:
        for start in range(min(columns) + width, max(columns), width):
            columns.setdefault(start, Column(start)).seconds = width
    return tuple(columns[start] for start in sorted(columns))


def columns_note(run: Run) -> str:
    """How many seconds the charts merge into a column, in words; nothing when it is one."""
    width = max((lane.width for lane in lanes_of(run)), default=1)
    return f"Each point over time stands for {width} seconds." if width > 1 else ""
