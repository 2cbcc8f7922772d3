"""What the gateway says of its own time, in `server-timing` and in records: never what others let it wait for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.gateway import books, bridge_lane, exchange, lane, relay, relay_lane
from fastproxy.gateway.bridge_lane import BridgeLane
from fastproxy.gateway.relay_lane import RelayLane
from tests.gateway.gateway_stage import key, unified
from tests.gateway.translating_stage import CHUNK_END, Translating
from tests.wire.fakes import wire_of
from tests.wire.side_by_side import WARM_UP
from tests.wire.stage import Stage
from tests.wire.stage import exchange as exchanged

if TYPE_CHECKING:
    from fastproxy.record import Record
    from fastproxy.wire.inbound import Inbound
    from fastproxy.wire.outbound import Outbound

STEP_US = 7  # the clock goes on by so much whenever somebody looks at it
WAIT_US = 300_000
MAX_LOOKS = 12  # at the clock, in one exchange
BODY = b'{"model":"gpt","messages":[]}'
ASK = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer k\r\nContent-Length: 29\r\n\r\n"
    + BODY
)
CHAT = b'{"id":"c","usage":{"prompt_tokens":3,"completion_tokens":2}}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer-Timing: db;dur=9\r\nContent-Length: 60\r\n\r\n" + CHAT
)
EVENT = b'data: {"id":"c","choices":[]}\n\n'
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
MESSAGE = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
COMPLETION: dict[str, Any] = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "yo"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}  # fmt: skip


class Ticker:
    def __init__(self) -> None:
        self.us = 1

    def __call__(self) -> int:
        self.us += STEP_US
        return self.us * 1000

    def waits(self, us: int = WAIT_US) -> None:
        self.us += us


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Ticker:
    ticker = Ticker()
    for module in (books, bridge_lane, exchange, lane, relay, relay_lane):
        if hasattr(module, "perf_counter_ns"):
            monkeypatch.setattr(module, "perf_counter_ns", ticker)
    return ticker


class Talk:
    """One client of a unified gateway, and what is told of its exchanges."""

    def __init__(self, clock: Ticker) -> None:
        self.clock = clock
        stage = unified(key("k"))
        self.records: list[Record] = []
        stage.world.log = self.records.append
        self.user: Inbound = stage.client()
        (self.peer,) = stage.warm_all().values()

    def plays(self, *moves: bytes) -> bytes:
        """Each move after a long wait: what starts with POST comes from the client, all else from the upstream."""
        for number, move in enumerate(moves):
            if number:
                self.clock.waits()
            asks = move.startswith((b"POST", b"{", b'"')) and not wire_of(self.peer).sent
            (self.user if asks else self.peer).data_received(move)
        wire_of(self.peer).take()
        return wire_of(self.user).take()


def own_us(reply: bytes) -> int:
    """As the reply's head tells it."""
    (told,) = re.findall(rb"\r\nserver-timing: gateway;dur=(\d+\.\d{3})\r\n", reply)
    assert reply.lower().count(b"server-timing") == 1
    return round(float(told) * 1000)


def is_own(us: int) -> bool:
    """A few looks at the clock, and nobody's wait."""
    return 0 < us <= MAX_LOOKS * STEP_US and us % STEP_US == 0


WAYS: dict[str, tuple[bytes, ...]] = {
    "at once": (ASK, ANSWER),
    "the reply in two reads": (ASK, ANSWER[:150], ANSWER[150:]),
    "the head in two reads": (ASK, ANSWER[:20], ANSWER[20:]),
    "the body later": (ASK[:-20], ASK[-20:], ANSWER),
    "the body in pieces": (ASK[:-20], ASK[-20:-5], ASK[-5:], ANSWER[:-10], ANSWER[-10:]),
    "an error": (ASK, b"HTTP/1.1 429 No\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
    "a stream": (ASK, EVENTS, *[b"%x\r\n%b\r\n" % (len(EVENT), EVENT)] * 3, b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("warm", [0, WARM_UP])
@pytest.mark.parametrize("way", WAYS)
def test_own_time_is_told_without_the_waits(clock: Ticker, way: str, warm: int) -> None:
    talk = Talk(clock)
    for _ in range(warm):
        talk.plays(ASK, ANSWER)
    assert isinstance(talk.user.lane, RelayLane) is bool(warm)
    reply, waits = talk.plays(*WAYS[way]), len(WAYS[way]) - 1
    record = talk.records[-1]
    assert is_own(own_us(reply))
    assert is_own(record.gateway_us)
    assert record.gateway_us >= own_us(reply)
    assert waits * WAIT_US <= record.duration_ms * 1000 <= waits * WAIT_US + 2 * MAX_LOOKS * STEP_US


@pytest.mark.parametrize("warm", [0, WARM_UP])
@pytest.mark.parametrize("stream", [False, True])
def test_a_translated_reply_tells_its_time_too(clock: Ticker, warm: int, stream: bool) -> None:
    stage = Translating("openai-chat", key("k"))
    records: list[Record] = []
    stage.world.log = records.append
    for _ in range(warm):
        stage.asks("/v1/messages", MESSAGE, "k")
        assert stage.replies(COMPLETION)
    assert isinstance(stage.user.lane, BridgeLane) is bool(warm)
    stage.asks("/v1/messages", MESSAGE | {"stream": stream}, "k")
    clock.waits()
    if stream:
        stage.begins_stream()
        clock.waits()
        stage.peer.data_received(_chunked(b'data: {"choices":[{"index":0,"delta":{"content":"y"}}]}\n\n'))
        clock.waits()
        stage.peer.data_received(_chunked(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'))
        stage.peer.data_received(_chunked(b"data: [DONE]\n\n") + CHUNK_END)
    else:
        _answers(stage.peer)
    assert is_own(own_us(wire_of(stage.user).take()))
    assert is_own(records[-1].gateway_us)
    assert records[-1].duration_ms * 1000 >= WAIT_US


def _chunked(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


def _answers(peer: Outbound) -> None:
    text = json.dumps(COMPLETION).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text)
    peer.data_received(head + text)


@pytest.mark.parametrize("warm", [0, WARM_UP])
def test_an_edge_route_tells_nothing_and_passes_on_what_its_upstream_tells(clock: Ticker, warm: int) -> None:
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    for _ in range(warm + 1):
        _, reply = exchanged(client, outbound, ASK, ANSWER)
    assert reply.count(b"-Timing") == 1
    assert b"Server-Timing: db;dur=9\r\n" in reply
