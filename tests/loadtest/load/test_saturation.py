"""What is said of a lane, by table: one cause, one sentence; a healthy lane has none."""

from __future__ import annotations

import random

import msgspec
import pytest

from fastproxy.loadtest.load.histogram import Histogram, bucket_of
from fastproxy.loadtest.load.saturation import kept_up, notes
from fastproxy.loadtest.load.shapes import Arrival, Buckets, Plan, Second, Stage, Tally, Usage


def around(*places: tuple[float, int], spread: float = 0.1, seed: int = 1) -> Buckets:
    """Values scattered about places: (microseconds, how many)."""
    rng = random.Random(seed)
    histogram = Histogram()
    for place, count in places:
        for _ in range(count):
            histogram.record(round(place * rng.lognormvariate(0, spread)))
    return histogram.buckets()


STEADY = around((1_000, 10_000))
HEALTHY = Tally(
    sent=10_000,
    done=10_000,
    latency=STEADY,
    service=STEADY,
    connect=around((200, 64)),
    lateness=around((50, 10_000)),
    seconds=[Second(at, done=1000, latency=around((1_000, 1000), seed=at)) for at in range(10)],
    wall=10_000_000,
    cpu=3_000_000,
)
OPEN = Plan("http://127.0.0.1:1", arrival=Arrival.POISSON, stages=(Stage(10, 1000, 1000),))
CLOSED = Plan("http://127.0.0.1:1", stages=(Stage(10, 64, 64),))
TARGET = Usage(1, "target", 6_500_000, 650.0, 1, 1, 1, 1)


def but(**changes: object) -> Tally:
    return msgspec.structs.replace(HEALTHY, **changes)


@pytest.mark.parametrize("plan", [OPEN, CLOSED])
def test_a_healthy_lane_needs_no_words(plan: Plan) -> None:
    assert notes(HEALTHY, [plan], cpus=2, usage=TARGET) == []


@pytest.mark.parametrize(
    ("tally", "plan", "says"),
    [
        (but(lateness=around((50, 900), (3_000, 100))), OPEN, "the harness is the bottleneck: requests left"),
        (but(cpu=9_700_000), CLOSED, "the harness is the bottleneck: it used 97% of its CPU; use more processes"),
        (but(done=4_000, errors={"connect": 5_990, "reset": 10}, error_examples={"connect": "refused"}), OPEN,
         "60% of the requests failed, 5990 of 6000 by 'connect' (refused): the other figures say little"),
        (but(sent=9_000), OPEN, "offered 1000/s, sent 900/s: the load was smaller than asked"),
        (but(latency=around((30_000, 10_000)), connections=64), OPEN,
         "all 64 connections were busy: requests waited up to"),
        (but(seconds=[Second(at, latency=around((1_000 * (at + 1), 100))) for at in range(12)]), OPEN,
         "not steady: the median rose from"),
        (but(latency=around((1_000, 150))), CLOSED, "few requests: p99 rests on 1 of 150"),
        (Tally(wall=1_000_000), CLOSED, "nothing was measured: no request ended"),
        (but(service=around((1_000, 9_500), (100_000, 500))), CLOSED,
         "5.0% of the replies took about 99.6 ms, the others about 1 ms: the target stalls now and then"),
        (but(service=around((300, 9_000), (41_500, 1_000), spread=0.03)), CLOSED,
         "10.0% of the replies took about 41.3 ms: possibly a delayed ack"),
        # their heads come at once, and the rest waits for the client's acknowledgement
        (but(service=around((42_000, 10_000), spread=0.03), first_byte=around((500, 10_000))), CLOSED,
         "nearly every reply took 42.1 ms: possibly a delayed acknowledgement, if someone writes"),
        (but(service=around((800, 9_900), (205_000, 100), spread=0.02)), CLOSED, "shortest retransmission timeout"),
        # the same on a busy machine, where all else is smeared
        (but(service=around((2_000, 5_000), (41_500, 500), spread=0.03) | around((5_000, 5_000), spread=0.7)), CLOSED,
         "of the replies took about 41.3 ms: possibly a delayed acknowledgement"),
        (but(connect=around((200, 50), (1_020_000, 14), spread=0.005)), CLOSED, "the target's accept queue overflowed"),
    ],
)  # fmt: skip
def test_one_cause_one_sentence(tally: Tally, plan: Plan, says: str) -> None:
    said = notes(tally, [plan], cpus=2)
    assert len(said) == 1, said
    assert says in said[0]


def test_a_target_on_the_same_cpus_takes_time_from_the_harness() -> None:
    greedy = msgspec.structs.replace(TARGET, cpu=16_300_000)
    assert notes(HEALTHY, [CLOSED], cpus=2, usage=greedy) == [
        "target and harness used 1.93 of 2 CPUs: they took time from each other"
    ]


@pytest.mark.parametrize(
    "service",
    [
        around((1_000, 10_000), spread=1.0),  # one broad hump with a long tail
        around((1_000, 5_000), (2_500, 5_000)),  # two kinds of requests, not apart
        around((1_000, 9_998), (100_000, 2)),  # two slow replies are chance
        around((100, 9_000), (900, 1_000)),  # apart, but nobody waits
        around((40_000, 10_000), spread=0.5),  # broad, about where delayed acknowledgements are
        around((20, 50)),
    ],
)
def test_what_is_no_second_hump(service: Buckets) -> None:
    assert notes(but(service=service), [CLOSED], cpus=2) == []


