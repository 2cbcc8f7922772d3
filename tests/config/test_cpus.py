"""Usable CPUs from a made-up /proc and /sys: the tightest quota of all cgroups above us counts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fastproxy.config.cpus import cgroup_quota, usable_cpus

if TYPE_CHECKING:
    from pathlib import Path


def build(root: Path, group: str, quotas: dict[str, str]) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(group)
    for place, text in quotas.items():
        directory = root / "sys/fs/cgroup" / place
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cpu.max").write_text(text)


@pytest.mark.parametrize(
    ("group", "quotas", "expected"),
    [
        ("0::/\n", {".": "150000 100000\n"}, 1.5),
        ("0::/\n", {".": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a": "400000 100000\n", "a/b": "max 100000\n"}, 4.0),
        ("0::/a/b\n", {"a": "100000 100000\n", "a/b": "400000 100000\n", ".": "max 100000"}, 1.0),
        ("0::/../x\n", {".": "200000 100000"}, 2.0),
        ("4:cpu:/old\n", {".": "200000 100000"}, 2.0),
        ("0::/a\n", {"a": "nonsense"}, None),
        ("0::/a\n", {"a": "1 0"}, None),
    ],
)
def test_quota(tmp_path: Path, group: str, quotas: dict[str, str], expected: float | None) -> None:
    build(tmp_path, group, quotas)
    assert cgroup_quota(tmp_path) == expected


def test_usable_cpus(tmp_path: Path) -> None:
    own = len(os.sched_getaffinity(0))
    assert usable_cpus(tmp_path) == own
    build(tmp_path, "0::/\n", {".": "1000 100000"})
    assert usable_cpus(tmp_path) == 1


def test_a_part_of_a_cpu_counts_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    build(tmp_path, "0::/\n", {".": "250000 100000"})
    assert usable_cpus(tmp_path) == 3
