"""Large requests that leave from the buffer they were read into: the same bytes as without, whoever is slow or leaves.

A `Conversation` is a client on a stage and its upstream, after enough large requests that LargeReads has its reads.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import hashlib
import random
import socket
from typing import TYPE_CHECKING, Any, Final

import pytest

from fastproxy.record import Record
from fastproxy.shared import rows
from fastproxy.wire.basin import LARGE_BYTES, READ_BYTES, ROOM_BYTES, Basin, LargeReads
from fastproxy.wire.inbound import Inbound
from fastproxy.wire.outbound import Outbound
from tests.gateway.gateway_stage import Gateway, fresh, key, pour, reads, status_of, unified, warm
from tests.wire.fakes import Data, Wire, wire_of
from tests.wire.live_loop import run, until
from tests.wire.stage import Stage
from tests.wire.test_found_live import Origin, gateway_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.wire.pool import Pool
    from tests.wire.test_found_live import Gateway as LiveGateway

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nok"
RECEIVED_BYTES: Final = 65_536  # that an upstream's kernel takes while the upstream reads nothing
ROUNDS: Final = 40  # large requests after which a conversation is read by LargeReads
SMALL_READS: Final = 16  # after which it is not any more
LARGE: Final = 50_000


def bytes_of(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def request(body: bytes, *, method: str = "POST", fields: str = "") -> bytes:
    fields = f"Content-Type: a/b\r\nContent-Length: {len(body)}\r\n{fields}"
    return f"{method} /x HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n".encode() + body


class Stuck(Wire):
    """A socket whose kernel takes `room` bytes of a write and leaves the rest in the queue, as a view."""

    def __init__(self) -> None:
        super().__init__()
        self.room = 1 << 30
        self.queue: list[Data] = []

    def write(self, data: Data) -> None:
        count = 0 if self.queue else min(self.room, len(data))
        super().write(memoryview(data)[:count])
        if count < len(data):
            self.queue.append(memoryview(data)[count:])
            self.unsent += len(data) - count

    def drains(self) -> bytes:
        """Everything that was written, now that the peer takes it."""
        self.sent += b"".join(self.queue)
        self.queue, self.unsent = [], 0
        return self.take()


class Conversation:
    def __init__(self, stage: Stage, upstream: Wire | None = None) -> None:
        self.stage = stage
        self.client = stage.client()
        self.wire = wire_of(self.client)
        self.outbound = warm(stage.pool, upstream)
        self.fields = ""

    def expects_large(self) -> Conversation:
        for number in range(ROUNDS):
            self.asks(bytes_of(number, LARGE + number))
        assert self.reads_large
        return self

    @property
    def reads_large(self) -> bool:
        return isinstance(self.wire.protocol, LargeReads)

    def asks(self, body: bytes, reply: bytes = OK) -> bytes:
        """One request and its reply; what went up."""
        pour(self.wire, request(body, fields=self.fields))
        return self.answered(reply)

    def answered(self, reply: bytes = OK) -> bytes:
        up = wire_of(self.outbound).take()
        self.outbound.data_received(reply)
        assert self.wire.take().endswith(b"ok")
        return up


def conversation(upstream: Wire | None = None, **limits: float) -> Conversation:
    return Conversation(Stage(**limits), upstream).expects_large()


def body_of(up: bytes) -> bytes:
    head, _, body = up.partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head.lower()
    return body


def taken_as(one: Conversation) -> str:
    return type(one.client.exchange).__name__


# --- the memory -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 100, ROOM_BYTES + 99, ROOM_BYTES + 100, ROOM_BYTES + 101, ROOM_BYTES + 9000])
@pytest.mark.parametrize("size", [LARGE, READ_BYTES])
def test_a_head_of_any_length_stands_right_in_front_of_the_body(length: int, size: int) -> None:
    basin, wire, data = Basin(), Wire(), bytes_of(1, size)
    basin.view[:size] = data
    assert basin.hold(size) == data
    basin.send(wire, b"h" * length, 100, size)
    assert wire.take() == b"h" * length + data[100:]
    assert wire.writes == (1 if length <= ROOM_BYTES + 100 else 2)


@pytest.mark.parametrize("length", [100, ROOM_BYTES + 500])
@pytest.mark.parametrize("room", [0, 50, 20_000, LARGE - 1])
def test_what_the_kernel_leaves_is_never_overwritten(length: int, room: int) -> None:
    basin, first, second = Basin(), Stuck(), Stuck()
    first.room = room
    for number, wire in enumerate((first, second)):
        basin.view[:LARGE] = bytes_of(number, LARGE)
        basin.send(wire, b"%d" % number * length, 100, LARGE)
    basin.view[:] = bytes(READ_BYTES)
    assert first.drains() == b"0" * length + bytes_of(0, LARGE)[100:]
    assert second.drains() == b"1" * length + bytes_of(1, LARGE)[100:]


@pytest.mark.parametrize("size", [0, 100, READ_BYTES])
def test_a_nul_stands_behind_what_was_read(size: int) -> None:
    basin = Basin()
    basin.view[:] = b"x" * READ_BYTES
    assert ctypes.string_at(basin.address + size, 1) == (b"x" if size < READ_BYTES else b"\0")
    basin.hold(size)
    assert ctypes.string_at(basin.address) == b"x" * size


# --- the bytes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [LARGE_BYTES, 33_000, 200_000, READ_BYTES - 100, READ_BYTES, 300_000, 700_000])
def test_the_upstream_gets_the_same_request_as_from_an_ordinary_connection(size: int) -> None:
    one, other, body = conversation(), Conversation(Stage()), bytes_of(size, size)
    before = wire_of(one.outbound).writes
    pour(one.wire, request(body))
    assert taken_as(one) == ("RelayLane" if size < READ_BYTES else "Exchange")
    assert wire_of(one.outbound).writes == before + 1 or taken_as(one) == "Exchange"
    up = one.answered()
    assert body_of(up) == body
    assert up == other.asks(body)


class Ordinary(Inbound):
    """A connection that never reads large."""

    def read_large(self, basin: Basin) -> None:
        pass


def spoken(rng: random.Random) -> bytes:
    """Some request: mostly large, sometimes small, of another method, chunked, or with another field."""
    size = rng.choice((0, 10, 3000, 16_300, 33_000, 60_000, 120_000, 250_000))
    body = rng.randbytes(size)
    kind = rng.randrange(12)
    if kind == 0:
        head = b"POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    if kind == 1:
        return request(body, method="PUT")
    if kind == 2:
        return b"GET /y HTTP/1.1\r\nHost: a.test\r\n\r\n"
    return request(body, fields="X-Other: 1\r\n" if kind == 3 else "")


def split(data: bytes, rng: random.Random) -> list[bytes]:
    cuts = sorted(rng.randrange(len(data)) for _ in range(rng.choice((0, 0, 0, 1, 3))))
    return [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize("seed", range(6))
def test_random_conversations_are_as_without_large_reads(seed: int) -> None:
    """The same reads on both connections; the upstream's bytes may not differ in one of them."""
    both = []
    for kind in (Inbound, Ordinary):
        one, rng = Conversation(Stage()), random.Random(seed)
        client, wire = kind(one.stage.front), Wire()
        wire.protocol = one.client = client
        one.wire = wire
        client.connection_made(wire)
        for number in range(ROUNDS):
            one.asks(bytes_of(number, LARGE))
        assert one.reads_large is (kind is Inbound)
        heard = []
        for _ in range(60):
            data = spoken(rng)
            if rng.random() < 0.2:
                data += request(rng.randbytes(rng.choice((5, 40_000))))
            for piece in split(data, rng):
                pour(one.wire, piece)
            while one.client.exchange is not None:
                up = wire_of(one.outbound).take()
                heard.append(hashlib.sha256(up).hexdigest())
                one.outbound.data_received(OK)
                assert one.wire.take().endswith(b"ok")
        both.append(heard)
    assert both[0] == both[1]
    assert len(both[0]) > 60


