"""A run in words: the final summary for a terminal (80 to 100 columns) and a Markdown table for a README.

Plain text without colour, so that it reads the same in a terminal, a log and a mail. Texts of servers and users are
shown on one line and without control characters; in Markdown they cannot leave their cell.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.histogram import percentile, total
from fastproxy.loadtest.load.tally import error_count, error_rate, rate, tokens_per_second
from fastproxy.loadtest.reports.figures import (
    DISTRIBUTION_HEADS,
    PROBE_HEADS,
    distributions,
    measured,
    named,
    pair_names,
    plan_text,
    probe_rows,
    probes,
)
from fastproxy.loadtest.reports.units import (
    NOTHING,
    bytes_text,
    clean,
    count_text,
    counted,
    digits,
    ratio_text,
    share_text,
    time_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.loadtest.load.shapes import Buckets, Run, Series, Tally, Usage

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|#~&])")
_WIDTH: Final = 96
_LABEL: Final = 14  # columns of the labels at the left
_NAME: Final = 16  # and of the targets' names, in tables


def summary(run: Run) -> str:
    """The whole run as aligned text, ending in a newline."""
    lines = [plan_text(run.plan)]
    if probes(run):
        lines += ["", *aligned([[*PROBE_HEADS], *probe_rows(run.series)]), *_notes(run.series)]
    else:
        lines += [line for lane in run.series for line in ("", *_lane(lane))]
        lines += _comparison(run)
    lines += _ratios(run)
    if run.frontier:
        lines += ["", "highest rate"]
        lines += [_row(f"p99 < {at.p99_below / 1e3:g} ms", f"{count_text(at.rate)} per second") for at in run.frontier]
    lines += ["", *(clean(verdict) for verdict in run.verdicts)] if run.verdicts else []
    return "\n".join(line.rstrip() for line in lines) + "\n"


def markdown(run: Run) -> str:
    """One row per figure, one column per target, and B over A when there are two; of probes, one row per probe."""
    if probes(run):
        heads, rows = [*PROBE_HEADS], probe_rows(run.series)
    else:
        heads = ["", *(lane.name for lane in run.series), *(["ratio"] if len(run.series) == 2 else [])]
        rows = [[label, *cells] for label, cells in _figure_rows(run.series)]
    table = [_markdown_row(heads), "| --- |" + " ---: |" * (len(heads) - 1), *map(_markdown_row, rows)]
    bounds = [f"- p99 < {at.p99_below / 1e3:g} ms: {count_text(at.rate)} per second" for at in run.frontier]
    below = ["", *bounds] if bounds else []
    return "\n".join([*table, *below, "", f"{_cell(plan_text(run.plan))}; {_cell(run.started)}"]) + "\n"


def _row(label: str, *parts: str) -> str:
    return f"  {label:<{_LABEL}}" + "  ".join(parts)


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows of equal length as text: the first column to the left, the others to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join([f"  {row[0]:<{widths[0]}}", *(f"{c:>{w}}" for c, w in _others(row, widths))]) for row in rows]


def _others(row: list[str], widths: list[int]) -> Iterable[tuple[str, int]]:
    return zip(row[1:], widths[1:], strict=True)


def _lane(lane: Series) -> list[str]:
    tally = lane.tally
    lines = [f"{clean(lane.name)}  {clean(lane.url)}", *_counts(tally)]
    times = distributions(tally)
    if times:
        heads = ["", *DISTRIBUTION_HEADS]
        lines += ["", *aligned([heads, *([name, *texts] for name, texts in times)])]
    lines += _requests(tally.by_request)
    lines += ["", *_errors(tally)] if tally.errors else []
    lines += ["", _usage(lane.usage)] if lane.usage else []
    return lines + _notes([lane])


def _notes(lanes: list[Series]) -> list[str]:
    """What the harness says of itself, each thing once."""
    notes = dict.fromkeys(clean(note) for lane in lanes for note in lane.notes)
    wrapped = [textwrap.fill(note, _WIDTH, initial_indent="  ! ", subsequent_indent="    ") for note in notes]
    return ["", *wrapped] if notes else []


def _counts(tally: Tally) -> list[str]:
    wall, in_time = tally.wall / 1e6, tally.done - tally.drained
    lines = [
        _row("requests", f"{count_text(in_time)} right in {wall:,.1f} s, {digits(rate(tally))} per second"),
        _row("errors", f"{count_text(error_count(tally))} ({share_text(error_rate(tally))})"),
    ]
    if tally.drained:
        lines.insert(1, _row("", f"{count_text(tally.drained)} more in the {tally.drain / 1e6:,.1f} s behind it"))
    if tally.statuses:
        lines.append(_row("statuses", *(f"{code}: {count_text(n)}" for code, n in sorted(tally.statuses.items()))))
    traffic = f"{_bytes(tally, tally.bytes_in)} in, {_bytes(tally, tally.bytes_out)} out"
    lines.append(_row("traffic", f"{traffic}, {count_text(tally.connections)} connections opened"))
    if tally.tokens_out:
        lines.append(_row("tokens", _tokens(tally)))
    if tally.aborted:
        lines.append(_row("aborted", f"{count_text(tally.aborted)} by the clients, as planned"))
    return lines


def _bytes(tally: Tally, amount: int) -> str:
    """Per second of all the time in which something came: bytes are not told apart by when they did."""
    return f"{bytes_text(amount * 1e6 / (tally.wall + tally.drain) if tally.wall else 0.0)}/s"


def _tokens(tally: Tally) -> str:
    whole = f"{digits(tokens_per_second(tally))} per second"
    if not tally.token_rate:
        return whole
    middle, low = percentile(tally.token_rate, 0.5), percentile(tally.token_rate, 0.01)
    return f"{whole}; one stream {digits(middle)} (median), {digits(low)} (slowest 1 %)"


def _requests(by_request: dict[str, Buckets]) -> list[str]:
    if len(by_request) < 2:
        return []
    rows = [["by request", "count", "p50", "p99"]]
    for name, buckets in by_request.items():
        times = (time_text(percentile(buckets, share)) for share in (0.5, 0.99))
        rows.append([clean(name)[:40], count_text(total(buckets)), *times])
    return ["", *aligned(rows)]


def _errors(tally: Tally) -> list[str]:
    """Most frequent first, each with the first text that was seen."""
    kinds = sorted(tally.errors.items(), key=lambda item: -item[1])
    examples = tally.error_examples
    return [f"  {kind:<12}{count_text(count):>9}  {clean(examples.get(kind, ''))[:72]}" for kind, count in kinds]


def _usage(usage: Usage) -> str:
    memory = f"{bytes_text(usage.memory_start)} → {bytes_text(usage.memory_end)}, peak {bytes_text(usage.memory_peak)}"
    cpu = f"{time_text(usage.cpu_per_request)} CPU per request"
    many = counted(usage.processes, "process", "processes")
    return _row("target", f"{cpu}, memory {memory}, {many}")


def _figure_rows(lanes: list[Series]) -> list[tuple[str, list[str]]]:
    """Each figure with its texts, and the ratio of two; a dash where one lane has no such figure."""
    rows = []
    for figure in measured(lanes):
        values = [figure.value(lane) for lane in lanes]
        cells = [NOTHING if value is None else figure.text(value) for value in values]
        if len(values) == 2:
            a, b = values
            cells.append(NOTHING if a is None or b is None else ratio_text(a, b))
        rows.append((figure.label, cells))
    return rows


def _comparison(run: Run) -> list[str]:
    if len(run.series) < 2:
        return []
    heads = ["", *(clean(lane.name)[:_NAME] for lane in run.series), *(["ratio"] if len(run.series) == 2 else [])]
    return ["", *aligned([heads, *([label, *cells] for label, cells in _figure_rows(run.series))])]


def _ratios(run: Run) -> list[str]:
    if not run.ratios:
        return []
    a, b = pair_names(run)
    rows = [["by pairs", a[:_NAME], b[:_NAME], "ratio", "95 % interval", "verdict"]]
    for ratio in run.ratios:
        figure = named(ratio.figure)
        interval = f"{ratio.low:.2f} to {ratio.high:.2f}"
        ends = (figure.text(ratio.a), figure.text(ratio.b))
        rows.append([figure.label, *ends, f"{ratio.ratio:.2f} ×", interval, clean(ratio.verdict)])
    return ["", *aligned(rows)]


def _markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    """Text that Markdown shows as it is and that stays in its cell."""
    return _SPECIAL.sub(r"\\\1", clean(text))
