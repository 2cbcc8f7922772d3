"""Faults that the review of lanes, leaving clients and the shelf has found, each named after what went wrong."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Final

import msgspec
import pytest

from fastproxy.formats.operations import find
from fastproxy.gateway import counting
from fastproxy.gateway.bridge_lane import BridgeLane
from fastproxy.gateway.counting import counted
from fastproxy.gateway.frame import MAX_BYTES
from fastproxy.gateway.relay_lane import RelayLane
from fastproxy.shared import rows
from tests.gateway.chat_replies import CHAT, WHOLE
from tests.gateway.gateway_stage import Gateway, key, status_of, unified
from tests.gateway.test_bridge_lane import KEY, PATHS, PLAIN, USUAL, Pair, asked
from tests.gateway.test_leave import stage, tokens
from tests.gateway.translating_stage import Translating, data
from tests.wire.fakes import wire_of

UNCOUNTED: Final = {name: value for name, value in WHOLE.items() if name != "usage"}
SAYS_HELLO: Final = {"role": "assistant", "content": ""}
BEGINNINGS: Final = {
    "openai-chat": {"id": "x", "choices": [{"index": 0, "delta": SAYS_HELLO, "finish_reason": None}]},
    "anthropic": {"type": "message_start", "message": {"id": "x", "role": "assistant", "content": [], "model": "m"}},
}


def read_on(gateway: Gateway) -> Gateway:
    """With `limits.client_gone: drain`."""
    gateway.world.install(msgspec.structs.replace(gateway.snapshot, client_gone="drain"))
    return gateway


def test_an_idle_connection_held_the_prompt_of_a_bridge_lane() -> None:
    """The reply was whole but nothing for the lane, so the exchange was noted as waiting for what had come."""
    fast = Pair("anthropic", "openai-chat").fast
    assert fast.asks("/v1/messages", asked(USUAL["anthropic"]), KEY)
    assert isinstance(fast.user.exchange, BridgeLane)
    said = {name: value for name, value in PLAIN["openai-chat"].items() if name != "usage"}
    assert status_of(fast.replies(said)) == 200
    assert (fast.peer.pool.counts.idle, fast.peer.waiter) == (1, None)


def test_an_idle_connection_held_the_prompt_of_a_relay_lane() -> None:
    gateway = stage()
    for _ in range(24):
        gateway.asks("/v1/chat/completions", CHAT)
        gateway.replies(WHOLE)
    gateway.asks("/v1/chat/completions", CHAT)
    assert isinstance(gateway.user.exchange, RelayLane)
    assert status_of(gateway.replies(UNCOUNTED)) == 200
    assert (gateway.peer.pool.counts.idle, gateway.peer.waiter) == (1, None)


def test_a_lane_held_a_prompt_that_it_could_not_send() -> None:
    fast = Pair("anthropic", "openai-chat").fast
    assert fast.peer.pool.take() is fast.peer

    async def ask_without_a_warm_connection() -> None:
        fast.asks("/v1/messages", asked(USUAL["anthropic"]), KEY)
        lane = fast.user.lane
        assert isinstance(lane, BridgeLane)
        assert lane._translation is None
        fast.user.connection_lost(None)

    asyncio.run(ask_without_a_warm_connection())


def test_a_connection_that_waited_held_the_tools_of_its_last_request() -> None:
    """A megabyte for 200 KB of them, and nothing bounded how many."""
    fast = Pair("anthropic", "openai-chat").fast
    tool = {"name": "f", "description": "x" * 5000, "input_schema": {"type": "object"}}
    assert fast.asks("/v1/messages", asked(USUAL["anthropic"], tools=[tool]), KEY)
    fast.replies(PLAIN["openai-chat"])
    lane = fast.user.lane
    assert isinstance(lane, BridgeLane)
    assert lane._frame is not None
    assert lane._frame.size < MAX_BYTES


def test_a_request_was_repeated_for_a_client_that_had_left() -> None:
    gateway = read_on(unified())
    peer, user = gateway.warm_all().popitem()[1], gateway.client()
    text = json.dumps(CHAT)
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 1\r\nContent-Type: application/json\r\n"
    user.data_received(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode())
    user.connection_lost(None)
    assert not wire_of(peer).closed
    peer.eof_received()
    assert gateway.world.counts[rows.RETRIES] == 0
    assert not gateway.front.open


def test_a_form_with_another_model_in_it_was_not_read_on() -> None:
    """What went up is longer than what came."""
    gateway = unified()
    renaming = msgspec.structs.replace(gateway.snapshot.channels[0], rename={"m": "whisper-9000"})
    gateway.snapshot = msgspec.structs.replace(gateway.snapshot, channels=(renaming,))
    read_on(gateway)
    peer, user = gateway.warm_all().popitem()[1], gateway.client()
    part = '--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    form = (part % ("model", "m") + part % ("file", "z" * 3000) + "--B--\r\n").encode()
    head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=B\r\n"
    user.data_received(f"{head}Content-Length: {len(form)}\r\n\r\n".encode() + form[:2000])
    user.data_received(form[2000:])
    assert b"whisper-9000" in wire_of(peer).take()
    user.connection_lost(None)
    assert not wire_of(peer).closed


@pytest.mark.parametrize(("client", "upstream"), [("anthropic", "openai-chat"), ("openai-chat", "anthropic")])
def test_a_stream_that_ended_behind_its_beginning_was_a_200(client: str, upstream: str) -> None:
    gateway = Translating(upstream)
    assert gateway.asks(PATHS[client], asked(USUAL[client], stream=True))
    gateway.begins_stream()
    assert gateway.streams(data(BEGINNINGS[upstream])) == b""
    assert status_of(gateway.ends_stream()) == 502


def test_a_deep_value_in_front_of_what_was_lost_was_a_500() -> None:
    """The place of what is lost was looked for in it."""
    gateway = Translating("openai-chat")
    lost = {"functionResponse": {"name": "f", "response": {}}}
    turns = [{"role": "model", "parts": ["here"]}, {"role": "user", "parts": [{"text": "?"}, lost]}]
    text = json.dumps({"contents": turns}).replace('"here"', '{"a":' * 1010 + "1" + "}" * 1010)
    head = f"POST {PATHS['gemini']} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    gateway.user.data_received(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode())
    assert not gateway.got().startswith(b"HTTP/1.1 500")


def test_a_key_among_sub_protocols_went_on_where_no_websocket_was_asked_for() -> None:
    """A proxy in front that drops Upgrade leaves them."""
    gateway = unified(key("fp-k"))
    peer, user = gateway.warm_all().popitem()[1], gateway.client()
    head = b"GET /v1/realtime?model=m HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer fp-k\r\n"
    for _ in range(40):
        user.data_received(head + b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.fp-k\r\n\r\n")
        assert b"fp-k" not in wire_of(peer).sent
        assert b"GET /v1/realtime" in wire_of(peer).take()
        peer.data_received(b"HTTP/1.1 404 X\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n?")


def test_bodies_of_clients_that_had_left_waited_to_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bound counted them any more."""
    begun, goes_on = threading.Event(), threading.Event()
    body = b"x" * 100_000

    def counts_slowly(*_: object) -> int:
        begun.set()
        goes_on.wait(10)
        return 1

    async def leave_while_another_is_counted() -> None:
        operation, table = find(b"POST", b"/v1/messages/count_tokens"), unified().world.table
        assert operation is not None
        first = asyncio.ensure_future(counted(operation, b"{}", table))
        await asyncio.to_thread(begun.wait, 10)
        references = sys.getrefcount(body)
        second = asyncio.ensure_future(counted(operation, body, table))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        del second
        assert sys.getrefcount(body) == references
        goes_on.set()
        assert await first == 1

    monkeypatch.setattr(counting, "count_body", counts_slowly)
    asyncio.run(leave_while_another_is_counted())


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_with_a_200_cost_what_was_asked(stream: bool) -> None:
    """Translated it cost nothing."""
    gateway, failed = stage(), {"error": {"message": "the provider returned an error", "code": 502}}
    gateway.asks("/v1/chat/completions", CHAT | {"stream": stream})
    if stream:
        gateway.begins_stream()
        gateway.streams(data(failed), "data: [DONE]\n\n")
        gateway.ends_stream()
    else:
        gateway.replies(failed)
    assert tokens(gateway) == (0, 0)
    assert gateway.world.counts[rows.USAGE_UNREAD] == 1