def test_the_time_of_connecting_is_no_waiting_for_a_connection() -> None:
    """Without keep-alive every request waits for its own connection, and that is what was asked for."""
    tally = but(latency=around((21_000, 10_000)), connect=around((20_000, 10_000)))
    assert notes(tally, [OPEN], cpus=2) == []


@pytest.mark.parametrize(
    ("tally", "timeout_s"),
    [
        (but(service=around((42_000, 10_000), spread=0.03), first_byte=around((42_000, 10_000), spread=0.03)), 30.0),
        (but(service=around((42_000, 10_000), spread=0.03), first_byte=around((500, 10_000)), events=90_000), 30.0),
        (but(service=around((210_000, 10_000), spread=0.02), first_byte=around((500, 10_000))), 30.0),
        (but(service=around((42_000, 6_000), (1_000, 4_000), spread=0.03)), 30.0),  # rather two kinds of requests
    ],
    ids=["a target of 42 ms", "a stream of 42 ms", "a page in two parts", "the fast ones are fewer"],
)
def test_every_target_of_42_ms_was_said_to_delay_acknowledgements(tally: Tally, timeout_s: float) -> None:
    assert notes(tally, [msgspec.structs.replace(CLOSED, timeout_s=timeout_s)], cpus=2) == []


@pytest.mark.parametrize("timeout_s", [0.04, 0.2, 1.0, 3.0])
def test_the_time_limit_of_the_run_was_taken_for_a_fault_of_the_target(timeout_s: float) -> None:
    waited = around((1_000, 9_500)) | Histogram({bucket_of(round(timeout_s * 1e6 * 1.01)): 500}).buckets()
    tally = but(service=waited, latency=waited, done=9_500, errors={"timeout": 500})
    assert len(notes(tally, [CLOSED], cpus=2)) == 1, "with another limit it is a fault"
    assert notes(tally, [msgspec.structs.replace(CLOSED, timeout_s=timeout_s)], cpus=2) == []


def test_all_connections_were_said_to_be_busy_when_each_request_had_its_own() -> None:
    tally = but(latency=around((30_000, 10_000)), connections=10_000)
    assert "all 64 connections were busy" in notes(tally, [OPEN], cpus=2)[0]
    assert notes(tally, [msgspec.structs.replace(OPEN, keep_alive=False)], cpus=2) == []


@pytest.mark.parametrize("rates", [(2.0, 1.0), (1.5, 1.5), (3.0,)])
def test_a_tiny_rate_was_judged_by_the_largest_share(rates: tuple[float, ...]) -> None:
    """Two processes with 2/s and 1/s offer 3/s, not 4/s."""
    plans = [msgspec.structs.replace(OPEN, stages=(Stage(1000, rate, rate),)) for rate in rates]
    assert notes(but(sent=2_990, wall=1_000_000_000), plans, cpus=2) == []
    assert "offered 3/s, sent 2/s" in notes(but(sent=2_000, wall=1_000_000_000), plans, cpus=2)[0]


def test_a_count_that_was_sent_in_full_was_called_a_smaller_load() -> None:
    """One late reply makes the measured time longer, which is no fault of who sent."""
    counted = msgspec.structs.replace(OPEN, count=10_000)
    assert notes(but(wall=40_000_000, cpu=1), [counted], cpus=2) == []
    assert "the load was smaller" in notes(but(sent=5_000), [counted], cpus=2)[0]


def test_several_processes_share_the_work() -> None:
    share = msgspec.structs.replace(OPEN, stages=(Stage(10, 500, 500),), connections=32)
    assert notes(but(cpu=16_000_000), [share] * 2, cpus=4) == []
    assert len(notes(but(cpu=19_000_000), [share] * 2, cpus=4)) == 1
    assert "offered 1000/s" in notes(but(sent=8_000), [share] * 2, cpus=4)[0]


@pytest.mark.parametrize(
    ("level", "sent", "done", "kept"),
    [
        (1000, 10_000, 10_000, True),
        (1000, 9_650, 9_650, True),  # chance of the arrivals, and the end of the run
        (1000, 9_000, 9_000, False),
        (1000, 10_000, 8_000, False),  # sent, but a queue grew
        (4, 30, 30, True),
        (4, 15, 15, False),
    ],
)
def test_keeping_up_with_an_even_rate(level: float, sent: int, done: int, kept: bool) -> None:
    plan = msgspec.structs.replace(OPEN, stages=(Stage(10, level, level),))
    assert kept_up(but(sent=sent, done=done), plan) is kept


def test_a_ramp_or_a_closed_loop_offers_no_even_rate() -> None:
    ramp = msgspec.structs.replace(OPEN, stages=(Stage(10, 10, 10_000),))
    assert kept_up(but(sent=1, done=1), ramp)
    assert kept_up(but(sent=1, done=1), CLOSED)
    assert notes(but(sent=5_000), [ramp], cpus=2) == []
