"""Prometheus metrics of the whole node, read from the arena at each scrape.

Every label set is bounded by construction: entries, formats, kinds and slots come from shared/rows.py, and nothing that
a client sends can become a label. Names: `fastproxy_` and base units. A second, documented set of names is served for
dashboards made for other gateways (ALIASES below); it holds the same numbers.

    duration cells (one per bucket, not cumulative; a value equal to a bound belongs below it) ──► cumulative `le`

One scrape takes 1.2 ms of one core with 2 workers and 5 ms with 64 (tests/admin/test_metrics.py bounds it).
"""

from __future__ import annotations

import platform
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from fastproxy.admin.plane_metrics import plane_metrics
from fastproxy.shared import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fastproxy.admin.plane import Plane
    from fastproxy.admin.view import Look, Node

PLAIN_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STATUS_LABELS: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")  # none: the client left before a status was sent

# (name without _total, help, row): summed over all workers.
COUNTERS: Final = (
    ("client_connections_accepted", "Client connections accepted.", rows.CLIENTS_ACCEPTED),
    ("client_connections_refused", "Client connections refused over max_connections.", rows.CLIENTS_REFUSED),
    ("upstream_connections_opened", "Connections opened to upstreams.", rows.UPSTREAM_OPENED),
    ("upstream_connections_reused", "Times an idle upstream connection was used again.", rows.UPSTREAM_REUSED),
    ("upstream_failures", "Upstream connections or replies that failed.", rows.UPSTREAM_FAILURES),
    ("retries", "Attempts after the first.", rows.RETRIES),
    ("access_log_dropped", "Access-log lines lost because the writer was too slow or failed.", rows.LOG_DROPPED),
    ("journal_lost", "Frames of records for which there was no room anywhere.", rows.JOURNAL_LOST),
    ("journal_spilled", "Frames of records that went into a file because the ring was full.", rows.JOURNAL_SPILLED),
    ("snapshot_swaps", "Changes of keys or configuration that workers have taken over.", rows.SWAPS),
    ("usage_estimated", "Replies whose token usage was not reported and is estimated.", rows.USAGE_ESTIMATED),
    ("usage_unread", "Replies of a known format in which no token usage was found.", rows.USAGE_UNREAD),
)
GAUGES: Final = (
    ("client_connections", "Open client connections.", rows.CLIENTS_OPEN),
    ("requests_in_flight", "Requests being served.", rows.REQUESTS_OPEN),
    ("tunnels", "Open WebSocket tunnels.", rows.TUNNELS_OPEN),
    ("upstream_waiting", "Requests waiting for an upstream connection.", rows.UPSTREAM_WAITING),
    ("journal_unread_bytes", "Bytes in the journals that are not in the database yet.", rows.JOURNAL_UNREAD),
)
MASTER_COUNTERS: Final = (
    ("worker_restarts", "Workers replaced after they died.", rows.RESTARTS),
    ("worker_hangs", "Workers killed because their heartbeat stopped.", rows.HANGS),
)
# What other gateways promise under these names: (name without _total, help).
ALIASES: Final = {
    "requests": ("http_requests", "Alias: fastproxy_requests_total without the entry."),
    "duration": ("http_request_duration_seconds", "Alias: fastproxy_request_duration_seconds of all entries."),
    "tokens": ("token_usage", "Alias: tokens by type; prompt holds input and both cache kinds."),
    "prompt": ("prompt_tokens", "Alias: token_usage_total of type prompt."),
    "completion": ("completion_tokens", "Alias: token_usage_total of type completion."),
    "all": ("tokens", "Alias: prompt and completion together."),
}

_BUCKETS: Final = len(rows.LATENCY_BOUNDS) + 1
_LE: Final = (*(repr(bound / 1e6) for bound in rows.LATENCY_BOUNDS), "+Inf")


