"""A client leaves before its reply is whole: the upstream is cancelled at once, or read on for nobody."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from fastproxy.config import Limits
from fastproxy.gateway.exchange import Exchange
from fastproxy.gateway.table import PROVIDER
from fastproxy.shared import rows
from fastproxy.wire import absent
from fastproxy.wire.absent import Nowhere
from tests.gateway.chat_replies import CHAT, EVENTS, HEAD, MESSAGES, WHOLE
from tests.gateway.translating_stage import CHUNK_END, Translating
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.wire.inbound import Inbound


def stage(client_gone: str = "drain") -> Translating:
    """One channel of OpenAI's, so clients of it are relayed and those of Anthropic translated."""
    made = Translating("openai-chat")
    made.world.install(msgspec.structs.replace(made.snapshot, client_gone=client_gone))
    made.peer = made.warm_all().popitem()[1]
    return made


def stream() -> list[bytes]:
    """The upstream's reply, in the reads in which it comes."""
    chunks = [f"{len(event.encode()):x}\r\n{event}\r\n".encode() for event in EVENTS]
    return [(HEAD % ("text/event-stream", "Transfer-Encoding: chunked")).encode(), *chunks, CHUNK_END]


def whole() -> list[bytes]:
    text = json.dumps(WHOLE).encode()
    head = (HEAD % ("application/json", f"Content-Length: {len(text)}")).encode()
    return [head + text[:30], text[30:60], text[60:]]


WAYS: Final[dict[str, tuple[str, dict[str, Any], Callable[[], list[bytes]]]]] = {
    "relayed stream": ("/v1/chat/completions", {**CHAT, "stream": True}, stream),
    "relayed whole": ("/v1/chat/completions", CHAT, whole),
    "translated stream": ("/v1/messages", {**MESSAGES, "stream": True}, stream),
    "translated whole": ("/v1/messages", MESSAGES, whole),
}


def resets(client: Inbound) -> None:
    client.connection_lost(ConnectionResetError())


def half_closes(client: Inbound) -> None:
    assert client.eof_received() is False


def half_closes_and_is_gone(client: Inbound) -> None:
    half_closes(client)
    client.connection_lost(None)


LEAVING: Final = (resets, half_closes, half_closes_and_is_gone)
MOMENTS: Final = [(way, moment) for way, (_, _, reply) in WAYS.items() for moment in range(len(reply()))]


def tokens(gateway: Translating) -> tuple[int, int]:
    first = rows.TOKENS + rows.FORMATS.index("openai-chat") * len(rows.TOKEN_KINDS)
    return gateway.world.counts[first], gateway.world.counts[first + 3]


def left(gateway: Translating) -> int:
    return gateway.world.counts[rows.ERRORS_BY + rows.ERROR_KINDS.index("client_closed")]


@pytest.mark.parametrize("leaves", LEAVING)
@pytest.mark.parametrize(("way", "moment"), MOMENTS)
def test_the_reply_is_read_to_its_end(way: str, moment: int, leaves: Callable[[Inbound], object]) -> None:
    """`moment`: after how many reads of the reply the client leaves."""
    path, body, reply = WAYS[way]
    gateway, reads = stage(), reply()
    peer = gateway.peer
    assert gateway.asks(path, body)
    for read in reads[:moment]:
        peer.data_received(read)
    gateway.got()
    leaves(gateway.user)
    assert not wire_of(peer).closed
    assert gateway.world.counts[rows.REQUESTS] == 0
    for read in reads[moment:]:
        peer.data_received(read)
    assert gateway.got() == b""
    assert tokens(gateway) == (11, 7)
    assert (left(gateway), gateway.world.counts[rows.REQUESTS]) == (1, 1)
    pool = peer.pool
    assert (pool.active, pool.counts.idle, wire_of(peer).closed) == (0, 1, False)
    assert gateway.user.exchange is None
    assert not [inbound for inbound in gateway.front.open if inbound is not gateway.user]


@pytest.mark.parametrize("leaves", LEAVING)
@pytest.mark.parametrize(("way", "moment"), MOMENTS)
def test_by_default_the_upstream_is_cancelled_at_once(
    way: str, moment: int, leaves: Callable[[Inbound], object]
) -> None:
    """Before another event of the loop: nothing is waited for."""
    path, body, reply = WAYS[way]
    gateway = stage(Limits().client_gone)
    gateway.asks(path, body)
    for read in reply()[:moment]:
        gateway.peer.data_received(read)
    leaves(gateway.user)
    assert wire_of(gateway.peer).aborted
    assert (left(gateway), gateway.peer.pool.active) == (1, 0)


