"""Gemini's signature of a text, through a client of each format and back to where it stood (case 103)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from fastproxy.formats.chat import Target
from fastproxy.formats.convert import convert_request
from fastproxy.formats.events import ReplyContext
from fastproxy.formats.fold import fold
from fastproxy.formats.registry import CHAT

if TYPE_CHECKING:
    from collections.abc import Callable

CONTEXT = ReplyContext("abc", "m", 1)
SIGNED = [{"text": "hello", "thoughtSignature": "c2ln"}]
ALONE = [{"text": "", "thoughtSignature": "c2ln"}]
BEHIND_A_CALL = [
    {"text": "look", "thoughtSignature": "c2ln"},
    {"functionCall": {"id": "c1", "name": "f", "args": {}}, "thoughtSignature": "Y2FsbA=="},
]
HISTORY: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "anthropic": lambda reply: {"max_tokens": 9, "messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": reply["content"]}]},
    "openai-chat": lambda reply: {"messages": [{"role": "user", "content": "hi"}, reply["choices"][0]["message"]]},
    "openai-responses": lambda reply: {"input": [{"role": "user", "content": "hi"}, *reply["output"]]},
    "gemini": lambda reply: {"contents": [
        {"role": "user", "parts": [{"text": "hi"}]}, reply["candidates"][0]["content"]]},
}  # fmt: skip


def reply_in(name: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    said = {"responseId": "r", "candidates": [{"index": 0, "finishReason": "STOP", "content": {"parts": parts}}]}
    return CHAT[name].write_reply(fold(CHAT["gemini"].read_reply(said)), CONTEXT)


@pytest.mark.parametrize("name", HISTORY)
@pytest.mark.parametrize("parts", [SIGNED, ALONE, BEHIND_A_CALL], ids=["a text", "alone", "a text and a call"])
def test_a_signature_comes_back_to_its_text(name: str, parts: list[dict[str, Any]]) -> None:
    history = HISTORY[name](orjson.loads(orjson.dumps(reply_in(name, parts))))
    if name == "gemini":
        history["contents"].append({"role": "user", "parts": [{"text": "go on"}]})
    made, _ = convert_request({"model": "m", **history}, name, "gemini", Target("gemini-3-pro"))
    assert made["contents"][1] == {"role": "model", "parts": parts}


def test_a_responses_upstream_is_told_nothing_of_it_and_the_client_is() -> None:
    output = reply_in("openai-responses", SIGNED)["output"]
    body: dict[str, Any] = {"model": "m", "input": [{"role": "user", "content": "hi"}, *output]}
    made, lost = convert_request(body, "openai-responses", "openai-responses", Target("m"))
    assert made["input"] == [body["input"][0], output[0]]
    assert lost == ("input[2] dropped: the reasoning of another vendor",)
