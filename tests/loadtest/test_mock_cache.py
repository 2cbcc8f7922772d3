"""The prompt cache: whole blocks of a shared prefix, per key and model, for a while, and not without end."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.loadtest.mock import MockOptions
from fastproxy.loadtest.mock_cache import PrefixCache
from tests.loadtest.mock_process import BEARER, KEY, ask, serving

BLOCK = 4  # tokens, so 16 characters
A, B, C = "a" * 16, "b" * 16, "c" * 16
# what was asked before, what is asked now, (read, written) tokens
CASES: list[tuple[list[list[str]], list[str], tuple[int, int]]] = [
    ([], [A], (0, 4)),
    ([[A]], [A], (4, 0)),
    ([[A + B]], [A + C], (4, 4)),
    ([[A + B]], [C + B], (0, 8)),  # what stands before decides
    ([[A + B]], [A + "b" * 15], (4, 0)),  # half a block is none
    ([[A], [A + B]], [A + B + C], (8, 4)),
    ([["a" * 8, "a" * 7]], ["a" * 16], (0, 4)),  # texts are kept apart
    ([[A + B]], ["short"], (0, 0)),
]


@pytest.mark.parametrize(("before", "now", "expected"), CASES)
def test_prefixes(before: list[list[str]], now: list[str], expected: tuple[int, int]) -> None:
    cache = PrefixCache(BLOCK)
    for texts in before:
        cache.look("k", texts, 0.0)
    assert cache.look("k", now, 1.0) == expected
    assert cache.look("another", now, 1.0)[0] == 0


def test_blocks_die_when_nobody_asks_and_live_when_somebody_does() -> None:
    cache = PrefixCache(BLOCK)
    assert [cache.look("k", [A], at)[0] for at in (0.0, 299.0, 598.0, 899.0)] == [0, 4, 4, 0]


def test_memory_is_bounded() -> None:
    cache = PrefixCache(BLOCK, most=10)
    for number in range(100):
        cache.look(str(number), [A + B], 0.0)
    assert len(cache) == 10
    cache.look("long", ["x" * 100_000], 0.0)
    assert len(cache) == 10
    assert PrefixCache(0).active is False


def test_growing_conversations_report_what_was_cached() -> None:
    turns: list[dict[str, Any]] = [{"role": "user", "content": "word " * 200}]
    with serving(MockOptions(prefix_cache=16)) as port:
        seen = []
        for _ in range(3):
            body = {"model": "gpt-5", "messages": turns}
            reply = ask(port, "POST", "/v1/chat/completions", body, BEARER).json
            usage = reply["usage"]
            seen.append((usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]))
            turns += [reply["choices"][0]["message"], {"role": "user", "content": "more " * 100}]
        other = ask(port, "POST", "/v1/chat/completions", body, {"authorization": "Bearer other"}).json
        messages = {"model": "c", "max_tokens": 9, "messages": turns[:1]}
        headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
        first, second = (ask(port, "POST", "/v1/messages", messages, headers).json["usage"] for _ in range(2))
    assert seen[0] == (250, 0)
    assert seen[1][1] == 240  # 15 whole blocks
    assert seen[2][1] > 380
    assert all(cached % 16 == 0 for _, cached in seen)
    assert other["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert (first["input_tokens"], first["cache_creation_input_tokens"], first["cache_read_input_tokens"]) == (
        10,
        240,
        0,
    )
    assert (second["input_tokens"], second["cache_creation_input_tokens"], second["cache_read_input_tokens"]) == (
        10,
        0,
        240,
    )
