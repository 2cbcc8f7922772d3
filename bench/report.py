"""Compresses the lanes of a run into results and writes them as JSON; decides nothing but medians and bars.

A result is a dict of plain values (it goes to JSON as it is):
  {"case", "title", "kind", "must", "goal", "verdict", "note",
   "ratio": {"median", "low", "high"} | None       the second target (fastproxy) to the first (nginx)
   "ratios": {name: the same, to the first}         all the others, fastproxy among them
   "added": {"direct" or the first: {name: …}}      times to the first token only; see added.py
   "targets": {name: {figure: median over the lanes}}, "lanes": {name: [lane, ...]},
   "absent": {name: reason}}                        peers that did not come through this case
"""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench import processes
from bench.added import added
from bench.cases import IDLE_STREAMS, Case, Kind
from bench.first_token import FirstLane
from bench.load import Lane
from bench.memory import MemoryLane
from bench.scaling import ScalingLane
from bench.streams import StreamLane

RESULTS = Path(__file__).parent / "results"
FORMAT = 2  # of the file; 1 had no peers, no ratios and no absent
MAX_ADDED_P99_US = 300  # "added p99 at concurrency 1 under 0.3 ms"
MAX_ADDED_FIRST_US = 1000  # "added time to the first token p99 under 1 ms"
Result = dict[str, Any]
Figures = dict[str, float]
AnyLane = Lane | StreamLane | FirstLane | MemoryLane | ScalingLane
Lanes = dict[str, list[AnyLane]]


def result_of(case: Case, lanes: Lanes, idle_base: dict[str, int], absent: dict[str, str] | None = None) -> Result:
    """Compress the lanes of one case. `lanes` holds pairs: the n-th lane of all targets ran side by side."""
    rows = {name: [_figures(case, seen, idle_base.get(name, 0)) for seen in series] for name, series in lanes.items()}
    medians = {
        name: {figure: median(row[figure] for row in series) for figure in series[0]} for name, series in rows.items()
    }
    first, *others = [name for name in rows if name != "direct"]
    ratios = {name: _ratio(rows[first], rows[name]) for name in others}
    judged = others[0]
    more = _added(rows, (first, judged)) if case.kind is Kind.FIRST else {}
    return {
        **_head(case),
        **more,
        "ratio": ratios[judged],
        "ratios": ratios,
        "verdict": more.get("verdict") or _verdict(case, ratios[judged]["median"], medians, (first, judged)),
        "targets": medians,
        "lanes": {name: [asdict(seen) for seen in series] for name, series in lanes.items()},
        "absent": absent or {},
    }


def _added(rows: dict[str, list[Figures]], judged: tuple[str, str]) -> Result:
    """Of times to the first token: what each adds to no proxy and to the first; a verdict, unless there were errors."""
    reference, ours = judged
    result: Result = {"added": {to: added(rows, to) for to in ("direct", reference)}}
    if not any(row["errors"] for name in judged for row in rows[name]):
        most, theirs = (result["added"]["direct"][name]["p99_us"]["median"] for name in (ours, reference))
        word = "holds" if most < MAX_ADDED_FIRST_US else "MISSES"
        result["verdict"] = f"{word}: {most:.0f} µs added, {reference} {theirs:.0f}"
    return result


def skipped(case: Case, reason: str) -> Result:
    """A case that this machine cannot show."""
    nothing: Result = {"ratios": {}, "targets": {}, "lanes": {}, "absent": {}}
    return {**_head(case), "ratio": None, "verdict": reason, **nothing}


def _head(case: Case) -> Result:
    note = ""
    if case.kind is Kind.EVENTS and case.open_streams(processes.open_files()) < case.streams:
        count = case.open_streams(processes.open_files())
        note = f"{count:,} streams: this machine allows {processes.open_files():,} open files"
    return {
        "case": case.name,
        "title": case.title,
        "kind": case.kind.value,
        "must": case.must,
        "goal": case.goal,
        "note": note,
    }


def _ratio(theirs: list[Figures], ours: list[Figures]) -> Figures:
    ratios = [row["score"] / reference["score"] for reference, row in zip(theirs, ours, strict=True)]
    return {"median": median(ratios), "low": min(ratios), "high": max(ratios)}


def _figures(case: Case, seen: AnyLane, base: int) -> Figures:
    """The lane's figures and its score: the one number that the case compares, smaller is better but for scaling."""
    figures = {name: float(value) for name, value in asdict(seen).items() if name != "pss_bytes"}
    match seen:
        case MemoryLane():
            score = seen.loaded_mib
        case ScalingLane():
            score = seen.rate_2 / seen.rate_1
        case StreamLane() if case.kind is Kind.IDLE:
            score = max(seen.pss_bytes - base, 1) / IDLE_STREAMS / 1024
            figures["base_mib"] = base / 2**20
        case _:
            score = figures["p99_us" if case.kind in {Kind.ALONE, Kind.FIRST} else "cpu_us"]
    return figures | {"score": score}


def _verdict(case: Case, ratio: float, medians: dict[str, Figures], judged: tuple[str, str]) -> str:
    if any(medians[name]["errors"] for name in judged):
        return "ERRORS"
    if case.kind is Kind.ALONE and "direct" in medians:
        added = medians[judged[1]]["p99_us"] - medians["direct"]["p99_us"]
        return f"{'holds' if added <= MAX_ADDED_P99_US else 'MISSES'}: {added:.0f} µs added"
    if case.must is None:
        return "–"
    if ratio > case.must:
        return f"MISSES {case.must}"
    return "goal" if case.goal and ratio <= case.goal else f"holds {case.must}"


def machine() -> dict[str, Any]:
    """What a reader needs to know about where the figures come from."""
    cpu = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "model name: ?"
    )
    return {
        "cpu": cpu.partition(":")[2].strip(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "uvloop": version("uvloop"),
        "httptools": version("httptools"),
        "open_files": processes.open_files(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load_average_at_start": os.getloadavg()[0],
    }


def write(results: list[Result], facts: dict[str, Any], more: dict[str, Any]) -> Path:
    """`more`: settings, peers and configs of the run."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{facts['time'].replace(':', '')}.json"
    whole = {"format": FORMAT, "machine": facts, **more, "results": results}
    path.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    return path
