"""The gates decide as they say: pairs, tolerance, a second look, errors; the micro gate compares multiples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bench import gate, micro_baseline
from bench.cases import CASES
from bench.gate import State
from bench.processes import RunFailed

if TYPE_CHECKING:
    from pathlib import Path

EDGE = next(case for case in CASES if case.name == "edge_1k")


@pytest.mark.parametrize(
    ("saved", "ratios", "state", "fails"),
    [
        (1.00, [1.09] * 5, State.HOLDS, False),
        (1.00, [1.11] * 5, State.WORSE, True),
        (1.00, [0.9, 0.9, 1.0, 5.0, 5.0], State.HOLDS, False),  # the median decides, not the worst pair
        (1.00, [0.80] * 5, State.BETTER, False),
        (1.00, [1.00] * 4, State.TOO_FEW, True),
        (1.00, [], State.FAILED, True),
        (None, [1.00] * 5, State.NEW, False),
    ],
)
def test_a_ratio_is_judged_by_the_median_of_enough_pairs(
    saved: float | None, ratios: list[float], state: State, fails: bool
) -> None:
    seen = gate.judge("x", saved, ratios)
    assert (seen.state, seen.fails) == (state, fails)
    assert state.value in gate.table([seen])


def result(nginx: list[float], ours: list[float], verdict: str = "–") -> dict[str, Any]:
    lanes = {"nginx": [{"cpu_us": cpu} for cpu in nginx], "fastproxy": [{"cpu_us": cpu} for cpu in ours]}
    return {"verdict": verdict, "lanes": lanes}


def test_ratios_are_taken_inside_the_pairs_and_not_when_something_failed() -> None:
    assert gate.pair_ratios(result([10, 20], [12, 20])) == [1.2, 1.0]
    assert gate.pair_ratios(result([10, 20], [12, 20], "ERRORS")) == []


class Machine:
    """Stands in for measuring: gives the prepared results, one per run."""

    def __init__(self, *results: dict[str, Any] | None) -> None:
        self.results = list(results)

    def run(self, *_: object) -> dict[str, Any]:
        found = self.results.pop(0)
        if found is None:
            raise RunFailed("did not start")
        return found


SLOW, SOUND = result([10] * 5, [20] * 5), result([10] * 5, [11] * 5)


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ((SOUND,), State.HOLDS),
        ((SLOW, SLOW), State.WORSE),
        ((None, SOUND), State.HOLDS),
        ((None, None), State.FAILED),
        ((result([10] * 5, [13, 13, 13, 11, 11]), SOUND), State.HOLDS),  # one slow minute
    ],
)
def test_what_looks_worse_is_measured_once_more(
    results: tuple[dict[str, Any] | None, ...],
    state: State,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    machine = Machine(*results)
    monkeypatch.setattr("bench.gate.course.run", machine.run)
    assert [seen.state for seen in gate.run([EDGE], {"edge_1k": 1.1}, tmp_path)] == [state]
    assert machine.results == []


def test_saving_writes_a_baseline_that_the_next_run_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    arguments = ["--only", "edge_1k", "--baseline", str(path)]
    monkeypatch.setattr("bench.gate.registry.prepare", lambda peers: (peers, {"nginx": {"version": "1.22.1"}}))
    monkeypatch.setattr("bench.gate.course.run", Machine(SOUND, SOUND, SLOW, SLOW).run)
    assert gate.main(arguments) == 2
    assert gate.main([*arguments, "--save"]) == 0
    assert json.loads(path.read_text())["ratios"] == {"edge_1k": 1.1}
    assert gate.main(arguments) == 0
    assert gate.main(arguments) == 1


def test_another_machine_is_said() -> None:
    here = dict.fromkeys(gate.SAME, "x")
    assert gate.differences(here, here) == ""
    assert gate.differences(here, {**here, "nginx": "1.29"}) == "nginx: x → 1.29"


def test_the_gated_cases_have_a_ratio_of_cpu() -> None:
    gated = [case for case in CASES if case.gate]
    assert len(gated) >= 4
    assert all("CPU" in case.kind.value for case in gated)


def test_micro_benchmarks_are_compared_as_multiples_of_the_reference() -> None:
    times = {micro_baseline.REFERENCE: 2.0, "test_a": 1.0, "test_b": 4.0}
    report = {"benchmarks": [{"name": name, "stats": {"min": least}} for name, least in times.items()]}
    fresh = micro_baseline.relative(report)
    assert fresh == {"test_a": 0.5, "test_b": 2.0}
    text, slower = micro_baseline.table({"test_a": 0.49, "test_b": 1.0, "test_gone": 1.0}, fresh | {"test_new": 1.0})
    assert slower == ["test_b"]
    assert [text.count(word) for word in ("| same |", "| SLOWER |", "| not run |", "| new |")] == [1, 1, 1, 1]
