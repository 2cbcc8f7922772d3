"""Both corpora against a live gateway: every case must pass, as an edge proxy, behind a route of the gateway, and warm
(on connections that have carried good messages of the same shape, which the gateway then reads by a shorter way).

And the other way round: a proxy with the classic mistakes must be found out, or all of this proves nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.live.conformance import corpus
from tests.live.conformance.lanes import run_all, take_turns
from tests.live.conformance.naive_proxy import NaiveProxy
from tests.live.conformance.reply_grading import grade_reply, grade_warm_reply
from tests.live.conformance.request_grading import grade_request, grade_warm_request
from tests.live.conformance.upstream import Upstream
from tests.live.conformance.verdict import Grade, Lane

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conformance.verdict import Verdict

pytestmark = pytest.mark.live

SMUGGLING = ("cl-te", "te-cl", "te-http10", "te-lf-inject", "cl-underscore", "te-trail-comma", "ok-get")


def bad(verdicts: list[Verdict]) -> str:
    """One line per case that did not pass."""
    return "\n".join(sorted(str(verdict) for verdict in verdicts if verdict.grade is not Grade.PASS))


@pytest.mark.parametrize("setup", ["upstream", "route", "warm"])
def test_every_request_gets_what_it_deserves(tmp_path: Path, setup: str) -> None:
    cases = corpus.requests()
    grade = grade_warm_request if setup == "warm" else grade_request
    verdicts = run_all(tmp_path, setup, cases, grade, ())
    assert len(verdicts) == len(cases) >= 165
    assert not bad(verdicts), bad(verdicts)


@pytest.mark.parametrize("setup", ["upstream", "route", "warm"])
def test_every_reply_is_passed_on_or_refused_as_it_deserves(tmp_path: Path, setup: str) -> None:
    cases = corpus.replies()
    grade = grade_warm_reply if setup == "warm" else grade_reply
    verdicts = run_all(tmp_path, setup, cases, grade, cases)
    assert len(verdicts) == len(cases) >= 56
    assert not bad(verdicts), bad(verdicts)


def test_a_naive_proxy_is_found_out() -> None:
    async def run() -> list[Verdict]:
        cases = [case for case in corpus.requests() if case.id in SMUGGLING]
        async with Upstream({}) as upstream, NaiveProxy(upstream.port) as proxy:
            return await take_turns([Lane(proxy.port, upstream)], cases, grade_request)

    grades = {verdict.case: verdict.grade for verdict in asyncio.run(run())}
    assert grades.pop("ok-get") is Grade.PASS
    assert set(grades.values()) == {Grade.DANGER}, grades
