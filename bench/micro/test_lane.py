"""A whole small exchange without sockets: on the express lane, and off it. Run with `make bench-micro`."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import pytest

from bench import traffic
from tests.gateway.gateway_stage import key
from tests.gateway.translating_stage import Translating
from tests.wire.stage import Stage, exchange

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

FIELDS = "".join(f"{name}: {value}\r\n" for name, value in traffic.client_fields(traffic.SHORT_BYTES))
REQUEST = f"POST {traffic.PATH} HTTP/1.1\r\n{FIELDS}\r\n".encode() + b"x" * traffic.SHORT_BYTES


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "ordinary"])
def test_a_warm_edge_exchange(benchmark: BenchmarkFixture, lane: bool) -> None:
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    if not lane:
        stage.world.lay = lambda exchange: None
    for _ in range(40):
        exchange(client, outbound, REQUEST, traffic.REPLY)
    assert (client.lane is not None) is lane

    def once() -> None:
        client.data_received(REQUEST)
        outbound.data_received(traffic.REPLY)

    benchmark(once)


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "ordinary"])
def test_a_warm_translated_exchange(benchmark: BenchmarkFixture, lane: bool) -> None:
    stage = Translating("openai-chat", key("bench"), models=("gpt-5",))
    if not lane:
        stage.world.lay = lambda exchange: None
    body = traffic.message_body()
    lines = "".join(f"{name}: {value}\r\n" for name, value in traffic.client_fields(len(body)))
    lines = lines.replace(traffic.CLIENT_KEY, "bench")
    heads = [f"POST {traffic.MESSAGES_PATH} HTTP/1.1\r\ntraceparent: {number}\r\n{lines}\r\n" for number in range(2)]
    requests = cycle([head.encode() + body for head in heads])

    def once() -> None:
        stage.user.data_received(next(requests))
        stage.peer.data_received(traffic.REPLY)

    for _ in range(40):
        once()
        assert stage.got().startswith(b"HTTP/1.1 200 ")
    assert (stage.user.lane is not None) is lane
    benchmark(once)
