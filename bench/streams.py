"""The reader of many event streams: `python -m bench.streams PORT STREAMS SECONDS busy|idle`.

Opens the streams, prints `begin` once every one of them has had an event, reads for SECONDS, prints `end` and a JSON
line with the events and the delay between sending and reading (every eighth event is timed). The parent reads CPU
time and memory of the proxy between the two words. `measure` is the parent's side.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import uvloop

from bench import cpu, processes, traffic

if TYPE_CHECKING:
    from bench.targets import Target

OPEN_TOGETHER = 50  # connections opened at once: a listen queue is not what is measured here
TIMED_EVERY = 8
SETTLE_S = 1.0
MARK = traffic.SENT_AT


@dataclass(frozen=True, slots=True)
class StreamLane:
    """What one lane of streams showed; `cpu_us` is per event."""

    rate: float
    p50_us: float
    p99_us: float
    cpu_us: float
    busy: float
    errors: int
    pss_bytes: int


class Tally:
    """Counts for all streams of this process."""

    def __init__(self) -> None:
        self.events = 0
        self.opened = 0
        self.cut = 0
        self.delays: list[int] = []


class Reader(asyncio.Protocol):
    """One stream: counts `data:` lines, times some. A read may hold several events, or parts of one."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self._request = request
        self._tally = tally
        self._started = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)  # uvloop's is not registered as one

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.cut += 1

    def data_received(self, data: bytes) -> None:
        tally = self._tally
        events = data.count(MARK)
        if events and not self._started:
            self._started = True
            tally.opened += 1
        tally.events += events
        if events and tally.events % TIMED_EVERY < events:
            at = data.rindex(MARK) + len(MARK)
            if len(data) >= at + 20:
                tally.delays.append(time.monotonic_ns() - int(data[at : at + 20]))


async def read(port: int, streams: int, seconds: float, kind: str) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    body = traffic.stream_body(idle=kind == "idle")
    fields = "".join(f"{name}: {value}\r\n" for name, value in traffic.client_fields(len(body)))
    request = f"POST {traffic.PATH} HTTP/1.1\r\n{fields}\r\n".encode() + body
    tally = Tally()
    for first in range(0, streams, OPEN_TOGETHER):
        batch = range(first, min(first + OPEN_TOGETHER, streams))
        await asyncio.gather(
            *(loop.create_connection(lambda: Reader(request, tally), "127.0.0.1", port) for _ in batch)
        )
        await asyncio.sleep(0.01)
    await _until_open(tally, streams)
    gc.freeze()
    await asyncio.sleep(SETTLE_S)
    tally.delays.clear()
    print("begin", flush=True)
    before, start = tally.events, time.monotonic()
    await asyncio.sleep(seconds)
    elapsed, events = time.monotonic() - start, tally.events - before
    print("end", flush=True)
    delays = sorted(tally.delays) or [0]
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    return {"events": events, "s": elapsed, "p50_us": p50 / 1000, "p99_us": p99 / 1000, "errors": tally.cut}


async def _until_open(tally: Tally, streams: int) -> None:
    end = time.monotonic() + 20
    while tally.opened < streams:
        if time.monotonic() > end or tally.cut:
            raise SystemExit(f"{tally.opened} of {streams} streams opened, {tally.cut} were cut")
        await asyncio.sleep(0.02)


def measure(target: Target, streams: int, seconds: float, kind: str = "busy") -> StreamLane:
    """Read streams through the target and return what it showed. Raises: RunFailed when the streams did not open."""
    arguments = [sys.executable, "-m", "bench.streams", str(target.port), str(streams), str(seconds), kind]
    reader = subprocess.Popen(processes.pinned(arguments, processes.LOAD_CPU), stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    with reader:
        if reader.stdout.readline().strip() != "begin":
            raise processes.RunFailed(f"the streams through {target.name} did not open")
        before = cpu.cpu_ns(target.pid)
        pss = cpu.pss_bytes(target.pid) if kind == "idle" else 0
        reader.stdout.readline()
        spent_us = (cpu.cpu_ns(target.pid) - before) / 1000
        seen = json.loads(reader.stdout.readline())
    events, elapsed = seen["events"], seen["s"]
    return StreamLane(
        rate=events / elapsed,
        p50_us=seen["p50_us"],
        p99_us=seen["p99_us"],
        cpu_us=spent_us / max(events, 1),
        busy=spent_us / elapsed / 1e6,
        errors=seen["errors"],
        pss_bytes=pss,
    )


if __name__ == "__main__":
    port, streams, seconds, kind = sys.argv[1:]
    print(json.dumps(uvloop.run(read(int(port), int(streams), float(seconds), kind))))
