"""Flags become a plan, a plan becomes shares that add up, and what does not go together is told in one line."""

from __future__ import annotations

import argparse
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trustme

from fastproxy.errors import ConfigError
from fastproxy.loadtest.load.options import (
    OptionError,
    add_arguments,
    parse_header,
    parse_json_check,
    parse_url,
    plan_from,
    share,
    shown,
)
from fastproxy.loadtest.load.shapes import Arrival, Check, Format, Plan, Recorded, Request, Stage
from fastproxy.loadtest.load.template import compile_request

if TYPE_CHECKING:
    from collections.abc import Sequence

MIX = str(Path(__file__).parents[3] / "bench/scenarios/chat_mix.yaml")
URL = "http://h:1"


def parsed(*flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", exit_on_error=False)
    add_arguments(parser)
    return parser.parse_args(flags)


def planned(*flags: str) -> Plan:
    return plan_from(parsed(*flags))


def test_a_plain_address_is_asked_for_ten_seconds() -> None:
    assert planned("h:1/a?b={{n}}") == Plan(
        "http://h:1/a?b={{n}}", (Request(method="GET"),), stages=(Stage(10, 64, 64),), connections=64
    )


def test_every_flag_of_the_load_arrives(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    users = tmp_path / "users.txt"
    users.write_text("a\nb\n")
    plan = planned(
        URL, "-r", "50", "-c", "9", "-d", "1m", "--arrival", "uniform", "--warm", "500ms", "--timeout", "2s",
        "--no-keepalive", "--ca", str(authority), "--insecure", "--data", f"users={users}", "--seed", "7",
        "--method", "put", "-H", "x-u: {{line:users}}", "--header", "a:b", "--stream",
        "--expect-status", "200", "--expect-status", "201", "--expect-json", "a.0=1", "--expect-contains", "x",
    )  # fmt: skip
    check = Check((200, 201), {"a.0": 1}, "x")
    headers = (("x-u", "{{line:users}}"), ("a", "b"))
    assert plan == Plan(
        URL,
        (Request(method="PUT", headers=headers, stream=True, check=check),),
        arrival=Arrival.UNIFORM,
        stages=(Stage(60, 50, 50),),
        connections=9,
        warm_s=0.5,
        timeout_s=2.0,
        keep_alive=False,
        ca_file=str(authority),
        verify=False,
        seed=7,
        data={"users": ("a", "b")},
    )


def test_the_flags_of_the_contract_are_known() -> None:
    args = parsed(
        URL, "--processes", "2", "--compare", "h:2/x", "--pid", "1", "--pid-b", "2", "--pairs", "7", "--frontier",
        "--fail-if", "p99>50ms", "--fail-if", "errors>1%", "--json", "a", "--html", "b", "--csv", "c",
        "--markdown", "d", "--quiet",
    )  # fmt: skip
    assert (args.processes, args.compare, args.pid, args.pid_b, args.pairs) == (2, "http://h:2/x", 1, 2, 7)
    assert (args.frontier, args.quiet, args.fail_if) == (True, True, ["p99>50ms", "errors>1%"])
    assert (args.json, args.html, args.csv, args.markdown) == ("a", "b", "c", "d")
    assert parsed("report", "a.json", "b.json").reports == ["a.json", "b.json"]
    assert parsed("report", "a.json").url == "report"


@pytest.mark.parametrize(
    ("kind", "header", "path"),
    [
        ("http", ("authorization", "Bearer k{{{{"), ""),
        ("openai-chat", ("authorization", "Bearer k{{{{"), "/v1/chat/completions"),
        ("openai-responses", ("authorization", "Bearer k{{{{"), "/v1/responses"),
        ("anthropic", ("x-api-key", "k{{{{"), "/v1/messages"),
        ("gemini", ("x-goog-api-key", "k{{{{"), "/v1beta/models/gemini-2.5-flash:generateContent"),
    ],
)
def test_a_format_makes_the_request_and_takes_the_key(kind: str, header: tuple[str, str], path: str) -> None:
    plan = planned(URL, "--format", kind, "--key", "k{{")
    (request,) = plan.requests
    assert (request.path, request.headers, request.format.value) == (path, (header,), kind)
    assert f"{header[0]}: {header[1][:-2]}\r\n".encode() in compile_request(request, plan).make(0)


def test_model_stream_and_words_shape_the_body() -> None:
    (request,) = planned(URL, "--format", "gemini", "--model", "g", "--stream", "--prompt-words", "5-9").requests
    assert request.path == "/v1beta/models/g:streamGenerateContent?alt=sse"
    assert request.stream
    assert "{{text:5:9}}" in request.body


def test_conversations_aborting_clients_and_slow_readers_needed_a_scenario_file() -> None:
    flags = ("--turns", "4", "--think", "2s", "--abort-after", "5%:800ms", "--read-rate", "64KiB/s")
    (request,) = planned(URL, "--format", "openai-chat", *flags).requests
    assert (request.turns, request.think_s, request.read_bytes_per_s) == (4, 2.0, 65536)
    assert (request.abort_share, request.abort_after_s) == (0.05, 0.8)
    (all_leave,) = planned(URL, "--abort-after", "1s").requests
    assert (all_leave.abort_share, all_leave.abort_after_s) == (1.0, 1.0)
    (nobody,) = planned(URL).requests
    assert (nobody.turns, nobody.think_s, nobody.abort_share, nobody.read_bytes_per_s) == (1, 0.0, 0.0, 0)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--turns", "2"), "--turns: needs an AI format"),
        (("--scenario", MIX, "--turns", "2"), "--scenario says itself what is sent; it excludes --turns"),
        (("--scenario", MIX, "--abort-after", "1s"), "it excludes --abort-after"),
        (("--replay", "a.har", "--read-rate", "1KiB"), "--replay says itself what is sent; it excludes --read-rate"),
        (("--replay", "a.har", "--think", "1s"), "it excludes --think"),
    ],
)
def test_where_the_flags_of_clients_do_not_fit(flags: Sequence[str], says: str) -> None:
    with pytest.raises(OptionError, match=re.escape(says)):
        planned(URL, *flags)


