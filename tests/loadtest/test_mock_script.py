"""Scripts: which rule and which reply, what a reply may set, and what a fault in the file says."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.errors import ConfigError
from fastproxy.loadtest import mock_script_file
from fastproxy.loadtest.mock import MockOptions
from fastproxy.loadtest.mock_script import Order, Question, Rule, Script, Scripted
from fastproxy.loadtest.mock_script_file import read_script
from tests.live import sdk_calls
from tests.loadtest.mock_process import BEARER, KEY, Answer, ask, exchange, request, serving

if TYPE_CHECKING:
    import pathlib

PATH = "/v1/chat/completions"
CHAT: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "the weather"}]}
ASKED = Question("/v1/chat/completions", "gpt-5", "sk-a", False, "the weather")
NUMBERS = tuple(Scripted({"n": n}) for n in range(3))


def chosen(script: Script, times: int, question: Question = ASKED) -> list[object]:
    rng = random.Random(1)
    return [script.choose(question, rng).get("n") for _ in range(times)]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order.CYCLE, [0, 1, 2, 0, 1, 2, 0]),
        (Order.LAST, [0, 1, 2, 2, 2, 2, 2]),
        (Order.ONCE, [0, 1, 2, None, None, None, None]),
    ],
)
def test_orders(order: Order, expected: list[object]) -> None:
    assert chosen(Script((Rule(NUMBERS, order=order),)), 7) == expected


def test_weights() -> None:
    replies = (Scripted({"n": 0}, 9), Scripted({"n": 1}, 1))
    found = chosen(Script((Rule(replies, order=Order.WEIGHTED),)), 2000)
    assert 0.07 < found.count(1) / 2000 < 0.13


def test_positions_per_key() -> None:
    other = Question("/v1/chat/completions", "gpt-5", "sk-b", False, "")
    script = Script((Rule(NUMBERS, per_key=True),))
    assert [chosen(script, 2), chosen(script, 2, other), chosen(script, 1)] == [[0, 1], [0, 1], [2]]
    together = Script((Rule(NUMBERS),))
    assert [chosen(together, 2), chosen(together, 2, other)] == [[0, 1], [2, 0]]


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({}, True),
        ({"path": "*/chat/completions", "model": "gpt-*", "key": "sk-?"}, True),
        ({"path": "/v1/messages"}, False),
        ({"model": "claude-*"}, False),
        ({"key": "sk-b"}, False),
        ({"contains": "weather", "stream": False}, True),
        ({"contains": "climate"}, False),
        ({"stream": True}, False),
    ],
)
def test_conditions(conditions: dict[str, Any], matches: bool) -> None:
    assert Rule(NUMBERS, **conditions).matches(ASKED) is matches


def test_the_first_rule_that_matches_decides() -> None:
    script = Script((Rule(NUMBERS[1:2], model="no"), Rule(NUMBERS[2:]), Rule(NUMBERS[:1])))
    assert chosen(script, 2) == [2, 2]


YAML = """
rules:
  - path: "*/chat/completions"
    contains: weather
    order: last
    replies:
      - text: "It is  sunny.\\n"
      - thinking: I have to look.
        tools: [{name: get_weather, arguments: {city: Rome, days: 2}}]
        usage: input=9,output=7,reasoning=3
      - {status: 429, message: slow down, retry_after: 3}
      - {tokens: 2, finish: length, times: 2}
  - {model: "cut-*", replies: [{fin: 3}]}
  - {path: "*/messages", replies: [{text: Bonjour}]}
  - {path: "*:generateContent", replies: [{images: 1, text: Voilà}]}
  - {path: "*/responses", replies: [{thinking: 3}]}
chaos:
  - {from: 1h, to: 2h, errors: 1}
