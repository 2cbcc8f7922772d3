"""Rows of a run over time: one second each, or in long runs several neighbouring seconds in one row.

    each 1    at 0, 1, 2, 3 …                  a second per row, up to an hour
    each 2    at 0 (0 and 1), 2 (2 and 3) …    an hour later twice as many, and so on

Places count from the start of the run, so all processes join the same ones. A row says itself how many seconds it
stands for, from its first one to its last: a rate is its count over its width. The first row may be short (it begins
with the measurement), and so may the last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.loadtest.load.histogram import merge
from fastproxy.loadtest.load.shapes import Second

if TYPE_CHECKING:
    from collections.abc import Iterable


def end_of_row(row: Second) -> int:
    """The first second that is behind it."""
    return row.at + row.width


def joined(rows: Iterable[Second], each: int = 1) -> list[Second]:
    """New rows of so many seconds, in order; nothing of `rows` is changed or kept."""
    found: dict[int, Second] = {}
    for row in rows:
        place = row.at // each
        into = found.get(place)
        if into is None:
            into = found[place] = Second(row.at, width=0)
        end = max(end_of_row(into), end_of_row(row))
        into.at = min(into.at, row.at)
        into.width = end - into.at
        into.done += row.done
        into.errors += row.errors
        into.bytes_in += row.bytes_in
        merge(into.latency, row.latency)
        merge(into.first_token, row.first_token)
    return [found[place] for place in sorted(found)]


def coarsest(rows: Iterable[Second]) -> int:
    """How many seconds the rows have at least been joined to: what all must be joined to before they are added."""
    widest = max((row.width for row in rows), default=1)
    return 1 << (widest - 1).bit_length()