def test_a_credential_of_the_user_is_left_alone() -> None:
    (request,) = planned(URL, "--key", "k", "--header", "X-Api-Key: mine").requests
    assert request.headers == (("X-Api-Key", "mine"),)


def test_a_websocket_by_its_address() -> None:
    plan = planned("wss://h/echo")
    assert (plan.requests[0].format, plan.requests[0].method) == (Format.WEBSOCKET, "POST")


def test_what_goes_together_is_not_refused() -> None:
    for flags in (
        ["--pid", "1"],
        ["--compare", "h", "--pid", "1", "--command-b", "x"],
        ["--frontier"],
        ["--warm", "0"],
    ):
        assert planned(URL, *flags).url == URL


def test_a_body_from_a_file_and_from_the_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b").write_text("from {{n}}")
    assert planned(URL, "--body", str(tmp_path / "b")).requests == (Request(body="from {{n}}"),)
    monkeypatch.setattr("sys.stdin", io.StringIO("typed"))
    assert planned(URL, "--body", "-").requests[0].body == "typed"


def test_flags_add_to_a_scenario() -> None:
    plan = planned(
        URL, "--scenario", MIX, "--key", "k", "-H", "X-Team: mine", "--expect-contains", "x", "-r", "9", "-d", "2s"
    )
    assert (plan.arrival, plan.stages, plan.warm_s) == (Arrival.POISSON, (Stage(2, 9, 9),), 3.0)
    assert [dict(request.headers)["X-Team"] for request in plan.requests] == ["mine"] * 6
    assert all("x-team" not in dict(request.headers) for request in plan.requests)
    assert {request.check.contains for request in plan.requests} == {"x"}
    assert plan.requests[0].check.status == (200,)
    assert ("x-api-key", "k") in plan.requests[1].headers


