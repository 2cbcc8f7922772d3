"""What the meter is told comes out of its tally, in the right second and only once the warm-up is over."""

from __future__ import annotations

import pytest

from fastproxy.loadtest.load.histogram import percentile, total
from fastproxy.loadtest.load.meter import Meter

S = 1_000_000_000
MS = 1_000_000


@pytest.fixture
def meter() -> Meter:
    made = Meter(start=100 * S, measured_from=101 * S)
    made.begin(101 * S)
    return made


def test_a_reply_is_counted_by_name_and_second(meter: Meter) -> None:
    latencies = meter.of_request("one")
    meter.right(latencies, 20 * MS, 10 * MS, 101 * S + 20 * MS)
    meter.right(meter.of_request("two"), 30 * MS, 30 * MS, 103 * S + 30 * MS)
    tally = meter.tally(104 * S)
    assert (tally.done, total(tally.latency), total(tally.service)) == (2, 2, 2)
    assert percentile(tally.by_request["one"], 0.5) == pytest.approx(20_000, rel=0.01)
    assert percentile(tally.by_request["two"], 0.5) == pytest.approx(30_000, rel=0.01)
    assert percentile(tally.service, 0.1) == pytest.approx(10_000, rel=0.01)
    assert [(second.at, second.done) for second in tally.seconds] == [(1, 1), (3, 1)]
    assert tally.wall == 3_000_000
    assert meter.last == 103 * S + 30 * MS


def test_errors_and_bytes_belong_to_their_second(meter: Meter) -> None:
    meter.bytes_in += 10
    meter.wrong("reset", "x" * 300, 101 * S)
    meter.turn(102 * S)
    meter.bytes_in += 5
    meter.wrong("reset", "another", 102 * S + 1)
    tally = meter.tally(103 * S)
    assert tally.errors == {"reset": 2}
    assert tally.error_examples == {"reset": "x" * 200}
    assert [(second.at, second.errors, second.bytes_in) for second in tally.seconds] == [(1, 1, 10), (2, 1, 5)]


def test_content_gives_first_token_and_gaps(meter: Meter) -> None:
    intended, first = 101 * S, 101 * S + 200 * MS
    meter.content(intended, 0, first, 1)
    meter.content(intended, first, first + 50 * MS, 3)
    tally = meter.tally(102 * S)
    assert percentile(tally.first_token, 0.5) == pytest.approx(200_000, rel=0.01)
    assert total(tally.gap) == 3
    assert tally.gap[0] == 2, "events that came together have no time between them"
    assert percentile(tally.gap, 1) == pytest.approx(50_000, rel=0.01)


def test_an_interim_report_brings_only_the_latest_seconds(meter: Meter) -> None:
    latencies = meter.of_request("one")
    for second in range(101, 111):
        meter.right(latencies, MS, MS, second * S)
    assert [second.at for second in meter.tally(111 * S, whole=False).seconds] == [8, 9, 10]
    assert len(meter.tally(111 * S).seconds) == 10


def test_what_was_meant_for_the_warm_up_is_no_failure() -> None:
    meter = Meter(start=0, measured_from=S)
    meter.refused("connect", "no", intended=S - 1, now=2 * S)
    assert (meter.sent, meter.tally(2 * S).errors) == (0, {})
    meter.begin(S)
    meter.refused("connect", "no", intended=S, now=2 * S)
    assert (meter.sent, meter.tally(2 * S).errors) == (1, {"connect": 1})


def test_before_it_begins_there_is_nothing() -> None:
    tally = Meter(start=0, measured_from=S).tally(S // 2)
    assert (tally.wall, tally.cpu, tally.seconds, tally.started_ns) == (0, 0, [], 0)


def test_one_histogram_per_second_grew_without_bound() -> None:
    meter = Meter(start=0, measured_from=0)
    meter.begin(0)
    latencies = meter.of_request("one")
    for second in range(10_000):
        meter.right(latencies, MS, MS, second * S)
        meter.wrong("reset", "", second * S + MS)
    seconds = meter.tally(10_000 * S).seconds
    assert len(seconds) == 2500
    assert [second.at for second in seconds] == list(range(0, 10_000, 4))
    assert {(second.width, second.done, second.errors, total(second.latency)) for second in seconds} == {(4, 4, 4, 4)}
    assert [second.at for second in meter.tally(10_000 * S, whole=False).seconds] == [9988, 9992, 9996]


def test_an_hour_keeps_every_second_and_joining_changes_no_report_that_was_made() -> None:
    meter = Meter(start=0, measured_from=0)
    meter.begin(0)
    latencies = meter.of_request("one")
    for second in range(3600):
        meter.right(latencies, MS, MS, second * S)
    before = meter.tally(3600 * S)
    assert [second.done for second in before.seconds] == [1] * 3600
    for second in range(3600, 3603):
        meter.right(latencies, MS, MS, second * S)
    assert len(before.seconds) == 3600
    after = meter.tally(3603 * S)
    assert ([second.done for second in after.seconds]) == [2] * 1801 + [1]
    assert ([second.width for second in after.seconds]) == [2] * 1801 + [1]
    assert [second.done for second in meter.tally(3603 * S).seconds] == [second.done for second in after.seconds]


def test_joined_rows_did_not_say_how_many_seconds_they_stand_for() -> None:
    """The measurement begins at 3 s, so the first of the rows that begin at 0, 4, 8 … holds one second."""
    meter = Meter(start=0, measured_from=3 * S)
    meter.begin(3 * S)
    latencies = meter.of_request("one")
    for second in range(3, 7202):
        meter.right(latencies, MS, MS, second * S)
    seconds = meter.tally(7202 * S).seconds
    assert (seconds[0].at, seconds[0].width, seconds[0].done) == (3, 1, 1)
    assert (seconds[1].at, seconds[1].width, seconds[1].done) == (4, 4, 4)
    assert (seconds[-1].at, seconds[-1].width, seconds[-1].done) == (7200, 2, 2)
    assert {second.done / second.width for second in seconds} == {1.0}


def test_what_comes_behind_the_mark_is_counted_apart(meter: Meter) -> None:
    latencies = meter.of_request("one")
    meter.right(latencies, MS, MS, 101 * S + MS)
    meter.mark(103 * S)
    meter.mark(104 * S)
    meter.right(latencies, 3 * S, 3 * S, 105 * S)
    meter.tokens_out += 7
    tally = meter.tally(103 * S)
    assert (tally.done, tally.drained, tally.drained_tokens, total(tally.latency)) == (2, 1, 7, 2)
    assert (tally.wall, tally.drain) == (2_000_000, 2_000_000)
    counted = meter.tally(105 * S)
    assert (counted.drained, counted.wall, counted.drain) == (0, 4_000_000, 0), "a count lasts until its last reply"