"""


@pytest.fixture
def file(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "script.yaml"
    path.write_text(YAML, encoding="utf-8")
    return str(path)


def test_replies_in_order(file: str) -> None:
    def ask_chat(**headers: str) -> Answer:
        return ask(port, "POST", PATH, CHAT, BEARER | headers)

    with serving(MockOptions(script=file)) as port:
        first, second, third = (ask_chat() for _ in range(3))
        fourth = ask_chat(**{"x-mock-tokens": "1"})  # what a request wishes itself comes on top
        fifth, sixth = ask_chat(), ask_chat()
        elsewhere = ask(port, "POST", PATH, CHAT | {"messages": [{"role": "user", "content": "hi"}]}, BEARER)
    assert first.json["choices"][0]["message"]["content"] == "It is  sunny.\n"
    message = second.json["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == (None, "I have to look.")
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"city": "Rome", "days": 2}
    assert second.json["usage"]["completion_tokens"] == 7
    assert (third.status, third.one("retry-after"), third.json["error"]["message"]) == (429, "3", "slow down")
    texts = [reply.json["choices"][0]["message"]["content"] for reply in (fourth, fifth, sixth)]
    assert texts == ["Mock", "Mock answer", "Mock answer"]
    assert fifth.json["choices"][0]["finish_reason"] == "length"
    assert elsewhere.json["choices"][0]["message"]["content"].startswith("Mock answer to: hi")


def test_other_formats_and_streams(file: str) -> None:
    with serving(MockOptions(script=file)) as port:
        url = f"http://127.0.0.1:{port}"
        assert sdk_calls.anthropic_messages(url, KEY, True)[0] == "Bonjour"
        assert sdk_calls.gemini_generate(url, KEY)[0] == "Voilà"
        assert sdk_calls.openai_responses(url, KEY)[1]["output_tokens_details"] == {"reasoning_tokens": 3}
        asked = {"model": "cut-1", "messages": [{"role": "user", "content": "x"}], "stream": True}
        data = exchange(port, request("POST", PATH, asked, BEARER))
    assert data.count(b"data: ") == 3
    assert not data.endswith(b"0\r\n\r\n")


def test_json_is_yaml(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"rules": [{"stream": True, "per": "key", "replies": [{"status": 503, "weight": 2}]}]}))
    (rule,) = read_script(str(path)).rules
    assert (rule.stream, rule.per_key, rule.replies) == (True, True, (Scripted({"status": 503}, 2),))


FAULTS = [
    ("rules: 3", "1:8", "expected a list, seen a number"),
    ("rule: []", "1:1", "no such setting: rule, known are rules, chaos"),
    ("rules: [{path: x}]", "1:9", "a rule needs replies"),
    ("rules: [{paths: x, replies: []}]", "1:10", "no such setting: paths"),
    ("rules:\n  - replies:\n      - txt: x", "3:14", "no such setting: txt"),
    ("rules:\n  - replies:\n      - status: 200", "3:17", "expected 400 to 599"),
    ("rules: [{replies: [{latency: soon}]}]", "1:30", "could not convert"),
    ("rules: [{order: up, replies: [{}]}]", "1:17", "'up' is not a valid Order"),
    ("rules: [{per: model, replies: [{}]}]", "1:15", "expected key or all"),
    ("rules: [{replies: [{weight: 0}]}]", "1:20", "expected a weight above 0"),
    ("rules: [{replies: [{tools: [{arguments: {}}]}]}]", "1:29", "a tool call needs a name"),
    ("rules: [{replies: [{tools: [{name: x, arguments: 3}]}]}]", "1:50", "expected a mapping"),
    ("chaos: [{from: 2s, to: 1s}]", "1:9", "from < to"),
]


@pytest.mark.parametrize(("text", "place", "says"), FAULTS, ids=[says for _, _, says in FAULTS])
def test_faults_have_places(tmp_path: pathlib.Path, text: str, place: str, says: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as found:
        read_script(str(path))
    assert str(found.value).startswith(f"{path}:{place}: ")
    assert says in str(found.value)


def test_the_example_of_the_help_text(tmp_path: pathlib.Path) -> None:
    example = (mock_script_file.__doc__ or "").partition("\n\n")[2].partition("\n\nA reply")[0]
    (tmp_path / "s.yaml").write_text(textwrap.dedent(example), encoding="utf-8")
    script = read_script(str(tmp_path / "s.yaml"))
    assert [len(rule.replies) for rule in script.rules] == [5]
    assert script.chaos[0].every == 60


def test_an_empty_file_is_an_empty_script(tmp_path: pathlib.Path) -> None:
    (tmp_path / "s.yaml").write_text("")
    assert read_script(str(tmp_path / "s.yaml")).rules == ()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--script", "/nowhere/s.yaml"], "/nowhere/s.yaml: cannot be read"),
        (["--latency", "gamma:1"], "--latency: expected milliseconds or one of"),
        (["--chaos", "now"], "--chaos: expected FROM-TO"),
        (["--limit", "k"], "--limit: expected KEY=REQUESTS/TOKENS"),
        (["--tokens-per-minute", "-1"], "--tokens-per-minute: expected 0 or more"),
    ],
)
def test_bad_flags_end_the_command(flags: list[str], says: str) -> None:
    command = [sys.executable, "-m", "fastproxy.loadtest.mock", "--listen", "127.0.0.1:0", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=8, check=False)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
