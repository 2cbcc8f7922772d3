"""Turns the lanes of a run into a Markdown table and a JSON file; decides nothing but medians and bars.

A result is a dict of plain values (it goes to JSON as it is):
  {"case", "title", "kind", "must", "goal", "ratio": {"median", "low", "high"} | None, "verdict",
   "targets": {name: {figure: median over the lanes}}, "lanes": {name: [lane, ...]}}
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.cases import IDLE_STREAMS, Case, Kind
from bench.load import Lane
from bench.streams import StreamLane

RESULTS = Path(__file__).parent / "results"
MAX_ADDED_P99_US = 300  # "added p99 at concurrency 1 under 0.3 ms"
Result = dict[str, Any]
Lanes = dict[str, list[Lane | StreamLane]]


def result_of(case: Case, lanes: Lanes, idle_base: dict[str, int]) -> Result:
    """Compress the lanes of one case. `lanes` holds pairs: the n-th lane of both targets ran side by side."""
    rows = {name: [_figures(case, seen, idle_base.get(name, 0)) for seen in series] for name, series in lanes.items()}
    medians = {
        name: {figure: median(row[figure] for row in series) for figure in series[0]} for name, series in rows.items()
    }
    names = [name for name in lanes if name != "direct"]
    ratios = [ours["score"] / theirs["score"] for theirs, ours in zip(rows[names[0]], rows[names[1]], strict=True)]
    ratio = {"median": median(ratios), "low": min(ratios), "high": max(ratios)}
    return {
        "case": case.name,
        "title": case.title,
        "kind": case.kind.value,
        "must": case.must,
        "goal": case.goal,
        "ratio": ratio,
        "verdict": _verdict(case, ratio["median"], medians),
        "targets": medians,
        "lanes": {name: [asdict(seen) for seen in series] for name, series in lanes.items()},
    }


def _figures(case: Case, seen: Lane | StreamLane, base: int) -> dict[str, float]:
    """The lane's figures and its score: the one number that the case compares, smaller is better."""
    figures = {name: float(value) for name, value in asdict(seen).items() if name != "pss_bytes"}
    if case.kind is Kind.IDLE and isinstance(seen, StreamLane):
        return figures | {"score": max(seen.pss_bytes - base, 1) / IDLE_STREAMS / 1024, "base_mib": base / 2**20}
    return figures | {"score": figures["p99_us"] if case.kind is Kind.ALONE else figures["cpu_us"]}


def _verdict(case: Case, ratio: float, medians: dict[str, dict[str, float]]) -> str:
    if any(row["errors"] for row in medians.values()):
        return "ERRORS"
    if case.kind is Kind.ALONE and "direct" in medians:
        ours = [row["p99_us"] for name, row in medians.items() if name != "direct"][-1]
        added = ours - medians["direct"]["p99_us"]
        return f"{'holds' if added <= MAX_ADDED_P99_US else 'MISSES'}: {added:.0f} µs added"
    if case.must is None:
        return "–"
    if ratio > case.must:
        return f"MISSES {case.must}"
    return "goal" if case.goal and ratio <= case.goal else f"holds {case.must}"


def table(results: list[Result]) -> str:
    lines = [
        "| case | proxy | per second | p50 µs | p99 µs | CPU µs | core busy | ratio to the first (range) | bar |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        lines += [_row(result, name) for name in result["targets"]]
    return "\n".join(lines)


def _row(result: Result, name: str) -> str:
    row, ratio, last = result["targets"][name], result["ratio"], name == list(result["targets"])[-1]
    told = f"**{ratio['median']:.2f}** ({ratio['low']:.2f}–{ratio['high']:.2f})" if last else ""
    if result["kind"] == Kind.IDLE.value:
        figures = f"– | – | – | {row['score']:.2f} KiB PSS per stream | –"
    else:
        figures = f"{row['rate']:,.0f} | {row['p50_us']:,.0f} | {row['p99_us']:,.0f} | {row['cpu_us']:.1f}"
        figures += f" | {row['busy']:.2f}"
    title = result["title"] if name == next(iter(result["targets"])) else ""
    return f"| {title} | {name} | {figures} | {told} | {result['verdict'] if last else ''} |"


def machine() -> dict[str, Any]:
    """What a reader needs to know about where the figures come from."""
    cpu = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "model name: ?"
    )
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr.strip()
    return {
        "cpu": cpu.partition(":")[2].strip(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "uvloop": version("uvloop"),
        "httptools": version("httptools"),
        "nginx": nginx.rpartition("/")[2],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load_average_at_start": os.getloadavg()[0],
    }


def write(results: list[Result], facts: dict[str, Any], settings: dict[str, Any], configs: dict[str, str]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{facts['time'].replace(':', '')}.json"
    whole = {"machine": facts, "settings": settings, "results": results, "configs": configs}
    path.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    return path
