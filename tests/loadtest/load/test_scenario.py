"""One file that uses every key, the example that is published, and a table of all that is refused, with its place."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import msgspec
import pytest

from fastproxy.errors import ConfigError
from fastproxy.loadtest.load.jobs import Jobs
from fastproxy.loadtest.load.masking import shown
from fastproxy.loadtest.load.meter import Meter
from fastproxy.loadtest.load.requests import FORMATS
from fastproxy.loadtest.load.scenario import (
    Scenario,
    load_scenario,
    parse_level,
    parse_share,
    parse_stage,
    parse_words,
)
from fastproxy.loadtest.load.shapes import Arrival, Check, Format, Plan, Request, Stage
from fastproxy.loadtest.load.template import compile_request

ROOT = Path(__file__).parents[3]
EVERYTHING = """\
arrival: uniform
rate: 200/s
connections: 50
duration: 1m
warm: 500ms
data: {users: users.txt}
variables: {tenant: acme, who: 'the "{{line:users}}"'}
requests:
  - name: chat
    weight: 7.5
    format: openai-chat
    model: "{{tenant}}-model"
    stream: true
    prompt_words: 50-400
    turns: 4
    think: 2s
    abort: {share: 5%, after: 800ms}
    read_rate: 64KiB/s
    headers: {x-user: "{{line:users}}", X-Tenant: "{{tenant}}"}
    expect: {status: [200, 201], json: {choices.0.finish_reason: stop, id: null}, contains: "a b", complete: no}
  - {path: "/search?q={{n}}", method: put, body: {query: "{{who}}", limit: 3}, expect: {status: 204}}
  - {name: file, body_file: body.txt, headers: {content-type: text/plain}, path: /file}
  - {name: plain}
  - {name: socket, format: websocket, path: /ws}
