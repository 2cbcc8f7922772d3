"""A schedule of trouble: windows of time in which calls fail, break off or are slow. Pure; time and chance are given.

A window as a flag: `--chaos "10s-20s errors=0.5 status=503 slower=3 latency=uniform:10:50 cuts=0.1 every=60s"`.
Times count from the start of the mock; with `every`, the window comes again in each such period.

    errors    the part of the calls that fail, with `status` (503)
    cuts      the part of the calls whose reply is reset in the middle
    slower    all times of a reply are multiplied by it
    latency   instead of what the flags say
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fastproxy.loadtest.mock_spread import Spread, parse
from fastproxy.loadtest.mock_wishes import positive, status

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from fastproxy.loadtest.mock_behaviour import Behaviour

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds from the start of the mock; `every` 0 is once."""

    begin: float
    end: float
    every: float = 0.0
    errors: float = 0.0
    status: int = 503
    cuts: float = 0.0
    slower: float = 1.0
    latency: Spread | None = None

    def holds(self, at: float) -> bool:
        """True when this moment is inside."""
        return self.begin <= (at % self.every if self.every else at) < self.end


@dataclass(frozen=True, slots=True)
class Chaos:
    """All windows."""

    windows: tuple[Window, ...] = ()

    def now(self, at: float) -> Window | None:
        """The first window that is open."""
        return next((window for window in self.windows if window.holds(at)), None)


def apply(window: Window, behaviour: Behaviour, pieces: int, rng: random.Random) -> Behaviour:
    """The behaviour under this window; its `status` is set when the call is to fail. `pieces` are the reply's."""
    if window.errors and rng.random() < window.errors:
        behaviour = replace(behaviour, status=window.status, message="chaos: this call was chosen to fail")
    elif window.cuts and rng.random() < window.cuts:
        behaviour = replace(behaviour, end_after=rng.randint(1, max(1, pieces - 1)), reset=True)
    latency = behaviour.latency if window.latency is None else window.latency
    return replace(behaviour, slower=behaviour.slower * window.slower, latency=latency)


def read_window(text: str) -> Window:
    """One window as a flag writes it; ValueError says what is wrong."""
    times, *settings = text.split()
    begin, dash, end = times.partition("-")
    if not dash:
        raise ValueError(f"expected FROM-TO, as in 10s-20s, got {times}")
    pairs = dict(setting.partition("=")[::2] for setting in settings)
    return window({"from": begin, "to": end, **pairs})


def window(settings: Mapping[str, str]) -> Window:
    """One window from its settings by name."""
    values: dict[str, Any] = {"begin": 0.0, "end": math.inf}
    for name, text in settings.items():
        if name not in _READERS:
            raise ValueError(f"no such setting: {name}, known are {', '.join(_READERS)}")
        field, read = _READERS[name]
        values[field] = read(text)
    made = Window(**values)
    if made.begin >= made.end or 0 < made.every < made.end:
        raise ValueError(f"expected from < to ≤ every, got {made.begin:g}, {made.end:g}, {made.every:g} seconds")
    return made


def seconds(text: str) -> float:
    """A duration like 500ms, 10s, 2m or 1m30s; a bare 0 too."""
    found = _DURATION.findall(text)
    if "".join(number + unit for number, unit in found) != text or not text:
        if text == "0":
            return 0.0
        raise ValueError(f"expected a duration like 500ms, 10s or 2m, got {text or 'nothing'}")
    return sum(float(number) * _UNITS[unit] for number, unit in found)


def share(text: str) -> float:
    """A part of the whole, from 0 to 1."""
    return positive(text, 1)


_READERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "from": ("begin", seconds),
    "to": ("end", seconds),
    "every": ("every", seconds),
    "errors": ("errors", share),
    "status": ("status", status),
    "cuts": ("cuts", share),
    "slower": ("slower", lambda text: positive(text, 10_000)),
    "latency": ("latency", parse),
}
