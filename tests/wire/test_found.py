"""Faults that reading and fuzzing the wire has found, each in its smallest form and named after what goes wrong."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.errors import UpstreamFailed
from fastproxy.wire.inbound import LINGER_S
from fastproxy.wire.limits import WireLimits
from fastproxy.wire.outbound import Outbound, Phase
from fastproxy.wire.reply_head import parse_reply
from fastproxy.wire.request_head import HeadLimits, parse_request
from tests.wire.fakes import Ask, Client, Data, Upstream, Wire, wire_of
from tests.wire.stage import Stage, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastproxy.wire.pool import Pool

GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def post(length: int, body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % length + body


def within_a_loop(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


# --- replies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 4, 9])
def test_body_bytes_that_come_with_the_head_are_counted_once(cut: int) -> None:
    ask = Ask().feed(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + b"0123456789"[:cut], b"0123456789"[cut:])
    assert (ask.waiting.body, ask.waiting.ended, ask.outbound.phase) == (b"0123456789", 1, Phase.IDLE)


def test_a_counted_reply_that_breaks_off_after_half_is_not_whole() -> None:
    ask = Ask().feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell")
    ask.outbound.connection_lost(None)
    assert (ask.waiting.ended, [error.kind for error in ask.waiting.failures]) == (0, ["upstream_truncated"])


def test_a_reply_of_http_1_0_has_no_transfer_coding() -> None:
    """RFC 9112 6.1: the framing of such a message is faulty."""
    with pytest.raises(UpstreamFailed):
        parse_reply(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n", False)


def test_the_total_timeout_holds_before_the_first_byte_too() -> None:
    ask = Ask(limits=WireLimits(first_byte_timeout=60, total_timeout=10))
    ask.upstream.passes(11)
    assert [error.status for error in ask.waiting.failures] == [504]


def test_the_lane_never_relays_a_body_to_head() -> None:
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    reply = b"HTTP/1.1 200 OK\r\nServer: o\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\n"
    for _ in range(40):
        exchange(client, outbound, GET, reply + b"hello")
    for _ in range(40):
        exchange(client, outbound, b"HEAD" + GET[3:], reply)
    _, down = exchange(client, outbound, b"HEAD" + GET[3:], reply + b"hello")
    assert down.endswith(b"\r\n\r\n")
    assert stage.pool.take() is None, "bytes beyond a reply poison its connection"


# --- uploads --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1000, 1_000_000], ids=["small", "pumped"])
def test_a_connection_with_half_a_request_on_it_is_never_kept(length: int) -> None:
    """The next client's request would be the rest of this one's body."""
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    client.data_received(post(length, b"abc"))
    outbound.data_received(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
    assert stage.pool.take() is None
    assert wire_of(outbound).closed


def test_an_early_reply_stops_the_pump() -> None:
    """What the client still sends must not go to whoever uses the upstream connection next."""
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    client.data_received(post(1_000_000, b"abc"))
    outbound.data_received(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
    assert wire_of(client).protocol is client


class Slow(Wire):
    """An upstream that takes the first bytes and then nothing."""

    def write(self, data: Data) -> None:
        super().write(data)
        self.unsent = len(data)
        self.protocol.pause_writing()


@pytest.mark.parametrize("length", [5000, 1_000_000], ids=["small", "pumped"])
def test_a_slow_upstream_stops_the_upload_from_its_first_write_on(length: int) -> None:
    stage = Stage()
    client = stage.client()
    stage.warm(Slow())
    client.data_received(post(length, b"abc"))
    assert not wire_of(client).reading


def test_an_upload_waits_while_its_connection_is_being_opened() -> None:
    async def never(pool: Pool) -> Outbound:
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario() -> None:
        stage = Stage()
        client = stage.client()
        stage.pool._dial = never
        client.data_received(post(10_000_000, b""))
        await asyncio.sleep(0)
        fed = 0
        while fed < 5_000_000 and wire_of(client).reading:
            client.data_received(b"x" * 65536)
            fed += 65536
        client.connection_lost(None)
        assert fed <= 4 * 65536

    within_a_loop(scenario)


def test_reading_goes_on_after_a_reply_that_overtook_its_upload() -> None:
    """The upstream was slow to take the body, but answered: nobody resumes the client's reads."""
    stage = Stage()
    client = stage.client()
    outbound = stage.warm(Slow())
    client.data_received(post(3, b"abc"))
    outbound.data_received(OK)
    assert wire_of(client).take().endswith(b"ok")
    assert wire_of(client).reading


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_chunked_body_is_bounded_in_its_first_read_too(pieces: int) -> None:
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n"
    client = Client(limits=WireLimits(max_body=10))
    client.feed(raw) if pieces == 1 else client.feed(raw[:60], raw[60:])
    failed = [error.status for exchange in client.taken for error in exchange.failures]
    assert client.statuses + failed == [413]


