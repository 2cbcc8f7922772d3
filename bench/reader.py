"""A process that reads through a proxy: started pinned, watched between its "begin" and its "end"."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from bench import cpu, processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.targets import Target


def _nothing() -> int:
    return 0


def watched(
    module: str, target: Target, arguments: list[str], failed: str, look: Callable[[], int] = _nothing
) -> tuple[dict[str, Any], float, int]:
    """What the module printed, the target's CPU time meanwhile in microseconds, and what `look` saw at the beginning.

    Raises: RunFailed, `failed` and the reader's last words, when it did not begin.
    """
    command = [sys.executable, "-m", module, str(target.port), *arguments]
    pinned = processes.pinned(command, processes.LOAD_CPU)
    reader = subprocess.Popen(pinned, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    assert reader.stderr is not None
    with reader:
        if reader.stdout.readline().strip() != "begin":
            said = reader.stderr.read().strip().splitlines()[-1:]
            raise processes.RunFailed(f"{failed}: {' '.join(said)}")
        before = cpu.cpu_ns(target.pid)
        looked = look()
        reader.stdout.readline()
        spent_us = (cpu.cpu_ns(target.pid) - before) / 1000
        return json.loads(reader.stdout.readline()), spent_us, looked
