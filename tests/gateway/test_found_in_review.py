"""Faults that a review of the gateway has found, each named after what went wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared import rows
from fastproxy.snapshot import RouteSpec, Snapshot
from tests.gateway.gateway_stage import (
    ORIGIN,
    SECRET,
    Gateway,
    Slow,
    channel,
    fresh,
    json_of,
    key,
    pour,
    reads,
    status_of,
    unified,
)
from tests.wire.fakes import wire_of
from tests.wire.stage import Stage, exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.record import Record
    from fastproxy.wire.inbound import Inbound
    from fastproxy.wire.outbound import Outbound
    from fastproxy.wire.pool import Pool

GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
JSON = b'{"model":"a","messages":[]}'
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\n%b\r\n"
WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
MEGABYTE = 1_000_000


def post(length: int, body: bytes = b"") -> bytes:
    return b"POST /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % length + body


def chat(*lines: bytes) -> bytes:
    return CHAT % b"".join((b"Content-Length: %d\r\n" % len(JSON), *(line + b"\r\n" for line in lines))) + JSON


def slow_client(stage: Stage) -> tuple[Inbound, Slow]:
    """A client whose wire can be told to take nothing."""
    client, wire = stage.client(), Slow()
    wire.protocol, client.transport = client, wire
    return client, wire


def lay_lane(client: Inbound, outbound: Outbound) -> None:
    for _ in range(40):
        exchange(client, outbound, GET, OK)
    assert client.lane is not None


# --- retries --------------------------------------------------------------------------------------------------------


class Redial:
    """An edge stage with one warm connection; new ones are dialled over fake wires."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.client, self.stale = self.stage.client(), self.stage.warm()
        self.dialled: list[Outbound] = []
        self.stage.pool._dial = self._dial

    async def _dial(self, pool: Pool) -> Outbound:
        self.dialled.append(fresh(pool))
        return self.dialled[-1]

    async def lose(self, outbound: Outbound) -> None:
        outbound.eof_received()
        outbound.connection_lost(None)
        for _ in range(5):
            await asyncio.sleep(0)


def test_a_retried_reply_that_streams_loses_its_end() -> None:
    async def scenario() -> None:
        redial = Redial()
        redial.client.data_received(GET)
        await redial.lose(redial.stale)
        (second,) = redial.dialled
        assert wire_of(second).take().startswith(b"GET / HTTP/1.1\r\n")
        second.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        second.data_received(b"3\r\ndef\r\n")
        second.data_received(b"0\r\n\r\n")
        down = wire_of(redial.client).take()
        assert down.endswith(b"\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
        assert down.count(b"HTTP/1.1 ") == 1
        assert redial.stage.world.counts[rows.RETRIES] == 1
        assert (redial.stage.pool.total, redial.stage.pool.active) == (1, 0)
        assert exchange(redial.client, second, GET, OK)[1].endswith(b"ok")

    asyncio.run(scenario())


def test_a_retry_that_fails_as_well_is_not_repeated() -> None:
    async def scenario() -> None:
        redial = Redial()
        redial.client.data_received(GET)
        await redial.lose(redial.stale)
        await redial.lose(redial.dialled[0])
        assert len(redial.dialled) == 1
        assert status_of(wire_of(redial.client).take()) == 502
        assert (redial.stage.pool.total, redial.stage.pool.active) == (0, 0)

    asyncio.run(scenario())


# --- the express lane -----------------------------------------------------------------------------------------------


def test_a_slow_reader_splits_the_lane() -> None:
    """The reply's own write made the transport call pause_writing, and the request became a second exchange."""
    stage = Stage()
    client, wire = slow_client(stage)
    outbound = stage.warm()
    lay_lane(client, outbound)
    wire.take()
    wire.slow = True
    _, down = exchange(client, outbound, GET, OK)
    assert down.endswith(b"ok")
    assert down.count(b"HTTP/1.1 ") == 1
    assert (stage.pool.total, stage.pool.active, wire_of(outbound).reading) == (1, 0, True)
    assert stage.pool.take() is outbound
    assert stage.pool.take() is None
    stage.pool.give_back(outbound)
    wire.takes_all()
    up, down = exchange(client, outbound, GET, OK)
    assert up.startswith(b"GET / ")
    assert down.endswith(b"ok")
    assert stage.world.counts[rows.REQUESTS] == 42


def test_a_lane_is_laid_for_head() -> None:
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    for _ in range(40):
        exchange(client, outbound, b"HEAD" + GET[3:], OK[:-2])
        assert client.lane is None


# --- bytes beyond a pumped body -------------------------------------------------------------------------------------


@pytest.mark.parametrize("beyond", [b"x", OK], ids=["a byte", "a whole reply"])
@pytest.mark.parametrize("bursts", ["one", "two"])
@pytest.mark.parametrize("length", [MEGABYTE, 3 * 65536], ids=["odd", "whole buffers"])
def test_bytes_beyond_a_pumped_reply_answer_the_next_request(beyond: bytes, bursts: str, length: int) -> None:
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    client.data_received(GET)
    wire = wire_of(outbound)
    outbound.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
    assert wire.protocol is not outbound, "or it is not pumped"
    for burst in (b"b" * length + beyond,) if bursts == "one" else (b"b" * length, beyond):
        pour(wire, burst)
    down = wire_of(client).take()
    assert down.partition(b"\r\n\r\n")[2] == b"b" * length
    assert wire.closed
    assert stage.pool.take() is None
    assert stage.pool.active == 0


def test_a_pumped_reply_with_bytes_beyond_it_is_kept_until_they_are_read() -> None:
    """Between the last byte of the body and those beyond it, nobody may take the connection."""
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    client.data_received(GET)
    outbound.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MEGABYTE)
    for _ in reads(wire_of(outbound), b"b" * MEGABYTE + OK):
        assert stage.pool.take() is None
    assert client.exchange is None


