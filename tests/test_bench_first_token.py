"""The time to the first token: what is added is computed right, asked for right, and judged against the bar."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from bench import charts, compare, first_token, processes, report, streams, table, targets, traffic
from bench.added import added
from bench.cases import CASES, Case, Kind
from bench.cases import lane as lane_of
from bench.first_token import FirstLane
from bench.load import Scripts
from bench.peers import registry
from bench.peers.peer import Absent, Job

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [case.name for case in CASES if case.kind is Kind.FIRST]
CASE = Case("first", "first token", Kind.FIRST, unified=True, connections=1)
FACTS = {"time": "2026", "cpu": "x", "cpus": 2, "kernel": "6", "python": "3.11", "load_average_at_start": 0.1}


def lane(p50: float, p99: float, errors: int = 0) -> FirstLane:
    return FirstLane(rate=400, p50_us=p50, p99_us=p99, cpu_us=90, busy=0.04, errors=errors)


def figures(*values: float) -> list[dict[str, float]]:
    return [{"p50_us": value, "p99_us": 2 * value} for value in values]


class TestArithmetic:
    def test_the_medians_differ_by_one_thing_and_the_turns_by_another(self) -> None:
        """The second turn was slow for both: inside it nothing more was added than in the others."""
        found = added({"direct": figures(100, 900, 110), "ours": figures(150, 955, 165)}, "direct")
        assert found == {
            "ours": {
                "p50_us": {"of_medians": 165 - 110, "median": 55, "low": 50, "high": 55},
                "p99_us": {"of_medians": 2 * (165 - 110), "median": 110, "low": 100, "high": 110},
            }
        }

    def test_a_turn_that_was_slow_for_one_alone_shows_in_the_range_only(self) -> None:
        (found,) = added({"direct": figures(100, 100, 100), "ours": figures(150, 5000, 150)}, "direct").values()
        assert (found["p50_us"]["median"], found["p50_us"]["of_medians"], found["p50_us"]["high"]) == (50, 50, 4900)

    def test_without_a_reference_nothing_is_added(self) -> None:
        assert added({"ours": figures(1)}, "direct") == {}

    def test_lanes_that_are_not_of_the_same_turns_are_refused(self) -> None:
        with pytest.raises(ValueError, match="shorter"):
            added({"direct": figures(1, 2), "ours": figures(1)}, "direct")

    @pytest.mark.parametrize(
        ("values", "p50", "p99"),
        [
            ([], 0, 0),
            ([7000], 7, 7),
            ([*range(0, 10**5, 1000)], 50, 99),
            ([*range(0, 10**6, 1000)], 500, 990),
        ],
    )
    def test_percentiles_are_of_what_was_seen(self, values: list[int], p50: float, p99: float) -> None:
        assert streams.percentiles("", values) == {"p50_us": p50, "p99_us": p99}


def result(ours: list[FirstLane], nginx: list[FirstLane] | None = None) -> report.Result:
    count = len(ours)
    lanes: report.Lanes = {
        "direct": [lane(100, 200)] * count,
        "nginx": [*(nginx or [lane(150, 300)] * count)],
        "fastproxy": [*ours],
    }
    return report.result_of(CASE, lanes, {})


class TestReport:
    @pytest.mark.parametrize(
        ("p99", "verdict"),
        [
            (700, "holds: 500 µs added, nginx 100"),
            (1199, "holds: 999 µs added, nginx 100"),
            (1200, "MISSES: 1000 µs added, nginx 100"),
        ],
    )
    def test_the_bar_is_a_millisecond_more_than_without_a_proxy(self, p99: float, verdict: str) -> None:
        found = result([lane(250, p99)] * 3)
        assert found["verdict"] == verdict
        assert found["added"]["nginx"]["fastproxy"]["p50_us"]["median"] == 100
        assert found["ratio"]["median"] == p99 / 300

    def test_a_proxy_that_refuses_is_not_judged_by_its_speed(self) -> None:
        assert result([lane(50, 60, errors=1)])["verdict"] == "ERRORS"

    def test_the_table_shows_both_ways_of_counting_with_the_range(self) -> None:
        found = result([lane(250, 500), lane(260, 700), lane(240, 520)])
        text = table.whole([found], FACTS, {})
        assert "### Time to the first token, unloaded" in text
        assert "| +150; **+150** (+140 to +160) | +320; **+320** (+300 to +500) |" in text
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows[2:]}) == 1

    def test_the_chart_has_the_figure_that_is_compared(self) -> None:
        bars = charts.bars_of(result([lane(250, 500), lane(260, 700)]))
        assert [(bar.name, bar.low, bar.high) for bar in bars if bar.name == "fastproxy"] == [("fastproxy", 500, 700)]

    def test_it_goes_to_json_as_it_is(self) -> None:
        assert json.loads(json.dumps(result([lane(250, 500)])))["added"]["direct"]["fastproxy"]["p99_us"]["low"] == 300


class TestCases:
    def test_one_client_and_twenty_in_three_ways(self) -> None:
        assert NAMES == [
            "first_token", "first_token_20", "first_token_translated", "first_token_translated_20",
            "first_token_back", "first_token_back_20",
        ]  # fmt: skip
        assert [case.name for case in compare.chosen_cases(["first_token*"], quick=False)] == NAMES
        assert [case.name for case in compare.chosen_cases(["first_token"], quick=False)] == ["first_token"]

    def test_a_name_that_no_case_has_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            compare.main(["--only", "first_tokens*"])
        assert "no case is called first_tokens*: there are edge_1k" in capsys.readouterr().err

    @pytest.mark.parametrize("name", NAMES)
    def test_who_does_not_translate_takes_no_part_in_translating(self, name: str) -> None:
        case = next(case for case in CASES if case.name == name)
        peers = [peer.name for peer in compare.able(registry.ALL, case)]
        assert peers[:2] == ["nginx", "fastproxy"]
        assert ("haproxy" in peers) is not case.translates
        assert "litellm" in peers

    def test_an_upstream_of_messages_is_told_to_who_translates_to_it(self, tmp_path: Path) -> None:
        job = Job(18_080, unified=True, messages=True)
        text = registry.FASTPROXY.launch("fastproxy", tmp_path, 28_080, job).configs["fastproxy.yaml"]
        (channel,) = yaml.safe_load(text)["channels"]
        assert (channel["provider"], channel["base_url"]) == ("anthropic", "http://127.0.0.1:18080/anthropic/v1")
        for name in ("litellm", "portkey"):
            peer = next(peer for peer in registry.ALL if peer.name == name)
            with pytest.raises(Absent, match="chat completions only"):
                peer.launch(name, tmp_path, 28_080, job)


def test_no_two_requests_have_the_same_trace_and_all_ask_for_one_event() -> None:
    made = first_token.requests_for([["x-a", "1"]], traffic.MESSAGES_PATH, 50)
    assert len({request.partition(b"traceparent: ")[2].partition(b"\r\n")[0] for request in made}) == 50
    for request in made:
        head, _, body = request.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /v1/messages HTTP/1.1\r\n")
        assert b"\r\nContent-Length: %d\r\n" % len(body) in head
        assert json.loads(body)["metadata"] == {"user_id": "once"}


def test_the_stand_ins_messages_are_events_of_anthropics() -> None:
    size, _, rest = (traffic.messages_events(17) + traffic.MESSAGES_END).partition(b"\r\n")
    events = rest[: int(size, 16)].decode()
    kinds: list[dict[str, Any]] = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: ")]
    assert [kind["type"] for kind in kinds] == ["message_start", "content_block_start", "content_block_delta"]
    assert kinds[-1]["delta"]["text"] == f" sent at {17:020d}"
    assert traffic.MESSAGES_END.endswith(first_token.LAST_CHUNK)


@pytest.mark.live
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["first_token", "first_token_translated_20", "first_token_back_20"])
def test_a_lane_of_our_own(name: str, tmp_path: Path) -> None:
    """Straight to the stand-in and through fastproxy, in either direction of translation."""
    case = next(case for case in CASES if case.name == name)
    processes.write_certificates(tmp_path)
    with targets.upstream(tmp_path) as upstream:
        direct = lane_of(case, upstream, Scripts(tmp_path), 0.5)
        with targets.started(registry.FASTPROXY, tmp_path, case.job(upstream.port, 4096)) as target:
            seen = lane_of(case, target, Scripts(tmp_path), 0.5)
    for found in (direct, seen):
        assert isinstance(found, FirstLane)
        assert found.errors == 0
        assert 20 < found.rate < 2 * first_token.ASKS_PER_S
        assert 0 < found.p50_us <= found.p99_us


@pytest.mark.live
@pytest.mark.timeout(60)
def test_a_target_that_refuses_has_no_lane(tmp_path: Path) -> None:
    with (
        targets.upstream(tmp_path) as upstream,
        targets.started(registry.FASTPROXY, tmp_path, Job(upstream.port, unified=True)) as target,
        pytest.raises(processes.RunFailed, match="no stream came through fastproxy"),
    ):
        first_token.measure(target, 2, 0.3, "/v1/no/such/path")