def test_a_reader_who_was_slow_holds_nothing_up_any_more() -> None:
    gateway = stage()
    gateway.asks("/v1/chat/completions", {**CHAT, "stream": True})
    head, first, *rest = stream()
    gateway.peer.data_received(head + first)
    gateway.user.pause_writing()
    assert not wire_of(gateway.peer).reading
    gateway.user.connection_lost(None)
    assert wire_of(gateway.peer).reading
    for read in rest:
        gateway.peer.data_received(read)
    assert tokens(gateway) == (11, 7)


def test_it_counts_as_open_until_it_is_settled() -> None:
    """So a worker that drains waits for it, and max_connections bounds how many there are."""
    gateway = stage()
    gateway.asks("/v1/chat/completions", {**CHAT, "stream": True})
    gateway.user.connection_lost(None)
    assert len(gateway.front.open) == 1
    for read in stream():
        gateway.peer.data_received(read)
    assert not gateway.front.open


@pytest.mark.parametrize("way", WAYS)
def test_an_upstream_that_breaks_off_is_settled_too(way: str) -> None:
    path, body, reply = WAYS[way]
    gateway = stage()
    gateway.asks(path, body)
    for read in reply()[:2]:
        gateway.peer.data_received(read)
    gateway.user.connection_lost(None)
    gateway.peer.eof_received()
    assert not gateway.front.open
    assert (gateway.peer.pool.active, gateway.world.counts[rows.REQUESTS]) == (0, 1)


def test_an_error_that_nobody_gets_is_settled_too() -> None:
    gateway = stage()
    gateway.asks("/v1/messages", MESSAGES)
    gateway.user.connection_lost(None)
    gateway.replies({"error": {"message": "slow down"}}, status=429)
    assert not gateway.front.open
    assert gateway.world.counts[rows.REQUESTS] == 1


def test_a_large_error_is_not_read_on() -> None:
    """It costs nothing."""
    gateway = stage()
    gateway.asks("/v1/chat/completions", CHAT)
    gateway.user.connection_lost(None)
    gateway.peer.data_received(b"HTTP/1.1 500 X\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{")
    assert wire_of(gateway.peer).aborted
    assert not gateway.front.open


def test_what_costs_nothing_is_cancelled() -> None:
    gateway = stage()
    gateway.asks("/v1/models", {}, method="GET")
    gateway.user.data_received(b"GET /v1/files HTTP/1.1\r\nHost: a.test\r\n\r\n")
    gateway.user.connection_lost(None)
    assert not gateway.front.open


def test_a_request_that_has_not_gone_out_whole_is_cancelled() -> None:
    gateway = stage()
    gateway.user.data_received(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\n"
        b"Content-Length: 999\r\n\r\n{"
    )
    gateway.user.connection_lost(None)
    assert not gateway.front.open
    assert gateway.world.counts[rows.REQUESTS] == 1


@pytest.mark.parametrize("way", WAYS)
def test_the_next_request_of_a_lane_is_read_on_as_well(way: str) -> None:
    path, body, reply = WAYS[way]
    gateway = stage()
    for _ in range(3):
        gateway.asks(path, body)
        gateway.peer.data_received(b"".join(reply()))
        gateway.got()
    count = tokens(gateway)
    gateway.asks(path, body)
    gateway.user.connection_lost(None)
    gateway.peer.data_received(b"".join(reply()))
    assert (count[0] + 11, count[1] + 7) == tokens(gateway)
    assert not gateway.front.open
    assert not wire_of(gateway.peer).closed


def test_a_reply_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absent.Absent.__init__, "__defaults__", (100_000,))
    gateway = stage()
    gateway.asks("/v1/chat/completions", {**CHAT, "stream": True})
    gateway.user.connection_lost(None)
    head, first, *_ = stream()
    gateway.peer.data_received(head)
    for _ in range(2_000):
        if not wire_of(gateway.peer).closed:
            gateway.peer.data_received(first)
    assert wire_of(gateway.peer).aborted
    assert (left(gateway), gateway.peer.pool.active) == (1, 0)
    assert not gateway.front.open


def test_nowhere_takes_everything_up_to_its_bound() -> None:
    full: list[int] = []
    nowhere = Nowhere(10, lambda: full.append(1))
    nowhere.write(b"12345")
    nowhere.writelines((b"12345", memoryview(b"")))
    assert not full
    nowhere.write(b"1")
    nowhere.write(b"1")
    assert full == [1]
    for ends in (nowhere.close, nowhere.abort, nowhere.write_eof, nowhere.pause_reading, nowhere.resume_reading):
        ends()
    assert isinstance(nowhere, asyncio.Transport)
    assert (nowhere.is_closing(), nowhere.get_write_buffer_size()) == (False, 0)


def test_a_client_who_pays_with_a_key_of_its_own_had_its_reply_read_on() -> None:
    made = stage()
    made.asks("/v1/chat/completions", {**CHAT, "stream": True})
    exchange = made.user.exchange
    assert isinstance(exchange, Exchange)
    exchange.entry = PROVIDER
    made.user.connection_lost(None)
    assert wire_of(made.peer).closed
