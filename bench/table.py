"""The Markdown tables of a run: what was compared, then one table per sort of case, with the reasons of all absences.

Sorts of cases differ in what is worth a column: requests have a rate and latencies, streams a first token, memory three
times of reading. Every ratio is to nginx in the same turn, with the lowest and the highest of the turns in brackets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.cases import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.report import Figures, Result

REQUESTS = ("per second", "p50 µs", "p99 µs", "CPU µs", "core busy")
STREAMS = ("events/s", "delay p50 µs", "delay p99 µs", "first token p50 µs (added)", "p99 µs (added)", "CPU µs", "busy")
ADDED = ("added to none: p50 µs", "p99 µs", "added to the first: p50 µs", "p99 µs")
FIRST = ("streams/s", "p50 µs", "p99 µs", *ADDED, "CPU µs", "busy")
MEMORY = ("idle MiB", "loaded MiB", "after MiB")
IDLE = ("KiB PSS per stream", "MiB PSS before")
SCALING = ("per second, 1 worker", "2 workers", "cores busy, 1", "2")


def whole(results: list[Result], facts: dict[str, Any], peers: dict[str, dict[str, Any]]) -> str:
    """All of it as one Markdown text."""
    parts = [machine_line(facts), peers_table(peers)]
    for heading, kinds, columns, figures in _SORTS:
        some = [result for result in results if result["kind"] in {kind.value for kind in kinds}]
        if some:
            parts.append(f"### {heading}\n\n{_table(some, columns, figures)}")
    return "\n\n".join(parts)


def machine_line(facts: dict[str, Any]) -> str:
    return (
        f"{facts['time']}: {facts['cpu']}, {facts['cpus']} CPUs, kernel {facts['kernel']}, CPython {facts['python']}, "
        f"load average before {facts['load_average_at_start']:.2f}"
    )


def peers_table(peers: dict[str, dict[str, Any]]) -> str:
    rows = [
        f"| {name} | {facts.get('version', 'absent')} | {facts['source']} | {facts.get('absent', '')} |"
        for name, facts in peers.items()
    ]
    return "\n".join(["| proxy | version | from | absent because |", "|---|---|---|---|", *rows])


def table(results: list[Result]) -> str:
    """Requests and whatever else has a rate and latencies."""
    return _table(results, REQUESTS, _requests)


def _table(results: list[Result], columns: tuple[str, ...], figures: Callable[[Result, Figures], list[str]]) -> str:
    head = ["case", "proxy", *columns, "ratio to the first (range)", "bar"]
    lines = [_line(head), "|---" * len(head) + "|"]
    for result in results:
        title = f"{result['title']} ({result['note']})" if result.get("note") else result["title"]
        rows = _rows(result, len(columns), figures)
        lines += [_line([title if number == 0 else "", *row]) for number, row in enumerate(rows)]
    return "\n".join(lines)


def _rows(result: Result, width: int, figures: Callable[[Result, Figures], list[str]]) -> list[list[str]]:
    rows = []
    for name, row in result["targets"].items():
        ratio = result["ratios"].get(name)
        judged = ratio is not None and ratio == result["ratio"]
        rows.append([name, *figures(result, row), _told(ratio, row), result["verdict"] if judged else ""])
    if not rows:
        rows.append(["–", *["–"] * width, "–", result["verdict"]])
    return rows + [[name, *["–"] * width, f"absent: {reason}", ""] for name, reason in result["absent"].items()]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _told(ratio: Figures | None, row: Figures) -> str:
    if row.get("errors"):
        return f"{row['errors']:,.0f} ERRORS"  # a proxy that refuses quickly is not a fast proxy
    if not ratio:
        return ""
    digits = 2 if ratio["median"] < 10 else 0
    low, high = f"{ratio['low']:.{digits}f}", f"{ratio['high']:.{digits}f}"
    return f"**{ratio['median']:.{digits}f}** ({low}–{high})"


def _requests(_: Result, row: Figures) -> list[str]:
    return [f"{row['rate']:,.0f}", *_micros(row, "p50_us", "p99_us"), f"{row['cpu_us']:.1f}", f"{row['busy']:.2f}"]


def _streams(result: Result, row: Figures) -> list[str]:
    direct = result["targets"].get("direct")
    firsts = [
        f"{row[name]:,.0f}" + (f" ({row[name] - direct[name]:+,.0f})" if direct and row is not direct else "")
        for name in ("first_p50_us", "first_p99_us")
    ]
    last = [f"{row['cpu_us']:.1f}", f"{row['busy']:.2f}"]
    return [f"{row['rate']:,.0f}", *_micros(row, "p50_us", "p99_us"), *firsts, *last]


def _first_token(result: Result, row: Figures) -> list[str]:
    name = next(name for name, other in result["targets"].items() if other is row)
    cells = [f"{row['rate']:,.0f}", *_micros(row, "p50_us", "p99_us")]
    for to, others in result["added"].items():
        more = others.get(name) if to != name else None
        cells += [_plus(more[figure]) if more else "" for figure in ("p50_us", "p99_us")]
    return [*cells, f"{row['cpu_us']:.1f}", f"{row['busy']:.2f}"]


def _plus(more: Figures) -> str:
    """The difference of the medians, then that inside the turns with its range."""
    return f"{more['of_medians']:+,.0f}; **{more['median']:+,.0f}** ({more['low']:+,.0f} to {more['high']:+,.0f})"


def _micros(row: Figures, *names: str) -> list[str]:
    return [f"{row[name]:,.0f}" for name in names]


def _memory(_: Result, row: Figures) -> list[str]:
    return [f"{row[name]:.1f}" for name in ("idle_mib", "loaded_mib", "after_mib")]


def _idle(_: Result, row: Figures) -> list[str]:
    return [f"{row['score']:.2f}", f"{row['base_mib']:.1f}"]


def _scaling(_: Result, row: Figures) -> list[str]:
    return [f"{row['rate_1']:,.0f}", f"{row['rate_2']:,.0f}", f"{row['busy_1']:.2f}", f"{row['busy_2']:.2f}"]


_SORTS: tuple[tuple[str, set[Kind], tuple[str, ...], Callable[[Result, Figures], list[str]]], ...] = (
    ("Requests", {Kind.REQUESTS, Kind.ALONE}, REQUESTS, _requests),
    ("Streams", {Kind.EVENTS}, STREAMS, _streams),
    ("Time to the first token, unloaded", {Kind.FIRST}, FIRST, _first_token),
    ("Memory", {Kind.MEMORY}, MEMORY, _memory),
    ("Idle streams", {Kind.IDLE}, IDLE, _idle),
    ("Two workers", {Kind.SCALING}, SCALING, _scaling),
)
