"""Does memory stay flat at full speed? `python -m bench.soak [--minutes 10] [--job edge|unified]`.

Loads one worker in turns with short requests, long prompts and streams that the client cuts (each turn with connections
of its own, so that opening and closing is soaked too), and reads PSS and open descriptors of the whole process tree
after every turn. Flat means: the highest value of the last third is not more than 3 % and 2 MiB (16 descriptors) above
the highest of the second third. The first third is warm-up and does not count.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench import cpu, load, processes, streams, targets
from bench.load import Scripts
from bench.peers import registry
from bench.targets import Job, Target

TURN_S = 10.0
STREAMS = 200
GROWTH = 1.03
SLACK_BYTES = 2 * 2**20
SLACK_DESCRIPTORS = 16


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when memory and descriptors stayed flat and no request failed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--job", choices=["edge", "unified"], default="unified")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fastproxy-soak-") as name:
        folder = Path(name)
        scripts = Scripts(folder)
        with targets.upstream(folder) as upstream:
            job = Job(upstream.port, unified=options.job == "unified")
            with targets.started(registry.FASTPROXY, folder, job) as target:
                return soak(target, scripts, options.minutes * 60)


def soak(target: Target, scripts: Scripts, seconds: float) -> int:
    print("| seconds | load | per second | errors | PSS MiB | descriptors |\n|---|---|---|---|---|---|")
    start = time.monotonic()
    sizes: list[int] = []
    opened: list[int] = []
    errors = turns = 0
    while time.monotonic() - start < seconds:
        kind = ("short", "long", "short", "streams")[turns % 4]
        seen = turn(target, scripts, kind, min(TURN_S, seconds / 12))
        time.sleep(0.5)  # let closed connections be noticed before they are counted
        turns += 1
        errors += seen.errors
        sizes.append(cpu.pss_bytes(target.pid))
        opened.append(cpu.descriptors(target.pid))
        figures = f"{seen.rate:,.0f} | {seen.errors} | {sizes[-1] / 2**20:.2f} | {opened[-1]}"
        print(f"| {time.monotonic() - start:.0f} | {kind} | {figures} |", flush=True)
    flat = is_flat(sizes, GROWTH, SLACK_BYTES) and is_flat(opened, GROWTH, SLACK_DESCRIPTORS)
    print(f"\nmemory and descriptors are {'flat' if flat else 'NOT FLAT'}; {errors} errors in {turns} turns")
    return int(not flat or errors > 0)


def turn(target: Target, scripts: Scripts, kind: str, seconds: float) -> load.Lane | streams.StreamLane:
    if kind == "streams":
        return streams.measure(target, STREAMS, seconds)
    return load.run(target, scripts.of(kind), max(seconds, 1.0))


def is_flat(values: list[int], growth: float, slack: int) -> bool:
    """Compare the highest value of the last third with the highest of the one before."""
    third = max(len(values) // 3, 1)
    before, last = values[third : 2 * third] or values, values[2 * third :] or values
    return max(last) <= max(before) * growth + slack


if __name__ == "__main__":
    print(f"proxy on CPU {processes.PROXY_CPU}, load on CPU {processes.LOAD_CPU}", file=sys.stderr)
    sys.exit(main())
