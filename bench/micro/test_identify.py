"""Who asks, on the ordinary path: a known key, and one that nobody knows. Run with `make bench-micro`."""

from __future__ import annotations

import os
from itertools import cycle
from typing import TYPE_CHECKING

from bench import traffic
from fastproxy.errors import Denied
from fastproxy.gateway.exchange import Exchange
from fastproxy.gateway.identify import identify
from fastproxy.gateway.table import UNIFIED
from fastproxy.wire.request_head import HeadLimits, parse_request
from tests.gateway.gateway_stage import key, unified

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

FIELDS = "".join(f"{name}: {value}\r\n" for name, value in traffic.client_fields(traffic.SHORT_BYTES))


def asked_with(credential: str) -> Exchange:
    gateway = unified(key("bench"))
    fields = FIELDS.replace(traffic.CLIENT_KEY, credential)
    head = parse_request(f"POST {traffic.PATH} HTTP/1.1\r\n{fields}\r\n".encode(), HeadLimits())
    return Exchange(gateway.world, gateway.client(), head, b"", UNIFIED)


def test_identify_a_known_key(benchmark: BenchmarkFixture) -> None:
    exchange = asked_with("bench")
    benchmark(identify, exchange)
    assert exchange.key is not None


def test_identify_an_unknown_key(benchmark: BenchmarkFixture) -> None:
    strangers = cycle([asked_with(os.urandom(16).hex()) for _ in range(100)])

    def refused() -> None:
        try:
            identify(next(strangers))
        except Denied:
            return
        raise AssertionError("a key that nobody knows was taken for a known one")

    benchmark(refused)
