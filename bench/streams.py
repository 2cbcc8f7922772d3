"""The reader of many event streams: `python -m bench.streams PORT STREAMS SECONDS busy|idle [FIELDS [PATH]]`.

Opens the streams, prints `begin` once every one of them has had an event, reads for SECONDS, prints `end` and a JSON
line with the events and the delay between sending and reading (every eighth event is timed). While it reads, one more
client asks again and again on a kept connection for a stream of one event: from its request to that event is the time
to the first token under this load. The parent reads CPU time and memory of the proxy between the two words. `measure`
is the parent's side. FIELDS: JSON list of header fields that this proxy's clients send besides the usual ones.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import uvloop

from bench import cpu, processes, traffic
from bench.reader import watched

if TYPE_CHECKING:
    from bench.targets import Target

OPEN_TOGETHER = 50  # connections opened at once: a listen queue is not what is measured here
TIMED_EVERY = 8
SETTLE_S = 1.0
PAUSE_S = 0.01
OPEN_S = 20.0
OPENED_PER_S = 200  # at least; a proxy that opens streams more slowly has failed
MARK = traffic.SENT_AT
LAST_CHUNK = b"0\r\n\r\n"  # often a read of its own; a head may end so too, an event does not


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
    first_p50_us: float = 0.0
    first_p99_us: float = 0.0


class Tally:
    """Counts for all streams of this process."""

    def __init__(self) -> None:
        self.events = 0
        self.opened = 0
        self.cut = 0
        self.delays: list[int] = []
        self.firsts: list[int] = []


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
        if self._started and data.endswith(LAST_CHUNK):
            tally.cut += 1  # no stream of ours ends by itself
        if events and not self._started:
            self._started = True
            tally.opened += 1
        tally.events += events
        if events and tally.events % TIMED_EVERY < events:
            at = data.rindex(MARK) + len(MARK)
            if len(data) >= at + 20:
                tally.delays.append(time.monotonic_ns() - int(data[at : at + 20]))


class FirstToken(asyncio.Protocol):
    """Asks for a stream of one event, times it, waits until the stream has ended, asks again."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self._request = request
        self._tally = tally
        self._asked = 0
        self._seen = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        if not self._transport.is_closing():
            self._seen = False
            self._asked = time.monotonic_ns()
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._seen and MARK in data:
            self._seen = True
            self._tally.firsts.append(time.monotonic_ns() - self._asked)
        if self._seen and data.endswith(LAST_CHUNK):
            asyncio.get_running_loop().call_later(PAUSE_S, self._ask)


def request_for(user: str, fields: list[list[str]], path: str = traffic.PATH) -> bytes:
    body = traffic.stream_body(user, path)
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*traffic.client_fields(len(body)), *fields])
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def read(port: int, streams: int, seconds: float, requests: tuple[bytes, bytes | None]) -> dict[str, Any]:
    """`requests`: for the streams, and for the client that asks again and again."""
    loop = asyncio.get_running_loop()
    request, once = requests
    tally = Tally()
    for first in range(0, streams, OPEN_TOGETHER):
        batch = range(first, min(first + OPEN_TOGETHER, streams))
        await asyncio.gather(
            *(loop.create_connection(lambda: Reader(request, tally), "127.0.0.1", port) for _ in batch)
        )
        await asyncio.sleep(0.01)
    await _until_open(tally, streams)
    gc.freeze()
    if once is not None:
        await loop.create_connection(lambda: FirstToken(once, tally), "127.0.0.1", port)
    await asyncio.sleep(SETTLE_S)
    tally.delays.clear()
    tally.firsts.clear()
    print("begin", flush=True)
    before, start = tally.events, time.monotonic()
    await asyncio.sleep(seconds)
    elapsed, events = time.monotonic() - start, tally.events - before
    print("end", flush=True)
    told = {"events": events, "s": elapsed, "errors": tally.cut}
    return told | percentiles("", tally.delays) | percentiles("first_", tally.firsts)


def percentiles(name: str, values: list[int]) -> dict[str, float]:
    """p50 and p99 in microseconds, of nanoseconds; 0 of none. `name` stands in front of the keys."""
    ordered = sorted(values) or [0]
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return {f"{name}p50_us": p50 / 1000, f"{name}p99_us": p99 / 1000}


async def _until_open(tally: Tally, streams: int) -> None:
    end = time.monotonic() + OPEN_S + streams / OPENED_PER_S
    while tally.opened < streams:
        if time.monotonic() > end or tally.cut:
            raise SystemExit(f"{tally.opened} of {streams} streams opened, {tally.cut} were cut")
        await asyncio.sleep(0.02)


def measure(target: Target, streams: int, seconds: float, kind: str = "busy", path: str = traffic.PATH) -> StreamLane:
    """Read streams through the target and return what it showed. Raises: RunFailed when the streams did not open."""
    arguments = [str(streams), str(seconds), kind, json.dumps(target.fields), path]
    failed = f"streams through {target.name} did not open"
    look = partial(cpu.pss_bytes, target.pid) if kind == "idle" else int
    seen, spent_us, pss = watched("bench.streams", target, arguments, failed, look)
    events, elapsed = seen["events"], seen["s"]
    if kind == "busy" and not events:
        raise processes.RunFailed(f"no event came through {target.name} in {elapsed:.0f} s")
    return StreamLane(
        rate=events / elapsed,
        p50_us=seen["p50_us"],
        p99_us=seen["p99_us"],
        cpu_us=spent_us / max(events, 1),
        busy=spent_us / elapsed / 1e6,
        errors=seen["errors"],
        pss_bytes=pss,
        first_p50_us=seen["first_p50_us"],
        first_p99_us=seen["first_p99_us"],
    )


def _main(arguments: list[str]) -> None:
    port, streams, seconds, kind, fields, path = [*arguments, *("[]", traffic.PATH)[len(arguments) - 4 :]]
    more = json.loads(fields)
    once = request_for("once", more, path) if kind == "busy" else None
    processes.open_files()
    told = uvloop.run(read(int(port), int(streams), float(seconds), (request_for(kind, more, path), once)))
    print(json.dumps(told))


if __name__ == "__main__":
    _main(sys.argv[1:])
