"""Adding tallies up, and the few figures that are a quotient of two counts.

    add      tallies of processes that ran at the same time: counts add up, times do not
    append   a tally of what ran afterwards (the next lane of the same target): times add up too

Both change `into` in place and keep nothing of `more`: it may be changed or sent on. Histograms are added bucket by
bucket, so percentiles of the sum are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from fastproxy.loadtest.load.histogram import merge
from fastproxy.loadtest.load.seconds import coarsest, end_of_row, joined

if TYPE_CHECKING:
    from fastproxy.loadtest.load.shapes import Tally

COUNTS: Final = (
    "sent", "done", "drained", "connections", "aborted", "bytes_in", "bytes_out", "events", "tokens_out",
    "drained_tokens", "cpu",
)  # fmt: skip
HISTOGRAMS: Final = (
    "latency", "service", "connect", "first_byte", "first_token", "gap", "token_rate", "lateness",
)  # fmt: skip


def add(into: Tally, more: Tally) -> None:
    """Add what another process saw during the same time; its rows are matched by their place.

    Processes end a moment apart, so one may have joined its rows at the full hour and another not yet.
    """
    _add_all_but_time(into, more)
    into.wall = max(into.wall, more.wall)
    into.drain = max(into.drain, more.drain)
    rows = [*into.seconds, *more.seconds]
    into.seconds = joined(rows, coarsest(rows))


def append(into: Tally, more: Tally) -> None:
    """Add what came afterwards: its seconds go behind those of `into`, pauses between the two left out."""
    _add_all_but_time(into, more)
    into.wall += more.wall
    into.drain += more.drain
    first = min((row.at for row in more.seconds), default=0)
    behind = max(map(end_of_row, into.seconds), default=first)
    into.seconds += joined(msgspec.structs.replace(row, at=row.at - first + behind) for row in more.seconds)


def error_count(tally: Tally) -> int:
    return sum(tally.errors.values())


def finished(tally: Tally) -> int:
    """Requests that ended, well or not; those that we broke off on purpose are neither."""
    return tally.done + error_count(tally)


def error_rate(tally: Tally) -> float:
    """The share of errors in what ended (0 to 1); 0.0 of nothing."""
    ended = finished(tally)
    return error_count(tally) / ended if ended else 0.0


def rate(tally: Tally) -> float:
    """Right replies per second, of those that came within the measured time; 0.0 of no time."""
    return (tally.done - tally.drained) * 1e6 / tally.wall if tally.wall else 0.0


def tokens_per_second(tally: Tally) -> float:
    """Tokens of all replies within the measured time; 0.0 of no time."""
    return (tally.tokens_out - tally.drained_tokens) * 1e6 / tally.wall if tally.wall else 0.0


def _add_all_but_time(into: Tally, more: Tally) -> None:
    for name in COUNTS:
        setattr(into, name, getattr(into, name) + getattr(more, name))
    for name in HISTOGRAMS:
        merge(getattr(into, name), getattr(more, name))
    for kind, count in more.errors.items():
        into.errors[kind] = into.errors.get(kind, 0) + count
    for status, count in more.statuses.items():
        into.statuses[status] = into.statuses.get(status, 0) + count
    for kind, text in more.error_examples.items():
        into.error_examples.setdefault(kind, text)
    for request, buckets in more.by_request.items():
        merge(into.by_request.setdefault(request, {}), buckets)
    starts = [start for start in (into.started_ns, more.started_ns) if start]  # 0: it has measured nothing yet
    into.started_ns = min(starts, default=0)
