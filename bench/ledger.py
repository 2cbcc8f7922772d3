"""What do the records cost? `python -m bench.ledger [--pairs 20] [--seconds 1] [--database postgresql://…]`.

Two gateways with one worker each, the same but that one has an admin process: its worker keeps books, and the
collector reads them into the ledger. They are loaded in turns with the same requests, worker and load on a CPU each.
Told are the CPU time of the workers per request, the median of the differences and the difference of the lower
quartiles, the CPU time of the admin process per record, and how long the ledger took to have everything after the last
request.

With two CPUs the collector would take the load's, and a worker that has to wait for requests spends more on each of
them. So for the first figures the admin process is stopped (SIGSTOP) under load, and reads the ring afterwards, which
holds what comes in a second (a larger ring would cost 2 us more, in page faults, each time it is gone through after a
pause). `--together` leaves it running, for the question whether it keeps up.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from bench import cpu, load, processes, targets, traffic
from bench.load import Scripts
from bench.serving import Serving
from bench.targets import Target
from fastproxy.server.status import read_status
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG: Final = """\
channels:
  - {{name: bench, provider: openai, keys: ["{key}"], models: [gpt-5], base_url: "http://127.0.0.1:{port}/v1"}}
keys:
  - {{name: client, key: {client_key}, models: ["*"]}}
limits: {{drain_timeout: 1s, heartbeat_timeout: 300s}}
{more}
"""
_SETTLED_S: Final = 120.0
_BUSY: Final = 0.9  # a worker that waits for requests spends more on each of them, so such a pair says nothing
_TRIES: Final = 4  # for each pair that is wanted


@contextmanager
def gateway(folder: Path, upstream: int, more: str, *arguments: str) -> Iterator[tuple[Serving, Target]]:
    """A gateway whose one worker is on the CPU of proxies, and everything else of it on the other."""
    config = CONFIG.format(key=traffic.UPSTREAM_KEY, port=upstream, client_key=traffic.CLIENT_KEY, more=more)
    with Serving(folder, "--workers", "1", *arguments, config=config) as serving:
        worker = next(iter(serving.workers().values()))
        for pid in cpu.tree(serving.process.pid):
            os.sched_setaffinity(pid, {processes.PROXY_CPU if pid == worker else processes.LOAD_CPU})
        target = Target(folder.name, serving.port, worker)
        targets.check(target)
        yield serving, target


def unread(serving: Serving) -> int:
    """Bytes in the journal that the collector has not taken yet."""
    status = read_status(str(serving.state_dir))
    return Arena.open(str(serving.state_dir / f"arena.{status['master']}")).total(rows.JOURNAL_UNREAD)


def settled(serving: Serving) -> float:
    """Seconds until the ledger has everything."""
    began = time.monotonic()
    while unread(serving) and time.monotonic() - began < _SETTLED_S:
        time.sleep(0.05)
    return time.monotonic() - began


class Pair(NamedTuple):
    plain: load.Lane
    kept: load.Lane
    collector_us: float  # CPU per record
    lag_s: float


def turn(serving: Serving, both: tuple[Target, Target], script: Path, options: argparse.Namespace) -> Pair:
    """First without books, then with them."""
    plain, kept = both
    admin = read_status(str(serving.state_dir))["admin"]
    first = load.run(plain, script, options.seconds)
    before = cpu.cpu_ns(admin)
    if not options.together:
        os.kill(admin, signal.SIGSTOP)
    try:
        second = load.run(kept, script, options.seconds)
    finally:
        os.kill(admin, signal.SIGCONT)
    lag = settled(serving)
    return Pair(first, second, (cpu.cpu_ns(admin) - before) / 1000 / (second.rate * options.seconds), lag)


def measure(folder: Path, options: argparse.Namespace) -> None:
    scripts = Scripts(folder)
    more = f"ledger: {{database: '{options.database}'}}\nmigrate: true" if options.database else ""
    print("| body | without | with | added us | in calm turns | collector us per record | seconds behind | errors |")
    print("|---|---|---|---|---|---|---|---|")
    with (
        targets.upstream(folder) as upstream,
        gateway(folder / "without", upstream.port, "") as (_, plain),
        gateway(folder / "with", upstream.port, more, "--admin", "127.0.0.1:0") as (serving, kept),
    ):
        for body in options.body:
            script = scripts.of(body)
            pairs, shares, lags, errors = [], [], [], 0
            for target in (plain, kept):
                load.run(target, script, 2)
            settled(serving)
            for _ in range(options.pairs * _TRIES):
                pair = turn(serving, (plain, kept), script, options)
                lags.append(pair.lag_s)
                errors += pair.plain.errors + pair.kept.errors
                if min(pair.plain.busy, pair.kept.busy) < _BUSY:
                    continue
                shares.append(pair.collector_us)
                pairs.append((pair.plain.cpu_us, pair.kept.cpu_us))
                if len(pairs) == options.pairs:
                    break
            if not pairs:
                print(f"| {body} | no pair in which the workers were busy: the machine is not quiet | | | | | | |")
                continue
            columns = list(zip(*pairs, strict=True))
            without, kept_us = map(statistics.median, columns)
            calm = _lower_quartile(columns[1]) - _lower_quartile(columns[0])
            added = statistics.median(after - before for before, after in pairs)
            share, lag = statistics.median(shares), max(lags)
            print(f"| {body} | {without:.2f} | {kept_us:.2f} | {added:+.2f} | {calm:+.2f} | {share:.1f} | {lag:.1f} "
                  f"| {errors} |")  # fmt: skip
            print(f"    pairs: {', '.join(f'{a:.1f}/{b:.1f}' for a, b in pairs)}", flush=True)


def _lower_quartile(lanes: tuple[float, ...]) -> float:
    """What a busy neighbour does to a lane only adds to it, so the cheap ones say most about the code."""
    return statistics.quantiles(lanes, n=4)[0] if len(lanes) > 1 else lanes[0]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--together", action="store_true", help="the collector reads under load")
    parser.add_argument("--database", default="", help="of the ledger; else SQLite in the state directory")
    parser.add_argument("--body", action="append", choices=sorted(traffic.bodies()), help="default: short")
    options = parser.parse_args()
    options.body = options.body or ["short"]
    with tempfile.TemporaryDirectory(prefix="fastproxy-ledger-") as name:
        measure(Path(name), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
