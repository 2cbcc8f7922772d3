"""Which charts a run has, and what each shows. Drawing them is charts.py's part.

Times over the run, rates over the run, and the percentile plot of HdrHistogram, whose x axis counts nines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.histogram import maximum, percentile, total
from fastproxy.loadtest.load.tally import rate
from fastproxy.loadtest.reports.charts import Axis, Chart, Line, Slot, linear_axis, time_axis
from fastproxy.loadtest.reports.columns import lanes_of
from fastproxy.loadtest.reports.figures import probes
from fastproxy.loadtest.reports.units import digits, time_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.load.shapes import Buckets, Run, Series
    from fastproxy.loadtest.reports.charts import Point
    from fastproxy.loadtest.reports.columns import Column, Lane

_LOG_FROM: Final = 100.0  # times between the smallest and the largest value above which an axis is logarithmic
_WAITED: Final = 0.8  # p99 of the service time below this share of the latency's: worth a line of its own
_POWERS: Final = frozenset(10.0**power for power in range(-1, 12))
_HOVER_SHARES: Final = (0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 0.999999)
_NINES: Final = ((0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"),
                 (0.99999, "99.999"), (0.999999, "99.9999"))  # fmt: skip


Measure = tuple[str, "Callable[[Column], float | None]"]  # name of a line, its value in a column


def panels(run: Run) -> list[Chart]:
    """The charts of a run, in the order of the page; one without any value is left out."""
    lanes = lanes_of(run)
    if probes(run):
        chart = _by_rate(lanes)
        return [chart] if chart else []
    found = [
        _over_time(lanes, "latency", "Latency over time", _percentiles(lambda column: column.latency)),
        _by_percentile(lanes, "percentiles", "Latency by percentile", _latencies(lanes)),
        _per_second(lanes, "throughput", "Throughput", "requests per second", lambda column: column.done),
        _per_second(lanes, "errors", "Errors", "errors per second", lambda column: column.errors),
        _over_time(lanes, "first-token", "First token over time", _percentiles(lambda column: column.first_token)),
        _by_percentile(
            lanes, "first-tokens", "First token by percentile", _distributions(lanes, lambda s: s.tally.first_token)
        ),
        _by_percentile(lanes, "gaps", "Gap between tokens by percentile", _distributions(lanes, lambda s: s.tally.gap)),
    ]
    return [chart for chart in found if chart]


def _percentiles(pick: Callable[[Column], Buckets]) -> tuple[Measure, ...]:
    def at(share: float) -> Callable[[Column], float | None]:
        return lambda column: percentile(pick(column), share) if pick(column) else None

    return (("p99", at(0.99)), ("p50", at(0.5)))


def _named(prefix: str, name: str) -> str:
    return f"{prefix} {name}".strip()


def _by_rate(lanes: list[Lane]) -> Chart | None:
    """What the search for the highest rate saw: where the curve turns up, the target is full."""
    found = [(rate(lane.series.tally), lane.series.tally.latency) for lane in lanes if lane.series.tally.latency]
    if not found:
        return None
    seen = sorted((x, percentile(buckets, 0.99), percentile(buckets, 0.5)) for x, buckets in found)
    p99, p50 = tuple((x, y) for x, y, _ in seen), tuple((x, y) for x, _, y in seen)
    slots = tuple(
        _slot(x, f"{digits(x)} per second", [(0, f"p99: {time_text(a)}", a), (0, f"p50: {time_text(b)}", b)])
        for x, a, b in seen
    )
    lines = (Line("p99", 0, (p99,)), Line("p50", 0, (p50,), dashed=True))
    y = duration_axis([value for _, *both in seen for value in both])
    return Chart("rates", "Latency by rate", linear_axis("requests per second", seen[-1][0]), y, lines, slots)


# ── charts over time ──


def _over_time(lanes: list[Lane], key: str, title: str, measures: tuple[Measure, ...]) -> Chart | None:
    """Times as lines: the first measure solid, the others dashed."""
    lines = [
        Line(_named(lane.prefix, name), lane.colour, _pieces(lane, value), dashed=rank > 0)
        for lane in lanes
        for rank, (name, value) in enumerate(measures)
    ]
    values = [y for line in lines for piece in line.pieces for _, y in piece]
    if not values:
        return None
    slots = _time_slots(lanes, measures, time_text)
    return Chart(key, title, _span(lanes), duration_axis(values), tuple(lines), slots)


def _per_second(lanes: list[Lane], key: str, title: str, label: str, count: Callable[[Column], int]) -> Chart | None:
    """A number of events as a rate; a column that was measured only in part has none."""

    def measure(lane: Lane) -> Callable[[Column], float | None]:
        return lambda column: count(column) / column.seconds if column.at + 0.9 * lane.width <= lane.end else None

    filled = len(lanes) == 1  # two fills on one another make a third colour
    lines = [Line(lane.prefix or label, lane.colour, _pieces(lane, measure(lane)), filled=filled) for lane in lanes]
    values = [y for line in lines for piece in line.pieces for _, y in piece]
    if not any(values):
        return None
    slots = _time_slots(lanes, ((label, lambda column: count(column) / column.seconds),), digits)
    return Chart(key, title, _span(lanes), linear_axis(label, max(values)), tuple(lines), slots)


def _pieces(lane: Lane, value: Callable[[Column], float | None]) -> tuple[tuple[Point, ...], ...]:
    """The line of a lane, broken where a column is missing or has no value. A point stands in its column's middle."""
    pieces: list[list[Point]] = []
    after = None
    for column in lane.columns:
        y = value(column)
        if y is not None:
            if column.at != after:
                pieces.append([])
            pieces[-1].append((column.at + lane.width / 2, y))
            after = column.at + lane.width
    return tuple(tuple(piece) for piece in pieces)


