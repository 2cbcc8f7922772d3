"""The search for the highest offered rate whose p99 stays below each bound. It decides only; someone else measures.

    while (rate := search.next_rate()) is not None:  measure;  search.tell(rate, p99_us, error_share, kept_up)

All bounds share the probes, 12 in all. A bound's bracket runs from the highest rate that held to the lowest above it
that did not. As long as nothing has held the rate is halved (the answers lie near the top: latency has a knee), then
brackets are bisected, the widest first, until each is within 3 % (for a queue whose five answers lie far apart the
probes run out at 8 % in the worst case, 1.3 % in the median). A bound below the latency that even an idle target
shows would be chased forever, so it is given up when halving the rate no longer lowers p99.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from fastproxy.loadtest.load.shapes import Frontier

BOUNDS: Final = (1_000, 5_000, 10_000, 50_000, 100_000)
MAX_PROBES: Final = 12
CLOSE: Final = 1.03  # high over low of a bracket that is narrow enough
MAX_ERRORS: Final = 0.001  # a tenth of what p99 leaves out
_STILL: Final = 0.8  # p99 at half the rate over p99 at the rate, from which on the latency is the target's own


@dataclass(frozen=True, slots=True)
class _Probe:
    rate: float
    p99: float
    sound: bool  # it kept up and had no errors, so its p99 means something

    def holds(self, bound: int) -> bool:
        return self.sound and self.p99 < bound


@dataclass(frozen=True, slots=True)
class _Bracket:
    low: float
    high: float
    held: bool  # whether `low` has held, or is only where the search ends
    failures: int

    def width(self) -> float:
        """How much a probe is worth here; chasing a bound that nothing has held is worth less each time it fails."""
        return self.high / self.low if self.held else 1.0 + 1.0 / max(self.failures, 1)

    def open(self) -> bool:
        return self.high / self.low > CLOSE

    def middle(self) -> float:
        middle = math.sqrt(self.low * self.high)
        return middle if self.held else max(middle, self.high / 2)


class Search:
    """Between two rates: both above zero. `high` itself is not tried; take it 20 % above what is possible."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, max(low, high)
        self._probes: list[_Probe] = []

    def next_rate(self) -> float | None:
        """The rate to try next; None: enough is known."""
        if len(self._probes) >= MAX_PROBES:
            return None
        wanted = [self._bracket(bound) for bound in reversed(BOUNDS) if not self._hopeless(bound)]
        wanted = [bracket for bracket in wanted if bracket.open()]
        if not wanted:
            return None
        return float(f"{max(wanted, key=_Bracket.width).middle():.4g}")

    def tell(self, rate: float, p99_us: float, error_share: float, kept_up: bool) -> None:
        """What a probe showed. `kept_up`: all that was offered was sent and answered, no queue grew."""
        self._probes.append(_Probe(rate, p99_us, kept_up and error_share <= MAX_ERRORS))

    def best(self) -> list[Frontier]:
        """For each bound the highest rate that held it; 0.0: none did."""
        return [Frontier(bound, self._held(bound)) for bound in BOUNDS]

    def _held(self, bound: int) -> float:
        return max((probe.rate for probe in self._probes if probe.holds(bound)), default=0.0)

    def _bracket(self, bound: int) -> _Bracket:
        held = self._held(bound)
        failed = [probe.rate for probe in self._probes if not probe.holds(bound) and probe.rate > held]
        return _Bracket(held or self._low, min(failed, default=self._high), held > 0, len(failed))

    def _hopeless(self, bound: int) -> bool:
        if self._held(bound):
            return False
        sound = [probe for probe in self._probes if probe.sound]
        return any(calm.rate <= busy.rate / 2 and calm.p99 >= _STILL * busy.p99 for calm in sound for busy in sound)
