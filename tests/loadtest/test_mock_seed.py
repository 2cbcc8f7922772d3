"""Seeds: the same request gets the same bytes, from any process, in every format; another seed gets others."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.loadtest.mock import MockOptions
from tests.loadtest.mock_process import BEARER, KEY, ask, exchange, request, serving

SAY = [{"role": "user", "content": "hi"}]
ANTHROPIC = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
GOOGLE = {"x-goog-api-key": KEY}
CONTENTS: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
Asked = tuple[str, dict[str, Any], dict[str, str]]
REQUESTS: list[Asked] = [
    ("/v1/chat/completions", {"model": "m", "messages": SAY}, BEARER),
    ("/v1/chat/completions", {"model": "m", "messages": SAY, "stream": True}, BEARER),
    ("/v1/responses", {"model": "m", "input": "hi"}, BEARER),
    ("/v1/responses", {"model": "m", "input": "hi", "stream": True}, BEARER),
    ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": SAY}, ANTHROPIC),
    ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": SAY, "stream": True}, ANTHROPIC),
    ("/v1beta/models/m:generateContent", CONTENTS, GOOGLE),
    ("/v1beta/models/m:streamGenerateContent", CONTENTS, GOOGLE),
    ("/v1/images/generations", {"prompt": "hi"}, BEARER),
]
IDS = [f"{path} {'stream' in body}" for path, body, _ in REQUESTS]


def received(port: int, asked: Asked, **wishes: str) -> bytes:
    """The whole reply, head and all."""
    path, body, headers = asked
    wished = {f"x-mock-{name.replace('_', '-')}": value for name, value in wishes.items()}
    return exchange(port, request("POST", path, body, headers | wished, close=True))


@pytest.mark.parametrize("asked", REQUESTS, ids=IDS)
def test_by_header(port: int, asked: Asked) -> None:
    first = received(port, asked, seed="7", thinking="3")
    assert first.startswith(b"HTTP/1.1 200")
    with serving() as elsewhere:
        ask(elsewhere, "GET", "/echo")
        assert received(elsewhere, asked, seed="7", thinking="3") == first
    assert received(port, asked, seed="7", thinking="3", latency="1", chunk_delay="exponential:1") == first
    assert received(port, asked, seed="8", thinking="3") != first
    assert received(port, asked, thinking="3") != received(port, asked, thinking="3")  # ids differ


@pytest.mark.parametrize("asked", REQUESTS[:2], ids=IDS[:2])
def test_by_flag(asked: Asked) -> None:
    found = []
    for _ in range(2):
        with serving(MockOptions(seed=7)) as port:
            found += [received(port, asked) for _ in range(3)]
    assert len(set(found)) == 1
    with serving(MockOptions(seed=9)) as port:
        assert received(port, asked) != found[0]
        assert received(port, asked, seed="7") == found[0]


def test_other_questions_get_other_ids(port: int) -> None:
    path, body, headers = REQUESTS[0]
    one = ask(port, "POST", path, body, headers | {"x-mock-seed": "7"}).json
    two = ask(port, "POST", path, body | {"model": "n"}, headers | {"x-mock-seed": "7"}).json
    assert one["id"] != two["id"]
    assert one["choices"] == two["choices"]


def test_openais_own_seed_decides_the_text_only(port: int) -> None:
    path, body, headers = REQUESTS[0]
    replies = [ask(port, "POST", path, body | {"seed": seed}, headers).json for seed in (1, 1, 2)]
    texts = [reply["choices"][0]["message"]["content"] for reply in replies]
    assert texts[0] == texts[1] != texts[2]
    assert replies[0]["id"] != replies[1]["id"]
    assert [len(text.split()) for text in texts] == [16] * 3


def test_the_flag_makes_chance_happen_again_but_not_always_the_same() -> None:
    found = []
    for _ in range(2):
        with serving(MockOptions(seed=7, chaos=("0-1h errors=0.5",))) as port:
            found.append([received(port, REQUESTS[0])[9:12] for _ in range(20)])
    assert found[0] == found[1]
    assert set(found[0]) == {b"200", b"503"}
