from __future__ import annotations

import pytest

from fastproxy.loadtest.load.shapes import Second
from fastproxy.loadtest.reports.diff import BLOCKS, beside, changed, diff, ratios
from fastproxy.loadtest.reports.html import html
from tests.loadtest.reports import samples


def row(text: str, label: str) -> list[str]:
    return (
        next(line for line in text.splitlines() if line.strip().startswith(label)).strip().removeprefix(label).split()
    )


def test_a_slower_run_differs_and_the_same_run_does_not() -> None:
    fast, slow = samples.run(samples.compared().series[0]), samples.run(samples.compared().series[1])
    text = diff(fast, slow)
    assert row(text, "latency p50")[-1] == "differs"
    assert row(text, "latency p50")[4:6] == ["1.26", "×"]
    assert row(text, "requests per second")[-1] == "differs"
    assert "differs" not in diff(fast, fast)
    assert row(diff(fast, fast), "latency p99")[-2:] == ["cannot", "tell"]


@pytest.mark.parametrize("seconds", [0, 1, 3, 4, 9, 30, 300])
def test_runs_of_any_length_compare(seconds: int) -> None:
    a, b = (samples.run(samples.plain().series[0]) for _ in range(2))
    for run, rate in ((a, 20), (b, 30)):
        run.series[0].tally = (
            samples.tally(1, rate=rate, seconds=seconds) if seconds else samples.empty().series[0].tally
        )
    found = ratios(a.series[0], b.series[0])
    assert [one.figure for one in found] == (["rate", "p50", "p99"] if seconds > 3 else [])
    assert diff(a, b).endswith("interleaves both targets.\n")
    assert seconds < 4 or found[0].ratio == pytest.approx(1.5, rel=0.1)


def test_a_run_is_cut_into_at_most_ten_blocks() -> None:
    assert BLOCKS == 10
    lane = samples.compared().series[0]
    lane.tally.seconds[-1].done = 10**9  # a part of a second, whose rate means nothing
    assert ratios(lane, samples.compared().series[0])[0].ratio == 1.0


def test_a_run_of_more_than_an_hour_seemed_twice_as_fast() -> None:
    long, short = samples.plain(), samples.plain()
    long.series[0].tally.seconds = [Second(at, 14, latency={500: 14}, width=2) for at in range(0, 80, 2)]
    short.series[0].tally.seconds = [Second(at, 7, latency={500: 7}) for at in range(40)]
    assert ratios(long.series[0], short.series[0])[0].ratio == 1.0


def test_what_was_left_over_behind_the_measured_time_is_compared_with_nothing() -> None:
    steady, overloaded = samples.plain().series[0], samples.plain().series[0]
    for series in (steady, overloaded):
        series.tally.seconds = [Second(at, 7, latency={500: 7}) for at in range(2, 32)]
    overloaded.tally.seconds += [Second(at, 70, latency={900: 70}) for at in range(32, 52)]
    overloaded.tally.drained = 1400
    assert [(one.figure, one.ratio) for one in ratios(steady, overloaded)] == [
        ("rate", 1.0),
        ("p50", 1.0),
        ("p99", 1.0),
    ]


def test_what_differs_around_the_runs_is_named() -> None:
    a, b = samples.plain(), samples.plain()
    b.machine = {**b.machine, "kernel": "6.2.0\x1b[31m", "load_average": 3.0}
    b.plan = {**b.plan, "connections": 8}
    assert changed(a, b)[1:3] == ["  kernel: 6.1.0 → 6.2.0\ufffd[31m", "  connections: 64 → 8"]
    assert changed(a, a) == []


def test_a_series_without_a_counterpart_is_said_to_be_left_out() -> None:
    assert "1 series without a counterpart left out" in diff(samples.plain(), samples.compared())


def test_runs_without_anything_compare() -> None:
    assert "A  target" in diff(samples.empty(), samples.plain())
    assert diff(samples.run(), samples.run()).endswith("interleaves both targets.\n")


def test_hostile_texts_stay_texts() -> None:
    assert "\x1b" not in diff(samples.sick(), samples.sick())


def test_both_runs_fit_one_page() -> None:
    page = html(beside(samples.plain(), samples.streaming()))
    assert page.count("<figure") == 6
    assert beside(samples.run(), samples.plain()) == samples.plain()
