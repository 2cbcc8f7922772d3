"""What is compared: each case names a job, a load and the bars that the project has set itself.

A case is data; `lane` runs one target under the case's load. Bars are ratios to nginx in the same pair: the first must
hold, the second is the goal. Cases without bars are there to be known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from bench import first_token, load, processes, streams, traffic
from bench.peers.peer import Job

if TYPE_CHECKING:
    from bench.first_token import FirstLane
    from bench.load import Lane, Scripts
    from bench.streams import StreamLane
    from bench.targets import Target

STREAMS = 400
IDLE_STREAMS = 2000
CONNECTIONS = 64
SCALING_CPUS = 4  # wrk, the upstream, and two for the proxy


class Kind(Enum):
    """How the load is made, and which figure of a lane the ratio is built from."""

    REQUESTS = "CPU µs per request"
    EVENTS = "CPU µs per event"
    ALONE = "p99 µs at concurrency 1"
    FIRST = "p99 µs to the first token"
    IDLE = "KiB PSS per idle stream"
    MEMORY = "MiB PSS under load"
    SCALING = "requests per second of two workers, to one"


class Quick(Enum):
    """What of a case is in the quick run."""

    NO = 0
    PAIR = 1  # nginx and fastproxy
    ALL = 2


@dataclass(frozen=True, slots=True)
class Case:
    """One row group of the table. `bars`: (must, goal) as a ratio to nginx; None where there is none."""

    name: str
    title: str
    kind: Kind
    body: str = "short"  # a key of traffic.bodies()
    unified: bool = False
    translates: bool = False  # the upstream speaks another format than the client: only who translates takes part
    messages: bool = False  # the upstream speaks Anthropic's Messages to who asks for them
    upstream_tls: bool = False
    client_tls: bool = False
    close: bool = False  # a new connection for every request
    connections: int = CONNECTIONS
    streams: int = STREAMS
    events_per_s: int = 100
    must: float | None = None
    goal: float | None = None
    quick: Quick = Quick.NO
    gate: bool = False  # bench/gate.py watches its ratio

    def open_streams(self, files: int) -> int:
        """As many streams as asked for, or as the limit of open files allows: a proxy needs two for each."""
        return min(self.streams, (files - processes.SPARE_FILES) // 2)

    def job(self, upstream_port: int, files: int, workers: int = 1) -> Job:
        sockets = min(files, 12_288 if self.streams <= IDLE_STREAMS else 2 * self.streams + processes.SPARE_FILES)
        job = Job(upstream_port, self.upstream_tls, self.client_tls, self.unified, workers, sockets)
        return replace(job, messages=self.messages)


def _first_tokens() -> list[Case]:
    """The time to the first token without load, for one client and for twenty, in the client's format and in others."""
    plain = Case("first_token", "chat to chat", Kind.FIRST, unified=True)
    ways = (
        plain,
        replace(plain, name="first_token_translated", title="Messages client to chat", body="message", translates=True),
        replace(plain, name="first_token_back", title="chat client to Messages", messages=True, translates=True),
    )
    counts = (("", "one client", 1), ("_20", "20 clients", 20))
    return [
        replace(way, name=way.name + ending, title=f"first token, unloaded, {way.title}, {who}", connections=count)
        for way in ways
        for ending, who, count in counts
    ]


_EDGE_SSE = "edge route, SSE,"
CASES = (
    Case("edge_1k", "edge route, 1 KB", Kind.REQUESTS, must=1.25, goal=1.1, quick=Quick.ALL, gate=True),
    Case(
        "unified_1k",
        "unified entry with key and usage, 1 KB",
        Kind.REQUESTS,
        unified=True,
        must=1.5,
        goal=1.3,
        quick=Quick.ALL,
        gate=True,
    ),
    Case("edge_40k", "edge route, 40 KB prompt", Kind.REQUESTS, body="long", must=1.1, gate=True),
    Case(
        "unified_40k",
        "unified entry, 40 KB prompt",
        Kind.REQUESTS,
        body="long",
        unified=True,
        must=1.5,
        goal=1.25,
        quick=Quick.PAIR,
        gate=True,
    ),
    Case("unified_40k_spaced", "the same, JSON with spaces", Kind.REQUESTS, body="spaced", unified=True, must=1.5),
    Case("edge_400k", "edge route, 400 KB prompt", Kind.REQUESTS, body="huge", connections=8),
    # 8 connections: one that needs half a second for each of 64 would answer none of them within a lane
    Case("unified_400k", "unified entry, 400 KB prompt", Kind.REQUESTS, body="huge", connections=8, unified=True),
    Case("churn", "edge route, 1 KB, a new connection each", Kind.REQUESTS, close=True),
    Case("tls_1k", "edge route, upstream TLS, 1 KB", Kind.REQUESTS, upstream_tls=True, must=1.1),
    Case("client_tls_1k", "edge route, TLS from the client, 1 KB", Kind.REQUESTS, client_tls=True),
    Case("sse", f"{_EDGE_SSE} {STREAMS} streams × 100/s", Kind.EVENTS, must=1.2, quick=Quick.PAIR, gate=True),
    Case("sse_unified", f"unified entry, SSE, {STREAMS} streams × 100/s", Kind.EVENTS, unified=True),
    Case("sse_20", "unified entry, SSE, 20 streams × 50/s", Kind.EVENTS, unified=True, streams=20, events_per_s=50),
    Case("sse_1000", f"{_EDGE_SSE} 1,000 streams × 20/s", Kind.EVENTS, streams=1000, events_per_s=20),
    Case("sse_10000", f"{_EDGE_SSE} 10,000 streams × 2/s", Kind.EVENTS, streams=10_000, events_per_s=2),
    Case(
        "translated_1k",
        "unified entry, Anthropic Messages to chat, 1 KB",
        Kind.REQUESTS,
        body="message",
        unified=True,
        must=2.5,
        quick=Quick.PAIR,
        gate=True,
    ),
    Case(
        "sse_translated",
        f"unified entry, chat events to Anthropic's, {STREAMS} streams × 100/s",
        Kind.EVENTS,
        body="message",
        unified=True,
    ),
    *_first_tokens(),
    Case("alone", "edge route, one connection", Kind.ALONE),
    Case("idle", f"edge route, {IDLE_STREAMS} idle streams", Kind.IDLE, streams=IDLE_STREAMS, must=1.0),
    Case("memory", "unified entry, memory idle, loaded, after", Kind.MEMORY, unified=True),
    Case("scaling", "edge route, 1 KB, one worker and two", Kind.SCALING),
)


def lane(case: Case, target: Target, scripts: Scripts, seconds: float) -> Lane | StreamLane | FirstLane:
    """Put the case's load on a target for `seconds` and return what it showed."""
    if case.kind is Kind.FIRST:
        return first_token.measure(target, case.connections, seconds, traffic.path_of(case.body))
    if case.kind in {Kind.EVENTS, Kind.IDLE}:
        count = case.open_streams(processes.open_files())
        kind, length = ("idle", 0.5) if case.kind is Kind.IDLE else ("busy", seconds)
        return streams.measure(target, count, length, kind, traffic.path_of(case.body))
    connections = 1 if case.kind is Kind.ALONE else case.connections
    # wrk speaks TLS on its own side only when the proxy under test does, never to the stand-in behind it
    scheme = "https" if case.client_tls and target.name != "direct" else "http"
    script = scripts.of(case.body, target.fields, close=case.close)
    return load.run(target, script, seconds, connections, scheme)
