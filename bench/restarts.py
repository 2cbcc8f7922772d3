"""Does anything fail while workers die, hang, come and go? `python -m bench.restarts [--repetitions 50] [ROUND …]`.

Two workers, a mock upstream, steady light load with open event streams (bench/steady_load.py), and again and again one
of these rounds: kill (SIGKILL a worker), stop (SIGSTOP one), reload (HUP), upgrade (USR2), more and fewer (TTIN, TTOU).
After kill and stop only connections of that worker may fail; after the others none. Exit code 1 if anything else did.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.serving import Serving, alive
from bench.steady_load import Failure, Mix, SteadyLoad, poll
from fastproxy.loadtest.mock import MockOptions, start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CONFIG = "limits: {heartbeat_timeout: 1s, drain_timeout: 20s}\n"
WORKERS = 2
CONNECTIONS = 3  # of a worker that is to be missed
AFTERWARDS = 40  # requests that must go well before a round counts as survived


@dataclass(slots=True)
class Round:
    """One disturbance. `excused` are the client ports whose connections were on a worker that was killed."""

    seconds: float
    excused: set[int] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)

    @property
    def inexcusable(self) -> list[Failure]:
        return [failure for failure in self.failures if failure.port not in self.excused]


def client_ports(pid: int, port: int) -> set[int]:
    """The far ends of the connections that this process has accepted on `port`."""
    connections = psutil.Process(pid).net_connections("tcp")
    return {link.raddr.port for link in connections if link.raddr and link.laddr.port == port}


async def kill(serving: Serving, load: SteadyLoad) -> Round:
    """SIGKILL a worker; the time until its successor serves."""
    return await _replace(serving, load, signal.SIGKILL)


async def stop(serving: Serving, load: SteadyLoad) -> Round:
    """SIGSTOP a worker; the time until the missing heartbeat has cost it its place."""
    return await _replace(serving, load, signal.SIGSTOP)


async def _replace(serving: Serving, load: SteadyLoad, blow: signal.Signals) -> Round:
    slot, victim = next(iter(serving.workers().items()))
    os.kill(victim, signal.SIGSTOP)  # it accepts and closes nothing any more: its connections can be counted
    excused = client_ports(victim, load.port)
    os.kill(victim, blow)
    took = await poll(lambda: serving.workers().get(slot, victim) != victim)
    await poll(lambda: not alive(victim))
    return Round(took, excused)


async def reload(serving: Serving, load: SteadyLoad) -> Round:
    """HUP; the time until every worker serves by the new configuration."""
    before = serving.status()["generation"]

    def done() -> bool:
        now = serving.status()
        return bool(now["generation"] > before) and all(w["generation"] == now["generation"] for w in now["workers"])

    # what is unchanged is not published
    text = serving.config.read_text(encoding="utf-8")
    serving.config.write_text(CONFIG + f"passthrough: {'require-key' if 'client-keys' in text else 'client-keys'}\n")
    serving.signal(signal.SIGHUP)
    return Round(await poll(done))


async def upgrade(serving: Serving, load: SteadyLoad) -> Round:
    """USR2; the time until the new master is in charge. The old one then finishes its streams and leaves."""
    old = serving.master
    serving.signal(signal.SIGUSR2)
    took = await poll(lambda: serving.workers() and serving.master != old, within=20)
    await poll(lambda: not alive(old), within=25)
    return Round(took)


async def more(serving: Serving, load: SteadyLoad) -> Round:
    """TTIN; the time until there is one worker more. One less again comes with `fewer`."""
    return await _resize(serving, signal.SIGTTIN, 1)


async def fewer(serving: Serving, load: SteadyLoad) -> Round:
    """TTOU after a TTIN; the time until the worker has finished its streams and is gone."""
    await _resize(serving, signal.SIGTTIN, 1)
    await poll(lambda: serving.status()["workers"][-1]["connections"] >= CONNECTIONS, within=25)
    return await _resize(serving, signal.SIGTTOU, -1)


async def _resize(serving: Serving, number: signal.Signals, by: int) -> Round:
    before = serving.workers()
    if by > 0 and len(before) > WORKERS:  # `more` alone would reach the capacity after a while
        await _resize(serving, signal.SIGTTOU, -1)
        before = serving.workers()
    serving.signal(number)
    took = await poll(lambda: len(serving.workers()) == len(before) + by, within=25)
    if by < 0:
        gone = set(before.values()) - set(serving.workers().values())
        took += await poll(lambda: not any(alive(pid) for pid in gone), within=25)
    return Round(took)


ROUNDS: dict[str, Callable[[Serving, SteadyLoad], Awaitable[Round]]] = {
    "kill": kill,
    "stop": stop,
    "reload": reload,
    "upgrade": upgrade,
    "more": more,
    "fewer": fewer,
}


async def repeat(folder: Path, name: str, repetitions: int, mix: Mix | None = None) -> list[Round]:
    """Run one kind of round several times under one load."""
    mock = await start(MockOptions())
    try:
        upstream = f"http://127.0.0.1:{mock.port}"
        with Serving(folder, "--workers", str(WORKERS), "--upstream", upstream, config=CONFIG) as serving:
            async with SteadyLoad(serving.port, mix or Mix()) as load:
                await poll(lambda: load.streams_open >= load.mix.streams // 2)
                return [await _survive(serving, load, name) for _ in range(repetitions)]
    finally:
        mock.close()
        await mock.wait_closed()


async def _survive(serving: Serving, load: SteadyLoad, name: str) -> Round:
    seen = len(load.failures)
    result = await ROUNDS[name](serving, load)
    await load.grows_by(AFTERWARDS)
    result.failures = load.failures[seen:]
    return result


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.restarts", description=__doc__)
    parser.add_argument("rounds", nargs="*", metavar="ROUND", help=f"of {', '.join(ROUNDS)}; all of them if none")
    parser.add_argument("--repetitions", type=int, default=50)
    options = parser.parse_args(arguments)
    wanted = options.rounds or list(ROUNDS)
    if unknown := set(wanted) - ROUNDS.keys():
        parser.error(f"no such round: {', '.join(sorted(unknown))}")
    print("| round | times | ms median | ms worst | on killed workers | other failures |\n|---|---|---|---|---|---|")
    bad = 0
    for name in wanted:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="fp-") as folder:
            rounds = asyncio.run(repeat(Path(folder), name, options.repetitions))
        bad += _report(name, rounds)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return int(bad > 0)


def _report(name: str, rounds: list[Round]) -> int:
    times = sorted(result.seconds * 1000 for result in rounds)
    inexcusable = [failure for result in rounds for failure in result.inexcusable]
    excused = sum(len(result.failures) for result in rounds) - len(inexcusable)
    figures = f"{statistics.median(times):.0f} | {times[-1]:.0f} | {excused} | {len(inexcusable)}"
    print(f"| {name} | {len(rounds)} | {figures} |", flush=True)
    for failure in inexcusable[:10]:
        print(f"  {failure}", file=sys.stderr)
    return len(inexcusable)


if __name__ == "__main__":
    sys.exit(main())
