"""Our generator beside wrk, in turns against the same server: what the tool is must not change what is measured.

Only ratios of the same run are asserted, and widely: other tests run beside these. The strict figures, on a core of
their own, are those of `python -m bench.generator`.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from bench import generator
from bench.processes import USABLE, Place, RunFailed

if TYPE_CHECKING:
    from pathlib import Path

TURNS = 3

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[generator.Turn]]:
    """Both tools against a server that takes 5 ms for each request, so that it decides about the rate."""
    with generator.slow(tmp_path_factory.mktemp("wrk"), Place(tuple(USABLE))) as url:
        return generator.in_turns(url, TURNS, 1.0)


def test_wrk_and_we_see_the_same_rate_of_a_closed_loop(seen: dict[str, list[generator.Turn]]) -> None:
    assert 0.6 < generator.ratio(seen, "rate") < 1.6, seen


def test_a_request_costs_us_little_more_than_wrk(seen: dict[str, list[generator.Turn]]) -> None:
    """At most twice as much on a core of its own; beside other tests the turns differ by a third."""
    assert generator.ratio(seen, "cpu_us") < 3.0, seen


def test_a_tool_that_got_errors_has_no_figures(tmp_path: Path) -> None:
    with generator.slow(tmp_path, Place(tuple(USABLE))) as url:
        for tool in (generator.wrk, generator.ours):
            with pytest.raises(RunFailed):
                tool(url.replace("/v1/models", "/nowhere/at/all"), 1.0)
