from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from fastproxy.loadtest.load.histogram import bucket_of, maximum, percentile, total
from fastproxy.loadtest.load.seconds import joined
from fastproxy.loadtest.load.shapes import Second, Series, Tally
from fastproxy.loadtest.reports.columns import columns_note
from fastproxy.loadtest.reports.panels import duration_axis, nines, panels
from tests.loadtest.reports import samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.load.shapes import Run
    from fastproxy.loadtest.reports.charts import Chart

TIMES = ["latency", "percentiles", "throughput"]
TOKENS = ["first-token", "first-tokens", "gaps"]


def chart(run: Run, key: str) -> Chart:
    return next(one for one in panels(run) if one.key == key)


def seconds_of(counts: dict[int, int], wall: float) -> Run:
    seconds = [Second(at, done, 0, 0, {bucket_of(1000): done} if done else {}) for at, done in counts.items()]
    whole = Tally(done=sum(counts.values()), latency={bucket_of(1000): 9}, seconds=seconds, wall=int(wall * 1e6))
    run = samples.run(Series("target", "http://x", whole))
    run.plan["warm_s"] = 0.0
    return run


@pytest.mark.parametrize(
    ("make", "keys"),
    [
        (samples.plain, TIMES),
        (samples.streaming, TIMES + TOKENS),
        (samples.compared, TIMES + TOKENS),
        (samples.sick, [*TIMES, "errors"]),
        (samples.frontier, ["rates"]),
        (samples.empty, []),
    ],
)
def test_a_run_has_the_charts_that_it_measured(make: Callable[[], Run], keys: list[str]) -> None:
    assert [one.key for one in panels(make())] == keys


@pytest.mark.parametrize("make", [samples.plain, samples.streaming, samples.compared, samples.sick, samples.frontier])
def test_every_axis_says_what_it_counts_and_in_which_unit(make: Callable[[], Run]) -> None:
    units = ("(s)", "(min)", "(ms)", "(µs)", "(%)", "per second", "log scale")
    for one in panels(make()):
        for axis in (one.x, one.y):
            assert any(unit in axis.label for unit in units), axis.label
            assert len(axis.ticks) >= 2
            assert all(axis.low <= value <= axis.high for value, _ in axis.ticks)


def test_two_series_lie_on_one_another_in_two_colours() -> None:
    for one in panels(samples.compared()):
        assert {line.colour for line in one.lines} == {0, 1}
        assert all(line.label.startswith(("fastproxy", "nginx")) for line in one.lines)


def test_the_percentile_plot_goes_through_the_percentiles() -> None:
    run = samples.plain()
    buckets = run.series[0].tally.latency
    (curve,) = chart(run, "percentiles").lines[0].pieces
    assert curve == tuple(sorted(curve))
    for share in (0.5, 0.9, 0.99, 0.999):
        value = next(y for x, y in curve if x >= nines(share) - 1e-9)
        assert value == percentile(buckets, share)
    assert curve[-1] == (math.log10(2 * total(buckets)), maximum(buckets))


def test_each_nine_is_one_step() -> None:
    assert [nines(share) for share in (0, 0.9, 0.99, 0.9999)] == pytest.approx([0, 1, 2, 4])


def test_requests_that_waited_show_the_service_time_beside_the_latency() -> None:
    prompt = chart(samples.plain(), "percentiles").lines
    assert [line.dashed for line in prompt] == [False]
    lines = chart(samples.sick(), "percentiles").lines
    assert [(line.label.split()[0], line.dashed) for line in lines] == [("latency", False), ("service", True)]


def test_a_second_without_any_reply_is_a_rate_of_zero_and_a_hole_in_the_latency() -> None:
    run = seconds_of({0: 5, 1: 5, 4: 5, 5: 5}, 6)
    assert chart(run, "throughput").lines[0].pieces == (((0.5, 5), (1.5, 5), (2.5, 0), (3.5, 0), (4.5, 5), (5.5, 5)),)
    assert [len(piece) for piece in chart(run, "latency").lines[0].pieces] == [2, 2]


def test_the_part_of_a_second_at_the_end_has_no_rate_but_keeps_its_latency() -> None:
    run = seconds_of({0: 100, 1: 100, 2: 1}, 2.01)
    assert [y for _, y in chart(run, "throughput").lines[0].pieces[0]] == [100, 100]
    assert len(chart(run, "latency").lines[0].pieces[0]) == 3


def test_an_hour_is_merged_into_columns_that_stay_rates() -> None:
    run = seconds_of(dict.fromkeys(range(3600), 7), 3600)
    (points,) = chart(run, "throughput").lines[0].pieces
    assert len(points) == 240
    assert {y for _, y in points} == {7.0}
    assert columns_note(run) == "Each point over time stands for 15 seconds."
    assert columns_note(samples.plain()) == ""


@pytest.mark.parametrize(("hours", "each"), [(1.5, 2), (3.0, 4)])
def test_rows_of_several_seconds_were_drawn_as_doubled_rates(hours: float, each: int) -> None:
    """With a warm-up of 3 s, so that the first row is short, and a last one that has only begun."""
    length = int(hours * 3600) + 1
    rows = joined((Second(at, 7, 1, 0, {bucket_of(1000): 7}) for at in range(3, length)), each)
    run = seconds_of({}, length - 3)
    run.plan["warm_s"] = 3.0
    run.series[0].tally.seconds = rows
    for key, height in (("throughput", 7.0), ("errors", 1.0)):
        (points,) = chart(run, key).lines[0].pieces
        assert len(points) <= 240
        assert {y for _, y in points} == {height}
        assert {slot.text.splitlines()[1] for slot in chart(run, key).slots} == {f"{key_text(key)}: {height:.2f}"}
    assert "seconds" in columns_note(run)


def key_text(key: str) -> str:
    return "requests per second" if key == "throughput" else "errors per second"


@pytest.mark.parametrize(
    ("values", "label", "high"),
    [([0.0], "(µs)", 1), ([900.0], "(µs)", 1000), ([1_200.0, 4_000.0], "(ms)", 4_000), ([3e6], "(s)", 3e6),
     ([100.0, 90_000.0], "log", 100_000), ([0.0, 0.0], "(µs)", 1)],
)  # fmt: skip
def test_the_unit_of_a_duration_fits_its_values(values: list[float], label: str, high: float) -> None:
    axis = duration_axis(values)
    assert label in axis.label
    assert axis.high == pytest.approx(high)