@pytest.mark.parametrize("bursts", ["one", "two"])
@pytest.mark.parametrize("length", [MEGABYTE, 3 * 65536], ids=["odd", "whole buffers"])
def test_bytes_beyond_a_pumped_upload_are_lost_or_go_upstream(length: int, bursts: str) -> None:
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    wire, upstream = wire_of(client), wire_of(outbound)
    client.data_received(post(length))
    assert wire.protocol is not client, "or it is not pumped"
    for burst in (b"b" * length + GET,) if bursts == "one" else (b"b" * length, GET):
        pour(wire, burst)
    head, _, body = upstream.take().partition(b"\r\n\r\n")
    assert head.startswith(b"POST /up ")
    assert body == b"b" * length
    outbound.data_received(OK)
    assert wire.take().endswith(b"ok")
    assert upstream.take().startswith(b"GET / ")
    outbound.data_received(OK)
    assert wire.take().endswith(b"ok")
    assert stage.pool.take() is outbound


# --- a client that does not read ------------------------------------------------------------------------------------

LOCAL = b"GET /health HTTP/1.1\r\nHost: a.test\r\n\r\n"


def edge_client() -> tuple[Stage, Inbound, Slow, Callable[[], None]]:
    stage = Stage(write_timeout=20)
    client, wire = slow_client(stage)
    outbound = stage.warm()

    def upstream_answers() -> None:
        while wire_of(outbound).take():
            outbound.data_received(OK)

    return stage, client, wire, upstream_answers


@pytest.mark.parametrize("warmed", [False, True], ids=["cold", "known"])
def test_pipelined_requests_are_served_to_one_who_takes_no_replies(warmed: bool) -> None:
    stage, client, wire, upstream_answers = edge_client()
    for _ in range(40 if warmed else 0):
        client.data_received(GET)
        upstream_answers()
    wire.take()
    wire.slow = True
    for _ in range(20):
        pour(wire, GET * 200)
        upstream_answers()
    assert wire.take().count(b"HTTP/1.1 200 ") == 1
    assert not wire.is_reading()
    assert len(client._buffer) < 200_000
    wire.takes_all()
    upstream_answers()
    assert wire.take().count(b"HTTP/1.1 200 ") == 199
    assert wire.is_reading()
    assert stage.pool.active == 0


def test_local_replies_are_written_without_bound_to_one_who_takes_none() -> None:
    gateway = unified()
    client, wire = slow_client(gateway)
    wire.slow = True
    pour(wire, LOCAL * 300)
    assert wire.take().count(b"HTTP/1.1 200 ") == 1
    wire.takes_all()
    assert wire.take().count(b"HTTP/1.1 200 ") == 299
    assert client.exchange is None


def test_one_who_pipelines_and_takes_nothing_is_never_cut() -> None:
    stage, _, wire, upstream_answers = edge_client()
    wire.slow = True
    pour(wire, GET * 200)
    upstream_answers()
    stage.passes(19)
    assert not wire.aborted
    stage.passes(2)
    assert wire.aborted


