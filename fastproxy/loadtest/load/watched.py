"""CPU time and memory of a process with all its children, while it is measured.

CPU comes from each process's own clock (to the nanosecond, all threads), so that also a lane of a second has an exact
figure; the statistics of /proc count in 10 ms. The kernel gives a parent the time of a child once it has waited for it,
so children that come and go between two samples are not lost; nor is one that nobody waits for, except for what it used
since the last sample. Memory is the proportional set size: what workers share is counted once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import psutil

from fastproxy.loadtest.load.shapes import Usage

_CPU_CLOCK: Final = 2  # CPUCLOCK_SCHED of linux/posix-timers.h: a clock id is ~pid << 3 | kind
Identity = tuple[int, float]  # process id and time of creation: ids come again


class WatchFailed(Exception):
    """There is no such process, or we may not look at it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One process at one moment; times in microseconds since it began."""

    parent: int
    own: int
    reaped: int  # of children that it has waited for, and theirs
    memory: int = 0


class Account:
    """Adds up what a changing set of processes uses, from one look at all of them to the next."""

    def __init__(self, first: dict[Identity, Reading]) -> None:
        self._last = first
        self.cpu = 0

    def update(self, now: dict[Identity, Reading]) -> None:
        """Take the next look."""
        counted = self._counted_of_ended(now)
        for identity, reading in now.items():
            before = self._last.get(identity)
            if before is None:  # it began after the last look: all of it is new
                self.cpu += reading.own + reading.reaped
            else:
                inherited = reading.reaped - before.reaped - counted.get(identity[0], 0)
                self.cpu += max(0, reading.own - before.own) + max(0, inherited)
        self._last = now

    def _counted_of_ended(self, now: dict[Identity, Reading]) -> dict[int, int]:
        """What has been counted of ended processes already, by the id of the nearest living ancestor.

        That one gets their whole time when they are waited for.
        """
        parents = {identity[0]: reading.parent for identity, reading in self._last.items()}
        living = {identity[0] for identity in now if identity in self._last}
        counted: dict[int, int] = {}
        for identity, reading in self._last.items():
            if identity in now:
                continue
            heir = reading.parent
            while heir not in living and heir in parents:
                heir = parents[heir]
            counted[heir] = counted.get(heir, 0) + reading.own + reading.reaped
        return counted


class Watched:
    """A process to watch. Raises: WatchFailed when there is no such process."""

    def __init__(self, pid: int) -> None:
        try:
            self._root = psutil.Process(pid)
            self._name = self._root.name()
        except (psutil.Error, ValueError, OverflowError) as error:
            raise WatchFailed(f"process {pid} cannot be watched: {error}") from error
        self._known: dict[Identity, psutil.Process] = {}
        self._account: Account | None = None
        self._start = self._end = self._peak = 0
        self._processes = 0

    def start(self) -> None:
        """From here on everything counts."""
        readings = self._look()
        self._account = Account(readings)
        self._start = self._peak = self._end
        self._processes = len(readings)

    def sample(self) -> None:
        """Call about twice a second: it finds the peak of memory, and children that nobody waits for."""
        if self._account is None:
            return self.start()
        readings = self._look()
        self._account.update(readings)
        self._peak = max(self._peak, self._end)
        self._processes = max(self._processes, len(readings))

    def stop(self, requests: int) -> Usage:
        """The last look. Memory is the last seen when the process has ended; `processes` is the most at once."""
        self.sample()
        cpu = self._account.cpu if self._account is not None else 0
        return Usage(
            pid=self._root.pid,
            name=self._name,
            cpu=cpu,
            cpu_per_request=cpu / requests if requests else 0.0,
            memory_start=self._start,
            memory_end=self._end,
            memory_peak=self._peak,
            processes=self._processes,
        )

    def _look(self) -> dict[Identity, Reading]:
        """All that live; who was seen once is followed on, also when its parent left it behind."""
        self._known = {_identity(process): process for process in (*self._tree(), *self._known.values())}
        readings = {}
        for identity, process in self._known.items():
            reading = _read(process)
            if reading is not None:
                readings[identity] = reading
        self._known = {identity: self._known[identity] for identity in readings}
        if readings:
            self._end = sum(reading.memory for reading in readings.values())
        return readings

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _identity(process: psutil.Process) -> Identity:
    return process.pid, process.create_time()


def _read(process: psutil.Process) -> Reading | None:
    """None: it has ended."""
    try:
        if not process.is_running():
            return None
        with process.oneshot():
            times = process.cpu_times()
            parent = process.ppid()
        own = _own_cpu(process.pid, times.user + times.system)
        return Reading(parent, own, _microseconds(times.children_user + times.children_system), _memory(process))
    except psutil.NoSuchProcess:
        return None


def _own_cpu(pid: int, coarse_s: float) -> int:
    try:
        return time.clock_gettime_ns(~pid << 3 | _CPU_CLOCK) // 1000
    except OSError:  # it has just ended, or lives in another process namespace
        return _microseconds(coarse_s)


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:  # another user's: what it shares is counted more than once
        return int(process.memory_info().rss)