def _span(lanes: list[Lane]) -> Axis:
    columns = [column for lane in lanes for column in lane.columns]
    return time_axis(min(c.at for c in columns), max(c.at for c in columns) + lanes[0].width)


def _time_slots(lanes: list[Lane], measures: tuple[Measure, ...], text: Callable[[float], str]) -> tuple[Slot, ...]:
    found: dict[int, list[tuple[int, str, float]]] = {}
    for lane in lanes:
        for column in lane.columns:
            for name, measure in measures:
                value = measure(column)
                if value is not None:
                    entry = (lane.colour, f"{_named(lane.prefix, name)}: {text(value)}", value)
                    found.setdefault(column.at, []).append(entry)
    width = lanes[0].width if lanes else 1
    return tuple(_slot(at + width / 2, f"{at} s", found[at]) for at in sorted(found))


def _slot(x: float, head: str, entries: list[tuple[int, str, float]]) -> Slot:
    texts = [head, *(text for _, text, _ in entries)]
    return Slot(x, "\n".join(texts), tuple((colour, value) for colour, _, value in entries))


def duration_axis(values: list[float]) -> Axis:
    """An axis for microseconds: from zero in the unit of the largest, logarithmic when they are too far apart."""
    low, high = min((v for v in values if v > 0), default=1.0), max(*values, 1.0)
    if high / low > _LOG_FROM:
        return _log_axis(low, high)
    for unit, scale in (("µs", 1.0), ("ms", 1e3), ("s", 1e6)):
        if high < 1_000 * scale or unit == "s":
            break
    return linear_axis(f"time ({unit})", high, scale)


def _log_axis(low: float, high: float) -> Axis:
    """From the step of 1, 2 or 5 below the lowest value to the one above the highest. Every decade has its tick; of
    fewer than three, every step."""
    steps = [n * 10.0**power for power in range(-1, 11) for n in (1, 2, 5)]
    first = max(step for step in steps if step <= max(low, 0.1))
    last = min(step for step in steps if step >= high)
    inside = [step for step in steps if first <= step <= last]
    powers = [step for step in inside if step in _POWERS]
    powers = powers if len(powers) > 2 else inside
    ticks = tuple((power, time_text(power).replace(".00", "").replace(".0", "")) for power in powers)
    return Axis("time (log scale)", first, last, ticks, log=True)


# ── charts by percentile ──


@dataclass(frozen=True, slots=True)
class Distribution:
    label: str
    colour: int
    buckets: Buckets
    dashed: bool = False


def _distributions(lanes: list[Lane], pick: Callable[[Series], Buckets]) -> list[Distribution]:
    return [Distribution(lane.prefix, lane.colour, pick(lane.series)) for lane in lanes]


def _latencies(lanes: list[Lane]) -> list[Distribution]:
    """Where requests waited to be sent, also the time from the actual sending: the distance to it is the waiting."""
    with_service = any(_waited(lane.series) for lane in lanes)
    found = []
    for lane in lanes:
        name = "latency" if with_service else ""
        found.append(Distribution(_named(lane.prefix, name), lane.colour, lane.series.tally.latency))
        if with_service:
            label = _named(lane.prefix, "service time")
            found.append(Distribution(label, lane.colour, lane.series.tally.service, dashed=True))
    return found


def _waited(series: Series) -> bool:
    """Whether an offered rate was more than the target could take."""
    service, latency = (percentile(buckets, 0.99) for buckets in (series.tally.service, series.tally.latency))
    return 0 < service < _WAITED * latency


def _by_percentile(lanes: list[Lane], key: str, title: str, all_of: list[Distribution]) -> Chart | None:
    """The percentile plot of HdrHistogram: each step to the right is one more nine."""
    present = [one for one in all_of if one.buckets]
    if not present:
        return None
    last = max(2.0, *(_deepest(total(one.buckets)) for one in present))
    ticks = tuple((nines(share), text) for share, text in _NINES if nines(share) <= last)
    lines = tuple(
        Line(one.label or "all requests", one.colour, (_curve(one.buckets),), dashed=one.dashed) for one in present
    )
    y = duration_axis([maximum(one.buckets) for one in present] + [percentile(one.buckets, 0.01) for one in present])
    return Chart(key, title, Axis("percentile (%)", 0.0, last, ticks), y, lines, _percentile_slots(present, last))


def nines(share: float) -> float:
    """How many nines a share has: 0.9 → 1, 0.99 → 2."""
    return -math.log10(1 - share)


def _deepest(count: int) -> float:
    """Where the curve of so many values ends: the largest one stands for the second half of its share."""
    return math.log10(2 * count)


def _curve(buckets: Buckets) -> tuple[Point, ...]:
    count, seen = total(buckets), 0
    points = [(0.0, percentile(buckets, 0.0))]
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        x = nines(seen / count) if seen < count else _deepest(count)
        points.append((x, maximum({bucket: 1})))
    return tuple(points)


def _percentile_slots(present: list[Distribution], last: float) -> tuple[Slot, ...]:
    slots = []
    for share in _HOVER_SHARES:
        if nines(share) <= last:
            found = [(one, percentile(one.buckets, share)) for one in present]
            entries = [(one.colour, f"{one.label} {time_text(value)}".strip(), value) for one, value in found]
            head = f"{100 * share:.6g} % took no longer than"
            slots.append(_slot(nines(share), head, entries))
    return tuple(slots)
