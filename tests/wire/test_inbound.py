"""A client's connection: heads, bodies and pipelines in any pieces, every timeout, and every way to end."""

from __future__ import annotations

import itertools
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.wire.inbound import CONTINUE, LINGER_S, MAX_EARLY_BYTES, MAX_LINGER_BYTES, Inbound, State
from fastproxy.wire.limits import WireLimits
from fastproxy.wire.request_head import HeadLimits
from tests.wire.fakes import Client, Wire

REPLY = b"HTTP/1.1 204 No Content\r\n\r\n"
GET = b"GET /get HTTP/1.1\r\nHost: a\r\n\r\n"
COUNTED = b"POST /counted HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789"
CODED = b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED = b"PUT /chunked HTTP/1.1\r\n" + CODED + b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nT: v\r\n\r\n"
EMPTY = b"PUT /empty HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
BODIES = {GET: b"", COUNTED: b"0123456789", CHUNKED: b"abcdefg", EMPTY: b""}
HALF = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234"
BAD = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"


def ids(raw: bytes) -> str:
    return raw.split(b" ")[1].decode()


# --- requests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", BODIES, ids=ids)
def test_a_request_whole_and_byte_by_byte(raw: bytes) -> None:
    whole, bytewise = Client(REPLY).feed(raw), Client(REPLY).bytewise(raw)
    assert whole.account() == bytewise.account()
    assert [(exchange.body, exchange.ended) for exchange in whole.taken] == [(BODIES[raw], True)]
    assert whole.wire.take() == bytewise.wire.take() == REPLY
    assert whole.inbound.state is bytewise.inbound.state is State.HEAD


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(BODIES)), min_size=2, max_size=4), st.lists(st.integers(0, 500), max_size=6))
def test_pipelined_requests_split_anywhere(requests: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(requests)
    edges = [0, *sorted({cut % len(raw) for cut in cuts}), len(raw)]
    client = Client(REPLY).feed(*(raw[first:last] for first, last in itertools.pairwise(edges)))
    assert [exchange.body for exchange in client.taken] == [BODIES[request] for request in requests]
    assert client.account() == Client(REPLY).feed(raw).account()
    assert client.wire.take() == REPLY * len(requests)


@pytest.mark.parametrize("second", [*BODIES, BAD], ids=ids)
@pytest.mark.parametrize("first", BODIES, ids=ids)
def test_two_requests_split_at_every_point(first: bytes, second: bytes) -> None:
    raw = first + second
    expected = Client(REPLY).feed(raw).account()
    for cut in range(1, len(raw)):
        assert Client(REPLY).feed(raw[:cut], raw[cut:]).account() == expected


@pytest.mark.parametrize("split", [False, True])
def test_a_pipelined_request_waits_for_the_reply_before_it(split: bool) -> None:
    client = Client()
    client.feed(GET, COUNTED) if split else client.feed(GET + COUNTED)
    assert [exchange.head.target for exchange in client.taken] == [b"/get"]
    client.application.answer(client.inbound)
    assert [exchange.head.target for exchange in client.taken] == [b"/get", b"/counted"]
    client.application.answer(client.inbound)
    assert client.state() is State.HEAD


def test_a_bad_request_is_refused_after_the_good_one_is_answered() -> None:
    client = Client()
    client.feed(GET + BAD + GET)
    assert client.statuses == []
    client.application.reply = REPLY
    client.application.answer(client.inbound)
    assert (client.statuses, len(client.taken), client.wire.ended) == ([400], 1, True)


def test_early_bytes_are_bounded_by_the_socket() -> None:
    client = Client()
    client.feed(GET)
    for _ in range(3):
        client.feed(b"GET /" + b"a" * 30000)
    assert not client.wire.reading
    client = Client().feed(GET, GET * (MAX_EARLY_BYTES // len(GET) + 1))
    assert not client.wire.is_reading()
    client.application.reply = REPLY
    client.application.answer(client.inbound)
    assert client.wire.is_reading()
    assert len(client.taken) == MAX_EARLY_BYTES // len(GET) + 2


@pytest.mark.parametrize(("lead", "taken"), [(b"\r\n", 1), (b"\r\n\r\n", 1), (b"\r\n" * 5, 0), (b"\n\n\n\n", 0)])
def test_empty_lines_before_a_request(lead: bytes, taken: int) -> None:
    client = Client(REPLY).feed(lead + GET)
    assert (len(client.taken), len(client.statuses)) == (taken, 1 - taken)
    assert len(Client(REPLY).feed(GET + lead + GET).taken) == 1 + taken


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /" + b"a" * 100 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 500 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\nX: 3\r\n\r\n", 431),
    ],
    ids=["length", "huge length", "chunk size", "target", "head", "fields"],
)
def test_what_is_too_much_is_refused(raw: bytes, status: int) -> None:
    limits = WireLimits(head=HeadLimits(max_head=400, max_fields=3, max_target=64), max_body=10)
    client = Client(limits=limits).feed(raw)
    assert (client.taken, client.statuses, client.inbound.state) == ([], [status], State.LINGER)


