"""Large blocks come from memory that is there: counted in page faults, in a process of its own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource
from fastproxy.server.allocator import keep_large_blocks
if {keep}: assert keep_large_blocks()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
body, other = bytes(400_000), []
before = faults()
for _ in range(200):
    parts = [b"x" * 260_000, b"y" * 140_000]
    whole = b"".join(parts)
    del parts, whole
print(faults() - before)
"""


def faults(keep: bool) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT.format(keep=keep)], capture_output=True, text=True, timeout=20, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_bodies_of_400_kb_cost_a_hundred_page_faults_each() -> None:
    assert faults(keep=True) < 2000
    assert faults(keep=False) > 4 * faults(keep=True)
