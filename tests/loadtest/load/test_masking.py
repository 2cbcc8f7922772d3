"""A report tells what was sent and to whom, and nobody's key."""

from __future__ import annotations

import json

from fastproxy.loadtest.load.masking import masked_command, shown
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
