"""Tokens that no upstream counts, in a running gateway: counted where asked for, estimated where spent."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest

from tests.live.running import Gateway, Mock, MockOptions, mocking, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
CLIENT: Final = "fp-client-key-0123456789"
BEARER: Final = {"authorization": f"Bearer {CLIENT}", "content-type": "application/json"}
GREAT: Final = {"model": "gpt-4o", "max_tokens": 99, "messages": [{"role": "user", "content": "tiktoken is great!"}]}
COUNT: Final = "/v1/messages/count_tokens"
ESTIMATED: Final = "fastproxy_usage_estimated_total"
# chat completions are relayed as bytes, messages are translated
WAYS: Final = pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["bytes", "events"])


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with mocking() as mock:
        yield mock


@pytest.fixture(scope="module")
def slow_mock() -> Iterator[Mock]:
    with mocking(MockOptions(tokens=500, chunk_delay_ms=20.0)) as mock:
        yield mock


def config(mock: Mock, **more: Any) -> dict[str, Any]:
    channel = {"name": "c", "provider": "openai", "keys": ["sk-up-0123456789"], "base_url": f"{mock.url}/v1",
               "format": "openai-chat"}  # fmt: skip
    return {"channels": [channel], "keys": [{"name": "client", "key": CLIENT}], "access_log": "json", **more}


def records(gateway: Gateway) -> list[dict[str, Any]]:
    lines = [line for line in gateway.printed().splitlines() if line.startswith('{"request_id"')]
    return [record for line in lines if (record := json.loads(line))["operation"]]


def memory(gateway: Gateway) -> int:
    """MiB that the one worker has to itself."""
    (pid,) = gateway.workers().values()
    return int(psutil.Process(pid).memory_full_info().uss) >> 20


# tokens that are counted, and the MiB by which the worker grows
MODES = {"lazy": (13, range(40, 120)), "preload": (13, range(12)), "off": (12, range(8))}


@pytest.mark.parametrize("mode", MODES)
def test_the_tokenizer_is_loaded_when_and_where_the_setting_says(mock: Mock, tmp_path: Path, mode: str) -> None:
    tokens, growth = MODES[mode]
    with Gateway(tmp_path, "--tokenizer", mode, config=config(mock)) as gateway:
        before = memory(gateway)
        for _ in range(3):
            reply = gateway.ask("POST", COUNT, GREAT, BEARER)
            assert (reply.json, reply.headers["x-fastproxy-estimated"]) == ({"input_tokens": tokens}, ["1"])
        assert memory(gateway) - before in growth


@WAYS
def test_a_stream_that_was_not_asked_for_its_counts(mock: Mock, tmp_path: Path, path: str) -> None:
    with Gateway(tmp_path, config=config(mock)) as gateway:
        reply = gateway.ask("POST", path, GREAT | {"stream": True}, BEARER)
        assert reply.status == 200
        (record,) = until(lambda: records(gateway))
        gateway.settle()
        is_told = path != "/v1/chat/completions"  # a translation asks for the counts by itself
        assert record["estimated"] is not is_told
        assert record["input_tokens"] > 0
        assert record["output_tokens"] > 0
        assert gateway.metrics()[ESTIMATED] == (0 if is_told else 1)
        counted = gateway.tokens()
        for kind in ("input", "output"):
            assert counted["openai-chat", kind] == record[f"{kind}_tokens"]


@WAYS
def test_a_client_that_leaves_in_the_middle_pays_for_what_it_got(slow_mock: Mock, tmp_path: Path, path: str) -> None:
    with Gateway(tmp_path, config=config(slow_mock)) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port)
        connection.request("POST", path, json.dumps(GREAT | {"stream": True}), BEARER)
        reply = connection.getresponse()
        reply.read(3000)
        reply.close()
        connection.close()
        (record,) = until(lambda: records(gateway))
        assert (record["error_kind"], record["estimated"]) == ("client_closed", True)
        assert record["input_tokens"] > 0
        assert 1 <= record["output_tokens"] < 400
        gateway.settle()
        assert gateway.metrics()[ESTIMATED] == 1
