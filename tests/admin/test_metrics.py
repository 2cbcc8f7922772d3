"""What a scrape says is what stands in the cells."""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from fastproxy.admin import metrics
from fastproxy.admin.access import Access
from fastproxy.admin.app import create_app
from fastproxy.shared import rows
from tests.admin.cells import Cells, fetch, node, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric

BUCKETS = len(rows.LATENCY_BOUNDS) + 1

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def filled() -> Cells:
    """Two live workers and one long gone, each cell with a number of its own."""
    cells = Cells(slots=4)
    for slot, factor in ((0, 1), (1, 1000), (3, 1_000_000)):
        column = cells.worker(slot)
        for row in range(rows.CLIENTS_OPEN, rows.USAGE_UNREAD + 1):
            column[row] = (row + 1) * factor
    cells.start(0, GENERATION=3, PID=os.getpid())
    cells.start(1, GENERATION=2, HEARTBEAT=1, PID=2**22 + 1)  # silent, and no such process
    cells.master(
        GENERATION=3, RESTARTS=4, HANGS=1, RELOADS=2, RELOAD_FAILURES=5, STARTED=1_700_000_000_500, PID=os.getpid()
    )
    return cells


def counted(row: int) -> int:
    """What the three workers of `filled` have in a counter row together."""
    return (row + 1) * 1_001_001


def samples(families: Iterable[Metric]) -> Samples:
    found: Samples = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} is given twice"
            found[key] = sample.value
    return found


@pytest.fixture(scope="module")
def scraped() -> Samples:
    body, _ = metrics.render(metrics.NodeCollector(node(filled()), "1.2.3"), "")
    return samples(parse_plain(body.decode()))


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("fastproxy_client_connections_accepted_total", {}, counted(rows.CLIENTS_ACCEPTED)),
        ("fastproxy_client_connections_refused_total", {}, counted(rows.CLIENTS_REFUSED)),
        ("fastproxy_upstream_connections_opened_total", {}, counted(rows.UPSTREAM_OPENED)),
        ("fastproxy_upstream_connections_reused_total", {}, counted(rows.UPSTREAM_REUSED)),
        ("fastproxy_upstream_failures_total", {}, counted(rows.UPSTREAM_FAILURES)),
        ("fastproxy_retries_total", {}, counted(rows.RETRIES)),
        ("fastproxy_access_log_dropped_total", {}, counted(rows.LOG_DROPPED)),
        ("fastproxy_usage_estimated_total", {}, counted(rows.USAGE_ESTIMATED)),
        ("fastproxy_usage_unread_total", {}, counted(rows.USAGE_UNREAD)),
        ("fastproxy_bytes_total", {"direction": "in"}, counted(rows.BYTES_IN)),
        ("fastproxy_bytes_total", {"direction": "out"}, counted(rows.BYTES_OUT)),
        ("fastproxy_client_connections", {}, (rows.CLIENTS_OPEN + 1) * 1001),
        ("fastproxy_requests_in_flight", {}, (rows.REQUESTS_OPEN + 1) * 1001),
        ("fastproxy_tunnels", {}, (rows.TUNNELS_OPEN + 1) * 1001),
        ("fastproxy_upstream_waiting", {}, (rows.UPSTREAM_WAITING + 1) * 1001),
        ("fastproxy_upstream_connections", {"state": "active"}, (rows.UPSTREAM_ACTIVE + 1) * 1001),
        ("fastproxy_upstream_connections", {"state": "idle"}, (rows.UPSTREAM_IDLE + 1) * 1001),
        ("fastproxy_worker_restarts_total", {}, 4),
        ("fastproxy_worker_hangs_total", {}, 1),
        ("fastproxy_worker_up", {"slot": "0"}, 1),
        ("fastproxy_worker_up", {"slot": "1"}, 0),
        ("fastproxy_worker_heartbeat_age_seconds", {"slot": "0"}, 0.05),
        ("fastproxy_worker_config_generation", {"slot": "1"}, 2),
        ("fastproxy_config_generation", {}, 3),
        ("fastproxy_config_reloads_total", {"outcome": "success"}, 2),
        ("fastproxy_config_reloads_total", {"outcome": "failure"}, 5),
        ("fastproxy_start_time_seconds", {}, 1_700_000_000.5),
    ],
    ids=lambda value: str(value),
)
def test_single_values(scraped: Samples, name: str, labels: dict[str, str], expected: float) -> None:
    assert scraped[name, tuple(sorted(labels.items()))] == pytest.approx(expected)


def test_requests_by_entry_and_status(scraped: Samples) -> None:
    for index, entry in enumerate(rows.ENTRIES):
        for status, label in enumerate(metrics.STATUS_LABELS):
            row = rows.REQUESTS_BY + index * rows.STATUS_CLASSES + status
            assert scraped["fastproxy_requests_total", (("entry", entry), ("status", label))] == counted(row)
    firsts = [rows.REQUESTS_BY + index * rows.STATUS_CLASSES + 2 for index in range(len(rows.ENTRIES))]
    assert scraped["http_requests_total", (("status", "2xx"),)] == sum(counted(row) for row in firsts)


def test_errors_by_kind(scraped: Samples) -> None:
    for index, kind in enumerate(rows.ERROR_KINDS):
        assert scraped["fastproxy_errors_total", (("kind", kind),)] == counted(rows.ERRORS_BY + index)


