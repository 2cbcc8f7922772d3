"""What a load is made of and what it showed: the data that the harness's parts hand to each other. No I/O, no logic.

    command line, scenario file, recording  →  Plan  →  generator processes  →  Tally, merged  →  Run  →  reports

Times are whole microseconds unless a name says otherwise (`_s` seconds). A Plan travels to the generator processes as
msgpack and says everything they need: they read no file. A Run is what `--json` writes (`version` counts its changes).
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import msgspec

RUN_VERSION: Final = 1


class Format(Enum):
    """What a request speaks, and so how its reply is read."""

    HTTP = "http"
    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    WEBSOCKET = "websocket"


class Arrival(Enum):
    """What decides when the next request is sent."""

    CLOSED = "closed"  # a connection sends its next request when it has its reply (and has thought)
    POISSON = "poisson"  # an offered rate, whatever the replies do; latency counts from the intended time
    UNIFORM = "uniform"
    RECORDED = "recorded"  # as the recording says, at `Plan.pace`


class Check(msgspec.Struct, frozen=True):
    """When a reply is right. A wrong one counts as an error of kind `status`, `body` or `incomplete`."""

    status: tuple[int, ...] = ()  # empty: anything below 400
    json: dict[str, Any] = {}  # "choices.0.finish_reason" → expected value; null: it must only be there
    contains: str = ""
    complete: bool = True  # a stream must end as its format ends


class Request(msgspec.Struct, frozen=True):
    """One kind of request. `path`, header values and `body` are templates: see template.py."""

    name: str = "request"
    method: str = "POST"
    path: str = ""  # behind the plan's URL
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    format: Format = Format.HTTP
    stream: bool = False
    weight: float = 1.0
    check: Check = Check()
    turns: int = 1  # of a conversation; each turn sends all before it again
    think_s: float = 0.0  # mean pause before the next turn or request of a connection; exponential
    abort_share: float = 0.0  # of these requests whose client leaves …
    abort_after_s: float = 0.0  # … after this time
    read_bytes_per_s: int = 0  # a slow reader; 0 reads at once


class Recorded(msgspec.Struct, frozen=True):
    """One request of a recording; nothing of it is a template."""

    at: int  # since the first one
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    format: Format = Format.HTTP
    stream: bool = False


class Stage(msgspec.Struct, frozen=True):
    """A stretch of time over which the level goes evenly from one value to another.

    The level is requests per second with an offered rate, and open connections in a closed loop.
    """

    seconds: float
    start: float
    end: float


class Plan(msgspec.Struct, frozen=True):
    """Everything that a generator process needs. Levels, counts and connections are already this process's share."""

    url: str  # scheme://host[:port][/path]
    requests: tuple[Request, ...] = ()
    arrival: Arrival = Arrival.CLOSED
    stages: tuple[Stage, ...] = ()
    connections: int = 64  # at most open at once; with an offered rate, requests beyond it wait and their time counts
    count: int = 0  # stop after so many; 0: at the end of the stages
    warm_s: float = 0.0  # measured, but left out of the tally
    timeout_s: float = 30.0
    keep_alive: bool = True
    trace: bool = True  # a new traceparent in every request
    ca_file: str = ""
    verify: bool = True
    seed: int = 0
    data: dict[str, tuple[str, ...]] = {}  # lines of the data files, by name
    recording: tuple[Recorded, ...] = ()
    pace: float = 1.0
    process: int = 0  # which generator process this is …
    processes: int = 1  # … of so many
    secrets: tuple[str, ...] = ()  # that requests send and no report may show, besides what looks like one


ERROR_KINDS: Final = (
    "connect", "tls", "timeout", "reset", "closed", "protocol", "status", "body", "incomplete", "error_event", "other",
)  # fmt: skip

Buckets = dict[int, int]  # bucket of a Histogram → count, as it travels; see histogram.py


class Second(msgspec.Struct):
    """A row over time: one second of a run, or several of a long one. `at` counts from the start, warm-up included."""

    at: int
    done: int = 0
    errors: int = 0
    bytes_in: int = 0
    latency: Buckets = {}
    first_token: Buckets = {}
    width: int = 1  # seconds that it stands for


class Tally(msgspec.Struct):
    """What one generator process saw, or all of them together (see tally.py for adding them)."""

    sent: int = 0
    done: int = 0  # right replies
    drained: int = 0  # of these, behind `wall`: what an offered rate had left over. Latencies count them, rates do not
    errors: dict[str, int] = {}  # by kind
    error_examples: dict[str, str] = {}  # the first text of each kind, at most 200 characters
    statuses: dict[int, int] = {}
    connections: int = 0  # opened
    aborted: int = 0  # by us, on purpose
    bytes_in: int = 0
    bytes_out: int = 0
    events: int = 0
    tokens_out: int = 0  # as usage said, else one per content event
    drained_tokens: int = 0  # of these, behind `wall`
    latency: Buckets = {}  # from the intended time of sending to the last byte; timeouts count with what they waited
    service: Buckets = {}  # from the actual time of sending
    connect: Buckets = {}
    first_byte: Buckets = {}
    first_token: Buckets = {}
    gap: Buckets = {}  # between content events of a stream
    token_rate: Buckets = {}  # tokens per second of one stream
    lateness: Buckets = {}  # actual minus intended time of sending, while a connection was free: our own fault
    by_request: dict[str, Buckets] = {}  # latency by Request.name
    seconds: list[Second] = []
    started_ns: int = 0  # time.time_ns() of the first measured request
    wall: int = 0  # measured time, which rates are divided by; see Generator.run
    drain: int = 0  # from its end to the last right reply
    cpu: int = 0  # CPU time of the generator process in it


class Usage(msgspec.Struct):
    """What a local target used while it was measured, its children included."""

    pid: int
    name: str
    cpu: int
    cpu_per_request: float
    memory_start: int  # bytes of proportional set size
    memory_end: int
    memory_peak: int
    processes: int


class Series(msgspec.Struct):
    """One target under one plan: a lane of a run."""

    name: str
    url: str
    tally: Tally
    usage: Usage | None = None
    notes: list[str] = []  # "the harness is the bottleneck: …"


class Ratio(msgspec.Struct):
    """B over A by one figure, from interleaved pairs, with a bootstrap interval."""

    figure: str
    a: float
    b: float
    ratio: float
    low: float
    high: float
    verdict: str  # "differs" | "cannot tell"


class Frontier(msgspec.Struct):
    """The highest offered rate that kept p99 below a bound."""

    p99_below: int
    rate: float


class Run(msgspec.Struct):
    """A whole run: what `--json` writes."""

    started: str  # ISO 8601, UTC
    command: list[str]
    machine: dict[str, Any]  # cpus, cpu model, kernel, python, fastproxy, uvloop versions
    plan: dict[str, Any]  # the plan as builtins; credentials masked
    series: list[Series]
    ratios: list[Ratio] = []
    frontier: list[Frontier] = []
    verdicts: list[str] = []  # of --fail-if: "p99>50ms: FAILED (61 ms)"
    version: int = RUN_VERSION