def render(collector: Collector, accept: str) -> tuple[bytes, str]:
    """Return (body, content type). OpenMetrics only when it is asked for by name; the plain text suits everything."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    if "application/openmetrics-text" in accept.lower():
        body: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # it has no annotations
        return body, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(registry), PLAIN_TYPE


class NodeCollector(Collector):
    """Makes one Look per scrape, and all families from it."""

    def __init__(self, node: Node, version: str, plane: Plane | None = None) -> None:
        self._node = node
        self._version = version
        self._plane = plane
        self._processes: dict[int, psutil.Process] = {}

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        look = self._node.look()
        totals = look.totals()
        yield from _requests(totals)
        yield from _durations(totals)
        yield from _tokens(totals)
        yield from _connections(look, totals)
        yield from _workers(look)
        yield from _configuration(look)
        if self._plane is not None:
            yield from plane_metrics(self._plane, look)
        yield from self._resources(look)
        info = GaugeMetricFamily("fastproxy_build_info", "Always 1.", labels=["version", "python"])
        info.add_metric([self._version, platform.python_version()], 1)
        yield info

    def _resources(self, look: Look) -> Iterator[Metric]:
        memory = GaugeMetricFamily(
            "fastproxy_process_resident_memory_bytes", "Resident memory, shared pages included.", labels=["process"]
        )
        cpu = CounterMetricFamily("fastproxy_process_cpu_seconds", "CPU time, user and system.", labels=["process"])
        alive: dict[int, psutil.Process] = {}
        for name, pid in _pids(look):
            try:
                process = alive[pid] = self._processes.get(pid) or psutil.Process(pid)
                with process.oneshot():
                    rss, times = process.memory_info().rss, process.cpu_times()
            except psutil.Error:  # it has just died; its successor is in the next scrape
                continue
            memory.add_metric([name], rss)
            cpu.add_metric([name], times.user + times.system)
        self._processes = alive
        yield memory
        yield cpu


def _pids(look: Look) -> Iterator[tuple[str, int]]:
    if look.master[rows.PID]:
        yield "master", look.master[rows.PID]
    if look.admin[rows.PID]:
        yield "admin", look.admin[rows.PID]
    for slot, cells in look.slots():
        if cells[rows.PID]:
            yield f"worker-{slot}", cells[rows.PID]


def _requests(totals: Sequence[int]) -> Iterator[Metric]:
    family = CounterMetricFamily("fastproxy_requests", "Requests answered or refused.", labels=["entry", "status"])
    by_status = [0] * rows.STATUS_CLASSES
    for index, entry in enumerate(rows.ENTRIES):
        for status, label in enumerate(STATUS_LABELS):
            value = totals[rows.REQUESTS_BY + index * rows.STATUS_CLASSES + status]
            by_status[status] += value
            family.add_metric([entry, label], value)
    yield family
    yield _labelled(*ALIASES["requests"], "status", dict(zip(STATUS_LABELS, by_status, strict=True)))
    errors = totals[rows.ERRORS_BY : rows.ERRORS_BY + len(rows.ERROR_KINDS)]
    text = "Requests that ended early, by kind."
    yield _labelled("fastproxy_errors", text, "kind", dict(zip(rows.ERROR_KINDS, errors, strict=True)))


def _durations(totals: Sequence[int]) -> Iterator[Metric]:
    text = "From the request's first byte to the reply's last."
    family = HistogramMetricFamily("fastproxy_request_duration_seconds", text, labels=["entry"])
    all_cells = [0] * _BUCKETS
    for index, entry in enumerate(rows.ENTRIES):
        first = rows.DURATION + index * _BUCKETS
        cells = totals[first : first + _BUCKETS]
        all_cells = [one + other for one, other in zip(all_cells, cells, strict=True)]
        family.add_metric([entry], _cumulative(cells), totals[rows.DURATION_SUM + index] / 1e6)
    yield family
    alias = HistogramMetricFamily(*ALIASES["duration"])
    spent = sum(totals[rows.DURATION_SUM : rows.DURATION_SUM + len(rows.ENTRIES)])
    alias.add_metric([], _cumulative(all_cells), spent / 1e6)
    yield alias


def _cumulative(cells: Sequence[int]) -> list[tuple[str, float]]:
    return list(zip(_LE, accumulate(cells), strict=True))


def _tokens(totals: Sequence[int]) -> Iterator[Metric]:
    text = (
        "Tokens as reported by upstreams, or estimated. Kinds are disjoint, except that reasoning is a part of output."
    )
    family = CounterMetricFamily("fastproxy_tokens", text, labels=["format", "kind"])
    sums = dict.fromkeys(rows.TOKEN_KINDS, 0)
    for index, name in enumerate(rows.FORMATS):
        for offset, kind in enumerate(rows.TOKEN_KINDS):
            value = totals[rows.TOKENS + index * len(rows.TOKEN_KINDS) + offset]
            sums[kind] += value
            family.add_metric([name, kind], value)
    yield family
    prompt, completion = sums["input"] + sums["cache_read"] + sums["cache_write"], sums["output"]
    yield _labelled(*ALIASES["tokens"], "type", {"prompt": prompt, "completion": completion})
    yield CounterMetricFamily(*ALIASES["prompt"], value=prompt)
    yield CounterMetricFamily(*ALIASES["completion"], value=completion)
    yield CounterMetricFamily(*ALIASES["all"], value=prompt + completion)


def _connections(look: Look, totals: Sequence[int]) -> Iterator[Metric]:
    for name, text, row in COUNTERS:
        yield CounterMetricFamily(f"fastproxy_{name}", text, value=totals[row])
    for name, text, row in GAUGES:
        yield GaugeMetricFamily(f"fastproxy_{name}", text, value=look.gauge(row))
    family = GaugeMetricFamily("fastproxy_upstream_connections", "Open upstream connections.", labels=["state"])
    family.add_metric(["active"], look.gauge(rows.UPSTREAM_ACTIVE))
    family.add_metric(["idle"], look.gauge(rows.UPSTREAM_IDLE))
    yield family
    text = "Bodies relayed: in from clients, out to clients."
    relayed = {"in": totals[rows.BYTES_IN], "out": totals[rows.BYTES_OUT]}
    yield _labelled("fastproxy_bytes", text, "direction", relayed)


def _workers(look: Look) -> Iterator[Metric]:
    for name, text, row in MASTER_COUNTERS:
        yield CounterMetricFamily(f"fastproxy_{name}", text, value=look.master[row])
    up = GaugeMetricFamily("fastproxy_worker_up", "1 while the worker serves.", labels=["slot"])
    text = "Time since the worker last showed life."
    age = GaugeMetricFamily("fastproxy_worker_heartbeat_age_seconds", text, labels=["slot"])
    text = "The configuration that the worker uses."
    generation = GaugeMetricFamily("fastproxy_worker_config_generation", text, labels=["slot"])
    for slot, cells in look.slots():
        label = [str(slot)]
        up.add_metric(label, 0 if look.problem(cells) else 1)
        generation.add_metric(label, cells[rows.GENERATION])
        silent_ms = look.age_ms(cells)
        if silent_ms is not None:
            age.add_metric(label, silent_ms / 1000)
    yield from (up, age, generation)


def _configuration(look: Look) -> Iterator[Metric]:
    slowest = max((cells[rows.SWAP_US_MAX] for _, cells in look.slots()), default=0)
    text = "The longest time that a change of keys or configuration kept a worker from serving."
    yield GaugeMetricFamily("fastproxy_snapshot_swap_seconds_max", text, value=slowest / 1e6)
    text = "The newest configuration that has been published."
    yield GaugeMetricFamily("fastproxy_config_generation", text, value=look.master[rows.GENERATION])
    # counted by whoever publishes: the admin process, or the master
    outcomes = {
        "success": look.master[rows.RELOADS] + look.admin[rows.RELOADS],
        "failure": look.master[rows.RELOAD_FAILURES] + look.admin[rows.RELOAD_FAILURES],
    }
    yield _labelled("fastproxy_config_reloads", "Reloads of the configuration.", "outcome", outcomes)
    started = look.master[rows.STARTED] / 1000
    yield GaugeMetricFamily("fastproxy_start_time_seconds", "When the master started, in Unix time.", value=started)


def _labelled(name: str, text: str, label: str, values: Mapping[str, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
