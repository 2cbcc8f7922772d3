"""Upstreams that are down, reset, stall, talk nonsense or break off: 502 and 504 in the client's format, nothing sent
twice that must not be, and a worker that is the same as before."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anthropic
import httpx2
import openai
import pytest
from google.genai import errors as google_errors

from tests.live import sdk_calls
from tests.live.running import Gateway, Mock, mocking
from tests.live.wire_client import Head, Upstream, Wire, dechunked, http, plain, upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.live
KEY: Final = "sk-upstream-0123456789"
LIMITS: Final = {"first_byte_timeout": "400ms", "stream_idle_timeout": "400ms", "connect_timeout": "1s",
                 "tls_timeout": "400ms"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setup:
    """The gateway, its scripted upstream and the pids of its workers at the start."""

    gateway: Gateway
    origin: Upstream
    pids: dict[int, int]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with upstream() as origin, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = {
            "channels": [
                {"provider": name, "base_url": f"{origin.url}/v1", "keys": [KEY]}
                for name in ("openai", "anthropic", "google-ai-studio")
            ],
            "routes": [
                {"match": {"host": "edge.test"}, "upstream": origin.url},
                {"match": {"host": "tls.test"}, "upstream": origin.url.replace("http:", "https:")},
                {"match": {"host": "refused.test"}, "upstream": f"http://127.0.0.1:{bound.getsockname()[1]}"},
            ],
            "limits": LIMITS,
        }
        with Gateway(tmp_path_factory.mktemp("faults"), config=config) as gateway:
            yield Setup(gateway, origin, gateway.workers())


@pytest.fixture
def setup(running: Setup) -> Iterator[Setup]:
    yield running
    assert running.gateway.workers() == running.pids, "a worker died"


# --- before a byte of the reply ------------------------------------------------------------------------------------


def leaves(wire: Wire) -> None:
    wire.request()


def resets(wire: Wire) -> None:
    wire.request()
    wire.reset()


def resets_unread(wire: Wire) -> None:
    wire.reset()


def half_a_head(wire: Wire) -> None:
    wire.request()
    wire.send(b"HTTP/1.1 200 OK\r\ncontent-le")


def resets_in_the_head(wire: Wire) -> None:
    wire.request()
    wire.send(b"HTTP/1.1 200 OK\r\n")
    wire.reset()


def says(data: bytes) -> Callable[[Wire], None]:
    def play(wire: Wire) -> None:
        wire.request()
        wire.send(data)
        wire.rest()  # and waits for the gateway to leave

    return play


def stalls(wire: Wire) -> None:
    wire.rest()


FAULTS: Final[dict[str, tuple[Callable[[Wire], None], int, str]]] = {
    "leaves": (leaves, 502, "upstream_failed"),
    "resets": (resets, 502, "upstream_failed"),
    "resets unread": (resets_unread, 502, "upstream_failed"),
    "half a head": (half_a_head, 502, "upstream_failed"),
    "resets in the head": (resets_in_the_head, 502, "upstream_failed"),
    "garbage": (says(b"\x00\xff\x00\xff\r\n\r\n"), 502, "upstream_failed"),
    "another protocol": (says(b"SSH-2.0-OpenSSH_9.2\r\n"), 502, "upstream_failed"),
    "two lengths": (says(http("HTTP/1.1 200 OK\ncontent-length: 1\ncontent-length: 2", b"xx")), 502, "upstream_failed"),
    "endless head": (says(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40_000), 502, "upstream_failed"),
    "stalls": (stalls, 504, "upstream_timeout"),
    "stalls in the head": (says(b"HTTP/1.1 200 OK\r\nx: "), 504, "upstream_timeout"),
}
CHAT: Final = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
VERSION: Final = {"anthropic-version": "2023-06-01"}
ASKS: Final = {
    "openai-chat": ("/v1/chat/completions", CHAT),
    "openai-responses": ("/v1/responses", {"model": "m", "input": "hi"}),
    "anthropic": ("/v1/messages", CHAT | {"max_tokens": 5}),
    "gemini": ("/v1beta/models/m:generateContent", {"contents": []}),
}


def is_in_format(wire_format: str, body: Any, status: int) -> bool:
    error = body["error"]
    if wire_format == "anthropic":
        return bool(body["type"] == "error" and error["type"] == ("timeout_error" if status == 504 else "api_error"))
    if wire_format == "gemini":
        word = "DEADLINE_EXCEEDED" if status == 504 else "UNAVAILABLE"
        return bool(error["code"] == status and error["status"] == word)
    return bool(error["type"] == "server_error" and error["message"])


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_before_a_reply(setup: Setup, fault: str) -> None:
    setup.origin.play, status, kind = FAULTS[fault]
    before = setup.gateway.errors(kind)
    for method in ("GET", "POST"):
        reply = setup.gateway.ask(method, "/x", b"" if method == "GET" else b"data", {"host": "edge.test"})
        assert reply.status == status
        assert "text/plain" in reply.one("content-type")
    assert setup.gateway.errors(kind) == before + 2


@pytest.mark.parametrize("wire_format", ASKS)
@pytest.mark.parametrize("fault", ["leaves", "resets", "garbage", "stalls"])
def test_faults_in_each_format(setup: Setup, wire_format: str, fault: str) -> None:
    setup.origin.play, status, _ = FAULTS[fault]
    reply = setup.gateway.ask("POST", *ASKS[wire_format], VERSION)
    assert reply.status == status
    assert is_in_format(wire_format, reply.json, status), reply.json
    assert reply.one("x-request-id")
    shown = json.dumps(reply.headers) + reply.body.decode()
    assert str(setup.origin.port) not in shown, "a client need not know where the upstream is"
    assert KEY not in shown


def test_nobody_listens(setup: Setup) -> None:
    assert setup.gateway.ask("GET", "/", headers={"host": "refused.test"}).status == 502


def test_a_tls_handshake_that_stalls(setup: Setup) -> None:
    setup.origin.play = stalls
    assert setup.gateway.ask("GET", "/", headers={"host": "tls.test"}).status == 504
    setup.origin.play = lambda wire: wire.send(plain(b"plain text where a handshake should be"))
    assert setup.gateway.ask("GET", "/", headers={"host": "tls.test"}).status in (502, 504)


def test_the_clients_connection_survives_a_fault(setup: Setup) -> None:
    setup.origin.play = leaves
    with Wire.connect(setup.gateway.port) as client:
        for _ in range(3):
            client.send(http("GET / HTTP/1.1\nhost: edge.test"))
            head, _ = client.reply()
            assert head.status == 502
        setup.origin.play = says(http("HTTP/1.1 200 OK\nconnection: close\ncontent-length: 10", b"well again"))
        client.send(http("GET / HTTP/1.1\nhost: edge.test"))
        assert client.reply()[1] == b"well again"


# --- in the middle of a reply --------------------------------------------------------------------------------------


def begins(reply: bytes, *, then: str) -> Callable[[Wire], None]:
    def play(wire: Wire) -> None:
        wire.request()
        wire.send(reply)
        if then == "reset":
            wire.reset()
        elif then == "stall":
            wire.rest()

    return play


COUNTED: Final = "HTTP/1.1 200 OK\ncontent-type: application/json\ncontent-length: 100"
CHUNKED: Final = "HTTP/1.1 200 OK\ncontent-type: application/json\ntransfer-encoding: chunked"


@pytest.mark.parametrize("then", ["end", "reset", "stall"])
@pytest.mark.parametrize("host", ["edge.test", "gateway.test"])
def test_a_counted_reply_that_breaks_off_stays_short(setup: Setup, host: str, then: str) -> None:
    setup.origin.play = begins(http(COUNTED, b'{"a": '), then=then)
    before = setup.gateway.errors("upstream_timeout" if then == "stall" else "upstream_truncated")
    with Wire.connect(setup.gateway.port) as client:
        client.send(asked(host))
        assert client.head().get("content-length") == "100"
        assert client.rest() == b'{"a": '
    assert setup.gateway.errors("upstream_timeout" if then == "stall" else "upstream_truncated") == before + 1


@pytest.mark.parametrize("then", ["end", "reset", "stall"])
@pytest.mark.parametrize("host", ["edge.test", "gateway.test"])
def test_a_chunked_reply_that_breaks_off_has_no_last_chunk(setup: Setup, host: str, then: str) -> None:
    setup.origin.play = begins(http(CHUNKED, b'6\r\n{"a": \r\n'), then=then)
    with Wire.connect(setup.gateway.port) as client:
        client.send(asked(host))
        client.head()
        assert dechunked(client.rest()) == (b'{"a": ', False)


@pytest.mark.parametrize(
    "reply",
    [
        http("HTTP/1.1 200 OK\ncontent-type: text/event-stream", b"part"),
        http("HTTP/1.1 200 OK\ncontent-type: text/event-stream\ntransfer-encoding: chunked", b"4\r\npart\r\n"),
    ],
    ids=["until close", "chunked"],
)
@pytest.mark.parametrize("host", ["edge.test", "gateway.test"])
def test_a_client_of_http_1_0_sees_a_reset_where_a_close_would_be_an_end(
    setup: Setup, host: str, reply: bytes
) -> None:  # fmt: skip
    setup.origin.play = begins(reply, then="reset")
    with Wire.connect(setup.gateway.port) as client:
        client.send(asked(host, version="1.0"))
        with pytest.raises(ConnectionResetError):
            b"".join(iter(client.more, b""))


def asked(host: str, version: str = "1.1") -> bytes:
    body = json.dumps(CHAT).encode()
    head = f"POST /v1/chat/completions HTTP/{version}\nhost: {host}\ncontent-type: application/json"
    return http(f"{head}\ncontent-length: {len(body)}", body)


def test_bytes_beyond_a_reply_never_answer_another(setup: Setup) -> None:
    """The response that nobody asked for: a later request must not get it."""
    setup.origin.play = says(plain(b"mine") + plain(b"smuggled"))
    for _ in range(3):
        with Wire.connect(setup.gateway.port) as client:
            client.send(http("GET / HTTP/1.1\nhost: edge.test"))
            assert client.reply()[1] == b"mine"


def test_a_client_that_leaves_ends_the_upstreams_work(setup: Setup) -> None:
    left = threading.Event()

    def play(wire: Wire) -> None:
        wire.request()
        wire.send(http(CHUNKED.replace("application/json", "text/event-stream"), b"6\r\ndata: \r\n"))
        wire.rest()
        left.set()

    setup.origin.play = play
    with Wire.connect(setup.gateway.port) as client:
        client.send(asked("gateway.test"))
        client.head()
    assert left.wait(0.35), "the upstream should be cut at once, long before its idle timeout"


# --- what is sent again, and what never ----------------------------------------------------------------------------


@dataclass
class Stale:
    """An upstream whose connections serve one request each, then take a second one and hang up without an answer."""

    seen: list[str]

    def __call__(self, wire: Wire) -> None:
        self.note(*wire.request())
        wire.send(plain(b"fine"))
        self.note(*wire.request())

    def note(self, head: Head, _: bytes) -> None:
        self.seen.append(head.line.split()[0])


@pytest.mark.parametrize(
    ("method", "more", "status", "sent"),
    [
        ("GET", {}, 200, 2),
        ("HEAD", {}, 200, 2),
        ("PUT", {}, 200, 2),
        ("DELETE", {}, 200, 2),
        ("POST", {}, 502, 1),
        ("PATCH", {}, 502, 1),
        ("POST", {"idempotency-key": "once"}, 200, 2),
    ],
)
def test_a_stale_connection(setup: Setup, method: str, more: dict[str, str], status: int, sent: int) -> None:
    setup.gateway.reload()  # so that no older connection is kept
    stale = Stale([])
    setup.origin.play = stale
    assert setup.gateway.ask("OPTIONS", "/first", headers={"host": "edge.test"}).status == 200
    reply = setup.gateway.ask(method, "/second", b"x" if method in ("POST", "PUT", "PATCH") else None,
                              {"host": "edge.test"} | more)  # fmt: skip
    assert reply.status == status
    assert stale.seen == ["OPTIONS"] + [method] * sent


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", ["leaves", "resets", "half a head"])
def test_a_fresh_connection_that_fails_is_not_tried_again(setup: Setup, method: str, fault: str) -> None:
    seen: list[str] = []
    play, _, _ = FAULTS[fault]

    def noted(wire: Wire) -> None:
        seen.append("connection")
        play(wire)

    setup.origin.play = noted
    assert setup.gateway.ask(method, "/", b"x", {"host": "edge.test"}).status == 502
    assert len(seen) == 1


def test_a_connection_that_the_upstream_closed_while_idle_is_not_used(setup: Setup) -> None:
    """Its FIN has been seen, so even a POST goes to a new connection."""
    closed = threading.Event()

    def once(wire: Wire) -> None:
        wire.request()
        wire.send(plain())
        wire.sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    setup.origin.play = once
    for _ in range(5):
        closed.clear()
        assert setup.gateway.ask("POST", "/", b"x", {"host": "edge.test"}).status == 200
        assert closed.wait(2)
        setup.gateway.settle()


# --- a real mock's books -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with mocking() as found:
        yield found


@pytest.fixture(scope="module")
def honest(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    flags = [
        f"openai={KEY}@{mock.url}/v1",
        f"anthropic={KEY}@{mock.url}/v1",
        f"google-ai-studio={KEY}@{mock.url}/v1beta",
    ]
    with Gateway(
        tmp_path_factory.mktemp("honest"), *[part for one in flags for part in ("--provider", one)]
    ) as gateway:
        yield gateway


@pytest.mark.parametrize("wish", ["x-mock-cut", "x-mock-fin"])
@pytest.mark.parametrize("at", ["0", "1"])
@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (sdk_calls.openai_chat, openai.APIError),
        (sdk_calls.openai_responses, openai.APIError),
        (sdk_calls.anthropic_messages, anthropic.APIError),
        (sdk_calls.gemini_generate, (google_errors.APIError, httpx2.TransportError)),
    ],
)
def test_a_model_call_is_never_sent_twice(  # noqa: PLR0913 - one row of the table and two axes
    honest: Gateway, mock: Mock, call: Any, expected: Any, at: str, wish: str
) -> None:
    call(honest.url, "client")  # so that a kept connection is what breaks
    mock.forget()
    with pytest.raises(expected):
        call(honest.url, "client", headers={wish: at})
    assert mock.requests() == 1
    assert call(honest.url, "client")[0].startswith("Mock answer")
    assert honest.workers()


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_errors_of_the_upstream_are_not_errors_of_ours(honest: Gateway, mock: Mock, status: int) -> None:
    mock.forget()
    with pytest.raises(google_errors.APIError, match="told to fail") as failed:
        sdk_calls.gemini_generate(honest.url, "client", headers={"x-mock-status": str(status)})
    assert failed.value.code == status
    assert mock.requests() == 1