# --- what a key may use ---------------------------------------------------------------------------------------------


def ask(gateway: Gateway, request: bytes) -> bytes:
    client = gateway.client()
    gateway.warm_all()
    client.data_received(request)
    for pool in gateway.world.pools.values():
        idle = pool.take()
        assert idle is not None, "or the request has gone upstream"
    return wire_of(client).take()


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/realtime?model=a&model=b", b"/v1/realtime?model=b", b"/v1/realtime", b"/v1/responses",
        b"/v1/responses?model=a",
    ],
)  # fmt: skip
def test_a_websocket_goes_round_the_models_of_its_key(target: bytes) -> None:
    request = b"GET %b HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer mine\r\n%b\r\n" % (target, WEBSOCKET)
    reply = ask(unified(key("mine", "a")), request)
    assert status_of(reply) == 403
    assert json_of(reply)["error"]["message"]


def test_a_websocket_that_names_its_model_once_is_still_let_through() -> None:
    gateway = unified(key("mine", "a"))
    (outbound,) = gateway.warm_all().values()
    request = b"GET /v1/realtime?model=a HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer mine\r\n%b\r\n" % WEBSOCKET
    gateway.client().data_received(request)
    assert wire_of(outbound).take().startswith(b"GET /v1/realtime?model=a ")


@pytest.mark.parametrize(
    ("target", "wire_format"),
    [
        (b"/openai/v1/chat/completions", "openai"), (b"/anthropic/v1/messages", "anthropic"),
        (b"/openai/whatever", "edge"),
    ],
)  # fmt: skip
def test_a_transparent_path_goes_round_the_models_of_its_key(target: bytes, wire_format: str) -> None:
    snapshot = Snapshot(
        SECRET, "stage", {}, channels=(channel("openai"),), keys=(key("mine", "a"),), passthrough="require-key"
    )
    length = b"Content-Length: %d\r\n" % len(JSON)
    request = b"POST %b HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer mine\r\n%b\r\n%b" % (target, length, JSON)
    reply = ask(Gateway(snapshot), request)
    assert status_of(reply) == 403
    if wire_format == "edge":
        return
    told = json_of(reply)
    assert (told.get("type") == "error") == (wire_format == "anthropic")
    assert told["error"]["message"]


def test_two_providers_at_one_address_get_one_credential() -> None:
    names = ("openai", "groq", "mistral")
    snapshot = Snapshot(
        SECRET, "stage", {}, channels=tuple(channel(name, ORIGIN) for name in names), keys=(key("mine"),),
        provider_bases=dict.fromkeys(names, ORIGIN), passthrough="require-key",
    )  # fmt: skip
    gateway = Gateway(snapshot)
    client = gateway.client()
    (outbound,) = gateway.warm_all().values()
    for name in names * 10:
        request = b"GET /%b/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer mine\r\n\r\n" % name.encode()
        up, down = exchange(client, outbound, request, OK)
        assert b"\r\nauthorization: Bearer sk-%b\r\n" % name.encode() in up
        assert b"mine" not in up
        assert down.endswith(b"ok")


# --- faults of ours -------------------------------------------------------------------------------------------------


def broken(*given: object) -> None:
    raise RuntimeError("a fault of ours")