def test_after_small_requests_the_ordinary_reads_are_back_and_large_ones_change_it_again() -> None:
    one = conversation()
    for count in range(1, SMALL_READS + 1):
        one.asks(b"small %d" % count)
        assert one.reads_large is (count < SMALL_READS)
    one.asks(bytes_of(1, LARGE))
    assert one.reads_large
    for _ in range(3):
        for _ in range(SMALL_READS - 1):
            one.asks(b"small")
        one.asks(bytes_of(2, LARGE))
    assert one.reads_large, "only small ones in a row count"


# --- slow and broken upstreams --------------------------------------------------------------------------------------


def test_what_waits_for_a_slow_upstream_stays_as_it_was_while_others_are_served() -> None:
    stage = Stage()
    slow = Stuck()
    one = Conversation(stage, slow).expects_large()
    slow.room = 7000
    body = bytes_of(1, 150_000)
    pour(one.wire, request(body))
    for _ in range(3):
        other = Conversation(stage).expects_large()
        assert body_of(other.asks(bytes_of(2, 250_000))) == bytes_of(2, 250_000)
    assert body_of(slow.drains()) == body


@pytest.mark.parametrize("leaves", ["fin", "reset"])
def test_a_repeatable_request_is_repeated_whole_also_where_others_were_large(leaves: str) -> None:
    one, body = conversation(), bytes_of(1, LARGE)
    one.client.lane = None  # as after a reply that went wrong
    one.fields = "Idempotency-Key: 1\r\n"
    one.expects_large()
    dialled: list[Outbound] = []

    async def dial(pool: Pool) -> Outbound:
        dialled.append(fresh(pool))
        return dialled[-1]

    async def scenario() -> None:
        one.stage.pool._dial = dial
        pour(one.wire, request(body, fields=one.fields))
        assert body_of(wire_of(one.outbound).take()) == body
        one.outbound.connection_lost(None if leaves == "fin" else ConnectionResetError())
        await until(lambda: (dialled and wire_of(dialled[0]).sent) or one.wire.sent)
        assert one.wire.take() == b"", "refused, although it may be sent again"
        (one.outbound,) = dialled
        assert body_of(one.answered()) == body

    run(scenario)