def test_the_environment_is_the_callers(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text('requests: [{headers: {a: "${SECRET}"}}]')
    args = parsed(URL, "--scenario", str(file))
    assert plan_from(args, {"SECRET": "s"}).requests[0].headers == (("a", "s"),)
    with pytest.raises(ConfigError, match="1:26: environment variable SECRET is not set"):
        plan_from(args)


def test_a_recording_is_sent_again(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    lines = ({"at_ms": at, "path": f"/{at}", "headers": {"x-a": "1"}} for at in (0, 5, 9))
    file.write_text("\n".join(map(json.dumps, lines)))
    plan = planned(URL, "--replay", str(file), "--pace", "2", "-n", "2", "--key", "k", "-H", "X-A: 2")
    headers = (("X-A", "2"), ("authorization", "Bearer k"))
    assert plan.recording == (Recorded(0, "GET", "/0", headers, b""), Recorded(5000, "GET", "/5", headers, b""))
    assert (plan.arrival, plan.count, plan.stages, plan.pace) == (Arrival.RECORDED, 2, (), 2.0)
    assert planned(URL, "--replay", str(file), "-d", "1s").stages == (Stage(1, 0, 0),)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--scenario", MIX, "--replay", "x"], "--scenario and --replay exclude each other"),
        (["--scenario", MIX, "--body", "x"], "--scenario says itself what is sent; it excludes --body"),
        (["--scenario", MIX, "--prompt-words", "5"], "it excludes --prompt-words"),
        (["--replay", "x", "--rate", "5"], "--replay says itself what is sent; it excludes --rate"),
        (["more"], "one URL is measured at a time, seen 'more' too"),
        (["--ramp", "1s:5", "-d", "1s"], "--ramp says rate and duration itself"),
        (["--model", "m"], "--model: needs an AI format"),
        (["--format", "gemini", "--body", __file__, "--prompt-words", "3"], "--prompt-words: the body is given"),
        (["--body", "/no/such"], "--body: /no/such cannot be read"),
        (["--ca", "/no/such"], "--ca: /no/such is not a file"),
        (["--ca", __file__], "is not a PEM file of certificates: no certificate or crl found"),
        (["--replay", "x", "--frontier"], "--replay and --frontier exclude each other"),
        (["--frontier", "--compare", "h"], "--frontier and --compare exclude each other"),
        (["--frontier", "--fail-if", "p99>1ms"], "--frontier and --fail-if exclude each other"),
        (["--pid", "1", "--command", "x"], "--pid and --command exclude each other"),
        (["--compare", "h", "--pid-b", "1", "--command-b", "x"], "--pid-b and --command-b exclude each other"),
        (["--pid-b", "1"], "--pid-b is about the second URL; it needs --compare"),
        (["--command-b", "x"], "--command-b is about the second URL; it needs --compare"),
        (["--header", "a: {{x}}"], "--header: line 1, column 1: unknown variable 'x'"),
        (["--header", "a b: c"], "the request: 'a b' is not the name of a header"),
        (["--header", "a: {{line:x}}", "--scenario", MIX], "a request cannot be made: line "),
    ],
)
def test_what_cannot_be_done_is_told(flags: list[str], told: str) -> None:
    with pytest.raises(OptionError) as caught:
        planned(URL, *flags)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_address_that_cannot_be_filled() -> None:
    with pytest.raises(OptionError, match="unknown variable 'x'"):
        planned("http://h/{{x}}")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([URL, "-c", "0"], "out of range"),
        ([URL, "-r", "-1"], "'-1' is not a number from 0"),
        ([URL, "-r", "0"], "out of range"),
        ([URL, "-d", "soon"], "'soon' is not a duration"),
        ([URL, "-d", "0"], "'0' is no time at all; expected more than 0"),
        ([URL, "--timeout", "0s"], "'0s' is no time at all"),
        ([URL, "--probe", "0ms"], "'0ms' is no time at all"),
        ([URL, "-d", "1s", "-n", "5"], "not allowed with argument"),
        ([URL, "--ramp", "1s:5,x"], "'x' is not a stage"),
        ([URL, "--format", "grpc"], "invalid choice"),
        ([URL, "--header", "abc"], "expected 'name: value'"),
        ([URL, "--data", "abc"], "expected NAME=FILE"),
        ([URL, "--data", "a=/no/such"], "/no/such cannot be read"),
        ([URL, "--expect-json", "=5"], "expected PATH=VALUE"),
        ([URL, "--compare", "ftp://h"], "scheme 'ftp' is not known"),
        (["http://user:secret@h"], "credentials do not belong into an address"),
        (["http://"], "names no host"),
        (["http://a b/c"], "'a b' is not a host: it holds a space"),
        (["h :1"], "'h :1' is not a host"),
        ([URL, "--compare", "h\x01"], "is not a host"),
        (["http://h:99999"], "Port out of range"),
    ],
)
def test_flags_that_are_none_are_told_by_the_parser(
    flags: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)) as caught:
        parsed(*flags)
    text = str(caught.value) + capsys.readouterr().err
    assert told in text
    assert "secret" not in text.partition("credentials")[2]


