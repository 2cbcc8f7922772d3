"""Thresholds of `--fail-if`: `p99>50ms`, `errors >= 1%`, `rate<1000/s`, `memory_peak > 200MB`.

An expression says what is *not* wanted. A figure that was not measured fails too: a check in CI that quietly stops
checking is worse than one that fails.
"""

from __future__ import annotations

import difflib
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.figures import EXAMPLES, Figure, Unit, find

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.load.shapes import Series

_SHAPE: Final = re.compile(
    r"\s*(?P<figure>[A-Za-z_][\w.]*)\s*(?P<operator>[<>]=?)\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-zµ%/]*)\s*"
)
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_UNITS: Final[dict[Unit, dict[str, float]]] = {
    Unit.TIME: {"us": 1, "µs": 1, "ms": 1e3, "s": 1e6},
    Unit.SHARE: {"%": 100, "": 1},
    Unit.BYTES: {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30},
    Unit.COUNT: {"": 1},
    Unit.RATE: {"/s": 1, "": 1},
}


class ThresholdError(ValueError):
    """An expression that says nothing; the text says what was seen and what was expected."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A figure on the wrong side of a limit (in the figure's base unit)."""

    text: str
    figure: Figure
    operator: str
    limit: float


def parse(text: str) -> Threshold:
    """Raises: ThresholdError."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ThresholdError(f"{text!r}: expected FIGURE OPERATOR LIMIT, as in p99>50ms, errors>1% or rate<1000/s")
    figure = find(match["figure"])
    if figure is None:
        raise ThresholdError(f"{text!r}: {_unknown(match['figure'])}")
    number, factor = float(match["number"]), _factor(text, figure, float(match["number"]), match["unit"])
    limit = number / factor if figure.unit is Unit.SHARE else number * factor  # 7 * 0.01 is more than 0.07
    return Threshold("".join(text.split()), figure, match["operator"], limit)


def judge(threshold: Threshold, series: Series) -> tuple[bool, str]:
    """Whether it failed, and the line that says so."""
    value = threshold.figure.read(series)
    if value is None:
        return True, f"{threshold.text}: FAILED (not measured)"
    failed = _OPERATORS[threshold.operator](value, threshold.limit)
    return failed, f"{threshold.text}: {'FAILED' if failed else 'passed'} ({write(value, threshold.figure.unit)})"


def write(value: float, unit: Unit) -> str:
    """A value in its unit, with three figures."""
    if unit is Unit.SHARE:
        return f"{value * 100:.3g} %"
    if unit is Unit.TIME:
        return _scaled(value, ("us", "ms", "s"))
    if unit is Unit.BYTES:
        return _scaled(value, ("B", "kB", "MB", "GB"))
    return _figures(value) + ("/s" if unit is Unit.RATE else "")


def _scaled(value: float, names: tuple[str, ...]) -> str:
    for name in names[:-1]:
        if value < 999.5:
            return f"{_figures(value)} {name}"
        value /= 1000
    return f"{_figures(value)} {names[-1]}"


def _figures(value: float) -> str:
    return f"{value:.0f}" if value >= 999.5 else f"{value:.3g}"


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, EXAMPLES, n=1)
    return f"unknown figure {name!r}, " + (f"did you mean {close[0]}?" if close else f"expected {', '.join(EXAMPLES)}")


def _factor(text: str, figure: Figure, number: float, unit: str) -> float:
    units = _UNITS[figure.unit]
    if unit not in units and (unit or number):  # nothing is nothing in every unit
        expected = ", ".join(name for name in units if name) or "none"
        saw = f"unit {unit!r}" if unit else "no unit"
        raise ThresholdError(f"{text!r}: {figure.name} is {figure.unit.value}: saw {saw}, expected {expected}")
    if figure.unit is Unit.SHARE and not unit and number > 1:
        raise ThresholdError(f"{text!r}: a share is 0 to 1 or has %: saw {number:g}, did you mean {number:g}%?")
    return units.get(unit, 1)
