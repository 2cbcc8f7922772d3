"""The regression gate: `python -m bench.gate [--save] [--only CASE]`: have fastproxy's ratios to nginx become worse?

Runs the cases that are marked for it with nginx and fastproxy only, five pairs of 2 s, and compares the median of the
pairs' ratios with bench/baseline.json. Worse means: more than TOLERANCE above the saved one. A case that looks worse is
measured once more, and all pairs together decide, because one slow minute is no regression. `--save` writes the
baseline. Exit code 0: nothing is worse; 1: something is, or could not be measured; 2: no baseline.

Ratios travel between machines better than microseconds, but not freely: the gate says where the baseline came from when
that was another kind of machine. A baseline belongs to the machine that guards with it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import course, processes, report
from bench.cases import CASES, Case
from bench.course import Terms
from bench.peers import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

BASELINE = Path(__file__).with_name("baseline.json")
TOLERANCE = 0.10
MIN_PAIRS = 5
TERMS = Terms(pairs=MIN_PAIRS, seconds=2.0)
SAME = ("cpu", "cpus", "kernel", "python", "nginx")  # facts that make two machines comparable


class State(Enum):
    HOLDS = "holds"
    BETTER = "better"  # save it, or the next regression hides in the gain
    WORSE = "WORSE"
    TOO_FEW = "TOO FEW PAIRS"
    FAILED = "FAILED"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One case: the ratio that was saved, the one of now, and what that means."""

    case: str
    saved: float | None
    fresh: float | None
    pairs: int
    state: State

    @property
    def fails(self) -> bool:
        return self.state in {State.WORSE, State.TOO_FEW, State.FAILED}


def judge(case: str, saved: float | None, ratios: list[float]) -> Judgement:
    """Decide about one case from the ratios of its pairs; no pair at all means that it could not be measured."""
    if not ratios:
        return Judgement(case, saved, None, 0, State.FAILED)
    fresh = median(ratios)
    if len(ratios) < MIN_PAIRS:
        state = State.TOO_FEW
    elif saved is None:
        state = State.NEW
    elif fresh > saved * (1 + TOLERANCE):
        state = State.WORSE
    else:
        state = State.BETTER if fresh < saved / (1 + TOLERANCE) else State.HOLDS
    return Judgement(case, saved, fresh, len(ratios), state)


def pair_ratios(result: report.Result) -> list[float]:
    """The ratio of every pair; none of them when a request or a stream failed."""
    if result["verdict"] == "ERRORS":
        return []
    nginx, ours = result["lanes"]["nginx"], result["lanes"]["fastproxy"]
    return [b["cpu_us"] / a["cpu_us"] for a, b in zip(nginx, ours, strict=True)]


def table(judgements: list[Judgement]) -> str:
    lines = ["| case | saved ratio | now | pairs | |", "|---|---|---|---|---|"]
    for seen in judgements:
        saved, fresh = ("–" if value is None else f"{value:.2f}" for value in (seen.saved, seen.fresh))
        lines.append(f"| {seen.case} | {saved} | {fresh} | {seen.pairs} | {seen.state.value} |")
    return "\n".join(lines)


def differences(saved: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """In what the machine of the baseline was another one."""
    unlike = [f"{name}: {saved.get(name)} → {here.get(name)}" for name in SAME if saved.get(name) != here.get(name)]
    return ", ".join(unlike)


def measure(case: Case, folder: Path) -> list[float]:
    try:
        return pair_ratios(course.run(case, registry.PAIR, folder, TERMS))
    except processes.RunFailed as error:
        print(f"{case.name}: {error}", file=sys.stderr)
        return []


def run(cases: list[Case], saved: Mapping[str, float], folder: Path) -> list[Judgement]:
    """Measure and judge; what looks worse is measured once more."""
    judgements = []
    for case in cases:
        print(f"{case.title} …", file=sys.stderr, flush=True)
        ratios = measure(case, folder / case.name)
        seen = judge(case.name, saved.get(case.name), ratios)
        if seen.fails:
            again = measure(case, folder / f"{case.name}-again")
            seen = judge(case.name, saved.get(case.name), ratios + again)
        judgements.append(seen)
    return judgements


def main(arguments: list[str] | None = None) -> int:
    gated = [case for case in CASES if case.gate]
    parser = argparse.ArgumentParser(prog="python -m bench.gate", description=__doc__)
    parser.add_argument("--save", action="store_true", help="write the fresh ratios as the baseline")
    parser.add_argument("--only", action="append", choices=[case.name for case in gated], help="repeatable")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    options = parser.parse_args(arguments)
    if not options.save and not options.baseline.is_file():
        print(f"no baseline at {options.baseline}: make one with --save on a quiet machine", file=sys.stderr)
        return 2
    _, peers = registry.prepare(registry.PAIR)
    facts = report.machine() | {"nginx": peers["nginx"].get("version", "")}
    old = {} if options.save else json.loads(options.baseline.read_text(encoding="utf-8"))
    if not options.save and (unlike := differences(old["machine"], facts)):
        print(f"the baseline is from another machine: {unlike}", file=sys.stderr)
    cases = [case for case in gated if not options.only or case.name in options.only]
    with tempfile.TemporaryDirectory(prefix="fastproxy-gate-") as name:
        judgements = run(cases, old.get("ratios", {}), Path(name))
    print(table(judgements))
    failed = any(seen.fails for seen in judgements)
    if options.save and not failed:
        ratios = {seen.case: seen.fresh for seen in judgements}
        whole = {"machine": facts, "settings": asdict(TERMS), "tolerance": TOLERANCE, "ratios": ratios}
        options.baseline.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
