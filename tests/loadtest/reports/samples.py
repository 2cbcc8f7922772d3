"""Runs as a load makes them, drawn from seeds: a plain one, streams, two targets, a sick server with hostile texts.

Times are log-normal with a thin tail of stalls, so that percentiles spread as real ones do.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from fastproxy.loadtest.load.histogram import bucket_of, merge
from fastproxy.loadtest.load.shapes import Frontier, Ratio, Run, Second, Series, Tally, Usage

if TYPE_CHECKING:
    from fastproxy.loadtest.load.shapes import Buckets

MACHINE = {
    "cpus": 2, "cpu": "AMD EPYC", "kernel": "6.1.0", "python": "3.11.7", "fastproxy": "0.1.0", "uvloop": "0.23.0",
}  # fmt: skip
PLAN = {
    "url": "http://127.0.0.1:8080", "arrival": "closed", "connections": 64, "warm_s": 2.0, "keep_alive": True,
    "count": 0, "stages": [{"seconds": 30.0, "start": 64.0, "end": 64.0}], "processes": 2,
}  # fmt: skip
HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \"quoted\" 'single' \x1b[31mred\x00 | cell `"
)


def times(rng: random.Random, count: int, median: float, stalls: float = 0.002) -> Buckets:
    """Microseconds around a median; a share of stalls takes forty times as long."""
    found: Buckets = {}
    for _ in range(count):
        value = rng.lognormvariate(0.0, 0.25) * median
        if rng.random() < stalls:
            value *= 40
        merge(found, {bucket_of(int(value)): 1})
    return found


def tally(seed: int, *, median: float = 1_200.0, seconds: int = 30, rate: int = 400, streams: bool = False) -> Tally:
    """A healthy one. It grows slower for three seconds in its middle, as a server that collects garbage does."""
    rng = random.Random(seed)
    whole = Tally(connections=64, started_ns=1_795_000_000_000_000_000 + seed, wall=seconds * 1_000_000, cpu=9_000_000)
    for at in range(2, 2 + seconds):
        slow = 3.0 if abs(at - seconds // 2) < 2 else 1.0
        done = int(rate * rng.uniform(0.95, 1.05) / slow**0.5)
        second = Second(at, done, 0, done * 1_200, times(rng, done, median * slow))
        if streams:
            second.first_token = times(rng, done, 0.4 * median * slow)
            merge(whole.first_token, second.first_token)
        merge(whole.latency, second.latency)
        whole.done += done
        whole.bytes_in += second.bytes_in
        whole.seconds.append(second)
    whole.sent, whole.bytes_out, whole.statuses = whole.done, whole.done * 700, {200: whole.done}
    whole.service = dict(whole.latency)
    whole.first_byte = times(rng, 2_000, median * 0.35)
    whole.connect = times(rng, 64, 90.0)
    whole.lateness = times(rng, 500, 20.0)
    if streams:
        whole.events, whole.tokens_out = whole.done * 40, whole.done * 40
        whole.gap = times(rng, 5_000, 11_000.0, 0.01)
        whole.token_rate = times(rng, 500, 85.0, 0.0)
    return whole


def usage(pid: int = 4242, cpu_per_request: float = 38.4) -> Usage:
    mib = 1 << 20
    return Usage(pid, "fastproxy", 4_600_000, cpu_per_request, 48 * mib, 52 * mib, 57 * mib, 4)


def run(*series: Series, **more: object) -> Run:
    made = Run(
        "2026-11-21T14:30:00Z", ["fastproxy", "bench", series[0].url if series else "?"], MACHINE, dict(PLAN), [*series]
    )
    for name, value in more.items():
        setattr(made, name, value)
    return made


def plain() -> Run:
    series = Series("target", "http://127.0.0.1:8080/v1/chat/completions", tally(1), usage())
    series.tally.by_request = {"short question": times(random.Random(5), 900, 900.0), "long": {bucket_of(5_000): 70}}
    return run(series, verdicts=["p99>50ms: passed (4.10 ms)"])


def streaming() -> Run:
    return run(Series("target", "http://127.0.0.1:8080/v1/messages", tally(2, median=450_000.0, streams=True), usage()))


def compared() -> Run:
    a = Series("fastproxy", "http://127.0.0.1:8080/v1", tally(3, streams=True), usage())
    b = Series("nginx", "http://127.0.0.1:8081/v1", tally(4, median=1_500.0, rate=350, streams=True), usage(4343, 61.0))
    ratios = [
        Ratio("p99", 4_100.0, 5_050.0, 1.23, 1.11, 1.36, "differs"),
        Ratio("rate", 24_800.0, 24_600.0, 0.99, 0.97, 1.02, "cannot tell"),
        Ratio("cpu_per_request", 38.4, 61.0, 1.59, 1.55, 1.64, "differs"),
    ]
    return run(a, b, ratios=ratios, verdicts=["p99>50ms: passed", "errors>1%: FAILED (2 %)"])


def frontier() -> Run:
    """Probes at growing rates, and what they say of each bound."""
    rates = (600, 50, 100, 200, 300, 400, 500, 550)
    probes = [
        Series(f"target, {rate}/s" if place else "target, closed loop", "http://127.0.0.1:8080/v1",
               tally(20 + place, median=400 + 900_000 / (700 - rate), seconds=4, rate=rate))
        for place, rate in enumerate(rates)
    ]  # fmt: skip
    bounds = [Frontier(1_000, 0.0), Frontier(5_000, 200.0), Frontier(10_000, 400.0), Frontier(50_000, 550.0)]
    return run(*probes, frontier=bounds)


def sick() -> Run:
    """Errors of several kinds, notes, an open loop, and texts that a page or a terminal must not obey."""
    whole = tally(6, seconds=20)
    for second in whole.seconds[8:14]:
        second.errors = 40
    whole.errors = {"timeout": 200, "status": 40}
    whole.error_examples = {"timeout": "no reply in 30 s", "status": f"500 {HOSTILE}"}
    whole.statuses[500] = 40
    whole.by_request = {HOSTILE: dict(whole.latency)}
    whole.service = times(random.Random(9), 2_000, 300.0)
    series = Series(
        HOSTILE, f"http://127.0.0.1:8080/{HOSTILE}", whole, None, [f"the harness is the bottleneck {HOSTILE}"]
    )
    made = run(series, verdicts=[f"p99>1ms: FAILED {HOSTILE}"])
    made.command.append(HOSTILE)
    made.machine = {**MACHINE, HOSTILE: HOSTILE}
    made.plan = {
        **PLAN,
        "arrival": "poisson",
        "stages": [{"seconds": 20.0, "start": 10.0, "end": 1_000.0}],
        "x": HOSTILE,
    }
    return made


def empty() -> Run:
    """Nothing answered, not even with an error."""
    return run(Series("target", "http://127.0.0.1:1", Tally()))
