"""An error inside a reply of status 200 is the error it is, in every format: peers' cases 174, 176, 177, 180."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastproxy.formats.events import Done, Failure
from fastproxy.formats.read_error import KINDS
from fastproxy.formats.registry import CHAT

SECRET = "sk-abcdefghij0123456789"
TEXT = f"slow down, {SECRET} on http://10.0.0.7:8000/v1"


def responses(kind: str, error: dict[str, Any]) -> dict[str, Any]:
    response = {"id": "r", "object": "response", "status": "failed", "error": error, "output": [], "model": "m"}
    return response if kind == "whole" else {"type": "response.failed", "sequence_number": 1, "response": response}


WHOLE = {
    "openai-chat": {"error": {"message": TEXT, "type": "rate_limit_error", "code": "rate_limit_exceeded"}},
    "openai-responses": responses("whole", {"code": "rate_limit_exceeded", "message": TEXT}),
    "anthropic": {"type": "error", "error": {"type": "rate_limit_error", "message": TEXT}},
    "gemini": {"error": {"code": 429, "message": TEXT, "status": "RESOURCE_EXHAUSTED"}},
}
STREAMED = {
    "openai-chat": ("", WHOLE["openai-chat"]),
    "openai-responses": ("response.failed", responses("event", {"code": "rate_limit_exceeded", "message": TEXT})),
    "anthropic": ("error", WHOLE["anthropic"]),
    "gemini": ("", WHOLE["gemini"]),
}


def check(events: list[Any]) -> None:
    assert not any(isinstance(event, Done) for event in events)
    (failure,) = [event for event in events if isinstance(event, Failure)]
    assert (failure.status, failure.kind) == (429, "upstream_limited")
    assert failure.kind in KINDS
    assert failure.message.startswith("slow down")
    assert SECRET not in failure.message
    assert "10.0.0.7" not in failure.message


every_format = pytest.mark.parametrize("name", CHAT)


@every_format
def test_a_whole_reply(name: str) -> None:
    check(CHAT[name].read_reply(WHOLE[name]))


@every_format
def test_an_event_of_a_stream(name: str) -> None:
    reader = CHAT[name].StreamReader()
    event, value = STREAMED[name]
    check(reader.feed(event, orjson.dumps(value)) + reader.end())


def test_the_bare_error_event_of_responses() -> None:
    reader = CHAT["openai-responses"].StreamReader()
    value = {"type": "error", "code": "rate_limit_exceeded", "message": TEXT, "param": None, "sequence_number": 1}
    check(reader.feed("error", orjson.dumps(value)) + reader.end())
