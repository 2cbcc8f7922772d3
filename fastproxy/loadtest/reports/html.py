"""A run as one HTML page that needs nothing but itself: figures first, then charts, then tables and how it was made.

No script and no request: the page's own policy forbids both, so even a text that slipped through escaping could do
nothing. Every text of a user or a server passes `_safe`.
"""

from __future__ import annotations

import base64
import hashlib
import html as markup
import json
import shlex
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.histogram import percentile, total
from fastproxy.loadtest.load.tally import error_count
from fastproxy.loadtest.reports.charts import draw, legend
from fastproxy.loadtest.reports.columns import COLOURS, columns_note
from fastproxy.loadtest.reports.figures import (
    DISTRIBUTION_HEADS,
    PROBE_HEADS,
    distributions,
    named,
    pair_names,
    plan_text,
    probe_rows,
    probes,
)
from fastproxy.loadtest.reports.panels import panels
from fastproxy.loadtest.reports.style import STYLE
from fastproxy.loadtest.reports.units import bytes_text, clean, count_text, counted, ratio_text, time_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastproxy.loadtest.load.shapes import Run, Series
    from fastproxy.loadtest.reports.charts import Chart
    from fastproxy.loadtest.reports.figures import Figure

_TILES: Final = (
    "rate", "p50", "p99", "p99.9", "errors", "first_token_p50", "first_token_p99", "gap_p99", "tokens_per_second",
    "cpu_per_request", "memory_peak",
)  # fmt: skip
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"


def html(run: Run) -> str:
    """The whole page."""
    parts = [_header(run), _verdicts(run)]
    if probes(run):
        parts += [_bounds(run), _charts(run), "<h2>Probes</h2>", _table(PROBE_HEADS, probe_rows(run.series))]
    else:
        parts += [_tiles(run.series), _charts(run), _compared(run), _tables(run)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_safe(_title(run))} · fastproxy bench</title><style>{STYLE}</style></head>\n"
        f"<body><main>{''.join(parts)}{_origin(run)}</main></body></html>\n"
    )


def _safe(text: str) -> str:
    """One line that is only text, in an element as well as in an attribute."""
    return markup.escape(clean(text), quote=True)


def _dot(place: int, run_of: Sequence[Series]) -> str:
    """The colour of a series, where there are several."""
    return f'<span class="dot c{place % COLOURS}"></span>' if len(run_of) > 1 else ""


# ── on top ──


def _title(run: Run) -> str:
    """The names of several targets, the address of one."""
    if len(run.series) == 1 or probes(run):
        return run.series[0].url
    return " and ".join(lane.name for lane in run.series) or "no target"


def _header(run: Run) -> str:
    names = run.series if len(run.series) > 1 and not probes(run) else []
    lanes = "".join(
        f'<span class="url">{_dot(place, run.series)}{_safe(lane.name)}'
        f'<span class="soft">{_safe(lane.url)}</span></span>'
        for place, lane in enumerate(names)
    )
    head = lanes or _safe(_title(run))
    return (
        f'<header><p class="eyebrow">fastproxy bench · {_safe(run.started)}</p><h1>{head}</h1>'
        f'<p class="soft">{_safe(plan_text(run.plan))}</p></header>'
    )


def _verdicts(run: Run) -> str:
    """What --fail-if said, and what the harness says of itself."""
    items = []
    for verdict in run.verdicts:
        bad = "FAILED" in verdict
        items.append(f'<li class="{"bad" if bad else "good"}">{"✗" if bad else "✓"} {_safe(verdict)}</li>')
    several = len(run.series) > 1
    notes = [f"{lane.name}: {note}" if several else note for lane in run.series for note in lane.notes]
    items += [f'<li class="bad">! {_safe(note)}</li>' for note in notes]
    return f'<ul class="says">{"".join(items)}</ul>' if items else ""


def _tiles(lanes: list[Series]) -> str:
    """The main figures; with two series both values and their ratio."""
    tiles = [_tile(named(key), lanes) for key in _TILES]
    many = " many" if len(lanes) > 1 else ""
    return f'<dl class="tiles{many}">{"".join(tiles)}</dl>'


def _bounds(run: Run) -> str:
    """The highest rates, as the search found them."""
    tiles = (
        f'<div class="tile"><dt>highest rate with p99 below {at.p99_below / 1e3:g} ms</dt>'
        f"<dd>{count_text(at.rate)} <small>per second</small></dd></div>"
        for at in run.frontier
    )
    return f'<dl class="tiles">{"".join(tiles)}</dl>'


def _tile(figure: Figure, lanes: list[Series]) -> str:
    values = [figure.value(lane) for lane in lanes]
    if all(value is None for value in values):
        return ""
    shown = []
    for place, value in enumerate(values):
        number, _, unit = ("–" if value is None else figure.text(value)).partition(" ")
        small = f" <small>{unit}</small>" if unit else ""
        shown.append(f"<dd>{_dot(place, lanes)}{_safe(number)}{small}</dd>")
    if len(values) == 2 and values[0] and values[1] is not None:
        shown.append(f'<dd class="ratio">{ratio_text(values[0], values[1])}</dd>')
    bad = " bad" if figure.key == "errors" and any(values) else ""
    return f'<div class="tile{bad}"><dt>{_safe(figure.label)}</dt>{"".join(shown)}</div>'


