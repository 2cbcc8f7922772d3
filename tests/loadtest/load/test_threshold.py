"""Expressions of --fail-if: what they mean, what they answer, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.loadtest.load.figures import EXAMPLES, Unit, find
from fastproxy.loadtest.load.histogram import bucket_of
from fastproxy.loadtest.load.shapes import Buckets, Series, Tally, Usage
from fastproxy.loadtest.load.threshold import ThresholdError, judge, parse, write


def spread(*values: int) -> Buckets:
    return {bucket_of(value): 1 for value in values}


MEASURED = Series(
    "target",
    "http://127.0.0.1:1",
    Tally(
        done=198,
        errors={"reset": 2},
        tokens_out=4000,
        latency=spread(*range(1000, 101_000, 1000)),
        first_byte=spread(2000),
        first_token=spread(300_000),
        gap=spread(20_000),
        token_rate=spread(50),
        lateness=spread(30),
        wall=2_000_000,
    ),
    Usage(1, "target", 9000, 45.0, 50_000_000, 60_000_000, 200_000_000, 2),
)
NOTHING = Series("target", "http://127.0.0.1:1", Tally(wall=1_000_000))


@pytest.mark.parametrize(
    ("text", "failed", "line"),
    [
        ("p99>50ms", True, "p99>50ms: FAILED (99.1 ms)"),
        ("p99 > 50 ms", True, "p99>50ms: FAILED (99.1 ms)"),
        ("p99>0.2s", False, "p99>0.2s: passed (99.1 ms)"),
        ("p50<=50200us", True, "p50<=50200us: FAILED (50 ms)"),
        ("p50>=60000µs", False, "p50>=60000µs: passed (50 ms)"),
        ("p99.9>1s", False, "p99.9>1s: passed (100 ms)"),
        ("max>0", True, "max>0: FAILED (100 ms)"),
        ("mean<51ms", True, "mean<51ms: FAILED (50.5 ms)"),
        ("rate<1000/s", True, "rate<1000/s: FAILED (99/s)"),
        ("rate<90", False, "rate<90: passed (99/s)"),
        ("errors>1%", False, "errors>1%: passed (1 %)"),
        ("errors>=0.01", True, "errors>=0.01: FAILED (1 %)"),
        ("error_count>1", True, "error_count>1: FAILED (2)"),
        ("first_byte_p99>1ms", True, "first_byte_p99>1ms: FAILED (2 ms)"),
        ("first_token_p50>1s", False, "first_token_p50>1s: passed (300 ms)"),
        ("gap_p99>10ms", True, "gap_p99>10ms: FAILED (20 ms)"),
        ("lateness_p99>1ms", False, "lateness_p99>1ms: passed (30 us)"),
        ("token_rate_p50<60/s", True, "token_rate_p50<60/s: FAILED (50/s)"),
        ("tokens_per_second<2000", False, "tokens_per_second<2000: passed (2000/s)"),
        ("cpu_per_request>40us", True, "cpu_per_request>40us: FAILED (45 us)"),
        ("memory_peak>190MiB", True, "memory_peak>190MiB: FAILED (200 MB)"),
        ("memory_end>100MB", False, "memory_end>100MB: passed (60 MB)"),
    ],
)
def test_what_an_expression_answers(text: str, failed: bool, line: str) -> None:
    assert judge(parse(text), MEASURED) == (failed, line)


@pytest.mark.parametrize("percent", range(1, 100))
def test_a_share_on_the_limit_is_on_the_limit(percent: int) -> None:
    series = Series("target", "", Tally(done=100 - percent, errors={"body": percent}))
    assert judge(parse(f"errors>={percent}%"), series)[0]
    assert not judge(parse(f"errors>{percent}%"), series)[0]


@pytest.mark.parametrize(
    "text", ["p99>50ms", "mean<1s", "max>1s", "errors>1%", "gap_p99>1s", "cpu_per_request>1s", "memory_peak>1GB"]
)
def test_what_was_not_measured_fails(text: str) -> None:
    assert judge(parse(text), NOTHING) == (True, f"{text}: FAILED (not measured)")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected FIGURE OPERATOR LIMIT"),
        ("p99", "expected FIGURE OPERATOR LIMIT"),
        ("p99=50ms", "expected FIGURE OPERATOR LIMIT"),
        ("p99>ms", "expected FIGURE OPERATOR LIMIT"),
        ("p99>-1ms", "expected FIGURE OPERATOR LIMIT"),
        ("p99>50ms p50>1ms", "expected FIGURE OPERATOR LIMIT"),
        ("p99>50", "p99 is a time: saw no unit, expected us, µs, ms, s"),
        ("p99>50MB", "p99 is a time: saw unit 'MB', expected us, µs, ms, s"),
        ("p101>1s", "unknown figure 'p101'"),
        ("memory_peek>1MB", "unknown figure 'memory_peek', did you mean memory_peak?"),
        ("first_tokn_p50>1s", "did you mean first_token_p50?"),
        ("xyz>1", "expected p50, p90,"),
        ("errors>5", "a share is 0 to 1 or has %: saw 5, did you mean 5%?"),
        ("rate<5ms", "rate is a rate: saw unit 'ms', expected /s"),
        ("error_count>5%", "error_count is a count: saw unit '%', expected none"),
        ("memory_peak>200", "memory_peak is a size: saw no unit, expected B, kB"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(ThresholdError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_a_figure(name: str) -> None:
    figure = find(name)
    assert figure is not None
    assert figure.name == name
    assert (figure.read(NOTHING) or 0.0) == 0.0


@given(st.text(max_size=20) | st.from_regex(r"[a-z_]{1,6}[<>]=?[0-9.]{1,4}[a-z%/]{0,2}", fullmatch=True))
def test_any_text_is_a_threshold_or_refused_with_words(text: str) -> None:
    try:
        threshold = parse(text)
    except ThresholdError as error:
        assert "expected" in str(error) or "did you mean" in str(error)  # noqa: PT017
    else:
        assert threshold.limit >= 0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.4, Unit.TIME, "0.4 us"),
        (999.4, Unit.TIME, "999 us"),
        (999.6, Unit.TIME, "1 ms"),
        (61_240, Unit.TIME, "61.2 ms"),
        (90_000_000, Unit.TIME, "90 s"),
        (5_000_000_000, Unit.TIME, "5000 s"),
        (0.0123, Unit.SHARE, "1.23 %"),
        (1_500_000, Unit.BYTES, "1.5 MB"),
        (25_123.4, Unit.RATE, "25123/s"),
        (7, Unit.COUNT, "7"),
    ],
)
def test_how_values_are_written(value: float, unit: Unit, text: str) -> None:
    assert write(value, unit) == text
