"""The figures that every report shows, each with its name and its text; and a plan in words.

One table for the summary, the Markdown table, the page and the comparison: a figure added here appears in all four.
What a figure is and how it is read, load/figures.py knows. One that was not measured is None, and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastproxy.loadtest.load import figures
from fastproxy.loadtest.load.figures import Unit
from fastproxy.loadtest.load.histogram import maximum, mean, percentile, total
from fastproxy.loadtest.reports.units import (
    NOTHING,
    bytes_text,
    clean,
    count_text,
    digits,
    seconds_text,
    share_text,
    time_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastproxy.loadtest.load.shapes import Buckets, Run, Series, Tally

_TEXTS: Final[dict[Unit, Callable[[float], str]]] = {
    Unit.TIME: time_text,
    Unit.SHARE: share_text,
    Unit.BYTES: bytes_text,
    Unit.COUNT: count_text,
    Unit.RATE: digits,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """`key` is the name that --fail-if uses, `label` what people read."""

    key: str
    label: str

    def value(self, series: Series) -> float | None:
        found = figures.find(self.key)
        value = found.read(series) if found else None
        return None if value == 0 and self.key == "tokens_per_second" else value  # nobody spoke of tokens

    def text(self, value: float) -> str:
        found = figures.find(self.key)
        return _TEXTS[found.unit](value) if found else digits(value)


FIGURES: Final = (
    Figure("rate", "requests per second"),
    Figure("errors", "errors"),
    Figure("p50", "latency p50"),
    Figure("p90", "latency p90"),
    Figure("p95", "latency p95"),
    Figure("p99", "latency p99"),
    Figure("p99.9", "latency p99.9"),
    Figure("max", "latency max"),
    Figure("mean", "latency mean"),
    Figure("first_byte_p99", "first byte p99"),
    Figure("first_token_p50", "first token p50"),
    Figure("first_token_p99", "first token p99"),
    Figure("gap_p50", "gap p50"),
    Figure("gap_p99", "gap p99"),
    Figure("tokens_per_second", "tokens per second"),
    Figure("token_rate_p50", "tokens/s of a stream"),
    Figure("cpu_per_request", "CPU per request"),
    Figure("memory_peak", "memory peak"),
)
_KNOWN: Final = {name: figure for figure in FIGURES for name in (figure.key, figure.label)}


def named(name: str) -> Figure:
    """The figure of that key or label; one without a place in the table keeps its name."""
    return _KNOWN.get(name) or Figure(name, clean(name))


def pair_names(run: Run) -> tuple[str, str]:
    """What the two sides of a ratio are called."""
    if len(run.series) != 2:
        return "A", "B"
    return clean(run.series[0].name), clean(run.series[1].name)


def measured(series: Iterable[Series]) -> list[Figure]:
    """The figures that at least one of them has."""
    lanes = list(series)
    return [figure for figure in FIGURES if any(figure.value(lane) is not None for lane in lanes)]


def probes(run: Run) -> bool:
    """Whether the series are short looks at one target at many rates, not targets to set side by side."""
    return bool(run.frontier) or len(run.series) > _SIDE_BY_SIDE


_SIDE_BY_SIDE: Final = 6  # series at most
PROBE_HEADS: Final = ("probe", "requests per second", "p50", "p99", "p99.9", "max", "errors")
_PROBE: Final = ("rate", "p50", "p99", "p99.9", "max", "errors")


def probe_rows(lanes: Iterable[Series]) -> list[list[str]]:
    """Many series with one row each."""
    rows = []
    for lane in lanes:
        values = ((named(key), named(key).value(lane)) for key in _PROBE)
        rows.append([clean(lane.name), *(NOTHING if value is None else figure.text(value) for figure, value in values)])
    return rows


PERCENTILES: Final = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999))
DISTRIBUTION_HEADS: Final = (*(name for name, _ in PERCENTILES), "max", "mean")


def distributions(tally: Tally) -> list[tuple[str, list[str]]]:
    """Each kind of time that was measured, with its percentiles, maximum and mean as texts."""
    kinds = (
        ("latency", tally.latency),
        ("service time", tally.service),
        ("connect", tally.connect),
        ("first byte", tally.first_byte),
        ("first token", tally.first_token),
        ("gap between tokens", tally.gap),
        ("own lateness", tally.lateness),
    )
    return [(name, spread(buckets)) for name, buckets in kinds if total(buckets)]


def spread(buckets: Buckets) -> list[str]:
    values = [percentile(buckets, share) for _, share in PERCENTILES]
    return [time_text(value) for value in (*values, maximum(buckets), mean(buckets))]


def plan_text(plan: dict[str, Any]) -> str:
    """A plan in one line: "open loop (poisson), 10 → 1,000 requests per second, at most 64 connections, 30 s"."""
    stages: list[dict[str, Any]] = plan.get("stages") or []
    arrival = str(plan.get("arrival", "closed"))
    length = f"{count_text(plan['count'])} requests" if plan.get("count") else ""
    if not length and stages:
        length = seconds_text(sum(float(stage.get("seconds", 0)) for stage in stages))
    connections = f"{count_text(plan.get('connections', 0))} connections"
    if arrival == "closed":
        parts = ["closed loop", f"{_levels(stages)} connections" if stages else connections]
    elif arrival == "recorded":
        parts = [f"a recording at {digits(float(plan.get('pace', 1)))} × its pace", "at most " + connections]
    else:
        parts = [f"open loop ({clean(arrival)})", f"{_levels(stages)} requests per second", "at most " + connections]
    warm = float(plan.get("warm_s") or 0)
    parts += [length] if length else []
    parts += [f"after {seconds_text(warm)} of warm-up"] if warm else []
    parts += [] if plan.get("keep_alive", True) else ["a new connection for each request"]
    return ", ".join(parts)


def _levels(stages: list[dict[str, Any]]) -> str:
    """The levels that a ramp goes through, each once: "10 → 1,000"."""
    levels: list[str] = []
    for stage in stages:
        for end in ("start", "end"):
            text = f"{float(stage.get(end, 0)):,g}"
            if not levels or levels[-1] != text:
                levels.append(text)
    return " → ".join(levels) or "?"