@pytest.mark.parametrize("station", ["identify", "admit", "route", "prepare"])
def test_an_exception_of_ours_leaves_the_client_waiting(station: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = unified()
    (outbound,) = gateway.warm_all().values()
    client, records = gateway.client(), list[object]()
    gateway.world.log = records.append
    with monkeypatch.context() as patched:
        patched.setattr(f"fastproxy.gateway.serve.{station}", broken)
        client.data_received(chat())
    reply = wire_of(client).take()
    assert status_of(reply) == 500
    assert "fault" not in json_of(reply)["error"]["message"]
    assert (gateway.world.counts[rows.REQUESTS], len(records)) == (1, 1)
    assert exchange(client, outbound, chat(), OK)[1].endswith(b"ok")
    assert gateway.world.counts[rows.REQUESTS] == 2


def test_an_exception_in_the_middle_of_a_reply_leaves_the_client_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = unified()
    ((_, pool),) = gateway.world.pools.items()
    (outbound,) = gateway.warm_all().values()
    client = gateway.client()
    monkeypatch.setattr("fastproxy.gateway.relay.watch_reply", broken)
    client.data_received(chat())
    outbound.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert wire_of(client).closed
    assert gateway.world.counts[rows.REQUESTS] == 1
    assert pool.active == 0
    assert pool.take() is None


def test_a_log_that_fails_keeps_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(record: Record) -> None:
        raise RuntimeError("a fault of ours")

    gateway = unified()
    ((_, pool),) = gateway.world.pools.items()
    (outbound,) = gateway.warm_all().values()
    client = gateway.client()
    gateway.world.log = fails
    client.data_received(chat())
    with pytest.raises(RuntimeError):
        outbound.data_received(OK)
    gateway.world.log = None
    assert client.exchange is None
    assert pool.active == 0
    assert exchange(client, outbound, chat(), OK)[1].endswith(b"ok")


# --- paths and loops ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", [JSON, JSON[:5]], ids=["whole", "part of the body"])
def test_a_loop_through_the_unified_entry_is_endless(rest: bytes) -> None:
    gateway = unified()
    request = chat(b"Via: 1.1 other, 1.1 stage")
    reply = ask(gateway, request[: -len(JSON)] + rest)
    assert status_of(reply) == 508
    assert json_of(reply)["error"]["message"]


ROUTES = {
    "add_prefix": RouteSpec(upstream=(ORIGIN,), add_prefix="/api"),
    "upstream": RouteSpec(upstream=(ORIGIN + "/api",)),
}


@pytest.mark.parametrize("path", [b"/../x", b"/a/../../x", b"/%2e%2e/x", b"/..%2fx", b"/.."])
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("warmed", [False, True], ids=["cold", "known"])
def test_a_path_steps_out_of_the_prefix_that_it_is_given(path: bytes, route: str, warmed: bool) -> None:
    gateway = Gateway(Snapshot(SECRET, "stage", {}, routes=(ROUTES[route],)))
    client = gateway.client()
    (outbound,) = gateway.warm_all().values()
    for _ in range(40 if warmed else 0):
        assert exchange(client, outbound, GET, OK)[0].startswith(b"GET /api/ ")
    client.data_received(GET.replace(b" / ", b" " + path + b" "))
    assert wire_of(outbound).take() == b""
    assert status_of(wire_of(client).take()) == 400


# --- what is held ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [5000, MEGABYTE], ids=["small", "pumped"])
def test_an_early_413_while_nothing_is_taken_keeps_the_connection_for_ever(length: int) -> None:
    stage = Stage()
    client, slow = stage.client(), Slow()
    outbound = stage.warm(slow)
    slow.slow = True
    client.data_received(post(length, b"abc"))
    assert slow.unsent
    outbound.data_received(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
    assert status_of(wire_of(client).take()) == 413
    assert slow.aborted, "close() would wait until everything is taken"
    outbound.connection_lost(None)
    assert (stage.pool.total, stage.pool.active) == (0, 0)
    assert stage.pool.take() is None


def chunk(size: int) -> bytes:
    return b"%x\r\n%b\r\n" % (size, b" " * size)


@pytest.mark.parametrize("first", [0, 100, 2000])
@pytest.mark.parametrize("ends", [False, True])
def test_chunked_bodies_are_held_without_bound(first: int, ends: bool) -> None:
    gateway = unified(max_buffer=1000)
    gateway.warm_all()
    client = gateway.client()
    client.data_received(CHAT % b"Transfer-Encoding: chunked\r\n" + (chunk(first) if first else b""))
    if not first or first < 1000:
        client.data_received(chunk(2000) + (b"0\r\n\r\n" if ends else b""))
    reply = wire_of(client).take()
    assert reply.count(b"HTTP/1.1 ") == 1
    assert status_of(reply) == 503
    assert b"\r\nretry-after: 1\r\n" in reply
    assert gateway.world.buffered_bytes == 0


def test_many_small_chunked_bodies_are_held_without_bound() -> None:
    gateway = unified(max_buffer=1000)
    gateway.warm_all()
    clients = [gateway.client() for _ in range(5)]
    for client in clients:
        client.data_received(CHAT % b"Transfer-Encoding: chunked\r\n" + chunk(100))
        client.data_received(chunk(200))
    replies = [wire_of(client).take() for client in clients]
    assert [status_of(reply) if reply else 0 for reply in replies] == [0, 0, 0, 503, 503]
    assert gateway.world.buffered_bytes == 900
    for client in clients:
        client.connection_lost(None)
    assert gateway.world.buffered_bytes == 0