def _charts(run: Run) -> str:
    charts = panels(run)
    if not charts:
        return '<p class="note">Nothing was answered, so there is nothing to draw.</p>'
    note = columns_note(run)
    below = f'<p class="note">{note}</p>' if note else ""
    head = "By rate" if probes(run) else "Over the run"
    return f'<h2>{head}</h2><div class="charts">{"".join(map(_figure, charts))}</div>{below}'


def _figure(chart: Chart) -> str:
    keys = legend(chart.lines) if len(chart.lines) > 1 else ""
    caption = f"<figcaption><h3>{_safe(chart.title)}</h3>{keys}</figcaption>"
    return f'<figure id="{chart.key}">{caption}{draw(chart)}</figure>'


# ── tables ──


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]], *, wide: bool = False) -> str:
    """A table of texts; with `wide` the last column holds prose."""
    head = _cells("th", heads, wide=wide)
    body = "".join(_cells("td", row, wide=wide) for row in rows)
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _cells(kind: str, texts: Iterable[str], *, wide: bool) -> str:
    *first, last = (_safe(text) for text in texts)
    start = "".join(f"<{kind}>{text}</{kind}>" for text in first)
    return f"<tr>{start}<{kind}{' class=wide' if wide else ''}>{last}</{kind}></tr>"


def _compared(run: Run) -> str:
    parts = []
    if run.ratios:
        rows = [
            (
                named(ratio.figure).label,
                named(ratio.figure).text(ratio.a),
                named(ratio.figure).text(ratio.b),
                f"{ratio.ratio:.2f} ×",
                f"{ratio.low:.2f} to {ratio.high:.2f}",
                ratio.verdict,
            )
            for ratio in run.ratios
        ]
        parts.append("<h2>By interleaved pairs</h2>")
        parts.append(_table(("", *pair_names(run), "ratio", "95 % interval", "verdict"), rows))
    return "".join(parts)


def _tables(run: Run) -> str:
    return "".join(_lane(lane, place, run.series) for place, lane in enumerate(run.series))


def _lane(lane: Series, place: int, lanes: list[Series]) -> str:
    tally = lane.tally
    name = _safe(lane.name) if len(lanes) > 1 else "In numbers"
    parts = [f"<h2>{_dot(place, lanes)}{name}</h2>"]
    times = [(label, *texts) for label, texts in distributions(tally)]
    if times:
        parts.append(_table(("", *DISTRIBUTION_HEADS), times))
    if len(tally.by_request) > 1:
        rows = [
            (kind, count_text(total(found)), time_text(percentile(found, 0.5)), time_text(percentile(found, 0.99)))
            for kind, found in tally.by_request.items()
        ]
        parts.append(_table(("by request", "count", "p50", "p99"), rows))
    if tally.errors:
        kinds = sorted(tally.errors.items(), key=lambda item: -item[1])
        errors = [(kind, count_text(count), tally.error_examples.get(kind, "")) for kind, count in kinds]
        parts.append(_table(("error", "count", "the first one"), errors, wide=True))
    parts.append(f'<p class="note">{_safe(_counts(lane))}</p>')
    return "".join(parts)


def _counts(lane: Series) -> str:
    tally, usage = lane.tally, lane.usage
    late = f" ({count_text(tally.drained)} behind the measured time)" if tally.drained else ""
    parts = [f"{count_text(tally.done)} right replies{late}, {count_text(error_count(tally))} errors"]
    parts += [f"status {code}: {count_text(count)}" for code, count in sorted(tally.statuses.items())]
    parts.append(f"{bytes_text(tally.bytes_in)} in, {bytes_text(tally.bytes_out)} out")
    parts.append(f"{count_text(tally.connections)} connections opened")
    if usage:
        many = counted(usage.processes, "process", "processes")
        memory = f"{bytes_text(usage.memory_start)} before, {bytes_text(usage.memory_end)} after"
        parts.append(f"target {usage.name} (pid {usage.pid}, {many}): memory {memory}")
    return "; ".join(parts) + "."


def _origin(run: Run) -> str:
    """How to repeat it: the command, the plan and the machine."""
    plan = json.dumps(run.plan, indent=2, default=str)
    machine = "\n".join(f"{name}: {value}" for name, value in run.machine.items())
    texts = (("Command", shlex.join(run.command)), ("Plan", plan), ("Machine", machine))
    return "<h2>How it was made</h2>" + "".join(
        f"<details><summary>{title}</summary><pre>{_lines(text)}</pre></details>" for title, text in texts
    )


def _lines(text: str) -> str:
    return "\n".join(_safe(line) for line in text.split("\n"))
