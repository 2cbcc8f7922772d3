"""One body into another format: the pure function behind the command and the route."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.chat import CHAT_FORMATS, Target
from fastproxy.formats.convert import convert_reply, convert_request
from fastproxy.formats.events import ReplyContext

CONTEXT = ReplyContext("00ff", "client-model", 1_800_000_000)
BODIES: dict[str, dict[str, Any]] = {
    "openai-chat": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    "openai-responses": {"model": "m", "input": "hi"},
    "anthropic": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
PLACES = {"openai-chat": "messages", "openai-responses": "input", "anthropic": "messages", "gemini": "contents"}


@pytest.mark.parametrize("source", CHAT_FORMATS)
@pytest.mark.parametrize("target", CHAT_FORMATS)
def test_every_pair(source: str, target: str) -> None:
    made, lossy = convert_request(BODIES[source], source, target, Target("n"))
    assert made.get("model") == (None if target == "gemini" else "n")
    assert "hi" in str(made[PLACES[target]])
    assert not any("messages" in line for line in lossy)


@pytest.mark.parametrize("target", CHAT_FORMATS)
def test_an_error_in_a_replys_place_stays_an_error(target: str) -> None:
    body = {"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}
    made = convert_reply(body, "openai-chat", target, CONTEXT)
    assert made["error"]["message"] == "slow down"


@pytest.mark.parametrize("body", [{"choices": ["x"]}, {"choices": True}])
def test_what_is_no_reply_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match=r"openai-chat|no list of choices"):
        convert_reply(body, "openai-chat", "anthropic", CONTEXT)


@pytest.mark.parametrize(("source", "target"), [("x", "anthropic"), ("anthropic", "x"), ("", "")])
def test_unknown_formats(source: str, target: str) -> None:
    with pytest.raises(FormatError, match="is unknown: expected openai-chat, openai-responses, anthropic, gemini"):
        convert_request(BODIES["anthropic"], source, target, Target("n"))
    with pytest.raises(FormatError, match="is unknown"):
        convert_reply({}, source, target, CONTEXT)


def test_a_model_must_be_known_where_the_body_says_it() -> None:
    with pytest.raises(FormatError, match="field 'model' is missing"):
        convert_request(BODIES["gemini"], "gemini", "anthropic", Target(""))
    made, _ = convert_request(BODIES["openai-chat"], "openai-chat", "gemini", Target(""))
    assert "model" not in made
