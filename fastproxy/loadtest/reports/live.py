"""What is happening while a load runs: a view that redraws itself in a terminal, a line now and then anywhere else.

The caller hands over the whole tally again and again; "now" is the difference to the one before. The view draws only
when it is told to, so it costs no thread and no timer, and it leaves nothing behind: the summary takes its place.
rich is imported when there is a terminal for it, never before.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TextIO

from fastproxy.loadtest.load.histogram import percentile
from fastproxy.loadtest.load.shapes import Tally
from fastproxy.loadtest.load.tally import error_count, finished, rate, tokens_per_second
from fastproxy.loadtest.reports.units import NOTHING, clean, count_text, digits, seconds_text, sparkline, time_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from fastproxy.loadtest.load.shapes import Buckets

_HISTORY: Final = 40  # columns of the sparklines
_LINES: Final = 20  # that a run writes at most where nothing can be redrawn
_SHORTEST_S: Final = 1.0  # between two such lines
_BAR: Final = 40


@dataclass(frozen=True, slots=True)
class Moment:
    """What one interval, or the whole time so far, showed. A time is None where nothing was answered."""

    rate: float
    p50: float | None
    p99: float | None
    first_token: float | None
    errors: int
    tokens: float

    @classmethod
    def of(cls, tally: Tally, before: Tally | None, seconds: float) -> Moment:
        latency = newer(tally.latency, before.latency if before else {})
        first = newer(tally.first_token, before.first_token if before else {})
        seconds = max(seconds, 1e-3)
        return cls(
            (tally.done - (before.done if before else 0)) / seconds,
            percentile(latency, 0.5) if latency else None,
            percentile(latency, 0.99) if latency else None,
            percentile(first, 0.5) if first else None,
            error_count(tally) - (error_count(before) if before else 0),
            (tally.tokens_out - (before.tokens_out if before else 0)) / seconds,
        )

    @classmethod
    def of_all(cls, tally: Tally, seconds: float) -> Moment:
        """Everything so far; `seconds` of it count when the tally does not know how long it was measured."""
        whole = cls.of(tally, None, tally.wall / 1e6 or seconds)
        return replace(whole, rate=rate(tally), tokens=tokens_per_second(tally)) if tally.wall else whole


def newer(now: Buckets, before: Buckets) -> Buckets:
    """What a histogram gained since an earlier look at it."""
    gained = ((bucket, count - before.get(bucket, 0)) for bucket, count in now.items())
    return {bucket: count for bucket, count in gained if count > 0}


class LiveView:
    """`seconds` is how long the run should take, `count` how many requests it has; 0 for what is not known.

    Call `update` with the tally of all processes so far (twice a second reads well) and `stop` in the end; or use it
    as a context manager. A tally that starts anew, or under another name, is the next lane of the run.
    """

    def __init__(self, title: str, seconds: float = 0.0, *, count: int = 0, stream: TextIO | None = None) -> None:
        self._title = clean(title)
        self._seconds = seconds
        self._count = count
        self._stream = stream or sys.stdout
        self._name = ""
        self._started = self._lane_started = self._last_at = self._last_line = time.monotonic()
        self._before: Tally | None = None
        self._now = self._all = Moment(0.0, None, None, None, 0, 0.0)
        self._rates: deque[float] = deque(maxlen=_HISTORY)
        self._slowest: deque[float] = deque(maxlen=_HISTORY)
        self._done = 0
        self._live = _live_on(self._stream)
        if self._live:
            self._live.start()

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def update(self, tally: Tally, name: str = "") -> None:
        at = time.monotonic()
        if name != self._name or (self._before and finished(tally) < finished(self._before)):
            self._name, self._before, self._lane_started = name, None, self._last_at
        self._now = Moment.of(tally, self._before, at - self._last_at)
        self._all = Moment.of_all(tally, at - self._lane_started)
        self._before, self._last_at, self._done = _looked_at(tally), at, finished(tally)
        self._rates.append(self._now.rate)
        self._slowest.append(self._now.p99 or 0.0)
        if self._live:
            self._live.update(self._view(self._live.console), refresh=True)
        elif at - self._last_line >= max(self._seconds / _LINES, _SHORTEST_S):
            self._last_line = at
            self._write_line()

    def stop(self) -> None:
        """Take the view away. Called twice, it does nothing more."""
        if self._live:
            self._live.stop()
            self._live = None

    def _write_line(self) -> None:
        self._stream.write(self._line() + "\n")
        self._stream.flush()

    def _line(self) -> str:
        """The progress on one line, as a log keeps it."""
        now = self._now
        lane = [clean(self._name)] if self._name else []
        parts = [
            self._progress(),
            *lane,
            f"{digits(now.rate)} requests/s",
            f"p50 {_time(now.p50)}",
            f"p99 {_time(now.p99)}",
        ]
        if now.first_token is not None:
            parts.append(f"first token {time_text(now.first_token)}")
        return "  ".join([*parts, f"errors {count_text(self._all.errors)}"])

    def _progress(self) -> str:
        if self._count:
            return f"{count_text(self._done)} of {count_text(self._count)}"
        passed = f"{self._last_at - self._started:.1f}"
        return f"{passed} of {seconds_text(self._seconds)}" if self._seconds else f"{passed} s"

    def _share(self) -> float:
        """How much of the run is over, 0 to 1."""
        if self._count:
            return min(self._done / self._count, 1.0)
        return min((self._last_at - self._started) / self._seconds, 1.0) if self._seconds else 0.0

    def _view(self, console: Console) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bar = Table.grid(padding=(0, 2))
        width = max(min(_BAR, console.width - 24), 8)
        pulse = not (self._seconds or self._count)
        bar.add_row(ProgressBar(1.0, self._share(), width=width, pulse=pulse), Text(self._progress()))
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        for _ in range(2):
            table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="crop", style="cyan")
        for label, now, whole, line in self._rows():
            table.add_row(label, now, Text(whole, style="dim"), line)
        title = Text(self._title, style="bold", no_wrap=True, overflow="ellipsis")
        return Group(title, bar, table)

    def _rows(self) -> list[tuple[str, str, str, str]]:
        """Label, now, all of it, sparkline; rows of what this load does not have are left out."""
        now, whole = self._now, self._all
        rows = [
            (clean(self._name), "now", "all", ""),
            ("requests/s", digits(now.rate), digits(whole.rate), sparkline([*self._rates])),
            ("p50", _time(now.p50), _time(whole.p50), ""),
            ("p99", _time(now.p99), _time(whole.p99), sparkline([*self._slowest])),
        ]
        if whole.first_token is not None:
            rows.append(("first token", _time(now.first_token), _time(whole.first_token), ""))
        if whole.tokens:
            rows.append(("tokens/s", digits(now.tokens), digits(whole.tokens), ""))
        return [*rows, ("errors", count_text(now.errors), count_text(whole.errors), "")]


def _time(value: float | None) -> str:
    return NOTHING if value is None else time_text(value)


def _looked_at(tally: Tally) -> Tally:
    """What the next look subtracts; a copy, because the caller may go on adding to the same tally."""
    return Tally(
        done=tally.done,
        errors=dict(tally.errors),
        tokens_out=tally.tokens_out,
        latency=dict(tally.latency),
        first_token=dict(tally.first_token),
    )


def _live_on(stream: TextIO) -> Live | None:
    """A live display, where the stream is a terminal that can move its cursor."""
    if not stream.isatty():
        return None
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream, highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        return None
    return Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
