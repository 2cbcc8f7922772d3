"""Limits per key: token buckets by a fake clock, and what each vendor's clients get to see."""

from __future__ import annotations

import datetime
import re
import time
from typing import Any

import anthropic
import openai
import pytest

from fastproxy.loadtest.mock import MockOptions
from fastproxy.loadtest.mock_limits import Limit, Limits, duration, instant, read_limit
from tests.live import sdk_calls
from tests.loadtest.mock_process import BEARER, KEY, ask, serving

CHAT: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
MESSAGES: dict[str, Any] = {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": CHAT["messages"]}
CONTENTS: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def taken(limits: Limits, at: float, tokens: int = 1, key: str = "k") -> float:
    verdict = limits.take(key, tokens, at)
    assert verdict
    return verdict.wait


def test_requests_per_minute() -> None:
    limits = Limits(MockOptions(requests_per_minute=3))
    assert [taken(limits, 0.0) for _ in range(4)] == [0, 0, 0, 20]
    assert taken(limits, 19.0) == pytest.approx(1.0)
    assert [taken(limits, 20.0), taken(limits, 20.0)] == [0, 20]
    assert taken(limits, 20.0, key="another") == 0
    assert [taken(limits, 9999.0) for _ in range(4)] == [0, 0, 0, 20]  # never more than a minute's worth


def test_tokens_per_minute() -> None:
    limits = Limits(MockOptions(tokens_per_minute=60))
    assert [taken(limits, 0.0, 40), taken(limits, 0.0, 40)] == [0, 20]
    assert taken(limits, 20.0, 40) == 0
    assert taken(limits, 80.0, 1000) == 0  # more than the bucket holds: a full one is enough, and is in debt after that
    assert taken(limits, 80.0, 1) == pytest.approx(941.0)


def test_limits_of_one_key_and_shares_of_processes() -> None:
    limits = Limits(MockOptions(limits=("vip=100/0", "poor=2/0"), processes=2))
    assert [taken(limits, 0.0, key="poor") for _ in range(2)] == [0, 60]
    assert [taken(limits, 0.0, key="vip") for _ in range(51)][-2:] == [0, pytest.approx(1.2)]
    assert limits.take("anyone", 1, 0.0) is None
    assert not Limits(MockOptions()).active


def test_memory_is_bounded() -> None:
    limits = Limits(MockOptions(requests_per_minute=1))
    for number in range(10_001):
        assert taken(limits, 0.0, key=f"k{number}") == 0
    assert taken(limits, 0.0, key="k10000") == 60
    assert taken(limits, 0.0, key="k0") == 0  # forgotten


@pytest.mark.parametrize("text", ["", "k", "k=", "k=1", "=1/2", "k=a/2", "k=1/-2"])
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match="expected KEY=REQUESTS/TOKENS"):
        read_limit(text)


def test_a_key_may_hold_anything() -> None:
    assert read_limit("a=b=10/20") == ("a=b", Limit(10, 20))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.0061, "7ms"), (1, "1s"), (1.25, "1.25s"), (59.9, "59.9s"), (60, "1m0s"), (3630, "1h0m30s")],
)
def test_openai_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_anthropic_instants() -> None:
    assert instant(1_750_000_000.5) == "2025-06-15T15:06:41Z"


def test_openai_clients_see_their_limits() -> None:
    with serving(MockOptions(requests_per_minute=2, tokens_per_minute=1000)) as port:
        first = ask(port, "POST", "/v1/chat/completions", CHAT, BEARER)
        assert first.one("x-ratelimit-limit-requests") == "2"
        assert first.one("x-ratelimit-remaining-requests") == "1"
        assert first.one("x-ratelimit-limit-tokens") == "1000"
        assert first.one("x-ratelimit-remaining-tokens") == "979"  # a prompt of 1 and a reply of 16 + 4
        assert re.fullmatch(r"(\d+ms|[\d.]+s)", first.one("x-ratelimit-reset-requests"))
        ask(port, "POST", "/v1/chat/completions", CHAT, BEARER)
        with pytest.raises(openai.RateLimitError) as limited:
            sdk_calls.openai_chat(f"http://127.0.0.1:{port}", KEY)
        assert limited.value.code == "rate_limit_exceeded"
        assert 1 <= int(limited.value.response.headers["retry-after"]) <= 30
        assert limited.value.response.headers["x-ratelimit-remaining-requests"] == "0"
        assert ask(port, "POST", "/v1/chat/completions", CHAT, {"authorization": "Bearer other"}).status == 200
        books = ask(port, "GET", "/_books").json["total"]
    assert (books["requests"], books["errors"]) == (3, 1)


def test_anthropic_clients_see_their_limits() -> None:
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    with serving(MockOptions(requests_per_minute=1, tokens_per_minute=500)) as port:
        reply = ask(port, "POST", "/v1/messages", MESSAGES, headers)
        names = [f"anthropic-ratelimit-{kind}-{what}" for kind in ("requests", "tokens", "input-tokens") for what in
                 ("limit", "remaining", "reset")]  # fmt: skip
        assert all(len(reply.headers[name]) == 1 for name in names)
        reset = datetime.datetime.fromisoformat(reply.one("anthropic-ratelimit-requests-reset"))
        assert 55 < reset.timestamp() - time.time() < 65
        with pytest.raises(anthropic.RateLimitError, match="rate_limit_error") as limited:
            sdk_calls.anthropic_messages(f"http://127.0.0.1:{port}", KEY)
        assert 50 <= int(limited.value.response.headers["retry-after"]) <= 61


def test_google_tells_the_delay_in_the_body() -> None:
    with serving(MockOptions(requests_per_minute=1)) as port:
        path = "/v1beta/models/m:generateContent"
        first, second = (ask(port, "POST", path, CONTENTS, {"x-goog-api-key": KEY}) for _ in range(2))
    assert first.status == 200
    assert not [name for name in first.headers if "ratelimit" in name]
    (info,) = second.json["error"]["details"]
    assert info["@type"].endswith("google.rpc.RetryInfo")
    assert re.fullmatch(r"\d+s", info["retryDelay"])
