"""Who says what about the arrival, and who wins: one table."""

from __future__ import annotations

import pytest

from fastproxy.loadtest.load.arrival import (
    CLOSED_CONNECTIONS,
    OPEN_CONNECTIONS,
    Decided,
    OptionError,
    Wanted,
    decide,
)
from fastproxy.loadtest.load.shapes import Arrival, Stage

CLOSED, POISSON, UNIFORM = Arrival.CLOSED, Arrival.POISSON, Arrival.UNIFORM
RAMP = (Stage(10, 100, 1000), Stage(20, 1000, 1000))
NOTHING = Wanted()


def flat(seconds: float, level: float) -> tuple[Stage, ...]:
    return (Stage(seconds, level, level),)


@pytest.mark.parametrize(
    ("flags", "file", "expected"),
    [
        (NOTHING, NOTHING, Decided(CLOSED, flat(10, 64), CLOSED_CONNECTIONS, 0)),
        (Wanted(connections=5, duration=3.0), NOTHING, Decided(CLOSED, flat(3, 5), 5, 0)),
        (Wanted(count=7), NOTHING, Decided(CLOSED, (), CLOSED_CONNECTIONS, 7)),
        (Wanted(rate=50.0), NOTHING, Decided(POISSON, flat(10, 50), OPEN_CONNECTIONS, 0)),
        (Wanted(rate=50.0, arrival=UNIFORM, connections=9), NOTHING, Decided(UNIFORM, flat(10, 50), 9, 0)),
        (Wanted(rate=50.0, count=100), NOTHING, Decided(POISSON, flat(64, 50), OPEN_CONNECTIONS, 100)),
        (Wanted(stages=RAMP), NOTHING, Decided(POISSON, RAMP, OPEN_CONNECTIONS, 0)),
        (Wanted(stages=RAMP, connections=9), NOTHING, Decided(CLOSED, RAMP, 1000, 0)),
        (Wanted(stages=RAMP, connections=9, arrival=UNIFORM), NOTHING, Decided(UNIFORM, RAMP, 9, 0)),
        (Wanted(stages=RAMP, count=5), NOTHING, Decided(POISSON, RAMP, OPEN_CONNECTIONS, 5)),
        (NOTHING, Wanted(connections=5, duration=3.0), Decided(CLOSED, flat(3, 5), 5, 0)),
        (NOTHING, Wanted(rate=2.5, duration=3.0), Decided(POISSON, flat(3, 2.5), OPEN_CONNECTIONS, 0)),
        (NOTHING, Wanted(stages=RAMP), Decided(POISSON, RAMP, OPEN_CONNECTIONS, 0)),
        (NOTHING, Wanted(stages=RAMP, connections=9, arrival=POISSON), Decided(POISSON, RAMP, 9, 0)),
        (NOTHING, Wanted(stages=RAMP, arrival=CLOSED), Decided(CLOSED, RAMP, 1000, 0)),
        (Wanted(connections=7), Wanted(stages=RAMP, arrival=POISSON), Decided(POISSON, RAMP, 7, 0)),
        (Wanted(connections=7), Wanted(stages=RAMP, arrival=CLOSED), Decided(CLOSED, flat(30, 7), 7, 0)),
        (Wanted(rate=5.0), Wanted(stages=RAMP), Decided(POISSON, flat(30, 5), OPEN_CONNECTIONS, 0)),
        (Wanted(rate=5.0), Wanted(rate=9.0, arrival=UNIFORM), Decided(UNIFORM, flat(10, 5), OPEN_CONNECTIONS, 0)),
        (Wanted(duration=2.0), Wanted(rate=9.0, duration=60.0), Decided(POISSON, flat(2, 9), OPEN_CONNECTIONS, 0)),
        (Wanted(count=18), Wanted(rate=9.0, duration=60.0), Decided(POISSON, flat(64, 9), OPEN_CONNECTIONS, 18)),
        (Wanted(rate=5.0), Wanted(connections=9), Decided(POISSON, flat(10, 5), 9, 0)),
        (Wanted(rate=5.0), Wanted(arrival=CLOSED, connections=9), Decided(POISSON, flat(10, 5), 9, 0)),
        (Wanted(arrival=CLOSED), Wanted(rate=9.0), Decided(CLOSED, flat(10, 64), CLOSED_CONNECTIONS, 0)),
    ],
)
def test_flags_over_file_over_defaults(flags: Wanted, file: Wanted, expected: Decided) -> None:
    assert decide(flags, file) == expected


@pytest.mark.parametrize(
    ("flags", "file", "told"),
    [
        (Wanted(stages=RAMP, rate=5.0), NOTHING, "--ramp says rate and duration itself"),
        (Wanted(stages=RAMP, duration=5.0), NOTHING, "--ramp says rate and duration itself"),
        (Wanted(arrival=CLOSED, rate=5.0), NOTHING, "a closed loop has no rate"),
        (Wanted(arrival=UNIFORM), NOTHING, "--arrival uniform needs a rate"),
        (Wanted(duration=5.0), Wanted(stages=RAMP, arrival=POISSON), "--arrival poisson needs a rate"),
    ],
)
def test_contradictions_are_refused(flags: Wanted, file: Wanted, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        decide(flags, file)
