"""Faults that the second review of the gateway has found, each named after what went wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from fastproxy.errors import UpstreamFailed
from fastproxy.snapshot import Snapshot
from tests.gateway.gateway_stage import SECRET, Gateway, channel, unified, warm
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from fastproxy.wire.outbound import Outbound
    from fastproxy.wire.pool import Pool

BODY = b'{"model":"a","messages":[]}'
CHAT = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b"
) % (len(BODY), BODY)
LOCAL = b"GET /health HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def test_a_request_behind_a_cancelled_model_call_was_begun() -> None:
    """The client shut down its half: the call is cancelled, and what stands behind it must neither run nor answer."""
    for second in (CHAT, LOCAL):
        gateway = unified()
        (outbound,) = gateway.warm_all().values()
        spare = warm(outbound.pool)
        client = gateway.client()
        client.data_received(CHAT)
        client.data_received(second)
        assert client.eof_received() is False
        assert wire_of(client).take() == b""
        assert sum(wire_of(each).take().count(b"POST ") for each in (outbound, spare)) == 1
        assert outbound.pool.active == 0


async def _nobody(pool: Pool) -> Outbound:
    raise UpstreamFailed("refused", retry="if_unsent")


def test_a_lane_pinned_its_client_to_the_second_choice() -> None:
    async def scenario() -> None:
        first, second = channel("openai", "http://127.0.0.1:9/v1"), channel("backup", "http://127.0.0.1:8/v1")
        first = msgspec.structs.replace(first, priority=10)
        gateway = Gateway(Snapshot(SECRET, "stage", {}, channels=(first, second), keys=(), open_to_all=True))
        pools = {origin.authority: pool for origin, pool in gateway.world.pools.items()}
        pools["127.0.0.1:9"]._dial = _nobody
        backup, client = warm(pools["127.0.0.1:8"]), gateway.client()
        for _ in range(40):
            client.data_received(CHAT)
            for _ in range(6):
                await asyncio.sleep(0)
            assert wire_of(backup).take()
            backup.data_received(OK)
        primary = warm(pools["127.0.0.1:9"])
        client.data_received(CHAT)
        assert wire_of(primary).take()

    asyncio.run(scenario())