def test_values_of_flags() -> None:
    assert [parse_url(text) for text in ("h", "http://h/a#b", "https://[::1]:5", "h:1/?u=ws://x")] == [
        "http://h", "http://h/a", "https://[::1]:5", "http://h:1/?u=ws://x",
    ]  # fmt: skip
    assert parse_header(" a :b: c ") == ("a", "b: c")
    found = [parse_json_check(text) for text in ("a.b=1", "a=x y", 'a="1"', "a", "a=", "a=b=c", "a=null")]
    assert found == [
        ("a.b", 1), ("a", "x y"), ("a", "1"), ("a", None), ("a", ""), ("a", "b=c"), ("a", None),
    ]  # fmt: skip


# --- shares -------------------------------------------------------------------------------------------------------


def levels(plans: Sequence[Plan], name: str) -> list[float]:
    return [
        sum(getattr(stage, name) for stage in stages) for stages in zip(*(plan.stages for plan in plans), strict=True)
    ]


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
@pytest.mark.parametrize("rate", [1000.0, 999.9, 10.1, 1e7 / 3])
def test_shares_add_up_exactly(processes: int, rate: float) -> None:
    stages = (Stage(10, 0.0, rate), Stage(5, rate, 3.5))
    recording = tuple(Recorded(at, "GET", f"/{at}", (), b"") for at in range(20))
    data = {"few": ("a", "b"), "many": tuple(map(str, range(1001)))}
    plan = Plan(
        URL, (Request(),), Arrival.POISSON, stages, connections=101, count=50, seed=3, data=data, recording=recording
    )
    plans = share(plan, processes)
    assert len(plans) == processes
    assert levels(plans, "start") == pytest.approx([0.0, rate])
    assert levels(plans, "end") == pytest.approx([rate, 3.5])
    assert sum(each.connections for each in plans) == 101
    assert max(each.connections for each in plans) - min(each.connections for each in plans) <= 1
    assert sum(each.count for each in plans) == 50
    assert sorted(recorded.at for each in plans for recorded in each.recording) == list(range(20))
    assert sorted(line for each in plans for line in each.data["many"]) == sorted(data["many"])
    assert {each.data["few"] for each in plans} == {("a", "b")}
    assert [each.process for each in plans] == list(range(processes))
    seeds = {each.seed for each in plans}
    assert len(seeds) == processes
    assert not seeds & {each.seed for each in share(msgspec.structs.replace(plan, seed=4), processes)}
    assert all(each.count for each in plans)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"connections": 3}, 3),
        ({"count": 2}, 2),
        ({"count": 1}, 1),
        ({"stages": (Stage(1, 0.5, 0.5),)}, 1),
        ({"stages": (Stage(1, 0, 2.5),)}, 2),
        ({"stages": (Stage(9, 0, 0),), "arrival": Arrival.RECORDED, "count": 4}, 4),
        ({}, 8),
    ],
)
def test_no_process_is_started_for_nothing(changes: dict[str, Any], expected: int) -> None:
    plans = share(msgspec.structs.replace(Plan(URL, (Request(),)), **changes), 8)
    assert len(plans) == expected
    assert all(plan.connections >= 1 for plan in plans)


def test_a_share_is_told_as_it_was_and_travels() -> None:
    plan = share(planned(URL, "--scenario", MIX, "--key", "sk-secret-key-1"), 2)[1]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=Plan) == plan
    assert "secret" not in json.dumps(shown(plan))
