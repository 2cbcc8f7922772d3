"""How many CPUs this process may use: what the machine has, less what affinity and the cgroup take away.

A container with 2 CPUs of quota on a 64-core machine must not start 64 workers. Reads /proc and /sys; `root` stands in
for `/` in tests. Only cgroup v2 is known: v1 has left the distributions that ship Python 3.11.
"""

from __future__ import annotations

import math
import os
from pathlib import Path


def usable_cpus(root: Path = Path("/")) -> int:
    """At least 1. A part of a CPU counts as one: a worker that waits is better than a CPU that does."""
    quota = cgroup_quota(root)
    own = len(os.sched_getaffinity(0))
    return max(1, own if quota is None else min(own, math.ceil(quota)))


def cgroup_quota(root: Path) -> float | None:
    """CPUs of the tightest `cpu.max` from our cgroup up to the top; None when there is none."""
    top = root / "sys/fs/cgroup"
    group = top / _own_group(root)
    quotas = [
        _quota_of(directory / "cpu.max") for directory in (group, *group.parents) if directory.is_relative_to(top)
    ]
    return min((quota for quota in quotas if quota is not None), default=None)


def _own_group(root: Path) -> str:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return ""
    # Within a cgroup namespace the path is "/" or climbs out of it ("/../x"); then the mounted top is all we can see.
    path = next((line[3:].strip("/") for line in lines if line.startswith("0::")), "")
    return "" if ".." in path.split("/") else path


def _quota_of(file: Path) -> float | None:
    try:
        quota, period = file.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
