"""How long something takes: a distribution over milliseconds, written as text. Pure; the caller brings the randomness.

50 or fixed:50      always 50           normal:50:10       mean 50, standard deviation 10, never below 0
uniform:20:80       from 20 to 80       lognormal:50:0.5   median 50, sigma 0.5: a long tail to the right
exponential:50      mean 50
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import random

Kind = Literal["fixed", "uniform", "normal", "lognormal", "exponential"]
MOST_MS = 3_600_000.0
_KINDS: tuple[str, ...] = get_args(Kind)
_NUMBERS = {"fixed": 1, "exponential": 1}


@dataclass(frozen=True, slots=True)
class Spread:
    """One distribution; what `first` and `second` are stands above."""

    kind: Kind = "fixed"
    first: float = 0.0
    second: float = 0.0

    def __bool__(self) -> bool:
        """False when it is always nothing."""
        return self.kind != "fixed" or self.first > 0

    @property
    def text(self) -> str:
        """As it is written."""
        return ":".join((self.kind, f"{self.first:g}", *([] if self.kind in _NUMBERS else [f"{self.second:g}"])))

    def draw(self, rng: random.Random) -> float:
        """Milliseconds, between 0 and an hour."""
        if self.kind == "fixed":
            return self.first
        return min(MOST_MS, max(0.0, self._drawn(rng)))

    def _drawn(self, rng: random.Random) -> float:
        if self.kind == "uniform":
            return rng.uniform(self.first, self.second)
        if self.kind == "normal":
            return rng.gauss(self.first, self.second)
        if self.kind == "lognormal":
            return self.first * math.exp(rng.gauss(0.0, self.second))
        return rng.expovariate(1 / self.first) if self.first else 0.0


NO_TIME = Spread()


def parse(text: str) -> Spread:
    """The distribution that a text means; ValueError says what is wrong with it."""
    name, *rest = text.strip().split(":")
    if not rest:
        name, rest = "fixed", [name]
    if name not in _KINDS:
        raise ValueError(f"expected milliseconds or one of {', '.join(_KINDS)}, got {text}")
    wanted = _NUMBERS.get(name, 2)
    if len(rest) != wanted:
        raise ValueError(f"{name}: expected {wanted} numbers, got {len(rest)}: {text}")
    numbers = [_number(part) for part in rest]
    if name == "uniform" and numbers[0] > numbers[1]:
        raise ValueError(f"uniform: expected the smaller number first, got {text}")
    return Spread(_kind(name), *numbers)


def _kind(name: str) -> Kind:
    return next(kind for kind in get_args(Kind) if kind == name)


def _number(text: str) -> float:
    value = float(text)
    if not 0 <= value <= MOST_MS:
        raise ValueError(f"expected 0 to {MOST_MS:g}, got {text}")
    return value
