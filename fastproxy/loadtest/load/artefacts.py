"""Humps in a target's latencies that a known cause puts where they are: stalls, delayed acknowledgements, lost packets.

Percentiles hide them: p50 and p99 of a target that stalls once in twenty requests say "1 ms" and "100 ms", and nothing
of the emptiness between. The latency from the actual sending is read: waiting for connections cannot smear it. Values
from the run's own time limit on are our doing and are left out.

A target may simply take 42 ms, so a cause is named only as a possibility, and only when something says that the target
itself is faster:

    most replies    take less than half of that time, and a narrow spike stands apart from them
    first bytes     of plain replies come at once, and the rest of each so much later
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.figures import Unit
from fastproxy.loadtest.load.histogram import bucket_of, middle_of, percentile, total
from fastproxy.loadtest.load.threshold import write

if TYPE_CHECKING:
    from fastproxy.loadtest.load.shapes import Buckets, Tally

Cause = tuple[int, int, str]  # from, below, what it may be

HUMP_SHARE: Final = 0.005  # a second hump holds at least so many of all replies …
HUMP_COUNT: Final = 5  # … and so many of them: one slow reply is chance
HUMP_FACTOR: Final = 4.0  # and lies at least so far above the bulk's median
HUMP_LEAST: Final = 5_000.0
SPIKE_FACTOR: Final = 5  # times what lies on either side of it
SLOW_CONNECT: Final = 900_000
DELAYED_ACK: Final[Cause] = (
    38_000, 48_000, "a delayed acknowledgement, if someone writes a message in two parts without TCP_NODELAY",
)  # fmt: skip
KNOWN_CAUSES: Final[tuple[Cause, ...]] = (
    DELAYED_ACK,
    (198_000, 230_000, "the shortest retransmission timeout of TCP, if packets were lost"),
    (990_000, 1_060_000, "the retransmission of a SYN, if the target's accept queue overflowed"),
    (2_990_000, 3_100_000, "the second retransmission of a SYN, if the target's accept queue overflowed"),
)


def artefacts(tally: Tally, timeout_s: float) -> list[str]:
    """One sentence for each that is found."""
    service = _below(tally.service, bucket_of(round(timeout_s * 1e6)))
    found = [
        cause
        for cause in KNOWN_CAUSES
        if spike(service, cause[0], cause[1])
        and (_most_are_faster(service, cause) or (cause is DELAYED_ACK and _heads_come_at_once(tally)))
    ]
    said = [f"{_replies(service, low, high)}: possibly {text}" for low, high, text in found]
    hump = second_hump(service)
    if hump is not None and not any(low <= hump[2] <= high for low, high, _ in found):
        share, usual, middle = hump
        said.append(
            f"{share:.1%} of the replies took about {_time(middle)}, the others about {_time(usual)}: "
            "the target stalls now and then"
        )
    return said + [
        f"{_between(tally.connect, low, high)} connections took {_time(low)} or more to open: possibly {text}"
        for low, high, text in KNOWN_CAUSES
        if low > SLOW_CONNECT and spike(tally.connect, low, high)
    ]


def _below(buckets: Buckets, limit: int) -> Buckets:
    return {bucket: times for bucket, times in buckets.items() if bucket < limit}


def _most_are_faster(service: Buckets, cause: Cause) -> bool:
    low, high, _ = cause
    return _between(service, 0, low / 2) > _between(service, low, high)


def _heads_come_at_once(tally: Tally) -> bool:
    """Of plain replies; a stream takes its time behind its head."""
    return not tally.events and 0 < percentile(tally.first_byte, 0.9) < DELAYED_ACK[0] / 2


def spike(buckets: Buckets, low: float, high: float) -> bool:
    """Whether a narrow band holds far more than the bands of the same width (as a ratio) on either side."""
    inside = _between(buckets, low, high)
    beside = max(_between(buckets, low * low / high, low), _between(buckets, high, high * high / low))
    return inside >= max(HUMP_COUNT, HUMP_SHARE * total(buckets), SPIKE_FACTOR * beside)


def second_hump(buckets: Buckets) -> tuple[float, float, float] | None:
    """The share of a hump that stands apart above the bulk, the bulk's median and its own; None: there is none.

    It stands apart when an octave between the two holds next to nothing: a twentieth of the hump.
    """
    count = total(buckets)
    if count < 100:
        return None
    low = percentile(buckets, 0.25)  # in the bulk, even when the hump is nearly half of all
    for edge in _edges(buckets, low):
        above = {bucket: times for bucket, times in buckets.items() if middle_of(bucket) > edge}
        hump = total(above)
        valley = sum(times for bucket, times in buckets.items() if edge / 2 < middle_of(bucket) <= edge)
        if max(HUMP_COUNT, HUMP_SHARE * count) <= hump <= count / 2 and valley <= hump / 20:
            usual, middle = percentile(buckets, (1 - hump / count) / 2), percentile(above, 0.5)
            if middle >= max(HUMP_FACTOR * usual, HUMP_LEAST):
                return hump / count, usual, middle
    return None


def _edges(buckets: Buckets, low: float) -> list[float]:
    """Where a valley of one octave may end: a quarter of an octave apart, up to the largest value."""
    top = middle_of(max(buckets))
    steps = max(0, int(4 * math.log2(top / low))) if low > 0 else 0
    return [low * 2 ** (1 + step / 4) for step in range(1, steps)]


def _between(buckets: Buckets, low: float, high: float) -> int:
    return sum(times for bucket, times in buckets.items() if low <= middle_of(bucket) < high)


def _replies(buckets: Buckets, low: float, high: float) -> str:
    inside = {bucket: times for bucket, times in buckets.items() if low <= middle_of(bucket) < high}
    share, middle = total(inside) / total(buckets), _time(percentile(inside, 0.5))
    return f"nearly every reply took {middle}" if share > 0.8 else f"{share:.1%} of the replies took about {middle}"


def _time(value: float) -> str:
    return write(value, Unit.TIME)
