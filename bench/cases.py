"""What is compared: each case names a job, a load and the bars that the project has set itself.

A case is data; `lane` runs one target under the case's load. Bars are ratios to nginx in the same pair: the first must
hold, the second is the goal. Cases without bars are there to be known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from bench import load, streams, traffic

if TYPE_CHECKING:
    from pathlib import Path

    from bench.load import Lane
    from bench.streams import StreamLane
    from bench.targets import Target

STREAMS = 400
IDLE_STREAMS = 2000


class Kind(Enum):
    """How the load is made, and which figure of a lane the ratio is built from."""

    REQUESTS = "CPU µs per request"
    EVENTS = "CPU µs per event"
    ALONE = "p99 µs at concurrency 1"
    IDLE = "KiB PSS per idle stream"


@dataclass(frozen=True, slots=True)
class Case:
    """One row group of the table. `bars`: (must, goal) as a ratio to nginx; None where there is none."""

    name: str
    title: str
    kind: Kind
    body: str = "short"  # a key of traffic.bodies()
    unified: bool = False
    upstream_tls: bool = False
    client_tls: bool = False
    must: float | None = None
    goal: float | None = None


CASES = (
    Case("edge_1k", "edge route, 1 KB", Kind.REQUESTS, must=1.25, goal=1.1),
    Case("unified_1k", "unified entry with key and usage, 1 KB", Kind.REQUESTS, unified=True, must=1.5, goal=1.3),
    Case("edge_40k", "edge route, 40 KB prompt", Kind.REQUESTS, body="long", must=1.1),
    Case("unified_40k", "unified entry, 40 KB prompt", Kind.REQUESTS, body="long", unified=True, must=1.5, goal=1.25),
    Case("unified_40k_spaced", "the same, JSON with spaces", Kind.REQUESTS, body="spaced", unified=True, must=1.5),
    Case("tls_1k", "edge route, upstream TLS, 1 KB", Kind.REQUESTS, upstream_tls=True, must=1.1),
    Case("client_tls_1k", "edge route, TLS from the client, 1 KB", Kind.REQUESTS, client_tls=True),
    Case("sse", f"edge route, SSE, {STREAMS} streams × 100/s", Kind.EVENTS, must=1.2),
    Case("sse_unified", f"unified entry, SSE, {STREAMS} streams × 100/s", Kind.EVENTS, unified=True),
    Case("alone", "edge route, one connection", Kind.ALONE),
    Case("idle", f"edge route, {IDLE_STREAMS} idle streams", Kind.IDLE, must=1.0),
)


Scripts = dict[str, "Path"]  # the wrk script of each body


def write_scripts(folder: Path) -> Scripts:
    scripts = {name: folder / f"{name}.lua" for name in traffic.bodies()}
    for name, body in traffic.bodies().items():
        load.write_script(scripts[name], body)
    return scripts


def lane(case: Case, target: Target, scripts: Scripts, seconds: float) -> Lane | StreamLane:
    """Put the case's load on a target for `seconds` and return what it showed."""
    if case.kind is Kind.EVENTS:
        return streams.measure(target, STREAMS, seconds)
    if case.kind is Kind.IDLE:
        return streams.measure(target, IDLE_STREAMS, 0.5, "idle")
    connections = 1 if case.kind is Kind.ALONE else 64
    # wrk speaks TLS on its own side only when the proxy under test does, never to the stand-in behind it
    scheme = "https" if case.client_tls and target.name != "upstream" else "http"
    return load.run(target, scripts[case.body], seconds, connections, scheme)
