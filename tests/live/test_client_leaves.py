"""A client that leaves, with real sockets: its upstream sees the close, or is read to the end, counted and kept."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.live.running import Gateway, until
from tests.live.wire_client import Upstream, Wire, http, upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
HEAD: Final = http("HTTP/1.1 200 OK\ncontent-type: text/event-stream\ntransfer-encoding: chunked")
USAGE: Final = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
CHOICE: Final = {"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}
BEGIN: Final = {"id": "x", "model": "m", "choices": [CHOICE]}
END: Final = ({"id": "x", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
              {"id": "x", "model": "m", "choices": [], "usage": USAGE})  # fmt: skip
BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/messages": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
}
each_way = pytest.mark.parametrize("path", BODIES, ids=["relayed", "translated"])


def event(value: object) -> bytes:
    data = b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


class Slow:
    """An upstream that says the beginning of each reply, and the end when it is told to."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.was_left = threading.Event()

    def __call__(self, wire: Wire) -> None:
        while True:
            wire.request()
            wire.send(HEAD + event(BEGIN))
            if not self.may_end.is_set():
                self._wait(wire)
            wire.send(b"".join(map(event, END)) + event(b"[DONE]") + b"0\r\n\r\n")

    def _wait(self, wire: Wire) -> None:
        """Until it may end, or the gateway has left."""
        while not self.may_end.is_set():
            wire.sock.settimeout(0.02)
            try:
                gone = not wire.sock.recv(1)
            except TimeoutError:
                continue
            except ConnectionError:
                gone = True
            assert gone
            self.was_left.set()
            raise EOFError
        wire.sock.settimeout(5)


@contextmanager
def running(place: Path, client_gone: str, **limits: str) -> Iterator[tuple[Gateway, Slow, Upstream]]:
    slow = Slow()
    with upstream(slow) as origin:
        config = {
            "channels": [
                {"provider": "openai", "format": "openai-chat", "base_url": f"{origin.url}/v1", "keys": ["k"]}
            ],
            "limits": {"client_gone": client_gone, **limits},
        }
        with Gateway(place, config=config) as gateway:
            yield gateway, slow, origin


def leaves(gateway: Gateway, path: str) -> None:
    """Ask for a stream, read its beginning, and be gone."""
    text = json.dumps({**BODIES[path], "stream": True}).encode()
    head = f"POST {path} HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: {len(text)}"
    with Wire.connect(gateway.port) as client:
        client.send(http(head, text))
        client.until(b"Hello")
    assert gateway.ask("GET", "/health").status == 200  # so the one worker has seen what came before


@each_way
def test_a_cancelled_upstream_sees_the_close(tmp_path: Path, path: str) -> None:
    """It says nothing more and its timeouts are long: only the client's leaving can have closed it."""
    with running(tmp_path, "cancel") as (gateway, slow, _):
        leaves(gateway, path)
        assert slow.was_left.wait(5)
        until(lambda: gateway.errors("client_closed") == 1)


@each_way
def test_a_drained_upstream_is_read_whole_counted_and_asked_again(tmp_path: Path, path: str) -> None:
    with running(tmp_path, "drain") as (gateway, slow, origin):
        before = gateway.tokens()
        leaves(gateway, path)
        slow.may_end.set()
        until(lambda: gateway.errors("client_closed") == 1)
        gateway.has_counted(before, {("openai-chat", "input"): 11, ("openai-chat", "output"): 7})
        reply = gateway.ask("POST", path, {**BODIES[path], "stream": True})
        assert reply.status == 200
        assert origin.connections == 1
        assert not slow.was_left.is_set()


@each_way
def test_a_drain_waits_for_a_reply_that_nobody_gets(tmp_path: Path, path: str) -> None:
    with running(tmp_path, "drain") as (gateway, slow, _):
        leaves(gateway, path)
        gateway.process.send_signal(signal.SIGTERM)
        until(lambda: "drain" in gateway.said() or gateway.process.poll() is not None)
        slow.may_end.set()
        assert gateway.process.wait(8) == 0
        assert not slow.was_left.is_set()


@each_way
def test_a_drain_ends_by_its_deadline_all_the_same(tmp_path: Path, path: str) -> None:
    with running(tmp_path, "drain", drain_timeout="500ms") as (gateway, slow, _):
        leaves(gateway, path)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(8) == 0
        assert slow.was_left.wait(5)
