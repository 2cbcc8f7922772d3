"""The time to the first token without load: `python -m bench.first_token PORT CLIENTS SECONDS [FIELDS [PATH]]`.

Each client keeps one connection and has one stream at a time: it asks, waits for the first event with text, then for
the stream's end, pauses, and asks again. The pauses are drawn at random, so that ASKS_PER_S come in a second whatever
the number of clients: with twenty, streams overlap now and then, as clients that know nothing of each other do, but the
proxy rests nine tenths of the time. Timed is from the write of the request to the read that brings the first text.
Every request has another `traceparent`. Prints `begin`, then `end`, then a JSON line; `measure` is the parent's side.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any, cast

import uvloop

from bench import processes, traffic
from bench.reader import watched
from bench.streams import percentiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.targets import Target

ASKS_PER_S = 400
REQUESTS = 4096
SETTLE_S = 0.3
SEED = 17
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class FirstLane:
    """What one lane showed: times to the first token; `cpu_us` is the proxy's CPU time per stream."""

    rate: float
    p50_us: float
    p99_us: float
    cpu_us: float
    busy: float
    errors: int


class Tally:
    """Of all clients of this process."""

    def __init__(self, requests: Iterator[bytes], mean_pause: float) -> None:
        self.requests = requests
        self.firsts: list[int] = []  # nanoseconds
        self.errors = 0
        self.running = True
        self._chance, self._pause = random.Random(SEED), 1 / mean_pause

    def pause(self) -> float:
        return self._chance.expovariate(self._pause)


class Client(asyncio.Protocol):
    """Asks for one stream after the other."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._asked = 0
        self._begun = self._seen = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not registered as one
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.errors += self._tally.running

    def _rest(self) -> None:
        asyncio.get_running_loop().call_later(self._tally.pause(), self._ask)

    def _ask(self) -> None:
        if self._tally.running and not self._transport.is_closing():
            self._begun = self._seen = False
            request = next(self._tally.requests)
            self._asked = time.monotonic_ns()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not self._seen and traffic.SENT_AT in data:
            self._tally.firsts.append(time.monotonic_ns() - self._asked)
            self._seen = True
        if not self._begun:
            self._begun = True
            if not data.startswith(b"HTTP/1.1 200 "):
                self._transport.abort()  # and is counted as an error
                return
        if self._seen and data.endswith(LAST_CHUNK):
            self._rest()


def requests_for(fields: list[list[str]], path: str = traffic.PATH, count: int = REQUESTS) -> list[bytes]:
    """Whole requests for a stream of one event, no two alike."""
    body, chance = traffic.stream_body("once", path), random.Random(SEED)
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*traffic.client_fields(len(body)), *fields])
    made = []
    for _ in range(count):
        trace = f"traceparent: 00-{chance.getrandbits(128):032x}-{chance.getrandbits(64):016x}-01\r\n"
        made.append(f"POST {path} HTTP/1.1\r\n{lines}{trace}\r\n".encode() + body)
    return made


async def ask(port: int, clients: int, seconds: float, requests: list[bytes]) -> dict[str, Any]:
    """Let the clients ask for that long; what they saw."""
    tally = Tally(cycle(requests), clients / ASKS_PER_S)
    loop = asyncio.get_running_loop()
    for _ in range(clients):
        await loop.create_connection(lambda: Client(tally), "127.0.0.1", port)
    gc.freeze()
    await asyncio.sleep(SETTLE_S)
    tally.firsts.clear()
    print("begin", flush=True)
    start = time.monotonic()
    await asyncio.sleep(seconds)
    elapsed, firsts = time.monotonic() - start, sorted(tally.firsts)
    print("end", flush=True)
    tally.running = False
    return {"s": elapsed, "count": len(firsts), "errors": tally.errors, **percentiles("", firsts)}


def measure(target: Target, clients: int, seconds: float, path: str = traffic.PATH) -> FirstLane:
    """Ask through the target and return what it showed. Raises: RunFailed when no stream came through."""
    arguments = [str(clients), str(seconds), json.dumps(target.fields), path]
    seen, spent_us, _ = watched("bench.first_token", target, arguments, f"nobody could ask {target.name}")
    if not seen["count"]:
        raise processes.RunFailed(f"no stream came through {target.name} in {seconds:.0f} s")
    return FirstLane(
        rate=seen["count"] / seen["s"],
        p50_us=seen["p50_us"],
        p99_us=seen["p99_us"],
        cpu_us=spent_us / seen["count"],
        busy=spent_us / seen["s"] / 1e6,
        errors=seen["errors"],
    )


def _main(arguments: list[str]) -> None:
    port, clients, seconds, fields, path = [*arguments, *("[]", traffic.PATH)[len(arguments) - 3 :]]
    requests = requests_for(json.loads(fields), path)
    print(json.dumps(uvloop.run(ask(int(port), int(clients), float(seconds), requests))))


if __name__ == "__main__":
    _main(sys.argv[1:])
