"""/v1/completions at vendors who complete prompts with a few models only: chat models are asked by chat."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from fastproxy.snapshot import ChannelSpec, Snapshot
from tests.gateway.gateway_stage import SECRET, Gateway, warm
from tests.gateway.translating_stage import body_of
from tests.wire.fakes import wire_of

PROMPT: Final = {"prompt": "Once upon", "max_tokens": 5}
RENAMED: Final = {"mine": "gpt-4o-mini", "old": "davinci-002"}


def stage(provider: str, **spec: Any) -> Gateway:
    formats = ("openai-chat", "openai-responses", "openai")
    channel = ChannelSpec("c", provider, "http://127.0.0.1:9/v1", formats, "bearer", ("sk-up",), **spec)
    facts = {"deployed": {"like": "gpt-4o"}}
    return Gateway(Snapshot(SECRET, "stage", {}, channels=(channel,), facts=facts, open_to_all=True))


def asked(gateway: Gateway, model: str) -> tuple[str, dict[str, Any]]:
    """The path and the body that go up."""
    peer, user = warm(next(iter(gateway.world.pools.values()))), gateway.client()
    text = json.dumps({"model": model, **PROMPT}).encode()
    head = b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    user.data_received(head % len(text) + text)
    line, _, body = wire_of(peer).take().partition(b"\r\n\r\n")
    return line.split()[1].decode(), json.loads(body)


@pytest.mark.parametrize(
    ("provider", "model", "path"),
    [
        ("openai", "gpt-4o", "/v1/chat/completions"),
        ("openai", "gpt-5-mini-2025-08-07", "/v1/chat/completions"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::x", "/v1/chat/completions"),
        ("openai", "mine", "/v1/chat/completions"),
        ("openai", "deployed", "/v1/chat/completions"),
        ("azure-openai", "gpt-4o", "/v1/chat/completions"),
        ("openai", "gpt-3.5-turbo-instruct", "/v1/completions"),
        ("openai", "gpt-3.5-turbo-instruct-0914", "/v1/completions"),
        ("openai", "babbage-002", "/v1/completions"),
        ("openai", "old", "/v1/completions"),
        ("openai", "nobody-knows-it", "/v1/completions"),
        ("vllm", "gpt-4o", "/v1/completions"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "/v1/completions"),
    ],
)
def test_what_is_known_of_the_model_decides(provider: str, model: str, path: str) -> None:
    gateway = stage(provider, rename=RENAMED) if model in RENAMED else stage(provider)
    found, body = asked(gateway, model)
    assert found == path
    assert body["model"] == RENAMED.get(model, model)
    assert ("messages" in body, "prompt" in body) == (path == "/v1/chat/completions", path == "/v1/completions")


def test_the_reply_is_a_completion() -> None:
    gateway = stage("openai")
    peer, user = warm(next(iter(gateway.world.pools.values()))), gateway.client()
    text = json.dumps({"model": "gpt-4o", **PROMPT}).encode()
    head = b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    user.data_received(head % len(text) + text)
    choice = {"index": 0, "message": {"role": "assistant", "content": " a time"}, "finish_reason": "stop"}
    said = json.dumps({"id": "x", "model": "gpt-4o", "choices": [choice]}).encode()
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    peer.data_received(reply % (len(said), said))
    made = body_of(wire_of(user).take())
    assert (made["object"], made["choices"][0]["text"]) == ("text_completion", " a time")


def test_no_other_body_is_looked_into_for_it() -> None:
    """What models are asked for in chat or embeddings is still nobody's business where one channel takes any."""
    decided = stage("openai").world.table.decided_by_model
    assert decided == {"completions"}
    assert stage("vllm").world.table.decided_by_model == frozenset()