def test_a_chunked_body_that_grows_too_long_fails_its_exchange() -> None:
    client = Client(limits=WireLimits(max_body=10))
    client.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n", b"6\r\n")
    assert [error.status for error in client.taken[0].failures] == [413]


def test_a_chunked_body_that_breaks_fails_its_exchange() -> None:
    client = Client()
    client.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhelloX")
    assert [error.status for error in client.taken[0].failures] == [400]
    assert not client.taken[0].ended


@pytest.mark.parametrize(
    ("raw", "continues"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", False),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\na", False),
        (b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", False),
    ],
)
def test_continue_is_said_once_and_only_where_it_helps(raw: bytes, continues: bool) -> None:
    client = Client().feed(raw)
    assert client.wire.take() == (CONTINUE if continues else b"")


# --- the end of a reply ---------------------------------------------------------------------------------------------


def test_a_reply_before_the_end_of_the_body_closes_after_a_while() -> None:
    client = Client().feed(HALF)
    client.application.answer(client.inbound)
    assert (client.wire.ended, client.wire.closed, client.wire.reading) == (True, False, True)
    client.feed(b"56789" + GET)
    assert len(client.taken) == 1, "bytes after our last word are nobody's request"
    client.passes(LINGER_S)
    assert client.wire.aborted


def test_lingering_is_bounded_in_bytes() -> None:
    client = Client().feed(BAD)
    for _ in range(MAX_LINGER_BYTES // 65536):
        client.feed(b"x" * 65536)
    assert not client.wire.closed
    client.feed(b"x")
    assert client.wire.aborted


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_the_last_request_of_a_connection(raw: bytes) -> None:
    client = Client(REPLY).feed(raw)
    assert (client.wire.closed, client.inbound.state) == (True, State.CLOSED)
    client = Client(REPLY).feed(raw + GET)
    assert (len(client.taken), client.wire.closed) == (1, True)


def test_draining_closes_after_the_reply_and_between_requests() -> None:
    client = Client().feed(GET)
    client.front.draining = True
    client.inbound.close_if_idle()
    assert not client.wire.is_closing()
    client.application.reply = REPLY
    client.inbound.keep_alive = False
    client.application.answer(client.inbound)
    assert client.wire.is_closing()
    idle = Client(REPLY).feed(GET)
    idle.inbound.close_if_idle()
    assert idle.wire.closed
    busy = Client(REPLY).feed(GET[:5])
    busy.inbound.close_if_idle()
    assert not busy.wire.closed
    late = Client(REPLY)
    late.front.draining = True
    assert late.feed(GET).wire.closed


def test_a_client_that_leaves() -> None:
    for raw in (GET, HALF):
        client = Client().feed(raw)
        client.inbound.connection_lost(None)
        assert client.taken[0].gone
        assert client.inbound not in client.front.open
        assert client.inbound not in client.deadlines.live


@pytest.mark.parametrize(("raw", "stays"), [(GET, True), (HALF, False), (GET[:9], False), (b"", False)])
def test_half_close_is_only_for_a_whole_request(raw: bytes, stays: bool) -> None:
    client = Client().feed(raw)
    assert client.inbound.eof_received() is stays
    if stays:
        assert client.taken[0].half_closed
        client.application.answer(client.inbound)
        assert client.wire.closed


def test_cut_and_abort() -> None:
    client = Client().feed(GET)
    client.inbound.cut()
    assert (client.wire.closed, client.wire.aborted) == (True, False)
    client = Client().feed(GET)
    client.inbound.abort()
    assert client.wire.aborted


def test_back_pressure_reaches_the_exchange() -> None:
    client = Client().feed(GET)
    client.inbound.pause_writing()
    assert client.taken[0].paused
    client.inbound.resume_writing()
    assert not client.taken[0].paused


def test_what_comes_after_the_end_of_a_body_belongs_to_the_next() -> None:
    client = Client(REPLY).feed(HALF, b"56789" + COUNTED)
    assert [exchange.body for exchange in client.taken] == [b"0123456789"] * 2


def test_too_many_connections_are_told_so() -> None:
    client = Client(limits=WireLimits(max_connections=1))
    second, wire = Inbound(client.front), Wire()
    second.connection_made(wire)
    assert (client.statuses, client.front.refused, wire.ended) == ([503], 1, True)
    second.connection_lost(None)
    assert client.feed(GET).taken


# --- time -----------------------------------------------------------------------------------------------------------

LIMITS = WireLimits(header_timeout=10, body_idle_timeout=30, idle_timeout=75, write_timeout=20)


@pytest.mark.parametrize(
    ("fed", "seconds", "closed", "statuses"),
    [
        ([], 10, True, []),
        ([GET[:9]], 10, False, [408]),
        ([GET], 75, True, []),
        ([GET, GET[:9]], 10, False, [408]),
        ([b"\r\n"], 10, True, []),
    ],
    ids=["silent from the start", "half a head", "idle", "half a second head", "an empty line"],
)
def test_waiting_for_a_head_ends(fed: list[bytes], seconds: float, closed: bool, statuses: list[int]) -> None:
    client = Client(REPLY, LIMITS).feed(*fed)
    client.passes(seconds - 0.2)
    assert (client.wire.closed, client.statuses) == (False, [])
    client.passes(0.3)
    assert (client.wire.closed, client.statuses) == (closed, statuses)


def test_a_slow_head_has_one_timeout_in_all() -> None:
    client = Client(REPLY, LIMITS)
    for byte in GET[:11]:
        client.feed(bytes([byte]))
        client.passes(0.95)
    assert client.statuses == [408]


def test_a_body_that_drips_is_refused_and_a_slow_one_is_not() -> None:
    large = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
    client = Client(limits=LIMITS).feed(large)
    for _ in range(20):
        client.feed(b"x" * 6000)
        client.passes(10.1)
    assert client.taken[0].failures == []
    client.feed(b"x" * 50)
    client.passes(10.1)
    assert [error.status for error in client.taken[0].failures] == [408]


def test_a_reply_that_takes_long_is_not_the_clients_fault() -> None:
    for raw in (GET, COUNTED, CHUNKED):
        client = Client(limits=LIMITS).feed(raw)
        client.passes(10_000)
        assert (client.taken[0].failures, client.wire.closed) == ([], False)


def test_a_client_that_takes_nothing_is_cut() -> None:
    client = Client(limits=LIMITS).feed(GET)
    client.inbound.pause_writing()
    client.passes(19)
    assert not client.wire.closed
    client.passes(2)
    assert client.wire.aborted


def test_a_client_that_takes_slowly_is_not() -> None:
    client = Client(limits=LIMITS).feed(GET)
    for _ in range(10):
        client.inbound.pause_writing()
        client.passes(19)
        client.inbound.resume_writing()
        client.passes(19)
    assert not client.wire.closed


def test_a_fin_behind_several_requests_left_all_but_the_first_unanswered() -> None:
    client = Client().feed(GET + COUNTED + EMPTY)
    assert client.inbound.eof_received()
    for answered in (1, 2, 3):
        assert not client.wire.closed
        assert len(client.taken) == answered
        client.application.answer(client.inbound)
    assert client.wire.closed
    assert [exchange.body for exchange in client.taken] == [BODIES[GET], BODIES[COUNTED], BODIES[EMPTY]]


class InKernel(Wire):
    """A wire whose queue is empty, while the kernel still holds what the peer has not taken."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = socket.socketpair()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self.near if name == "socket" else super().get_extra_info(name, default)


def test_a_slow_reader_was_cut_while_the_kernel_still_moved_his_reply() -> None:
    wire = InKernel()
    with wire.near, wire.far:
        client = Client().feed(GET)
        client.inbound.transport = wire
        wire.near.send(bytes(60_000))
        client.inbound.pause_writing()
        wire.far.recv(40_000)
        wire.far.recv(40_000)
        client.passes(31)
        assert not wire.closed  # it took something in the last 30 s
        client.passes(31)
        assert wire.aborted


def test_whoever_had_taken_all_but_the_acknowledgement_lingered_for_half_a_minute() -> None:
    wire = InKernel()
    with wire.near, wire.far:
        client = Client()
        client.inbound.transport = wire
        wire.near.send(bytes(20_000))  # on its way when the refusal is written
        client.feed(BAD)
        assert client.inbound.state is State.LINGER
        while len(wire.far.recv(65536)) == 65536:
            pass
        client.passes(LINGER_S + 0.1)
        assert wire.aborted
