"""Micro-benchmarks against saved ones: `python -m bench.micro_baseline [--save] [pytest arguments …]`.

Runs bench/micro with pytest-benchmark and compares each function's fastest time with bench/micro/baseline.json. Not in
nanoseconds: every time is divided by that of REFERENCE from the same run (a parse in C that our code does not touch),
so that a slower machine or a slower minute is not taken for slower code. TOLERANCE is wide, because single functions
move with the layout of memory; a regression that matters is a factor. Exit code 1: something is slower, or a test
failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MICRO = Path(__file__).parent / "micro"
BASELINE = MICRO / "baseline.json"
REFERENCE = "test_rejected_parse_everything[long]"
TOLERANCE = 0.25


def relative(report: Mapping[str, Any]) -> dict[str, float]:
    """Name → fastest time as a multiple of the reference's, without the rejected alternatives. Raises: KeyError."""
    fastest = {found["name"]: float(found["stats"]["min"]) for found in report["benchmarks"]}
    reference = fastest[REFERENCE]
    return {name: seconds / reference for name, seconds in sorted(fastest.items()) if "rejected" not in name}


def table(saved: Mapping[str, float], fresh: Mapping[str, float]) -> tuple[str, list[str]]:
    """The comparison as Markdown, and the names of what is slower. A new or missing name is told, not failed."""
    lines, slower = ["| function | saved | now | |", "|---|---|---|---|"], []
    for name in sorted({*saved, *fresh}):
        old, new = saved.get(name), fresh.get(name)
        word = "new" if old is None else "not run" if new is None else verdict(old, new)
        if word == "SLOWER":
            slower.append(name)
        cells = ["–" if value is None else f"{value:.4f}" for value in (old, new)]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {word} |")
    return "\n".join(lines), slower


def verdict(saved: float, fresh: float) -> str:
    if fresh > saved * (1 + TOLERANCE):
        return "SLOWER"
    return "faster" if fresh < saved / (1 + TOLERANCE) else "same"


def run(arguments: list[str]) -> tuple[int, dict[str, Any]]:
    """pytest's exit code, and its report (empty when it wrote none)."""
    with tempfile.TemporaryDirectory(prefix="fastproxy-micro-") as name:
        path = Path(name) / "report.json"
        command = [sys.executable, "-m", "pytest", "-q", str(MICRO), "-o", "addopts=--import-mode=importlib"]
        done = subprocess.run([*command, f"--benchmark-json={path}", *arguments], check=False)
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return done.returncode, report


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.micro_baseline", description=__doc__)
    parser.add_argument("--save", action="store_true", help="write these times as the baseline")
    options, more = parser.parse_known_args(arguments)
    code, report = run(more)
    if code or not report.get("benchmarks"):
        return code or 1
    fresh = relative(report)
    if options.save:
        whole = {
            "python": sys.version.split()[0],
            "reference": REFERENCE,
            "relative": {name: round(value, 5) for name, value in fresh.items()},
        }
        BASELINE.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    saved = json.loads(BASELINE.read_text(encoding="utf-8"))["relative"] if BASELINE.is_file() else {}
    text, slower = table(saved, fresh)
    print(text)
    if slower:
        print(f"slower by more than {TOLERANCE:.0%}: {', '.join(slower)}", file=sys.stderr)
    return int(bool(slower))


if __name__ == "__main__":
    sys.exit(main())
