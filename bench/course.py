"""The course of one case: start the targets, warm them, load them in turns, drop those that fail and say why.

Turns go A B C …, then … C B A, so that a slow minute of the machine hits all; nginx and fastproxy are neighbours. nginx
and fastproxy must come through (else the case has failed); another one that cannot be started, does not do the job or
gives up is left out of this case, with its reason in the result.
"""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from bench import cpu, memory, processes, report, scaling, targets
from bench.cases import CONNECTIONS, Case, Kind, lane
from bench.load import Scripts
from bench.peers.peer import Absent
from bench.processes import Place, RunFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.peers.peer import Job, Peer
    from bench.report import AnyLane, Lanes, Result
    from bench.targets import Target

DIRECT = {Kind.ALONE, Kind.EVENTS, Kind.FIRST}  # where the table shows what is added to no proxy at all
FAILURES = (Absent, RunFailed, subprocess.SubprocessError, ValueError)


@dataclass(frozen=True, slots=True)
class Terms:
    """How much is measured. `calibrate`: the second target is another nginx."""

    pairs: int = 5
    seconds: float = 4.0
    calibrate: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """What all targets of a case have in common."""

    case: Case
    folder: Path
    upstream: Target
    scripts: Scripts
    terms: Terms

    def job(self, number: int = 0) -> Job:
        """The job of the n-th target, which has an upstream port of its own."""
        ports = (self.upstream.port, *self.upstream.more_ports)
        return self.case.job(ports[number % len(ports)], processes.open_files())


class Field:
    """The targets of one case: those that run, and why the others do not."""

    def __init__(self, must_run: tuple[str, ...]) -> None:
        self.targets: list[Target] = []
        self.lanes: Lanes = {}
        self.absent: dict[str, str] = {}
        self.base: dict[str, int] = {}  # PSS of a fresh process
        self._must_run = must_run

    def attempt(self, name: str, action: Callable[[], object]) -> None:
        """Do something with one target; when it fails the target is out. Raises: RunFailed for those that must run."""
        try:
            action()
        except FAILURES as error:
            if name in self._must_run:
                raise RunFailed(f"{name}: {error}") from error
            self.absent[name] = " ".join(str(error).split())[:300]
            self.lanes.pop(name, None)
            self.targets = [target for target in self.targets if target.name != name]

    def add(self, name: str, seen: AnyLane) -> None:
        self.lanes.setdefault(name, []).append(seen)


def run(case: Case, peers: tuple[Peer, ...], folder: Path, terms: Terms) -> Result:
    """Measure one case. Raises: RunFailed when nginx or fastproxy does not come through."""
    folder.mkdir(exist_ok=True)
    processes.write_certificates(folder)
    if case.kind is Kind.SCALING and scaling.obstacle():
        return report.skipped(case, scaling.obstacle())
    named = [(peer, peer.name) for peer in peers]
    if terms.calibrate:
        named = [(peers[0], "nginx"), (peers[0], "nginx_again")]
    field = Field(tuple(name for _, name in named[:2]))
    place = Place((processes.USABLE[1],)) if case.kind is Kind.SCALING else processes.ON_LOAD_CPU
    with targets.upstream(folder, tls=case.upstream_tls, events_per_s=case.events_per_s, place=place) as upstream:
        ground = Ground(case, folder, upstream, Scripts(folder), terms)
        if case.kind in {Kind.IDLE, Kind.MEMORY, Kind.SCALING}:
            for peer, name in named:
                field.attempt(name, partial(_alone, ground, field, peer, name))
        else:
            _together(ground, field, named)
    return report.result_of(case, field.lanes, field.base, field.absent)


def _together(ground: Ground, field: Field, named: list[tuple[Peer, str]]) -> None:
    case, seconds = ground.case, ground.terms.seconds
    direct = [replace(ground.upstream, name="direct")] if case.kind in DIRECT else []
    with ExitStack() as stack:
        for peer, name in named:
            field.attempt(name, partial(_start, ground, field, stack, (peer, name)))
        for target in list(field.targets):
            field.attempt(target.name, partial(lane, case, target, ground.scripts, target.warm_s))
        for turn in range(ground.terms.pairs):
            order = field.targets if turn % 2 == 0 else field.targets[::-1]
            for target in [*direct, *order]:
                field.attempt(target.name, partial(_measure, ground, field, target, seconds))


def _start(ground: Ground, field: Field, stack: ExitStack, which: tuple[Peer, str]) -> None:
    peer, name = which
    job = ground.job(len(field.targets) + len(field.absent))
    field.targets.append(stack.enter_context(targets.started(peer, ground.folder, job, name)))


def _measure(ground: Ground, field: Field, target: Target, seconds: float) -> None:
    field.add(target.name, lane(ground.case, target, ground.scripts, seconds))


def _alone(ground: Ground, field: Field, peer: Peer, name: str) -> None:
    """A fresh process for this target only: memory once used is seldom given back, and cores are few."""
    case, terms = ground.case, ground.terms
    if case.kind is Kind.SCALING:
        for seen in scaling.measure(case, peer, (ground.folder, ground.upstream.port), ground.scripts, terms):
            field.add(name, seen)
        return
    with targets.started(peer, ground.folder, ground.job(), name) as target:
        field.base[name] = cpu.pss_bytes(target.pid)
        if case.kind is Kind.IDLE:
            _measure(ground, field, target, terms.seconds)
        else:
            field.add(name, memory.measure(target, ground.scripts, terms.seconds, CONNECTIONS))
