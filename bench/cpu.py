"""CPU time and memory of a process with all its children, from /proc: nanoseconds of the scheduler, bytes of PSS.

PSS counts a page that n processes share as 1/n, so a forked worker is not charged twice for what its master loaded.
What is asked for is always a difference between two readings while the same processes live.
"""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        for task in (PROC / str(parent) / "task").glob("*"):
            found += [int(child) for child in _read(task / "children").split()]
    return found


def cpu_ns(pid: int) -> int:
    """Nanoseconds that the process, its threads and its descendants have spent on a CPU."""
    tasks = (task for member in tree(pid) for task in (PROC / str(member) / "task").glob("*"))
    return sum(_task_ns(task) for task in tasks)


def pss_bytes(pid: int) -> int:
    """Proportional set size of the process and its descendants."""
    return sum(_pss(_read(PROC / str(member) / "smaps_rollup")) for member in tree(pid))


def descriptors(pid: int) -> int:
    """Open file descriptors of the process and its descendants."""
    return sum(len(os.listdir(PROC / str(member) / "fd")) for member in tree(pid))


def _task_ns(task: Path) -> int:
    schedstat = _read(task / "schedstat").split()
    if schedstat and schedstat[0] != "0":
        return int(schedstat[0])
    fields = _read(task / "stat").rpartition(")")[2].split()  # kernels without schedstat count in 10 ms steps
    return (int(fields[11]) + int(fields[12])) * (1_000_000_000 // os.sysconf("SC_CLK_TCK")) if fields else 0


def _pss(rollup: str) -> int:
    lines = (line.split() for line in rollup.splitlines() if line.startswith("Pss:"))
    return sum(int(line[1]) * 1024 for line in lines)


def _read(path: Path) -> str:
    """The text, or nothing where the process is gone meanwhile."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
