"""The measuring tools measure what they say: sizes of the traffic, CPU time of a process tree, ratios, verdicts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from bench import cpu, report, soak, table, traffic
from bench.cases import CASES, Case, Kind
from bench.load import Lane


def test_traffic_has_the_sizes_that_the_readme_names() -> None:
    assert len(traffic.short_body()) == 910
    assert len(traffic.long_body()) == 40_647
    assert len(traffic.huge_body()) == 400_000
    assert len(json.loads(traffic.long_body())["messages"]) > 60
    assert traffic.long_body().count(b"\\") > 1000  # escapes are what makes it hard to read
    assert len(traffic.client_fields(910)) == 8  # and the traceparent
    head, _, body = traffic.REPLY.partition(b"\r\n\r\n")
    assert (head.count(b"\r\n"), len(body)) == (11, 698)
    assert json.loads(body)["usage"]["completion_tokens"] == 64


def test_an_event_is_one_chunk_with_the_time_of_sending() -> None:
    size, data = traffic.event(17).split(b"\r\n", 1)
    payload = data.removesuffix(b"\r\n")
    assert int(size, 16) == len(payload) == traffic.EVENT_BYTES
    assert 300 < len(payload) < 360
    assert payload.endswith(b"\n\n")
    text = json.loads(payload.removeprefix(b"data: "))["choices"][0]["delta"]["content"]
    assert int(text.removeprefix(" sent at ")) == 17


def test_cpu_time_counts_children() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        try:
            while cpu.cpu_ns(parent.pid) < 300_000_000:
                assert parent.poll() is None
            family = cpu.tree(parent.pid)
            assert len(family) == 2
            assert cpu.pss_bytes(parent.pid) > 1 << 20
            assert cpu.descriptors(parent.pid) >= 6
        finally:
            for member in reversed(cpu.tree(parent.pid)):
                os.kill(member, 9)


def lane(cpu_us: float, errors: int = 0) -> Lane:
    return Lane(rate=1.0, p50_us=1.0, p99_us=1.0, cpu_us=cpu_us, busy=1.0, errors=errors)


@pytest.mark.parametrize(
    ("ours", "errors", "verdict"),
    [
        ((10, 11, 12), 0, "goal"),
        ((12, 12, 12), 0, "holds 1.25"),
        ((13, 13, 9), 0, "MISSES 1.25"),
        ((10, 10, 10), 1, "ERRORS"),
    ],
)
def test_the_ratio_is_the_median_of_the_pairs(ours: tuple[float, ...], errors: int, verdict: str) -> None:
    case = Case("x", "x", Kind.REQUESTS, must=1.25, goal=1.1)
    lanes: report.Lanes = {"nginx": [lane(10)] * 3, "fastproxy": [lane(value, errors) for value in ours]}
    result = report.result_of(case, lanes, {})
    assert result["ratio"]["median"] == sorted(ours)[1] / 10
    assert (result["ratio"]["low"], result["ratio"]["high"]) == (min(ours) / 10, max(ours) / 10)
    assert result["verdict"] == verdict
    assert verdict in table.table([result])


@pytest.mark.parametrize(
    ("values", "flat"),
    [([1, 50, 50, 50, 51, 50], True), ([50, 50, 50, 50, 50, 60], False), ([10, 20, 30, 40, 50, 60], False)],
)
def test_flat_ignores_the_warm_up_only(values: list[int], flat: bool) -> None:
    assert soak.is_flat(values, 1.03, 0) is flat


def test_every_bar_of_the_project_has_its_case() -> None:
    bars = {case.name: (case.must, case.goal) for case in CASES if case.must}
    assert bars == {
        "edge_1k": (1.25, 1.1),
        "unified_1k": (1.5, 1.3),
        "edge_40k": (1.1, None),
        "unified_40k": (1.5, 1.25),
        "unified_40k_spaced": (1.5, None),
        "tls_1k": (1.1, None),
        "translated_1k": (2.5, None),
        "sse": (1.2, None),
        "idle": (1.0, None),
    }
