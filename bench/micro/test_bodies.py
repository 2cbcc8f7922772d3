"""Reading what routing needs from a request body, and the usage from a reply: against parsing the whole.

`spaced` is the same request as Python's json.dumps writes it by default; the official SDKs send it without spaces.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from bench import traffic
from fastproxy.formats.peek import Peek, peek, rename
from fastproxy.formats.same_model import SameModel
from fastproxy.formats.usage import StreamUsage, read_json

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

BODIES = traffic.bodies()
each_body = pytest.mark.parametrize("name", BODIES)
EVENT = traffic.event(1).split(b"\r\n", 1)[1][:-2]


@each_body
def test_peek(benchmark: BenchmarkFixture, name: str) -> None:
    def read() -> Peek:
        return peek(BODIES[name])

    assert benchmark(read).model == "gpt-5"


@each_body
def test_see_the_same_model_again(benchmark: BenchmarkFixture, name: str) -> None:
    """The way of a repeating client: 3 us for 40 KB, whatever it holds."""
    model, request = SameModel("gpt-5"), b"x" * 400 + BODIES[name]
    assert model.asked_by(request, 400)

    def read() -> bool:
        return model.asked_by(request, 400)

    assert benchmark(read)


@each_body
def test_rename(benchmark: BenchmarkFixture, name: str) -> None:
    def write() -> bytes:
        return rename(BODIES[name], "gpt-5-2026-08-07")

    assert json.loads(benchmark(write))["model"] == "gpt-5-2026-08-07"


@each_body
def test_rejected_parse_everything(benchmark: BenchmarkFixture, name: str) -> None:
    def read() -> dict[str, Any]:
        parsed: dict[str, Any] = orjson.loads(BODIES[name])
        return parsed

    assert benchmark(read)["model"] == "gpt-5"


def test_usage_of_a_reply(benchmark: BenchmarkFixture) -> None:
    usage = benchmark(read_json, "openai-chat", traffic.REPLY_BODY)
    assert usage is not None
    assert usage.output == 64


def test_usage_per_event_of_a_stream(benchmark: BenchmarkFixture) -> None:
    benchmark(StreamUsage("openai-chat").feed, EVENT)
