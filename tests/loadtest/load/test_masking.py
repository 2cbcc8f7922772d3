"""A report tells what was sent and to whom, and nobody's key."""

from __future__ import annotations

import hashlib
import json

import pytest

from fastproxy.loadtest.load.bodies import AI_FORMATS, default_body
from fastproxy.loadtest.load.masking import known_secrets, masked_command, masked_text, shown
from fastproxy.loadtest.load.shapes import Format, Plan, Recorded, Request, Stage

KEY = "sk-1234567890abcdef"


def test_a_plan_is_shown_without_credentials_and_without_length() -> None:
    headers = (("Authorization", f"Bearer {KEY}"), ("x-api-key", KEY), ("Cookie", f"a={KEY}"), ("x-team", "blue"))
    request = Request(path=f"/a?q=1&key={KEY}", headers=headers, body="x" * 500, format=Format.GEMINI)
    plan = Plan(
        f"http://h/b?api_key={KEY}",
        (request,),
        stages=(Stage(1, 2, 3),),
        data={"keys": (KEY, KEY)},
        recording=(Recorded(0, "GET", "/", headers, KEY.encode()),),
    )
    told = shown(plan)
    assert KEY[4:] not in json.dumps(told)
    assert told == json.loads(json.dumps(told))
    assert (told["url"], told["data"], told["recording"]) == (
        "http://h/b?api_key=***",
        {"keys": "2 lines"},
        "1 requests",
    )
    sent = told["requests"][0]
    assert sent["path"] == "/a?q=1&key=***"
    assert sent["headers"] == [
        ["Authorization", "Bearer sk-1…(19 chars)"],
        ["x-api-key", "sk-1…(19 chars)"],
        ["Cookie", "a=sk…(21 chars)"],
        ["x-team", "blue"],
    ]
    assert sent["body"] == "x" * 400 + "… (500 characters)"
    assert (sent["format"], told["stages"]) == ("gemini", [{"seconds": 1.0, "start": 2.0, "end": 3.0}])


def test_a_command_is_told_without_its_keys() -> None:
    given = [
        "bench", f"http://h/?key={KEY}", "--key", KEY, f"--key={KEY}", "-H", f"X-Api-Key: {KEY}",
        f"--header=authorization:Basic {KEY}", "--header", "x-team: blue", "-d", "5s", "--fail-if", "p99>5ms",
    ]  # fmt: skip
    told = masked_command(given)
    assert KEY[4:] not in " ".join(told)
    assert told == [
        "bench", "http://h/?key=***", "--key", "sk-1…(19 chars)", "--key=sk-1…(19 chars)", "-H",
        "X-Api-Key: sk-1…(19 chars)", "--header=authorization: Basic sk-1…(19 chars)", "--header", "x-team: blue",
        "-d", "5s", "--fail-if", "p99>5ms",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([f"-HAuthorization: Bearer {KEY}"], ["-HAuthorization: Bearer sk-1…(19 chars)"]),
        ([f"-Hx-api-key:{KEY}=="], ["-Hx-api-key: sk-1…(21 chars)"]),
        ([f"-H=x-api-key: {KEY}"], ["-H=x-api-key: sk-1…(19 chars)"]),
        (["-Hx-team: blue"], ["-Hx-team: blue"]),
        (["-H", f"x-note: for {KEY}"], ["-H", "x-note: for sk-1…(19 chars)"]),
        (["--key", f"a=b{KEY}"], ["--key", "a=bs…(22 chars)"]),
        (["--command", f"serve --key {KEY}"], ["--command", "serve …"]),
        ([f"--command-b=serve --key={KEY}"], ["--command-b=serve …"]),
        (["--command", f"KEY={KEY} serve"], ["--command", "KEY=…"]),
        (["--command", "serve"], ["--command", "serve"]),
        ([f"--compare=http://h/?sig={KEY}&a=1"], ["--compare=http://h/?sig=***&a=1"]),
        (["--expect-contains", KEY], ["--expect-contains", "sk-1…(19 chars)"]),
    ],
)
def test_wherever_a_command_holds_a_key(given: list[str], told: list[str]) -> None:
    assert masked_command(given) == told


@pytest.mark.parametrize(
    ("body", "hidden"),
    [
        (f'{{"api_key": "{KEY}"}}', True),
        ('{"Password":"hunter22"}', True),
        ("a=1&client_secret=abcdef", True),
        ("send Bearer abcdefgh", True),
        ("from corp-0123 on", True),  # what a header sends
        ('{"max_tokens": 1024, "token": null, "author": "someone"}', False),
        ("risk-averse task-force", False),
        *((default_body(kind, "m", True, 5), False) for kind in AI_FORMATS),
    ],
)
def test_a_body_with_a_credential_is_told_by_its_digest(body: str, hidden: bool) -> None:
    request = Request(headers=(("x-api-key", "corp-0123"),), body=body)
    told = shown(Plan("http://h", (request,)))["requests"][0]["body"]
    digest = hashlib.blake2b(body.encode(), digest_size=8).hexdigest()
    if hidden:
        assert told == f"({len(body)} bytes, BLAKE2b {digest})"
    else:
        assert told.startswith(body[:400])


@pytest.mark.parametrize(
    ("name", "value", "secrets"),
    [
        ("Authorization", "Bearer abcdef", ("abcdef",)),
        ("authorization", "Basic dTpw==", ("dTpw==",)),
        ("x-api-key", "team-{{line:keys}}-tail{{{{", ("-tail{{", "team-")),
        ("cookie", "a=abcdef; b=ghijk", ("a=abcdef; b=ghijk", "abcdef", "ghijk")),
        ("x-api-key", "abc", ()),
        ("x-team", "abcdef", ()),
    ],
)
def test_the_secrets_of_a_request(name: str, value: str, secrets: tuple[str, ...]) -> None:
    assert known_secrets("http://h/?q=1", "/?page=2", ((name, value),)) == secrets


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Bearer", "Bearer"),
        ("bearer abcdefgh, sir", "bearer ab…(9 chars) sir"),
        ('{"k":"Bearer abcdefgh","n":1}', '{"k":"Bearer ab…(8 chars)","n":1}'),
        ("key sk-proj-abc/def+g= is bad", "key sk-p…(18 chars) is bad"),
        ("asks: risk-free", "asks: risk-free"),
        ("one=secret-1, two=secret-12", "one=se…(8 chars), two=se…(9 chars)"),
        ("ends with secret-", "ends with s…(7 chars)"),
        ("Bearer secret-1", "Bearer se…(8 chars)"),
    ],
)
def test_a_text_without_keys(text: str, told: str) -> None:
    assert masked_text(text, ("secret-12", "secret-1")) == told
    assert masked_text(told, ("secret-12", "secret-1")) == told
