"""Large requests on kept connections: every byte arrives once and unchanged, whoever is slow, leaves or is reloaded.

The upstream answers each request with what it has got: its first line, its fields and the digest of its body. Every
conversation begins with so many large requests that the gateway sends them from where it has read them (wire/basin.py);
a client over TLS is never read that way.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest

from fastproxy.gateway.tunnel import accept_of
from tests.live.running import Gateway, until
from tests.live.test_edge_tls import Certificates
from tests.live.wire_client import Head, Upstream, Wire, http, plain, upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
ROUNDS: Final = 40  # large requests after which they are sent from where they were read
CLIENTS, REQUESTS = 8, 60
AT_ONCE: Final = 60_000  # a segment on loopback: a body of several reads is passed on, and never sent again
ACTIVE: Final = 'fastproxy_upstream_connections{state="active"}'
WIDE, NARROW = "fp-wide-0123456789", "fp-narrow-0123456789"
PROVIDER_KEY: Final = "sk-upstream-0123456789"


def edge(body: bytes, *, method: str = "POST", more: str = "") -> bytes:
    head = f"{method} /x HTTP/1.1\nhost: edge.test\ncontent-type: a/b\ncontent-length: {len(body)}"
    return http(f"{head}\n{more}", body)


def chat(body: bytes, *, key: str = WIDE) -> bytes:
    head = f"POST /v1/chat/completions HTTP/1.1\nhost: x.test\nauthorization: Bearer {key}"
    return http(f"{head}\ncontent-type: application/json\ncontent-length: {len(body)}", body)


def body_for(model: str, size: int, rng: random.Random, *, more: str = "", first: bool = True) -> bytes:
    """A chat of about that size; the model stands at its beginning or at its end."""
    text = rng.randbytes(size // 2).hex()
    asked, said = f'"model":"{model}"{more}', f'"messages":[{{"role":"user","content":"{text}"}}]'
    return ("{" + (f"{asked},{said}" if first else f"{said},{asked}") + "}").encode()


# --- the upstream ---------------------------------------------------------------------------------------------------


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def account(head: Head, body: bytes) -> bytes:
    told = {"line": head.line, "fields": head.fields, "size": len(body), "digest": digest(body)}
    return json.dumps(told).encode()


def naps(wire: Wire) -> None:
    """Reads nothing for a while, with little room for what comes in the meantime."""
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
    answers(wire, naps_s=0.03)


def heard(wire: Wire) -> tuple[Head, bytes]:
    """The next request, whole. Raises: EOFError also where it breaks off, as it may when its client leaves."""
    try:
        return wire.request()
    except (AssertionError, TimeoutError):
        raise EOFError from None


def head_of(wire: Wire) -> Head:
    """As `heard`, for the head alone."""
    try:
        return wire.head()
    except (AssertionError, TimeoutError):
        raise EOFError from None


def answers(wire: Wire, *, naps_s: float = 0.0) -> None:
    for number in count(1):
        time.sleep(0 if number % 5 else naps_s)
        wire.send(plain(account(*heard(wire)), "application/json"))


@dataclass
class Setup:
    gateway: Gateway
    origin: Upstream

    def connect(self) -> Wire:
        return Wire.connect(self.gateway.port)


@contextmanager
def running(place: Path, origin: Upstream, **more: Any) -> Iterator[Setup]:
    with Gateway(place, config={"admin": "off", "routes": [{"upstream": origin.url}], **more}) as gateway:
        yield Setup(gateway, origin)
        assert "Traceback" not in gateway.said()


def for_models(place: Path, origin: Upstream) -> AbstractContextManager[Setup]:
    channels = [{"provider": "openai", "base_url": f"{origin.url}/v1", "keys": [PROVIDER_KEY]}]
    keys = [{"name": "wide", "key": WIDE}, {"name": "narrow", "key": NARROW, "models": ["a"]}]
    return running(place, origin, routes=[], channels=channels, keys=keys)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with upstream(answers) as origin, running(tmp_path_factory.mktemp("large"), origin) as setup:
        yield setup


@pytest.fixture
def setup(shared: Setup) -> Iterator[Setup]:
    pids = shared.gateway.workers()
    shared.origin.play = answers
    yield shared
    assert shared.gateway.workers() == pids, "a worker died"


def asked(wire: Wire, request: bytes) -> dict[str, Any]:
    """What the upstream says it has got of a request that it must have got whole."""
    wire.send(request)
    head, told = wire.reply()
    assert head.status == 200, told
    found: dict[str, Any] = json.loads(told)
    body = request.partition(b"\r\n\r\n")[2]
    assert (found["size"], found["digest"]) == (len(body), digest(body))
    return found


def fields(found: dict[str, Any], name: str) -> list[str]:
    return [value for known, value in found["fields"] if known == name]


def warmed(wire: Wire, *, rounds: int = ROUNDS) -> Wire:
    """A connection whose large requests are sent from where they were read."""
    for number in range(rounds):
        asked(wire, edge(os.urandom(40_000 + number)))
    return wire


# --- many at once ---------------------------------------------------------------------------------------------------


def edge_talk(port: int, seed: int) -> None:
    rng = random.Random(seed)
    with Wire.connect(port) as wire:
        for number in range(REQUESTS):
            body = rng.randbytes(rng.randrange(33_000, 260_000) if number % 7 else 100)
            found = asked(wire, edge(body, more=f"x-client: {seed}-{number}"))
            assert found["line"] == "POST /x HTTP/1.1"
            assert (fields(found, "x-client"), fields(found, "host")) == ([f"{seed}-{number}"], ["edge.test"])
            assert fields(found, "x-forwarded-for") == ["127.0.0.1"]


def chat_talk(port: int, seed: int) -> None:
    rng = random.Random(seed)
    key = (WIDE, NARROW)[seed % 2]
    with Wire.connect(port) as wire:
        for number in range(REQUESTS):
            size = rng.randrange(33_000, 200_000) if number % 7 else 100
            found = asked(wire, chat(body_for("a", size, rng, first=seed % 3 > 0), key=key))
            assert found["line"] == "POST /v1/chat/completions HTTP/1.1"
            assert fields(found, "authorization") == [f"Bearer {PROVIDER_KEY}"]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("play", [answers, naps])
@pytest.mark.parametrize("kind", ["tcp", "unix", "unified"])
def test_many_clients_at_once(play: Any, kind: str, tmp_path: Path) -> None:
    """A Unix socket takes no more than 208 KB, so that rests wait in the gateway while others are served."""
    start, talk = (for_models, chat_talk) if kind == "unified" else (running, edge_talk)
    with (
        upstream(play, str(tmp_path / "up") if kind == "unix" else "") as origin,
        start(tmp_path, origin) as fresh,
        ThreadPoolExecutor(CLIENTS) as threads,
    ):
        for one in [threads.submit(talk, fresh.gateway.port, seed) for seed in range(CLIENTS)]:
            one.result()


def test_large_bodies_through_tls_at_either_end(tmp_path: Path) -> None:
    ours = Certificates(tmp_path)
    cert, key = ours.issue("both", "localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def encrypted(wire: Wire) -> None:
        with Wire(context.wrap_socket(wire.sock, server_side=True)) as inner:
            answers(inner)

    with upstream(encrypted) as origin:
        routes = [{"upstream": f"https://localhost:{origin.port}", "ca_file": ours.ca_file}]
        listen = [{"address": "127.0.0.1:0"}, {"address": "127.0.0.1:0", "tls": False}]
        more: dict[str, Any] = {"listen": listen, "tls": {"cert": cert, "key": key}, "routes": routes}
        with running(tmp_path / "gateway", origin, **more) as setup:
            secure, bare = (int(address.rpartition(":")[2]) for address in setup.gateway.addresses)
            for port, client in ((secure, ours.client()), (bare, None)):
                with Wire.connect(port, context=client) as wire:
                    warmed(wire)
                    for size in (33_000, 200_000, 262_000, 1_000_000):
                        asked(wire, edge(os.urandom(size)))


# --- one after the other --------------------------------------------------------------------------------------------


def test_small_and_large_requests_take_turns(setup: Setup) -> None:
    with setup.connect() as wire:
        for _ in range(2):
            warmed(wire)
            for number in range(20):
                asked(wire, edge(b"%d" % number))
            asked(wire, edge(b""))
            asked(wire, edge(os.urandom(300_000)))
            asked(wire, edge(os.urandom(2_000_000)))


@pytest.mark.parametrize("pause", [0.0, 0.01])
def test_a_large_request_in_several_reads(setup: Setup, pause: float) -> None:
    with setup.connect() as wire:
        warmed(wire)
        for cuts in ((30,), (130, 40_000), (20_000, 40_000, 80_000), (99_999,)):
            request = edge(os.urandom(100_000))
            start = 0
            for stop in cuts:
                wire.send(request[start:stop])
                time.sleep(pause)
                start = stop
            wire.send(request[start:])
            assert json.loads(wire.reply()[1])["digest"] == digest(request.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("sizes", [(40_000, 10), (10, 40_000), (40_000, 40_000), (30_000, 0, 20, 30_000)])
def test_pipelined_requests(setup: Setup, sizes: tuple[int, ...]) -> None:
    with setup.connect() as wire:
        warmed(wire)
        for _ in range(3):
            bodies = [os.urandom(size) for size in sizes]
            wire.send(b"".join(map(edge, bodies)))
            for body in bodies:
                assert json.loads(wire.reply()[1])["digest"] == digest(body)


def test_other_requests_after_large_ones(setup: Setup) -> None:
    body = os.urandom(50_000)
    with setup.connect() as wire:
        warmed(wire)
        wire.send(http("POST /x HTTP/1.1\nhost: edge.test\ntransfer-encoding: chunked"))
        wire.send(b"c350\r\n" + body + b"\r\n0\r\n\r\n")
        assert json.loads(wire.reply()[1])["digest"] == digest(body)
        wire.send(edge(body, more="expect: 100-continue")[:-50_000])
        assert wire.head().status == 100
        wire.send(body)
        assert json.loads(wire.reply()[1])["digest"] == digest(body)
        wire.send(http("GET /y HTTP/1.1\nhost: edge.test"))
        assert json.loads(wire.reply()[1])["line"] == "GET /y HTTP/1.1"
        asked(wire, edge(body, method="PUT"))
        asked(wire, edge(body))
        wire.send(http("HEAD /y HTTP/1.1\nhost: edge.test"))
        assert wire.head().status == 200
        asked(wire, edge(body))
        asked(wire, edge(b"", method="GET"))
        asked(wire, edge(body))


@pytest.mark.parametrize("length", ["content-length: 49999\ncontent-length: 50000", "content-length: -50000"])
def test_a_wrong_length(setup: Setup, length: str) -> None:
    with setup.connect() as wire:
        warmed(wire)
        wire.send(http(f"POST /x HTTP/1.1\nhost: edge.test\ncontent-type: a/b\n{length}", os.urandom(50_000)))
        assert wire.head().status == 400


# --- upstreams that leave, refuse or stream -------------------------------------------------------------------------


class Leaving:
    """An upstream that leaves over the first request that is marked so, and notes all that it has got."""

    def __init__(self, when: str) -> None:
        self.when = when
        self.left = False
        self.got: list[str] = []

    def play(self, wire: Wire) -> None:
        while True:
            head = head_of(wire)
            if head.get("x-leave") == "yes" and self.when == "before the body" and self._is_first():
                wire.reset()
                return
            body = wire.body(head)
            if head.get("x-leave") == "yes":
                self.got.append(digest(body))
                if self.when == "after the body" and self._is_first():
                    return
            wire.send(plain(account(head, body), "application/json"))

    def _is_first(self) -> bool:
        first, self.left = not self.left, True
        return first


@pytest.mark.parametrize("when", ["before the body", "after the body"])
@pytest.mark.parametrize(
    ("method", "more"), [("POST", ""), ("POST", "idempotency-key: 7"), ("PUT", "")], ids=["POST", "vouched for", "PUT"]
)
def test_an_upstream_that_leaves(tmp_path: Path, when: str, method: str, more: str) -> None:
    """Sent again once and whole where that is allowed, and never otherwise."""
    leaving = Leaving(when)
    with upstream(leaving.play) as origin, running(tmp_path, origin) as setup, setup.connect() as wire:
        for number in range(ROUNDS):
            asked(wire, edge(os.urandom(40_000 + number), method=method, more=f"x-leave: no-{number}\n{more}"))
        body = os.urandom(AT_ONCE)
        wire.send(edge(body, method=method, more=f"x-leave: yes\n{more}"))
        head, _ = wire.reply()
        again = "idempotency" in more or method == "PUT"
        assert head.status == (200 if again else 502)
        times = (when == "after the body") + again
        assert leaving.got == [digest(body)] * times
        asked(wire, edge(os.urandom(50_000), method=method, more=f"x-leave: no-{number}\n{more}"))


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_requests_that_may_be_repeated_are_so_also_after_others(tmp_path: Path, method: str) -> None:
    """The connection was read large for its first requests, and the last of these went wrong, which ends their lane."""
    leaving, more = Leaving("after the body"), "idempotency-key: 7" if method == "POST" else ""
    with upstream(leaving.play) as origin, running(tmp_path, origin) as setup, setup.connect() as wire:
        for number in range(ROUNDS):
            asked(wire, edge(os.urandom(40_000 + number), more=f"x-leave: no-{number}"))
        wire.send(edge(os.urandom(40_000), more="x-leave: yes"))
        assert wire.reply()[0].status == 502
        leaving.left, leaving.got = False, []
        for number in range(ROUNDS):
            asked(wire, edge(os.urandom(40_000 + number), method=method, more=f"x-leave: no-{number}\n{more}"))
        body = os.urandom(AT_ONCE)
        asked(wire, edge(body, method=method, more=f"x-leave: yes\n{more}"))
        assert leaving.got == [digest(body)] * 2


REPLIES: Final = {
    "chunked": (http("HTTP/1.1 200 OK\ntransfer-encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"), b"hello"),
    "sse": (
        http("HTTP/1.1 200 OK\ncontent-type: text/event-stream\ntransfer-encoding: chunked",
             b"9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n"),
        b"data: 1\n\ndata: 2\n\n",
    ),
    "large": (plain(bytes(range(256)) * 4000), bytes(range(256)) * 4000),
}  # fmt: skip


@pytest.mark.parametrize("kind", REPLIES)
def test_replies_of_every_kind(setup: Setup, kind: str) -> None:
    reply, expected = REPLIES[kind]

    def plays(wire: Wire) -> None:
        while True:
            head, body = heard(wire)
            wire.send(reply if head.get("x-other") == "1" else plain(account(head, body), "application/json"))

    setup.gateway.reload()  # so that the connections are new
    setup.origin.play = plays
    with setup.connect() as wire:
        for number in range(ROUNDS + 20):
            asked(wire, edge(os.urandom(40_000 + number), more=f"x-other: no-{number}"))
            if number > ROUNDS:
                wire.send(edge(os.urandom(70_000), more="x-other: 1"))
                assert wire.reply()[1] == expected


@pytest.mark.parametrize("size", [200_000, 600_000])
def test_an_early_refusal(setup: Setup, size: int) -> None:
    def refuses(wire: Wire) -> None:
        while (head := head_of(wire)).get("x-refuse") != "yes":
            wire.send(plain(account(head, wire.body(head)), "application/json"))
        wire.send(http("HTTP/1.1 413 Content Too Large\nconnection: close\ncontent-length: 2", b"no"))
        wire.sock.shutdown(socket.SHUT_WR)
        wire.rest()

    setup.gateway.reload()
    setup.origin.play = refuses
    with setup.connect() as wire:
        for _ in range(2):
            for number in range(ROUNDS):
                asked(wire, edge(os.urandom(40_000 + number), more=f"x-refuse: no-{number}"))
            wire.send(edge(os.urandom(size), more="x-refuse: yes"))
            head, body = wire.reply()
            assert (head.status, body) == (413, b"no")


def test_a_tunnel_after_large_requests(setup: Setup) -> None:
    def switches(wire: Wire) -> None:
        while not (head := head_of(wire)).get("upgrade"):
            wire.send(plain(account(head, wire.body(head)), "application/json"))
        accept = accept_of((head.get("sec-websocket-key") or "").encode()).decode()
        lines = f"connection: upgrade\nupgrade: websocket\nsec-websocket-accept: {accept}"
        wire.send(http(f"HTTP/1.1 101 Switching Protocols\n{lines}"))
        wire.send(wire.exactly(100_000)[::-1])

    setup.gateway.reload()
    setup.origin.play = switches
    with setup.connect() as wire:
        warmed(wire)
        fields = "connection: upgrade\nupgrade: websocket\nsec-websocket-version: 13"
        wire.send(http(f"GET /ws HTTP/1.1\nhost: edge.test\n{fields}\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="))
        assert wire.head().status == 101
        wire.send(data := os.urandom(100_000))
        assert wire.exactly(100_000) == data[::-1]
        assert wire.rest() == b""
    until(lambda: setup.gateway.status()["workers"][0]["connections"] == 0)


# --- clients that leave ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("sent", [100, 50_000, 200_000])
def test_a_client_that_leaves_harms_nobody_else(setup: Setup, how: str, sent: int) -> None:
    with setup.connect() as other:
        warmed(other)
        for number in range(11):
            leaver = warmed(setup.connect(), rounds=1 if number else ROUNDS)
            leaver.send(edge(os.urandom(100_000))[:sent])
            leaver.reset() if how == "reset" else leaver.sock.close()
            asked(other, edge(os.urandom(100_000)))
    until(lambda: setup.gateway.status()["workers"][0]["connections"] == 0)


def test_a_client_that_has_said_all_is_answered(setup: Setup) -> None:
    with setup.connect() as wire:
        warmed(wire)
        body = os.urandom(150_000)
        wire.send(edge(body))
        wire.sock.shutdown(socket.SHUT_WR)
        assert json.loads(wire.reply()[1])["digest"] == digest(body)
        assert wire.rest() == b""


# --- drain, reload, models ------------------------------------------------------------------------------------------


def test_a_drain_between_large_requests(tmp_path: Path) -> None:
    with (
        upstream(answers) as origin,
        running(tmp_path, origin, admin="127.0.0.1:0") as setup,
        setup.connect() as idle,
        setup.connect() as one,
    ):
        warmed(idle)
        warmed(one)
        request = edge(os.urandom(100_000))
        one.send(request[:60_000])
        until(lambda: setup.gateway.metrics()[ACTIVE] == 1)
        setup.gateway.process.send_signal(signal.SIGTERM)
        assert idle.rest() == b""
        one.send(request[60_000:])
        assert json.loads(one.reply()[1])["digest"] == digest(request.partition(b"\r\n\r\n")[2])
        assert one.rest() == b""
        assert setup.gateway.process.wait(5) == 0


def test_reloads_between_large_requests(tmp_path: Path) -> None:
    with upstream(answers) as old, upstream(answers) as new, running(tmp_path, old) as setup, setup.connect() as wire:
        for number in range(6):
            warmed(wire)
            origin = (new, old)[number % 2]
            before = origin.connections
            setup.gateway.reload({"routes": [{"upstream": origin.url}]})
            asked(wire, edge(os.urandom(100_000)))
            assert origin.connections == before + 1, "served by the old configuration"


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_the_model_changes(tmp_path: Path, first: bool) -> None:
    rng = random.Random(1)
    others = [("b", ""), ("a", ',"model":"b"'), ("a", ',"\\u006dodel":"b"'), ("a", ',"mod\\u0065l":"b"')]
    with upstream(answers) as origin, for_models(tmp_path, origin) as setup, setup.connect() as wire:
        for number in range(ROUNDS):
            asked(wire, chat(body_for("a", 40_000 + number, rng, first=first), key=NARROW))
        for model, more in others * 2:
            wire.send(chat(body_for(model, 40_000, rng, first=first, more=more), key=NARROW))
            assert wire.reply()[0].status in ((400,) if more else (403, 404))
            asked(wire, chat(body_for("a", 40_000, rng, first=first), key=NARROW))
