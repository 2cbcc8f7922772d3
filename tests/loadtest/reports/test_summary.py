from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fastproxy.loadtest.reports.figures import plan_text
from fastproxy.loadtest.reports.summary import markdown, summary
from tests.loadtest.reports import samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.load.shapes import Run

ALL = (samples.plain, samples.streaming, samples.compared, samples.frontier, samples.sick, samples.empty)
READABLE = (samples.plain, samples.streaming, samples.compared, samples.frontier, samples.empty)


@pytest.mark.parametrize("make", READABLE)
def test_the_summary_fits_a_terminal(make: Callable[[], Run]) -> None:
    text = summary(make())
    assert max(map(len, text.splitlines())) <= 100
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (samples.plain, ["382 per second", "p99.9", "38.4 µs CPU per request", "peak 57.0 MiB", "p99>50ms: passed"]),
        (samples.plain, ["by request", "short question", "service time", "closed loop, 64 connections, 30 s"]),
        (samples.streaming, ["first token", "gap between tokens", "15,444 per second; one stream"]),
        (samples.compared, ["fastproxy", "nginx", "1.11 to 1.36", "cannot tell", "1.59 ×", "CPU per request"]),
        (samples.frontier, ["target, closed loop", "p99 < 10 ms   400 per second"]),
        (samples.sick, ["240 (3.10 %)", "timeout", "no reply in 30 s", "! the harness is the bottleneck", "500: 40"]),
        (samples.empty, ["0 right in 0.0 s", "0 (0 %)"]),
    ],
)
def test_the_summary_says_what_matters(make: Callable[[], Run], words: list[str]) -> None:
    text = summary(make())
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize("write", [summary, markdown])
@pytest.mark.parametrize("make", ALL)
def test_no_text_of_a_server_reaches_the_terminal_as_a_command(
    make: Callable[[], Run], write: Callable[[Run], str]
) -> None:
    assert re.search(r"[^\n\S ]|[\x00-\x09\x0b-\x1f\x7f-\x9f]", write(make())) is None


@pytest.mark.parametrize("make", ALL)
def test_every_row_of_the_markdown_table_has_the_same_cells(make: Callable[[], Run]) -> None:
    rows = [line for line in markdown(make()).splitlines() if line.startswith("|")]
    assert len(rows) >= 3
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_markdown_shows_hostile_text_and_runs_none_of_it() -> None:
    text = markdown(samples.sick())
    assert re.search(r"(?<!\\)[<`]", text) is None
    assert r"\<script\>" in text


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ({}, "closed loop, 0 connections"),
        (
            {
                "connections": 64,
                "stages": [{"seconds": 5, "start": 1, "end": 64}, {"seconds": 5, "start": 64, "end": 64}],
            },
            "closed loop, 1 → 64 connections, 10 s",
        ),
        ({"connections": 8, "count": 1_000}, "closed loop, 8 connections, 1,000 requests"),
        ({"connections": 8, "keep_alive": False}, "closed loop, 8 connections, a new connection for each request"),
        (
            {"arrival": "uniform", "connections": 8, "stages": [{"seconds": 5, "start": 10, "end": 10}]},
            "open loop (uniform), 10 requests per second, at most 8 connections, 5 s",
        ),
        (
            {
                "arrival": "poisson",
                "connections": 8,
                "stages": [{"seconds": 5, "start": 1, "end": 2.5}, {"seconds": 1}],
            },
            "open loop (poisson), 1 → 2.5 → 0 requests per second, at most 8 connections, 6 s",
        ),
        ({"arrival": "recorded", "pace": 2.0}, "a recording at 2.00 × its pace, at most 0 connections"),
    ],
)
def test_a_plan_in_words(plan: dict[str, object], text: str) -> None:
    assert plan_text(plan) == text


def test_what_came_behind_the_measured_time_is_told_apart() -> None:
    run = samples.plain()
    tally = run.series[0].tally
    tally.done, tally.drained, tally.wall, tally.drain = 1_500, 500, 10_000_000, 2_500_000
    lines = summary(run).splitlines()
    at = next(place for place, line in enumerate(lines) if "1,000 right in 10.0 s, 100 per second" in line)
    assert lines[at + 1].strip() == "500 more in the 2.5 s behind it"