@pytest.mark.parametrize("breaks", [False, True])
def test_the_books_show_what_was_sent(breaks: bool) -> None:
    one, records = conversation(), list[Record]()
    one.stage.world.log = records.append
    before = one.stage.world.counts[rows.BYTES_IN]
    pour(one.wire, request(bytes_of(1, LARGE)))
    assert taken_as(one) == "RelayLane"
    if breaks:
        one.outbound.connection_lost(None)
    else:
        one.answered()
    assert one.stage.world.counts[rows.BYTES_IN] == before + LARGE
    assert [(record.status, record.bytes_in) for record in records] == [(502 if breaks else 200, LARGE)]


# --- the model ------------------------------------------------------------------------------------------------------


def chat(model: str, size: int = LARGE, *, at_end: bool = False, more: str = "") -> bytes:
    text = random.Random(size).randbytes(size // 2).hex()
    parts = [f'"model":"{model}"', f'"messages":[{{"role":"user","content":"{text}"}}]']
    body = "{" + ",".join(reversed(parts) if at_end else parts) + more + "}"
    fields = f"Authorization: Bearer alice\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n{body}".encode()


REPLY: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Chat:
    """A client that may use model `a` and whose large requests for it come through the basin."""

    def __init__(self, *, at_end: bool) -> None:
        self.gateway: Gateway = unified(key("alice", "a"))
        self.client = self.gateway.client()
        self.wire = wire_of(self.client)
        self.outbound = warm(self.gateway.pool)
        self.at_end = at_end
        for number in range(ROUNDS):
            self.ask(chat("a", LARGE + number, at_end=at_end))
        assert isinstance(self.wire.protocol, LargeReads)

    def ask(self, data: bytes) -> tuple[bytes, bytes]:
        """What went up, and the reply's head and body."""
        pour(self.wire, data)
        up = wire_of(self.outbound).take()
        if up:
            self.outbound.data_received(REPLY)
        return up, self.wire.take()


@pytest.mark.parametrize("at_end", [False, True], ids=["first", "last"])
@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        ({"model": "b"}, (403, 404)),
        ({"model": "aa"}, (403, 404)),
        ({"model": "a", "more": ',"model":"b"'}, (400,)),
        ({"model": "a", "more": ',"\\u006dodel":"b"'}, (400,)),
        ({"model": "a", "more": ',"m\\u006Fdel":"b"'}, (400,)),
        ({"model": "a", "more": ',"model" :"a"'}, (400,)),
        ({"model": "\\u0062"}, (403, 404)),
    ],
)
def test_another_model_does_not_pass(at_end: bool, body: dict[str, str], statuses: tuple[int, ...]) -> None:
    talk = Chat(at_end=at_end)
    good = chat("a", LARGE, at_end=at_end)
    assert body_of(talk.ask(good)[0]) == body_of(good)
    up, down = talk.ask(chat(size=LARGE, at_end=at_end, **body))
    assert (up, status_of(down) in statuses) == (b"", True), down
    assert body_of(talk.ask(good)[0]) == body_of(good)


def test_a_nul_does_not_hide_a_model() -> None:
    talk = Chat(at_end=False)
    up, down = talk.ask(chat("a", more=',"x":"\x00","model":"b"'))
    assert (up, status_of(down)) == (b"", 400)


# --- ends -----------------------------------------------------------------------------------------------------------


