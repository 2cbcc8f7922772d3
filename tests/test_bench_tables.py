"""Tables and charts of a run: every figure where it belongs, absences with their reason, drawings that are XML."""

from __future__ import annotations

import dataclasses
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import charts, report, table
from bench.cases import CASES, Case, Kind
from bench.compare import chosen_cases
from bench.load import Lane
from bench.memory import MemoryLane
from bench.scaling import ScalingLane, obstacle
from bench.streams import StreamLane

FACTS = {
    "time": "2026-11-21T12:00:00Z",
    "cpu": "AMD EPYC",
    "cpus": 2,
    "kernel": "6.18",
    "python": "3.11.7",
    "load_average_at_start": 0.1,
}
EDGE = Case("edge", "edge | route", Kind.REQUESTS, must=1.25)


def lane(cpu_us: float, errors: int = 0) -> Lane:
    return Lane(rate=50_000, p50_us=900, p99_us=2000, cpu_us=cpu_us, busy=0.97, errors=errors)


def streams(cpu_us: float, first: float) -> StreamLane:
    return StreamLane(20_000, 300, 900, cpu_us, 0.3, 0, 0, first, first * 2)


def edge() -> report.Result:
    lanes: report.Lanes = {
        "nginx": [lane(10), lane(11)],
        "fastproxy": [lane(12), lane(12)],
        "caddy": [lane(50), lane(60)],
        "litellm": [lane(5, errors=64), lane(5, errors=64)],
    }
    return report.result_of(EDGE, lanes, {}, {"envoy": "no wheel for this machine"})


def test_every_peer_has_its_ratio_to_nginx_and_fastproxy_the_verdict() -> None:
    result = edge()
    assert result["ratio"] == result["ratios"]["fastproxy"]
    assert result["ratios"]["caddy"]["low"] == 5.0
    assert result["verdict"] == "holds 1.25"  # LiteLLM's errors are not ours
    rows = table.table([result]).splitlines()
    assert rows[0].count("|") == rows[2].count("|") == rows[-1].count("|")
    assert "edge / route" in rows[2]
    assert "**1.15** (1.09–1.20)" in rows[3]
    assert "holds 1.25" in rows[3]
    assert "64 ERRORS" in rows[5]
    assert "absent: no wheel for this machine" in rows[6]


def test_streams_show_the_first_token_and_what_was_added_to_it() -> None:
    lanes: report.Lanes = {
        "direct": [streams(1, 200)],
        "nginx": [streams(10, 300)],
        "fastproxy": [streams(11, 350)],
    }
    text = table.whole([report.result_of(Case("sse", "SSE", Kind.EVENTS), lanes, {})], FACTS, {})
    assert "| 350 (+150) | 700 (+300) |" in text
    assert "### Streams" in text
    assert "### Requests" not in text


def test_memory_idle_streams_and_scaling_have_tables_of_their_own() -> None:
    memory: report.Lanes = {name: [MemoryLane(10, 20 * n, 15, 1, 0)] for n, name in ((1, "nginx"), (2, "fastproxy"))}
    scaling: report.Lanes = {name: [ScalingLane(1e4, 1.9e4, 1, 1.9, 0)] for name in ("nginx", "fastproxy")}
    idle: report.Lanes = {
        name: [dataclasses.replace(streams(0, 0), pss_bytes=2000 * 1024 * n)]
        for n, name in ((9, "nginx"), (3, "fastproxy"))
    }
    results = [
        report.result_of(Case("memory", "memory", Kind.MEMORY), memory, {}),
        report.result_of(Case("scaling", "scaling", Kind.SCALING), scaling, {}),
        report.result_of(Case("idle", "idle", Kind.IDLE), idle, {"nginx": 0, "fastproxy": 0}),
    ]
    assert [result["ratio"]["median"] for result in results] == pytest.approx([2.0, 1.0, 1 / 3])
    text = table.whole(results, FACTS, {"portkey": {"source": "npm", "absent": "npm is not installed"}})
    for words in ("| 10.0 | 40.0 | 15.0 |", "| 10,000 | 19,000 | 1.00 | 1.90 |", "| 3.00 | 0.0 |"):
        assert words in text
    assert "| portkey | absent | npm | npm is not installed |" in text


def test_a_case_that_this_machine_cannot_show_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.processes.USABLE", [0, 1])
    result = report.skipped(next(case for case in CASES if case.kind is Kind.SCALING), obstacle())
    assert "needs 4 CPUs, this machine has 2" in table.whole([result], FACTS, {})
    monkeypatch.setattr("bench.processes.USABLE", [0, 1, 2, 3])
    assert obstacle() == ""


def test_fewer_streams_than_asked_for_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in CASES if case.name == "sse_10000")
    lanes: report.Lanes = {name: [streams(10, 300)] for name in ("nginx", "fastproxy")}
    monkeypatch.setattr("bench.processes.open_files", lambda: 20_000)
    assert "9,750 streams" in report.result_of(case, lanes, {})["note"]
    monkeypatch.setattr("bench.processes.open_files", lambda: 65_536)
    assert report.result_of(case, lanes, {})["note"] == ""
    assert case.job(1, 65_536).sockets >= 2 * case.streams


def parsed(drawing: str) -> ElementTree.Element:
    assert drawing.count("http") == 1  # the name space, and nothing is fetched
    return ElementTree.fromstring(drawing)


def bar_widths(drawing: ElementTree.Element) -> list[float]:
    return [float(node.attrib["width"]) for node in drawing.iter() if node.attrib.get("class", "").startswith("bar")]


def test_a_chart_has_a_bar_for_each_proxy_that_did_the_job() -> None:
    drawing = parsed(charts.of_results([edge()])["edge"])
    widths = bar_widths(drawing)
    assert len(widths) == 3  # not LiteLLM, which refused
    assert widths[0] < widths[1] < widths[2]
    assert widths[2] / widths[0] == pytest.approx(55 / 10.5, rel=0.02)  # linear


def test_a_wide_range_is_drawn_on_a_logarithmic_scale() -> None:
    bars = [charts.Bar("nginx", 15, 14, 16), charts.Bar("fastproxy", 22, 21, 23), charts.Bar("a<b", 7000, 6500, 7600)]
    text = charts.draw("x & y", "CPU µs", bars)
    widths = bar_widths(parsed(text))
    assert "logarithmic" in text
    assert 0 < widths[0] < widths[1] < widths[2]
    assert widths[2] / widths[0] < LOGARITHMIC_AT_MOST


LOGARITHMIC_AT_MOST = 10


def test_the_quick_run_is_a_part_of_the_whole() -> None:
    names = [case.name for case in chosen_cases(None, quick=True)]
    assert {"edge_1k", "unified_1k", "sse"} <= set(names)
    assert len(names) < len(chosen_cases(None, quick=False)) == len(CASES)
    assert [case.name for case in chosen_cases(["idle"], quick=True)] == ["idle"]


def test_results_can_be_written_and_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    path = report.write([edge()], FACTS, {"peers": {}, "settings": {}, "configs": {}})
    assert '"format": 2' in path.read_text()
