"""A whole small exchange without sockets: on the express lane, and off it. Run with `make bench-micro`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import traffic
from bench.micro.talk import KEY, warmed
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
    stage = Translating("openai-chat", key(KEY), models=("gpt-5",))
    if not lane:
        stage.world.lay = lambda exchange: None
    once = warmed(stage, traffic.MESSAGES_PATH)
    assert (stage.user.lane is not None) is lane
    benchmark(once)