"""


def write(folder: Path, text: str) -> str:
    (folder / "users.txt").write_bytes("ann\r\n\nbob\u2028by\n".encode())
    (folder / "body.txt").write_text("{{tenant}} says {{n}}")
    (folder / "latin.txt").write_bytes(b"\xff")
    (folder / "empty.txt").write_text("\n")
    file = folder / "f.yaml"
    file.write_text(text)
    return str(file)


def test_every_key_arrives(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, EVERYTHING))
    requests = scenario.requests
    assert msgspec.structs.replace(requests[0], body="") == Request(
        name="chat",
        path="/v1/chat/completions",
        headers=(("x-user", "{{line:users}}"), ("X-Tenant", "acme")),
        format=Format.OPENAI_CHAT,
        stream=True,
        weight=7.5,
        check=Check((200, 201), {"choices.0.finish_reason": "stop", "id": None}, "a b", False),
        turns=4,
        think_s=2.0,
        abort_share=0.05,
        abort_after_s=0.8,
        read_bytes_per_s=65536,
    )
    body = json.loads(requests[0].body)
    assert (body["model"], body["messages"][-1]["content"], body["stream"]) == ("acme-model", "{{text:50:400}}", True)
    assert requests[1:4] == (
        Request(
            name="request 2",
            method="PUT",
            path="/search?q={{n}}",
            body='{"query":"the \\"{{line:users}}\\"","limit":3}',
            check=Check((204,)),
        ),
        Request(name="file", path="/file", body="acme says {{n}}", headers=(("content-type", "text/plain"),)),
        Request(name="plain", method="GET"),
    )
    assert (requests[4].format, requests[4].body) == (Format.WEBSOCKET, "ping {{n}}")
    assert scenario == Scenario(requests, Arrival.UNIFORM, 200.0, 50, 60.0, (), 0.5, {"users": ("ann", "bob\u2028by")})


def test_stages_and_the_environment(tmp_path: Path) -> None:
    text = 'stages: [10s:20-200, "1m:200"]\nrequests: [{path: "/${WHERE}", format: "${KIND:-http}"}]\n'
    scenario = load_scenario(write(tmp_path, text), {"WHERE": "there"})
    assert scenario.stages == (Stage(10, 20, 200), Stage(60, 200, 200))
    assert scenario.requests == (Request(method="GET", path="/there"),)


def test_the_published_example_can_be_sent() -> None:
    scenario = load_scenario(str(ROOT / "bench/scenarios/chat_mix.yaml"))
    plan = Plan("http://localhost", scenario.requests, data=scenario.data)
    for request in scenario.requests:
        data = compile_request(request, plan).make(5)
        assert b"{{" not in data
        head, _, body = data.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /v1")
        json.loads(body)
    assert {request.format for request in scenario.requests} == set(FORMATS.values()) - {Format.WEBSOCKET}
    assert sum(request.weight for request in scenario.requests) == 100


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f.yaml: the file is empty; expected at least requests"),
        ("rate: 5\n", "f.yaml:1:1: missing key 'requests'"),
        ("requests: []\n", "f.yaml:1:11: requests: expected at least one item, seen an empty list"),
        ("requests: [5]\n", "f.yaml:1:12: requests[0]: expected a mapping, seen a number"),
        ("requests:\n  - {nam: x}\n", "f.yaml:2:6: unknown key 'requests[0].nam'; did you mean 'name'?"),
        ("raet: 5\nrequests: [{}]\n", "f.yaml:1:1: unknown key 'raet'; did you mean 'rate'?"),
        ("requests: [{abort: {shar: 5%}}]\n", "1:21: unknown key 'requests[0].abort.shar'; did you mean 'share'?"),
        ("requests: [{expect: {code: 5}}]\n", "1:22: unknown key 'requests[0].expect.code'"),
        ("arrival: recorded\nrequests: [{}]\n", "1:10: arrival: unknown value 'recorded'; expected one of closed"),
        ("rate: 0\nrequests: [{}]\n", "1:7: rate: '0' is out of range"),
        ("stages: 10\nrequests: [{}]\n", "1:9: stages: '10' is not a stage; expected one like 10s:100-1000"),
        ("rate: 1\nstages: 1s:1\nrequests: [{}]\n", "1:1: rate and stages exclude each other"),
        ("stages: 1s:1\nduration: 1s\nrequests: [{}]\n", "2:1: duration and stages exclude each other"),
        ("arrival: closed\nrate: 5\nrequests: [{}]\n", "2:1: a closed loop has no rate"),
        ("warm: soon\nrequests: [{}]\n", "1:7: warm: 'soon' is not a duration"),
        ("data: {a: no.txt}\nrequests: [{}]\n", "no.txt cannot be read: No such file or directory"),
        ("data: {a: latin.txt}\nrequests: [{}]\n", "latin.txt is not UTF-8 text"),
        ("data: {a: empty.txt}\nrequests: [{}]\n", "empty.txt holds no line"),
        ("data: {a b: users.txt}\nrequests: [{}]\n", "1:8: data: 'a b' is not a name"),
        ("variables: {n: x}\nrequests: [{}]\n", "1:13: variables.n: the name is taken"),
        ("requests: [{format: grpc}]\n", "1:21: requests[0].format: unknown value 'grpc'"),
        ("requests: [{model: m}]\n", "1:20: requests[0].model: needs an AI format: openai-chat"),
        ("requests: [{turns: 2}]\n", "1:20: requests[0].turns: needs an AI format"),
        ("requests: [{format: gemini, body: x, prompt_words: 5}]\n", "1:52: requests[0].prompt_words: the body is"),
        ("requests: [{format: anthropic, body: x, model: m}]\n", "1:48: requests[0].model: the body is given"),
        ("requests: [{format: websocket, stream: true}]\n", "1:40: requests[0].stream: a WebSocket has no"),
        ("requests: [{body: x, body_file: body.txt}]\n", "1:22: requests[0]: body and body_file exclude each other"),
        ("requests: [{body_file: no.txt}]\n", "1:24: requests[0].body_file: "),
        ("requests: [{body_file: body.txt}]\n", "1:24: requests[0].body: line 1, column 1: unknown variable 'tenant'"),
        ('requests:\n  - path: "/{{x}}"\n', "2:11: requests[0].path: line 1, column 2: unknown variable 'x'"),
        ('requests: [{headers: {a: "{{x}}"}}]\n', "1:22: requests[0].headers: line 1, column 1: unknown variable"),
        ('requests: [{headers: {"a b": c}}]\n', "1:12: requests[0]: 'a b' is not the name of a header"),
        ("requests: [{format: openai-chat, turns: 2, body: '{}'}]\n", "1:12: requests[0]: request: a conversation in"),
        ("requests: [{abort: {share: 200%}}]\n", "1:28: requests[0].abort.share: '200%' is not a share"),
        ("requests: [{abort: {share: 5%}}]\n", "1:20: requests[0].abort: expected share and after"),
        ("requests: [{name: a}, {name: a}]\n", "1:23: requests[1]: another request is called 'a'"),
        ('requests: [{path: "/${NO}"}]\n', "1:19: environment variable NO is not set"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario(write(tmp_path, text))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("10s:100", Stage(10, 100, 100)),
        ("500ms:0-1.5", Stage(0.5, 0, 1.5)),
        ("1m30s:9-0", Stage(90, 9, 0)),
        (" 1:2 ", Stage(1, 2, 2)),
    ],
)
def test_stages(text: str, stage: Stage) -> None:
    assert parse_stage(text) == stage


@pytest.mark.parametrize("text", ["", "10s", "10s:", "10s:a", "10s:1-", "0s:5", "5s:0", "5s:0-0", "x:1", "1s:99999999"])
def test_what_is_no_stage(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_stage(text)


def test_words_shares_and_levels() -> None:
    assert [parse_words(text) for text in ("5", "5-50", "5:50")] == ["5", "5:50", "5:50"]
    assert [parse_share(text) for text in ("5%", "0.5", "1", "0")] == [0.05, 0.5, 1.0, 0.0]
    assert [parse_level(text) for text in ("5", "0.5/s")] == [5.0, 0.5]
    for parse, text in ((parse_words, "50-5"), (parse_words, "many"), (parse_share, "2"), (parse_level, "0")):
        with pytest.raises(ValueError, match=text):
            parse(text)


HIDDEN = """\
variables: {tenant: "${TENANT}"}
requests:
  - path: "/a/${MODEL}?x=${SIGNING_KEY}"
    headers: {x-tenant: "{{tenant}}", authorization: "Bearer ${PASSWORD}", x-plain: "${UNSET:-plain-value}"}
    body: {model: "${MODEL}", with: "${SIGNING_KEY}"}
    expect: {contains: "for ${TENANT}", json: {who: "${TENANT}", n: 1}}
"""
ENVIRON = {
    "TENANT": "acme-4711", "PASSWORD": "hunter-22", "MODEL": "gpt-5-mini", "SIGNING_KEY": "zzz-987",
    "OTHER_KEY": "nobody asked",
}  # fmt: skip


def test_what_headers_took_from_the_environment_was_shown_in_reports(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, HIDDEN), ENVIRON)
    assert scenario.secrets == ("acme-4711", "hunter-22", "zzz-987")
    plan = Plan("http://h/acme-4711", scenario.requests, secrets=scenario.secrets)
    told = shown(plan)
    assert [secret for secret in scenario.secrets if secret in json.dumps(told)] == []
    (request,) = told["requests"]
    assert request["headers"] == [
        ["x-tenant", "ac…(9 chars)"],
        ["authorization", "Bearer hu…(9 chars)"],
        ["x-plain", "plain-value"],
    ]
    assert request["path"].startswith("/a/gpt-5-mini?x="), "what is no secret stays"
    assert "secrets" not in told
    jobs = Jobs(plan, Meter(0, 0), Random(1))
    job = jobs.next(0)
    assert job is not None
    assert job.kind.judge(403, b"no such tenant: acme-4711", None) == ("status", "403: no such tenant: ac…(9 chars)")