def test_an_idle_connection_is_closed_after_its_time() -> None:
    one = conversation(idle_timeout=75)
    closed = []
    for seconds in (74, 2):
        one.stage.passes(seconds)
        closed.append(one.wire.closed)
    assert closed == [False, True]
    one.wire.protocol.connection_lost(None)
    assert (one.stage.front.open, one.client in one.stage.deadlines.live) == (set(), False)


@pytest.mark.parametrize("asking", [False, True])
def test_the_end_of_a_connection_is_heard(asking: bool) -> None:
    one = conversation()
    if asking:
        pour(one.wire, request(bytes_of(1, LARGE)))
    one.wire.protocol.connection_lost(None)
    assert (one.stage.front.open, one.client in one.stage.deadlines.live) == (set(), False)
    assert wire_of(one.outbound).closed is asking


def test_a_client_that_is_slow_to_read_gets_no_more_requests_served() -> None:
    one = conversation()
    one.wire.protocol.pause_writing()
    for _ in reads(one.wire, request(bytes_of(1, LARGE))):
        pass
    assert wire_of(one.outbound).take() == b""
    one.wire.protocol.resume_writing()
    assert body_of(one.answered()) == bytes_of(1, LARGE)


# --- on sockets -----------------------------------------------------------------------------------------------------


class SlowOrigin(Origin):
    """Answers every request with its body's digest, after having read nothing for a while."""

    def __init__(self, wait: Callable[[int], float]) -> None:
        super().__init__(b"")
        self.wait = wait
        self.count = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.count += 1
                await asyncio.sleep(self.wait(self.count))
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                text = hashlib.sha256(await reader.readexactly(length)).hexdigest().encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 64\r\n\r\n" + text)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()


def narrow(gateway: LiveGateway) -> None:
    """Let the kernel take little of what is sent upstream, on all connections that are open now."""
    for peer in gateway.world.deadlines.live:
        if isinstance(peer, Outbound) and (sock := peer.transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)


async def talks(gateway: LiveGateway, seed: int, rounds: int, *, slow: bool) -> None:
    rng = random.Random(seed)
    reader, writer = await gateway.connect()
    for _ in range(rounds):
        if slow:
            narrow(gateway)
        body = rng.randbytes(rng.randrange(33_000, 200_000))
        writer.write(request(body))
        await reader.readuntil(b"\r\n\r\n")
        assert (await reader.readexactly(64)).decode() == hashlib.sha256(body).hexdigest()
    writer.close()


@pytest.mark.parametrize("slow", [False, True])
def test_many_clients_share_the_basin_and_no_byte_changes(slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed, sent = [], []
    renew, send = Basin.renew, Basin.send

    def renews(basin: Basin) -> None:
        renewed.append(1)
        renew(basin)

    def sends(basin: Basin, *arguments: Any) -> None:
        sent.append(1)
        send(basin, *arguments)

    monkeypatch.setattr(Basin, "renew", renews)
    monkeypatch.setattr(Basin, "send", sends)

    async def scenario() -> None:
        async with gateway_to(SlowOrigin(lambda count: 0.02 if slow and count % 3 == 0 else 0.0)) as gateway:
            await asyncio.gather(*(talks(gateway, seed, 80, slow=slow) for seed in range(8)))
            await until(lambda: not gateway.front.open)

    run(scenario, within=9)
    assert len(sent) > 50, "or nothing was read large"
    if slow:
        assert len(renewed) > 10, "or the upstream was not slow"


@pytest.mark.parametrize("leaves", ["idle", "fin", "reset"])
def test_nothing_is_left_of_a_connection_that_read_large(leaves: str) -> None:
    async def scenario() -> None:
        async with gateway_to(SlowOrigin(lambda count: 0.0)) as gateway:
            reader, writer = await gateway.connect()
            for number in range(ROUNDS):
                writer.write(request(bytes_of(number, LARGE)))
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(64)
            assert len(alive(gateway)) == 1
            if leaves == "idle":
                gateway.clock.now += 76
                gateway.world.deadlines.tick()
                assert await reader.read() == b""
            elif leaves == "reset":
                writer.transport.abort()
            writer.close()
            await until(lambda: not gateway.front.open)
            await asyncio.sleep(0)
            assert alive(gateway) == []
            assert [peer for peer in gateway.world.deadlines.live if isinstance(peer, Inbound)] == []

    gc.collect()
    gc.disable()
    try:
        run(scenario)
    finally:
        gc.enable()


def alive(gateway: LiveGateway) -> list[LargeReads]:
    return [one for one in gc.get_objects() if isinstance(one, LargeReads) and one._inbound.front is gateway.front]
