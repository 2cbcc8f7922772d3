"""Sums of tallies: of processes at one time, and of lanes one after the other."""

from __future__ import annotations

import copy

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.loadtest.load.shapes import Second, Tally
from fastproxy.loadtest.load.tally import (
    COUNTS,
    HISTOGRAMS,
    add,
    append,
    error_count,
    error_rate,
    finished,
    rate,
    tokens_per_second,
)

small = st.integers(0, 1000)
buckets = st.dictionaries(st.integers(0, 300), st.integers(1, 9), max_size=4)
kinds = st.dictionaries(st.sampled_from(("timeout", "reset", "status")), st.integers(1, 9))
second = st.builds(
    Second, at=st.just(0), done=small, errors=small, bytes_in=small, latency=buckets, first_token=buckets
)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    tally = Tally(
        errors=draw(kinds),
        error_examples={kind: draw(st.sampled_from("ab")) for kind in draw(kinds)},
        statuses=draw(st.dictionaries(st.sampled_from((200, 429, 503)), st.integers(1, 9))),
        by_request=draw(st.dictionaries(st.sampled_from(("chat", "list")), buckets)),
        started_ns=draw(small),
        wall=draw(small),
    )
    for name in COUNTS:
        setattr(tally, name, draw(small))
    for name in HISTOGRAMS:
        setattr(tally, name, draw(buckets))
    at = draw(st.lists(st.integers(0, 6), unique=True))
    tally.seconds = [msgspec.structs.replace(draw(second), at=place) for place in sorted(at)]
    return tally


def total(*parts: Tally) -> Tally:
    whole = Tally()
    for part in parts:
        add(whole, part)
    return whole


def without_examples(tally: Tally) -> Tally:
    return msgspec.structs.replace(tally, error_examples={})


@settings(max_examples=40, deadline=None)
@given(tallies(), tallies(), tallies())
def test_the_order_of_adding_does_not_matter(a: Tally, b: Tally, c: Tally) -> None:
    assert without_examples(total(a, b, c)) == without_examples(total(c, a, b))
    assert total(total(a, b), c) == total(a, total(b, c))


@settings(max_examples=40, deadline=None)
@given(tallies())
def test_nothing_plus_a_tally_is_the_tally(a: Tally) -> None:
    assert total(a) == a
    assert total(a, Tally()) == a


@settings(max_examples=40, deadline=None)
@given(tallies(), tallies())
def test_adding_keeps_nothing_of_what_it_added(a: Tally, b: Tally) -> None:
    whole = total(a)
    before = copy.deepcopy(b)
    add(whole, b)
    add(whole, a)
    assert b == before


def test_every_field_is_added() -> None:
    """A field that a later change adds to Tally must be thought of here."""
    said = {"errors", "error_examples", "statuses", "by_request", "seconds", "started_ns", "wall", "drain"}
    assert {field.name for field in msgspec.structs.fields(Tally)} == {*COUNTS, *HISTOGRAMS, *said}
    assert {field.name for field in msgspec.structs.fields(Second)} == {
        "at", "width", "done", "errors", "bytes_in", "latency", "first_token",
    }  # fmt: skip


def test_processes_of_one_time_share_their_seconds() -> None:
    one = Tally(done=3, wall=2_000_000, started_ns=50, seconds=[Second(1, done=1, latency={5: 1}), Second(2, done=2)])
    two = Tally(done=4, wall=1_900_000, started_ns=40, seconds=[Second(0, done=1), Second(1, done=3, latency={5: 3})])
    whole = total(one, two)
    assert [(second.at, second.done, second.latency) for second in whole.seconds] == [
        (0, 1, {}), (1, 4, {5: 4}), (2, 2, {}),
    ]  # fmt: skip
    assert (whole.wall, whole.started_ns, rate(whole)) == (2_000_000, 40, 3.5)


def test_a_process_that_ended_before_the_full_hour_was_added_to_joined_rows_as_if_they_were_seconds() -> None:
    one = Tally(seconds=[Second(0, done=6, width=2), Second(2, done=3, width=1)])
    two = Tally(seconds=[Second(at, done=at) for at in range(3)])
    for whole in (total(one, two), total(two, one)):
        assert [(row.at, row.width, row.done) for row in whole.seconds] == [(0, 2, 7), (2, 1, 5)]


def test_joined_rows_of_lanes_follow_each_other() -> None:
    whole = Tally()
    for done in (2, 4):
        append(whole, Tally(done=done, seconds=[Second(0, done=done, width=4), Second(4, done=1, width=3)]))
    assert [(row.at, row.width, row.done) for row in whole.seconds] == [(0, 4, 2), (4, 3, 1), (7, 4, 4), (11, 3, 1)]


def test_one_late_reply_lowered_the_rate_of_all() -> None:
    """What comes behind the measured time is counted, but in no rate."""
    whole = Tally(done=11, drained=1, tokens_out=110, drained_tokens=10, wall=2_000_000, drain=30_000_000)
    assert (rate(whole), tokens_per_second(whole)) == (5.0, 50.0)
    add(whole, Tally(done=3, drained=1, wall=2_000_000, drain=1_000_000))
    assert (rate(whole), whole.drain) == (6.0, 30_000_000)
    append(whole, Tally(done=3, drained=1, wall=2_000_000, drain=1_000_000))
    assert (rate(whole), whole.wall, whole.drain) == (3.5, 4_000_000, 31_000_000)


def test_a_process_that_measured_nothing_does_not_move_the_start() -> None:
    assert total(Tally(), Tally(started_ns=7)).started_ns == 7
    assert total(Tally(started_ns=7), Tally()).started_ns == 7


def test_lanes_come_one_after_the_other() -> None:
    whole = Tally()
    for done in (2, 4, 6):
        append(whole, Tally(done=done, wall=2_000_000, seconds=[Second(2, done=1), Second(3, done=done - 1)]))
    assert [(second.at, second.done) for second in whole.seconds] == [(2, 1), (3, 1), (4, 1), (5, 3), (6, 1), (7, 5)]
    assert (whole.wall, rate(whole)) == (6_000_000, 2.0)


def test_the_first_example_of_a_kind_stays() -> None:
    whole = total(Tally(error_examples={"reset": "first"}), Tally(error_examples={"reset": "later", "body": "new"}))
    assert whole.error_examples == {"reset": "first", "body": "new"}


@pytest.mark.parametrize(
    ("tally", "ended", "errors", "share", "per_second"),
    [
        (Tally(), 0, 0, 0.0, 0.0),
        (Tally(done=3, errors={"reset": 1}, wall=2_000_000), 4, 1, 0.25, 1.5),
        (Tally(errors={"reset": 1, "body": 2}, wall=1_000_000), 3, 3, 1.0, 0.0),
    ],
)
def test_quotients(tally: Tally, ended: int, errors: int, share: float, per_second: float) -> None:
    assert (finished(tally), error_count(tally), error_rate(tally), rate(tally)) == (ended, errors, share, per_second)


def test_tokens_per_second() -> None:
    assert tokens_per_second(Tally(tokens_out=30, wall=500_000)) == 60.0
    assert tokens_per_second(Tally(tokens_out=30)) == 0.0
