"""What is too large, too slow or too much is refused with its own status, and the next client is served."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.live.running import Gateway, Mock, mocking, until
from tests.live.wire_client import Wire, http

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
KEY: Final = "sk-upstream-0123456789"
LIMITS: Final = {
    "max_body": "100KiB",
    "max_head": "2KiB",
    "max_target": "512B",
    "max_fields": 20,
    "header_timeout": "300ms",
    "body_idle_timeout": "300ms",
    "idle_timeout": "300ms",
}


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with mocking() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    channels = [{"provider": "openai", "base_url": f"{mock.url}/v1", "keys": [KEY]},
                {"provider": "anthropic", "base_url": f"{mock.url}/v1", "keys": [KEY]}]  # fmt: skip
    routes = [{"match": {"host": "edge.test"}, "upstream": mock.url}]
    config: dict[str, Any] = {"limits": LIMITS, "channels": channels, "routes": routes}
    with Gateway(tmp_path_factory.mktemp("limits"), config=config) as running:
        yield running


def answered(gateway: Gateway, data: bytes) -> tuple[int, bytes, str | None]:
    """(status, body, connection) of the one reply to `data`; the connection must end after it."""
    with Wire.connect(gateway.port) as client:
        client.send(data)
        head, body = client.reply()
        assert client.rest() == b""
    return head.status, body, head.get("connection")


@pytest.mark.parametrize("host", ["edge.test", "gateway.test"])
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("POST /v1/chat/completions HTTP/1.1\nhost: {host}\ncontent-length: 200000", 413),
        ("POST /v1/chat/completions HTTP/1.1\nhost: {host}\ncontent-length: 99999999999999", 413),
        ("GET /{long} HTTP/1.1\nhost: {host}", 414),
        ("GET / HTTP/1.1\nhost: {host}\nx: {very_long}", 431),
        ("GET / HTTP/1.1\nhost: {host}\n{many}", 431),
        ("GET / HTTP/1.1\nhost: {host}\nhost: {host}", 400),
        ("POST / HTTP/1.1\nhost: {host}\ncontent-length: 5\ntransfer-encoding: chunked", 400),
        ("POST / HTTP/1.1\nhost: {host}\nexpect: something", 417),
        ("GET / HTTP/2.0\nhost: {host}", 505),
        ("CONNECT example.test:443 HTTP/1.1\nhost: {host}", 405),
    ],
)
def test_heads_that_are_refused(gateway: Gateway, host: str, asked: str, status: int) -> None:
    many = "\n".join(f"x-{n}: 1" for n in range(30))
    text = asked.format(host=host, long="a" * 600, very_long="a" * 4000, many=many)
    found, _, connection = answered(gateway, http(text))
    assert (found, connection) == (status, "close")


def test_a_refusal_of_size_is_in_the_clients_format(gateway: Gateway) -> None:
    for path, kind in (("chat/completions", "invalid_request_error"), ("messages", "request_too_large")):
        text = f"POST /v1/{path} HTTP/1.1\nhost: gateway.test\ncontent-length: 200000"
        assert json.loads(answered(gateway, http(text))[1])["error"]["type"] == kind


def test_with_expect_nothing_is_sent_in_vain(gateway: Gateway) -> None:
    text = "POST /v1/chat/completions HTTP/1.1\nhost: gateway.test\nexpect: 100-continue\ncontent-length: 200000"
    with Wire.connect(gateway.port) as client:
        client.send(http(text))
        assert client.head().status == 413


@pytest.mark.parametrize("host", ["edge.test", "gateway.test"])
@pytest.mark.parametrize("together", [True, False], ids=["at once", "in pieces"])
@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"], ids=["unfinished", "whole"])
def test_a_chunked_body_that_grows_too_large(gateway: Gateway, host: str, together: bool, end: bytes) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\nhost: {host}\ncontent-type: application/json"
    parts = [http(f"{head}\ntransfer-encoding: chunked"), *[b"2710\r\n" + b"x" * 10_000 + b"\r\n"] * 12, end]
    with Wire.connect(gateway.port) as client:
        for part in [b"".join(parts)] if together else parts:
            client.send(part)
        assert client.reply()[0].status == 413


@pytest.mark.parametrize(
    "part",
    [
        b"GET / HT",
        b"GET / HTTP/1.1\r\nhost: edge.test\r\n",
        b"POST /echo HTTP/1.1\r\nhost: edge.test\r\ncontent-length: 10\r\n\r\nhalf",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
    ],
    ids=["request line", "head", "edge body", "unified body", "chunk"],
)
def test_what_stops_arriving_is_408(gateway: Gateway, part: bytes) -> None:
    assert answered(gateway, part)[0] == 408


@pytest.mark.parametrize("used", [False, True])
def test_an_idle_connection_is_closed_without_a_word(gateway: Gateway, used: bool) -> None:
    with Wire.connect(gateway.port) as client:
        if used:
            client.send(http("GET /echo HTTP/1.1\nhost: edge.test"))
            assert client.reply()[0].status == 200
        assert client.rest() == b""


def test_too_many_connections_are_503_and_told_when_to_come_back(mock: Mock, tmp_path: Path) -> None:
    config = {"limits": {"max_connections": 20}, "routes": [{"upstream": mock.url}]}
    with Gateway(tmp_path, config=config) as gateway, ExitStack() as stack:
        kept = [stack.enter_context(Wire.connect(gateway.port)) for _ in range(20)]
        until(lambda: gateway.status()["workers"][0]["connections"] == 20)  # accepted, in whatever order
        with Wire.connect(gateway.port) as client:
            head, _ = client.reply()
            assert (head.status, head.get("connection")) == (503, "close")
            assert int(head.get("retry-after") or 0) >= 1
        for one in kept:
            one.send(http("GET /echo HTTP/1.1\nhost: edge.test"))
            assert one.reply()[0].status == 200
        gateway.settle()
        assert gateway.metrics()["fastproxy_client_connections_refused_total"] == 1


def test_held_bodies_are_bounded_together(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> None:
    limits = {"max_buffer": "64KiB", "body_idle_timeout": "5s"}
    channels = [{"provider": "openai", "base_url": f"{mock.url}/v1", "keys": [KEY]}]
    place = tmp_path_factory.mktemp("buffer")
    with Gateway(place, config={"limits": limits, "channels": channels}) as gateway:
        head = "POST /v1/chat/completions HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: 40000"
        with Wire.connect(gateway.port) as first, Wire.connect(gateway.port) as second:
            first.send(http(head))
            until(lambda: gateway.status()["workers"][0]["connections"] == 2)
            gateway.settle()
            second.send(http(head))
            got, body = second.reply()
            assert (got.status, json.loads(body)["error"]["code"]) == (503, "overloaded")
            first.send(b" " * 40000)
            assert first.reply()[0].status == 400
        with Wire.connect(gateway.port) as third:
            third.send(http(head, b" " * 40000))
            assert third.reply()[0].status == 400
