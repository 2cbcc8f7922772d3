"""Counts of times in buckets whose width grows with the value: no percentile is off by more than 0.8 %.

The buckets are those of HdrHistogram with 128 to an octave: values below 256 have one each, above it each doubling is
cut into 128. Recording is one addition to a list (0.15 us); histograms of several processes are added bucket by bucket,
so merged percentiles are exact, which averaged percentiles never are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastproxy.loadtest.load.shapes import Buckets

_BITS: Final = 7
_PER_OCTAVE: Final = 1 << _BITS
MAX_VALUE: Final = (1 << 36) - 1  # 19 hours in microseconds; larger values count as this


def bucket_of(value: int) -> int:
    """The bucket of a value; negative values count as 0."""
    if value < 2 * _PER_OCTAVE:
        return max(value, 0)
    value = min(value, MAX_VALUE)
    shift = value.bit_length() - _BITS - 1
    return (shift << _BITS) + (value >> shift)


def middle_of(bucket: int) -> float:
    """The value that stands for a bucket: its middle."""
    if bucket < 2 * _PER_OCTAVE:
        return float(bucket)
    shift = (bucket >> _BITS) - 1
    low = (bucket - (shift << _BITS)) << shift
    return low + ((1 << shift) - 1) / 2


_SIZE: Final = bucket_of(MAX_VALUE) + 1


class Histogram:
    """Times in microseconds."""

    __slots__ = ("_counts",)

    def __init__(self, buckets: Buckets | None = None) -> None:
        self._counts = [0] * _SIZE
        if buckets:
            self.add(buckets)

    def record(self, value: int) -> None:
        self._counts[bucket_of(value)] += 1

    def add(self, buckets: Buckets) -> None:
        for bucket, count in buckets.items():
            self._counts[bucket] += count

    def buckets(self) -> Buckets:
        """As it travels: the buckets that hold something."""
        return {bucket: count for bucket, count in enumerate(self._counts) if count}

    def clear(self) -> None:
        self._counts = [0] * _SIZE


def total(buckets: Buckets) -> int:
    return sum(buckets.values())


def percentile(buckets: Buckets, share: float) -> float:
    """The value that `share` (0 to 1) of all do not exceed; 0.0 of nothing."""
    wanted = share * total(buckets)
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= wanted and seen:
            return middle_of(bucket)
    return 0.0


def mean(buckets: Buckets) -> float:
    """The mean; 0.0 of nothing."""
    count = total(buckets)
    return sum(middle_of(bucket) * times for bucket, times in buckets.items()) / count if count else 0.0


def maximum(buckets: Buckets) -> float:
    return middle_of(max(buckets)) if buckets else 0.0


def merge(into: Buckets, more: Buckets) -> None:
    for bucket, count in more.items():
        into[bucket] = into.get(bucket, 0) + count
