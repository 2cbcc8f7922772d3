"""How requests arrive: from what the flags and the scenario say to arrival, stages, connections and count. Pure.

A flag wins over the file, and a flag for a level or a length (`-r`, `-d`, `-n`) replaces the file's stages. Who gives
stages or a rate offers a load (open loop), except with `connections` alone: then stages are numbers of connections.
Raises OptionError, in the words of the flags.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from fastproxy.errors import ConfigError
from fastproxy.loadtest.load.shapes import Arrival, Stage

DEFAULT_SECONDS: Final = 10.0
CLOSED_CONNECTIONS: Final = 64
OPEN_CONNECTIONS: Final = 1024  # with an offered rate: only a bound, connections are opened when needed
SPARE_S: Final = 60.0  # that a count with an offered rate may take longer than its rate says


class OptionError(ConfigError):
    """Flags that cannot be used."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one source says: the flags, or a scenario."""

    arrival: Arrival | None = None
    rate: float | None = None
    connections: int | None = None
    duration: float | None = None
    count: int | None = None
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class Decided:
    arrival: Arrival
    stages: tuple[Stage, ...]
    connections: int
    count: int


def decide(flags: Wanted, file: Wanted) -> Decided:
    """Flags over file over defaults."""
    _refuse_contradictions(flags)
    wanted = _joined(flags, file)
    arrival = wanted.arrival or _implied(wanted)
    if arrival is Arrival.CLOSED:
        return _closed(wanted)
    if wanted.rate is None and not wanted.stages:
        raise OptionError(f"--arrival {arrival.value} needs a rate: -r RATE or --ramp STAGES")
    connections = wanted.connections or OPEN_CONNECTIONS
    return Decided(arrival, wanted.stages or _constant_rate(wanted), connections, wanted.count or 0)


def _refuse_contradictions(flags: Wanted) -> None:
    if flags.stages and (flags.rate is not None or flags.duration is not None):
        raise OptionError("--ramp says rate and duration itself; it excludes -r and -d")
    if flags.arrival is Arrival.CLOSED and flags.rate is not None:
        raise OptionError("a closed loop has no rate; -r needs --arrival poisson or uniform")


def _joined(flags: Wanted, file: Wanted) -> Wanted:
    replaced = any(value is not None for value in (flags.rate, flags.duration, flags.count))
    changed_loop = flags.connections is not None and file.arrival is Arrival.CLOSED
    stages = flags.stages or (() if replaced or changed_loop else file.stages)
    duration = _length(file.stages) if file.stages else file.duration
    given_length = flags.duration if flags.duration is not None or flags.count is not None else duration
    offers = flags.rate is not None
    return Wanted(
        flags.arrival or (Arrival.POISSON if offers and file.arrival is Arrival.CLOSED else file.arrival),
        flags.rate if flags.rate is not None else file.rate,
        flags.connections or file.connections,
        given_length,
        flags.count if flags.count is not None else file.count,
        stages,
    )


def _length(stages: tuple[Stage, ...]) -> float:
    return sum(stage.seconds for stage in stages)


def _implied(wanted: Wanted) -> Arrival:
    offers = wanted.rate is not None or (wanted.stages and wanted.connections is None)
    return Arrival.POISSON if offers else Arrival.CLOSED


def _closed(wanted: Wanted) -> Decided:
    if wanted.stages:
        return Decided(Arrival.CLOSED, wanted.stages, math.ceil(_peak(wanted.stages)), wanted.count or 0)
    connections = wanted.connections or CLOSED_CONNECTIONS
    if wanted.count and wanted.duration is None:
        return Decided(Arrival.CLOSED, (), connections, wanted.count)
    seconds = DEFAULT_SECONDS if wanted.duration is None else wanted.duration
    return Decided(Arrival.CLOSED, (Stage(seconds, connections, connections),), connections, wanted.count or 0)


def _peak(stages: tuple[Stage, ...]) -> float:
    return max(max(stage.start, stage.end) for stage in stages)


def _constant_rate(wanted: Wanted) -> tuple[Stage, ...]:
    assert wanted.rate is not None
    seconds = DEFAULT_SECONDS if wanted.duration is None else wanted.duration
    if wanted.count and wanted.duration is None:
        seconds = 2 * wanted.count / wanted.rate + SPARE_S
    return (Stage(seconds, wanted.rate, wanted.rate),)
