"""Latency histograms whose bins can be added: two halves of an hour make the hour by SUM, in any database.

A bin is the length of a number and its three bits after the first one, so there are 8 bins in each doubling (as
HdrHistogram does, with 3 bits). Below 16 us every microsecond has its own. Only bins that were hit are stored.

    us    0 .. 15   16 17   18 19   ..   30 31   32 .. 35   ..   1,000,000 (1 s): bin 143, 983,040 .. 1,048,575
    bin   0 .. 15     16      17    ..     23       24
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BITS: Final = 3
_PER_OCTAVE: Final = 1 << _BITS


def bin_of(us: int) -> int:
    """The bin of a time in microseconds; a negative one counts as 0."""
    if us < 0:
        return 0
    shift = us.bit_length() - _BITS - 1
    return us if shift <= 0 else shift * _PER_OCTAVE + (us >> shift)


def bounds(number: int) -> tuple[int, int]:
    """The first microsecond of a bin, and the first one after it."""
    if number < 2 * _PER_OCTAVE:
        return number, number + 1
    shift, rest = divmod(number, _PER_OCTAVE)
    shift -= 1
    first = _PER_OCTAVE + rest
    return first << shift, (first + 1) << shift


def quantile(bins: Mapping[int, int], q: float) -> float | None:
    """The time (us) below which the share `q` (0..1) of all lies, at most 6.25 % off; None when there are none.

    It is the middle of the bin in which the nearest-rank quantile lies: bins are at most 1/8 of their start wide.
    """
    total = sum(bins.values())
    if total <= 0:
        return None
    rank = max(1, min(total, -int(-q * total // 1)))
    for number in sorted(bins):
        rank -= bins[number]
        if rank <= 0:
            first, end = bounds(number)
            return (first + end - 1) / 2
    raise AssertionError("the counts of a histogram are positive")
