"""WebSockets through the gateway: bytes both ways after a checked 101, each half closing by itself, nothing left over.

One gateway in front of the mock's echo, as an edge route and as a channel, and of a scripted upstream."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as websocket

from tests.live.running import Gateway, Mock, mask, mocking, until
from tests.live.wire_client import Upstream, Wire, http, upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live
KEY: Final = "sk-upstream-0123456789"


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with mocking() as running:
        yield running


@pytest.fixture(scope="module")
def origin() -> Iterator[Upstream]:
    with upstream() as scripted:
        yield scripted


@pytest.fixture(scope="module")
def gateway(mock: Mock, origin: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {
        "channels": [{"provider": "openai", "base_url": f"{mock.url}/v1", "keys": [KEY]}],
        "routes": [
            {"match": {"path": "/ws"}, "upstream": mock.url},
            {"match": {"path": "/echo"}, "upstream": mock.url},
            {"match": {"host": "script.test"}, "upstream": origin.url},
        ],
    }
    with Gateway(tmp_path_factory.mktemp("tunnels"), config=config) as running:
        yield running


def connections(gateway: Gateway) -> int:
    gateway.settle()
    return int(gateway.status()["workers"][0]["connections"])


def scripted(origin: Upstream, reply: bytes) -> None:
    def play(wire: Wire) -> None:
        wire.request()
        wire.send(reply)

    origin.play = play


@pytest.mark.parametrize("path", ["/ws", "/v1/realtime?model=gpt-5"], ids=["edge", "unified"])
@pytest.mark.parametrize("message", ["hello ÿ…", b"\x00\xff", os.urandom(1 << 20), "x" * (1 << 20)],
                         ids=["text", "bytes", "1 MB", "1 MB of text"])  # fmt: skip
def test_messages_come_back(gateway: Gateway, path: str, message: str | bytes) -> None:
    with websocket(f"ws://127.0.0.1:{gateway.port}{path}", proxy=None, max_size=None) as client:
        for _ in range(3):
            client.send(message)
            assert client.recv(timeout=5) == message
        client.ping().wait(5)


def test_a_refused_handshake_is_passed_on(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        websocket(f"ws://127.0.0.1:{gateway.port}/echo", proxy=None).close()
    assert refused.value.response.status_code == 200


def test_tunnels_are_counted_while_they_are_open(gateway: Gateway) -> None:
    with websocket(f"ws://127.0.0.1:{gateway.port}/ws", proxy=None) as client:
        client.send("x")
        client.recv(timeout=5)
        gateway.settle()
        assert gateway.metrics()["fastproxy_tunnels"] == 1
    gateway.settle()
    assert gateway.metrics()["fastproxy_tunnels"] == 0


HANDSHAKE: Final = ("GET /x HTTP/1.1\nhost: script.test\nconnection: Upgrade\nupgrade: websocket\n"
                    "sec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==")  # fmt: skip
ACCEPTED: Final = ("HTTP/1.1 101 Switching Protocols\nconnection: Upgrade\nupgrade: websocket\n"
                   "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")  # fmt: skip


def test_each_half_of_a_tunnel_closes_by_itself(gateway: Gateway, origin: Upstream) -> None:
    def play(wire: Wire) -> None:
        wire.head()
        wire.send(http(ACCEPTED, b"early"))
        said = wire.rest()  # ends with the client's FIN
        wire.send(b"you said " + said)

    origin.play = play
    with Wire.connect(gateway.port) as client:
        client.send(http(HANDSHAKE, b"first "))
        assert client.head().status == 101
        assert client.exactly(5) == b"early"
        client.send(b"last")
        client.sock.shutdown(socket.SHUT_WR)
        assert client.rest() == b"you said first last"


def test_a_tunnel_that_both_sides_have_ended_is_gone(gateway: Gateway, origin: Upstream) -> None:
    def play(wire: Wire) -> None:
        wire.head()
        wire.send(http(ACCEPTED))
        wire.rest()

    origin.play = play
    before = connections(gateway)
    for _ in range(3):
        with Wire.connect(gateway.port) as client:
            client.send(http(HANDSHAKE))
            assert client.head().status == 101
    until(lambda: connections(gateway) <= before, 3.0)


@pytest.mark.parametrize("change", ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo=|AAAA", "upgrade: websocket|upgrade: h2c"])
def test_a_wrong_acceptance_opens_no_tunnel(gateway: Gateway, origin: Upstream, change: str) -> None:
    right, _, wrong = change.partition("|")
    scripted(origin, http(ACCEPTED.replace(right, wrong)))
    with Wire.connect(gateway.port) as client:
        client.send(http(HANDSHAKE))
        assert client.head().status == 502


def test_an_unasked_101_is_a_502(gateway: Gateway, origin: Upstream) -> None:
    scripted(origin, http(ACCEPTED))
    assert gateway.ask("GET", "/", headers={"host": "script.test"}).status == 502


def test_the_credential_of_a_realtime_session_is_exchanged(gateway: Gateway, mock: Mock) -> None:
    mock.forget()
    url = f"ws://127.0.0.1:{gateway.port}/v1/realtime?model=gpt-5"
    with websocket(url, proxy=None, additional_headers={"authorization": "Bearer of-the-client"}) as client:
        client.send("x")
        assert client.recv(timeout=5) == "x"
    if mock.last():  # a tunnel may be no request in the mock's eyes
        assert mock.newest()["headers"]["authorization"] == [f"Bearer {mask(KEY)}"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("sec-websocket-version: 13|sec-websocket-version: 12", 426),
        ("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==|sec-websocket-key: short", 400),
        ("GET /x|POST /x", 400),
    ],
)
def test_handshakes_that_no_server_may_accept(gateway: Gateway, change: str, status: int) -> None:
    right, _, wrong = change.partition("|")
    with Wire.connect(gateway.port) as client:
        client.send(http(HANDSHAKE.replace(right, wrong)))
        assert client.head().status == status


def test_a_server_that_ends_first(gateway: Gateway, origin: Upstream) -> None:
    said: list[bytes] = []

    def play(wire: Wire) -> None:
        wire.head()
        wire.send(http(ACCEPTED, b"goodbye"))
        wire.sock.shutdown(socket.SHUT_WR)
        said.append(wire.rest())

    origin.play = play
    with Wire.connect(gateway.port) as client:
        client.send(http(HANDSHAKE))
        client.head()
        assert client.rest() == b"goodbye"
        client.send(b"too late?")
    until(lambda: said)
    assert said == [b"too late?"]
