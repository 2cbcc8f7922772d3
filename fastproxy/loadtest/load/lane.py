"""One lane of a run: its generator processes from start to end, and the target's CPU and memory meanwhile.

The parent sends each process its share of the plan and one common time to begin, then listens: every process reports
all it has seen so far, again and again, so the last report of each is the truth and a process that dies has lost at
most half a second.
"""

from __future__ import annotations

import os
import selectors
import struct
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from fastproxy.config.cpus import usable_cpus
from fastproxy.config.report import mask_url
from fastproxy.loadtest.load.saturation import notes
from fastproxy.loadtest.load.shapes import Plan, Series, Tally
from fastproxy.loadtest.load.tally import add
from fastproxy.loadtest.load.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fastproxy.loadtest.load.interrupt import Interrupt

FRAME: Final = struct.Struct(">I")
SETUP_S: Final = 0.5  # between handing out the plans and the common beginning
LOOK_S: Final = 0.5
GRACE_S: Final = 10.0  # beyond its plan, for a process to say its last word
MODULE: Final = "fastproxy.loadtest.load.process"


@dataclass(frozen=True, slots=True)
class Target:
    """What is measured: a name for the reports, its address, and its process when that runs here."""

    name: str
    url: str
    pid: int | None = None


class LaneFailed(Exception):
    """The generator processes could not be run; nothing was measured."""


class _Process:
    """One generator process, as its parent sees it."""

    def __init__(self, plan: Plan) -> None:
        self.child = subprocess.Popen([sys.executable, "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.stdin, self.stdout = self.child.stdin, self.child.stdout
        self.tally = Tally()
        self.ended = False
        self._received = bytearray()
        self._say(msgspec.msgpack.encode(plan))

    def begin(self, at_ns: int) -> None:
        self._say(msgspec.msgpack.encode(at_ns))

    def _say(self, data: bytes) -> None:
        with suppress(BrokenPipeError):  # its exit code will tell
            self.stdin.write(FRAME.pack(len(data)) + data)
            self.stdin.flush()

    def hear(self) -> None:
        """Take what it has written; the newest whole report counts."""
        data = os.read(self.stdout.fileno(), 1 << 20)
        if not data:
            self.ended = True
            return
        self._received += data
        while len(self._received) >= FRAME.size:
            (size,) = FRAME.unpack_from(self._received)
            end = FRAME.size + size
            if len(self._received) < end:
                return
            self.tally = msgspec.msgpack.decode(bytes(self._received[FRAME.size : end]), type=Tally)
            del self._received[:end]

    def stop(self) -> None:
        """Ask it to end early; it still reports."""
        with suppress(ProcessLookupError):
            self.child.terminate()

    def bury(self) -> int:
        self.stdin.close()
        self.stdout.close()
        try:
            return self.child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()


def run(plans: Sequence[Plan], seen: Callable[[Tally], None], interrupt: Interrupt, watched: Watched | None) -> Tally:
    """Run one process per plan to the end; `seen` gets the sum so far about twice a second.

    An interrupt ends the lane early and keeps what was measured. Raises: LaneFailed.
    """
    processes = [_Process(plan) for plan in plans]
    try:
        at_ns = time.monotonic_ns() + int(SETUP_S * 1e9)
        warm_s = plans[0].warm_s
        watch = _Watch(watched, time.monotonic() + (SETUP_S + warm_s if warm_s else 0.0))
        watch.look()
        for process in processes:
            process.begin(at_ns)
        latest = time.monotonic() + SETUP_S + _seconds(plans) + GRACE_S
        _listen(processes, _Watcher(seen, watch, interrupt), latest)
    finally:
        codes = [_end(process) for process in processes]
    if any(code for code in codes) and not any(process.tally.sent for process in processes):
        raise LaneFailed(f"generator processes ended with exit codes {codes}")
    return total(process.tally for process in processes)


def _end(process: _Process) -> int:
    if not process.ended:
        process.stop()
    return process.bury()


def _seconds(plans: Sequence[Plan]) -> float:
    """How long the longest plan can take; without stages a count decides, and patience has no better bound."""
    return max(
        plan.warm_s + plan.timeout_s + (sum(stage.seconds for stage in plan.stages) if plan.stages else 86_400.0)
        for plan in plans
    )


class _Watch:
    """Looks at the target from the end of the warm-up on, as the tallies do."""

    def __init__(self, watched: Watched | None, begin: float) -> None:
        self._watched = watched
        self._begin = begin
        self._started = False

    def seconds_left(self) -> float:
        """Until it wants to look for the first time."""
        return self._begin - time.monotonic() if self._watched is not None and not self._started else LOOK_S

    def look(self) -> None:
        if self._watched is None or time.monotonic() < self._begin:
            return
        if not self._started:
            self._started = True
            self._watched.start()
        self._watched.sample()


@dataclass(frozen=True, slots=True)
class _Watcher:
    """Who is told, what is looked at, and who may end it."""

    seen: Callable[[Tally], None]
    watch: _Watch
    interrupt: Interrupt


def _listen(processes: Sequence[_Process], watcher: _Watcher, latest: float) -> None:
    watch, stopped = watcher.watch, False
    with selectors.DefaultSelector() as selector:
        for process in processes:
            selector.register(process.stdout, selectors.EVENT_READ, process)
        next_look = time.monotonic() + LOOK_S
        while selector.get_map() and time.monotonic() < latest:
            _hear(selector, max(0.0, min(next_look - time.monotonic(), watch.seconds_left())))
            if watcher.interrupt.asked and not stopped:
                stopped = True
                for process in processes:
                    process.stop()
            if watch.seconds_left() <= 0:
                watch.look()
            if time.monotonic() >= next_look:
                next_look += LOOK_S
                watcher.seen(total(process.tally for process in processes))
                watch.look()


def _hear(selector: selectors.BaseSelector, seconds: float) -> None:
    for key, _ in selector.select(seconds):
        process: _Process = key.data
        process.hear()
        if process.ended:
            selector.unregister(key.fileobj)


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of what several processes or lanes saw."""
    whole = Tally()
    for tally in tallies:
        add(whole, tally)
    return whole


def series(plans: Sequence[Plan], target: Target, seen: Callable[[Tally], None], interrupt: Interrupt) -> Series:
    """Run a lane and say what it showed, the target's use included when its process is known. Raises: LaneFailed."""
    watched = Watched(target.pid) if target.pid is not None else None
    tally = run(plans, seen, interrupt, watched)
    ended = tally.done + tally.aborted + sum(tally.errors.values())
    usage = watched.stop(ended) if watched is not None else None
    said = notes(tally, plans, usable_cpus(), usage)
    return Series(target.name, mask_url(target.url), tally, usage, said)