def test_tokens_by_format_and_kind_and_their_aliases(scraped: Samples) -> None:
    sums = dict.fromkeys(rows.TOKEN_KINDS, 0)
    for index, name in enumerate(rows.FORMATS):
        for offset, kind in enumerate(rows.TOKEN_KINDS):
            expected = counted(rows.TOKENS + index * len(rows.TOKEN_KINDS) + offset)
            sums[kind] += expected
            assert scraped["fastproxy_tokens_total", (("format", name), ("kind", kind))] == expected
    prompt = sums["input"] + sums["cache_read"] + sums["cache_write"]
    assert scraped["token_usage_total", (("type", "prompt"),)] == prompt == scraped["prompt_tokens_total", ()]
    assert scraped["token_usage_total", (("type", "completion"),)] == sums["output"]
    assert scraped["completion_tokens_total", ()] == sums["output"]
    assert scraped["tokens_total", ()] == prompt + sums["output"]


def test_histograms_are_cumulative_and_their_sums_right(scraped: Samples) -> None:
    name = "fastproxy_request_duration_seconds"
    everything = 0
    for index, entry in enumerate(rows.ENTRIES):
        first = rows.DURATION + index * BUCKETS
        running = 0
        for offset, bound in enumerate(rows.LATENCY_BOUNDS):
            running += counted(first + offset)
            assert scraped[f"{name}_bucket", (("entry", entry), ("le", repr(bound / 1e6)))] == running
        running += counted(first + BUCKETS - 1)
        everything += running
        assert scraped[f"{name}_bucket", (("entry", entry), ("le", "+Inf"))] == running
        assert scraped[f"{name}_count", (("entry", entry),)] == running
        spent = counted(rows.DURATION_SUM + index) / 1e6
        assert scraped[f"{name}_sum", (("entry", entry),)] == pytest.approx(spent)
    assert scraped["http_request_duration_seconds_count", ()] == everything
    assert scraped["http_request_duration_seconds_bucket", (("le", "+Inf"),)] == everything


def test_bounds_are_base_units() -> None:
    assert metrics._LE[0] == "0.0001"
    assert metrics._LE[-2:] == ("52.4288", "+Inf")


def test_processes_are_read_and_the_dead_are_left_out(scraped: Samples) -> None:
    memory = {
        labels[0][1]: value
        for (name, labels), value in scraped.items()
        if name == "fastproxy_process_resident_memory_bytes"
    }
    assert set(memory) == {"master", "worker-0"}
    assert all(value > 1_000_000 for value in memory.values())
    assert scraped["fastproxy_process_cpu_seconds_total", (("process", "master"),)] > 0


def test_every_worker_row_is_shown() -> None:
    """Changing any cell that workers own changes the scrape: no counter is kept in vain."""
    cells = Cells(slots=1)
    column = cells.start(0, PID=2**22 + 1)
    collector = metrics.NodeCollector(node(cells), "1.2.3")
    before, _ = metrics.render(collector, "")
    unseen = set()
    for row in range(rows.CLIENTS_OPEN, rows.USAGE_UNREAD + 1):
        column[row] += 7
        after, _ = metrics.render(collector, "")
        if after == before:
            unseen.add(row)
        column[row] -= 7
    # REQUESTS is the sum of REQUESTS_BY, which has its own series.
    assert unseen == {rows.REQUESTS}


def test_labels_come_from_closed_lists(scraped: Samples) -> None:
    allowed = {
        "entry": set(rows.ENTRIES),
        "status": set(metrics.STATUS_LABELS),
        "kind": set(rows.ERROR_KINDS) | set(rows.TOKEN_KINDS),
        "format": set(rows.FORMATS),
        "direction": {"in", "out"},
        "outcome": {"success", "failure"},
        "state": {"active", "idle"},
        "type": {"prompt", "completion"},
        "le": set(metrics._LE),
        "slot": {str(slot) for slot in range(rows.MAX_SLOTS)},
        "process": {"master", "admin"} | {f"worker-{slot}" for slot in range(rows.MAX_SLOTS)},
        "version": {"1.2.3"},
    }
    for _, labels in scraped:
        for label, value in labels:
            assert label == "python" or value in allowed[label], (label, value)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=0.0.4;q=0.3", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", "application/openmetrics-text"),
        ("application/openmetrics-text; version=not-a-number", "application/openmetrics-text"),
        ("garbage, ;;;=,", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_content_negotiation_over_a_socket(accept: str, kind: str) -> None:
    with serving(create_app(node(filled()), Access(None, "127.0.0.1"), "1.2.3")) as port:
        answer = fetch(port, "/metrics", {"accept": accept})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(kind)
    text = answer.body.decode()
    parse = parse_openmetrics if kind.startswith("application/") else parse_plain
    found = samples(parse(text))
    assert found["fastproxy_worker_restarts_total", ()] == 4
    labels = (("python", platform.python_version()), ("version", "1.2.3"))
    assert found["fastproxy_build_info", labels] == 1


def test_a_scrape_of_a_full_node_stays_cheap() -> None:
    cells = Cells(slots=rows.MAX_SLOTS)
    for slot in range(rows.MAX_SLOTS):
        cells.start(slot, PID=os.getpid())
    collector = metrics.NodeCollector(node(cells), "1.2.3")
    costs = []
    for _ in range(5):
        before = time.process_time()
        metrics.render(collector, "")
        costs.append(time.process_time() - before)
    assert min(costs) < 0.1  # measured 0.005; a scrape comes every 15 s