# --- heads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"Host: a.test ", "host"), (b"Host: a.test\r\nContent-Length: 5 ", "length"),
        (b"Host: a.test\r\nX: y ", "x"),
    ],
)  # fmt: skip
def test_whitespace_behind_a_value_is_no_part_of_it(line: bytes, field: str) -> None:
    """RFC 9110 5.5; the recogniser strips it, so a credential would be good on the warm path only."""
    head = parse_request(b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n", HeadLimits())
    if field == "x":
        assert head.get(b"x") == b"y"
    assert head.host == b"a.test"


def test_an_unknown_method_has_one_status_however_it_comes() -> None:
    raw = b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert Client().feed(raw).statuses == Client().bytewise(raw).statuses == [501]


@pytest.mark.parametrize("lead", [b"\r\n", b"\r\n\r\n"])
def test_an_empty_line_that_came_with_the_first_letters_had_them_read_as_another_method(lead: bytes) -> None:
    raw = lead + GET
    for first, second in itertools.combinations(range(1, len(raw)), 2):
        client = Client(OK).feed(raw[:first], raw[first:second], raw[second:])
        assert [exchange.head.method for exchange in client.taken] == [b"GET"], (first, second)


def test_a_known_shape_has_a_greatest_size_too() -> None:
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    request = b"GET / HTTP/1.1\r\nHost: a.test\r\nX: %b\r\n\r\n"
    for _ in range(40):
        exchange(client, outbound, request % b"y", OK)
    client.data_received(request % (b"y" * 70_000))
    assert wire_of(client).take().startswith(b"HTTP/1.1 431 ")


def test_max_forwards_counts_down_on_the_warm_path_too() -> None:
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    for _ in range(40):
        up, _ = exchange(client, outbound, b"OPTIONS / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 5\r\n\r\n", OK)
        assert b"\r\nMax-Forwards: 4\r\n" in up


def test_a_reload_keeps_the_warm_path_warm() -> None:
    """Recognisers are kept by the names they drop, but used only by the very table that they were made for."""
    stage = Stage()
    request = b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Reload: y\r\n\r\n"
    for _ in range(2):
        client, outbound = stage.client(), stage.warm()
        for _ in range(40):
            exchange(client, outbound, request, OK)
        client.data_received(request)
        attempt = stage.world.table.routes[0].attempts
        assert attempt is not None
        assert client.reading is not None
        assert client.reading.drop is attempt[0].drop
        stage.world.install(stage.snapshot)


# --- a client's time ------------------------------------------------------------------------------------------------

LIMITS = WireLimits(body_idle_timeout=30, idle_timeout=75, write_timeout=20)


def test_an_idle_client_goes_even_if_it_took_its_reply_slowly() -> None:
    client = Client(limits=LIMITS).feed(GET)
    client.inbound.pause_writing()
    client.application.answer(client.inbound)
    client.inbound.resume_writing()
    client.passes(76)
    assert client.wire.closed


def test_a_slow_body_has_its_timeout_even_if_the_reply_is_slow_as_well() -> None:
    client = Client(limits=LIMITS).feed(post(10, b"abc"))
    client.inbound.pause_writing()
    client.inbound.resume_writing()
    client.passes(31)
    assert [error.status for error in client.taken[0].failures] == [408]


def test_lingering_ends_even_if_the_reply_is_taken_slowly() -> None:
    client = Client(limits=LIMITS).feed(post(10, b"abc"))
    client.inbound.pause_writing()
    client.application.answer(client.inbound)
    client.inbound.resume_writing()
    client.passes(LINGER_S + 0.1)
    assert client.wire.closed


@pytest.mark.parametrize("kept", [False, True], ids=["last request", "idle"])
def test_a_closing_connection_whose_client_takes_nothing_is_cut(kept: bool) -> None:
    """close() waits for the last bytes to be taken; a small reply never reaches the write buffer's limit."""
    client = Client(b"HTTP/1.1 200 OK\r\n\r\n", LIMITS)
    client.wire.unsent = 5000
    client.feed(GET if kept else GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    for _ in range(10):
        client.passes(100)
    assert client.wire.aborted


# --- the pool -------------------------------------------------------------------------------------------------------


def test_a_connection_given_to_one_who_leaves_is_not_lost() -> None:
    async def scenario() -> None:
        upstream = Upstream(WireLimits(pool_max_connections=1))
        pool = upstream.pool
        connection = await pool.open()
        connection.reusable = True
        waiting = asyncio.get_running_loop().create_task(pool.open())
        await asyncio.sleep(0)
        pool.give_back(connection)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert pool.active == 0
        assert pool.take() is connection

    within_a_loop(scenario)


def test_room_given_to_one_who_leaves_goes_to_the_next() -> None:
    async def scenario() -> None:
        upstream = Upstream(WireLimits(pool_max_connections=1, pool_wait_timeout=0.05))
        pool = upstream.pool
        connection = await pool.open()
        loop = asyncio.get_running_loop()
        leaves, stays = loop.create_task(pool.open()), loop.create_task(pool.open())
        await asyncio.sleep(0)
        connection.close()
        connection.connection_lost(None)
        leaves.cancel()
        assert await stays is upstream.dialled[-1]

    within_a_loop(scenario)


def test_there_are_never_more_connections_than_allowed() -> None:
    async def scenario() -> None:
        upstream = Upstream(WireLimits(pool_max_connections=1, pool_wait_timeout=0.05))
        pool = upstream.pool
        connection = await pool.open()
        loop = asyncio.get_running_loop()
        first = loop.create_task(pool.open())
        await asyncio.sleep(0)
        late = loop.create_task(pool.open())
        connection.connection_lost(None)
        await asyncio.gather(first, late, return_exceptions=True)
        assert pool.total == 1

    within_a_loop(scenario)


def test_a_connection_opened_for_one_who_has_left_is_not_lost() -> None:
    async def scenario() -> None:
        stage = Stage()
        client = stage.client()
        made: list[Outbound] = []

        async def dial(pool: Pool) -> Outbound:
            outbound = Outbound(pool)
            outbound.connection_made(Wire())
            made.append(outbound)
            return outbound

        stage.pool._dial = dial
        client.data_received(GET)
        (task,) = stage.tasks
        task.add_done_callback(lambda _: None)
        # The dial is done, and the client leaves before the journey has heard of it.
        asyncio.get_running_loop().call_soon(client.connection_lost, None)
        for _ in range(5):
            await asyncio.sleep(0)
        assert made
        assert stage.pool.active == 0

    within_a_loop(scenario)
