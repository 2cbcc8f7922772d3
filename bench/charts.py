"""One SVG per case: a bar for each proxy with the range of its turns, readable in light and dark, nothing fetched.

The scale is linear while the largest figure is at most LINEAR times the smallest, else logarithmic, and says so. Plain
text, so that a reader sees in a diff which figure changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from bench.cases import Kind

if TYPE_CHECKING:
    from bench.report import Result

LINEAR = 12
WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 720, 110, 150, 64, 30, 18
OURS = "fastproxy"
_STYLE = """\
text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:15px}.unit,.range{fill:#59636e}
.unit{font-size:12px}.bar{fill:#8c959f}.ours{fill:#1a7f37}.span{stroke:#1f2328;stroke-width:1.5}.back{fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.unit,.range{fill:#9198a1}.bar{fill:#656c76}.ours{fill:#3fb950}
.span{stroke:#e6edf3}.back{fill:#0d1117}}"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One proxy: the median, and the lowest and highest lane."""

    name: str
    value: float
    low: float
    high: float


def of_results(results: list[Result]) -> dict[str, str]:
    """Case name → SVG, for the cases that have something to draw."""
    drawn = {}
    for result in results:
        bars = bars_of(result)
        if len(bars) > 1:
            drawn[result["case"]] = draw(result["title"], result["kind"], bars)
    return drawn


def bars_of(result: Result) -> list[Bar]:
    """The compared figure of every target. Its range follows from the range of the lanes' CPU or latency."""
    figure = "p99_us" if result["kind"] in {Kind.ALONE.value, Kind.FIRST.value} else "cpu_us"
    bars = []
    for name, row in result["targets"].items():
        if name == "direct" and result["kind"] == Kind.EVENTS.value:
            continue  # its CPU is the upstream's own
        if row.get("errors"):
            continue
        values = [lane[figure] for lane in result["lanes"][name] if figure in lane]
        same_figure = values and row.get(figure) == row["score"]
        low, high = (min(values), max(values)) if same_figure else (row["score"], row["score"])
        bars.append(Bar(name, row["score"], low, high))
    return bars


@dataclass(frozen=True, slots=True)
class Scale:
    """From a figure to a place on the drawing."""

    floor: float  # 0: linear
    top: float

    def x(self, value: float) -> float:
        share = value / self.top
        if self.floor:
            share = math.log(max(value, self.floor) / self.floor) / math.log(self.top / self.floor)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def scale_of(bars: list[Bar]) -> Scale:
    values = [bar.value for bar in bars if bar.value > 0]
    top = max([bar.high for bar in bars], default=1.0) or 1.0
    if values and max(values) > LINEAR * min(values):
        return Scale(min(bar.low for bar in bars if bar.low > 0) / 3, top)
    return Scale(0.0, top)


def draw(title: str, unit: str, bars: list[Bar]) -> str:
    scale = scale_of(bars)
    height = TOP + ROW * len(bars) + 12
    better = "more" if unit == Kind.SCALING.value else "less"
    told = f"{unit}{', logarithmic scale' if scale.floor else ''}; {better} is better"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{height}"/>',
            f'<text class="title" x="12" y="24">{escape(title)}</text>',
            f'<text class="unit" x="12" y="44">{escape(told)}</text>',
            *(_row(bar, TOP + ROW * number, scale) for number, bar in enumerate(bars)),
            "</svg>\n",
        ]
    )


def _row(bar: Bar, y: int, scale: Scale) -> str:
    end, middle = scale.x(bar.value), y + BAR / 2
    kind = "bar ours" if bar.name == OURS else "bar"
    label = f"{bar.value:,.1f}" if bar.value < 1000 else f"{bar.value:,.0f}"
    after = max(end, scale.x(bar.high)) + 8
    return (
        f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(bar.name)}</text>'
        f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{max(end - LEFT, 1):.1f}" height="{BAR}" rx="2"/>'
        f'<path class="span" d="M{scale.x(bar.low)} {middle}H{scale.x(bar.high)}"/>'
        f'<text x="{after:.1f}" y="{y + 14}">{label}</text>'
    )
