"""Line charts as inline SVG: knows points, axes and colours by number, and nothing of loads or runs.

A chart is drawn with classes only (style.py colours them), so it needs no script, no font and no style attribute.
Whoever points at it sees the slot beneath: a guide line, a dot on each line and the slot's text as the SVG title.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 560
HEIGHT: Final = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 26, 38
_PLOT_WIDTH: Final = WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT: Final = HEIGHT - _TOP - _BOTTOM
_NEAR: Final = 0.6  # pixels; points nearer than this to the last one are left out

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """`log` places values by their logarithm; every tick is (value, text)."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high end, never beyond them."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        share = (value - low) / (high - low) if high > low else 0.0
        return min(max(share, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One line; each of its pieces is drawn alone, so that a time without values stays a hole."""

    label: str
    colour: int
    pieces: tuple[tuple[Point, ...], ...]
    dashed: bool = False
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """What a pointer finds at one place of the x axis: a text, and (colour, value) of each line there."""

    x: float
    text: str
    marks: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    key: str
    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    slots: tuple[Slot, ...]


def step_near(rough: float) -> float:
    """The smallest of 1, 2 or 5 times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= rough * 0.999)


def linear_axis(label: str, top: float, scale: float = 1.0) -> Axis:
    """From 0 to the next even step above `top`; ticks show the value over `scale`, the label's unit."""
    step = step_near((top or scale) / 5)
    count = max(math.ceil((top or scale) / step - 1e-9), 1)
    return Axis(label, 0.0, step * count, tuple((step * n, f"{step * n / scale:,.6g}") for n in range(count + 1)))


def time_axis(low: float, high: float) -> Axis:
    """Seconds of a run; in minutes when it is long."""
    unit, scale = ("min", 60.0) if high - low > 300 else ("s", 1.0)
    step = max(step_near(max(high - low, 1.0) / scale / 8), 1.0) * scale
    first = math.ceil(low / step)
    values = [step * n for n in range(first, math.floor(high / step) + 1)]
    return Axis(f"time since the start ({unit})", low, high, tuple((v, f"{v / scale:,.6g}") for v in values))


def draw(chart: Chart) -> str:
    """The chart as one svg element."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}" class="chart">',
        *_grid(chart),
        *(_line(chart, line) for line in chart.lines),
        *_slots(chart),
        "</svg>",
    ]
    return "".join(parts)


def legend(lines: Sequence[Line]) -> str:
    """A short sample of each line with its name."""
    items = []
    for line in lines:
        sample = f'<svg viewBox="0 0 22 8" class="key"><path d="M1 4H21" class="{_classes(line)}"/></svg>'
        items.append(f"<li>{sample}{escape(line.label)}</li>")
    return f'<ul class="legend">{"".join(items)}</ul>'


def _classes(line: Line) -> str:
    return f"line c{line.colour}" + (" dashed" if line.dashed else "")


def _x(chart: Chart, value: float) -> float:
    return _LEFT + _PLOT_WIDTH * chart.x.place(value)


def _y(chart: Chart, value: float) -> float:
    return _TOP + _PLOT_HEIGHT * (1 - chart.y.place(value))


def _grid(chart: Chart) -> list[str]:
    bottom, right = _TOP + _PLOT_HEIGHT, WIDTH - _RIGHT
    parts = [f'<text x="{_LEFT - 44}" y="12" class="axis">{escape(chart.y.label)}</text>']
    for value, text in chart.y.ticks:
        y = _y(chart, value)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 7}" y="{y + 3.5:.1f}" class="tick end">{escape(text)}</text>')
    parts.append(f'<path d="M{_LEFT} {bottom}H{right}" class="base"/>')
    for value, text in chart.x.ticks:
        x = _x(chart, value)
        parts.append(f'<path d="M{x:.1f} {bottom}v4" class="base"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" class="tick middle">{escape(text)}</text>')
    parts.append(f'<text x="{right}" y="{HEIGHT - 6}" class="axis end">{escape(chart.x.label)}</text>')
    return parts


def _line(chart: Chart, line: Line) -> str:
    bottom = _TOP + _PLOT_HEIGHT
    drawn = []
    for piece in line.pieces:
        places = _thinned([(_x(chart, x), _y(chart, y)) for x, y in piece])
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        if len(places) == 1:
            path += "h.1"  # a round cap makes a dot of it
        elif line.filled:
            area = f"{path}L{places[-1][0]:.1f} {bottom}L{places[0][0]:.1f} {bottom}Z"
            drawn.append(f'<path d="{area}" class="area c{line.colour}"/>')
        drawn.append(f'<path d="{path}" class="{_classes(line)}"/>')
    return "".join(drawn)


def _thinned(places: list[Point]) -> list[Point]:
    """Without the points that no eye could tell from the one before; the last one always stays."""
    kept = places[:1]
    for place in places[1:-1]:
        if math.dist(place, kept[-1]) >= _NEAR:
            kept.append(place)
    return kept + places[-1:] if len(places) > 1 else kept


def _slots(chart: Chart) -> list[str]:
    """A column for each slot, reaching half way to its neighbours."""
    if not chart.slots:
        return []
    xs = [_x(chart, slot.x) for slot in chart.slots]
    edges = [float(_LEFT), *((left + right) / 2 for left, right in pairwise(xs)), float(WIDTH - _RIGHT)]
    parts = []
    for slot, x, (left, right) in zip(chart.slots, xs, pairwise(edges), strict=True):
        dots = "".join(f'<circle cx="{x:.1f}" cy="{_y(chart, v):.1f}" r="3" class="c{c}"/>' for c, v in slot.marks)
        parts.append(
            f'<g class="slot"><title>{escape(slot.text)}</title>'
            f'<rect x="{left:.1f}" y="{_TOP}" width="{max(right - left, 0.1):.1f}" height="{_PLOT_HEIGHT}"/>'
            f'<path d="M{x:.1f} {_TOP}v{_PLOT_HEIGHT}"/>{dots}</g>'
        )
    return parts
