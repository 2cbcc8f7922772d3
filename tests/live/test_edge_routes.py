"""The edge proxy in front of a strict mock: which route takes a request, what it changes, large and odd bodies, limits,
loops, Unix and IPv6 addresses. TLS, limits and tunnels have files of their own."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.live.running import Gateway, Mock, mocking
from tests.live.wire_client import Upstream, Wire, http, plain, upstream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.loadtest.mock_process import Answer

pytestmark = pytest.mark.live
BIG: Final = os.urandom(1 << 20) * 10
DIGEST: Final = hashlib.sha256(BIG).hexdigest()


@pytest.fixture(scope="module")
def shared_mock() -> Iterator[Mock]:
    with mocking() as mock:
        yield mock


@pytest.fixture
def mock(shared_mock: Mock) -> Mock:
    shared_mock.forget()
    return shared_mock


@pytest.fixture(scope="module")
def origin() -> Iterator[Upstream]:
    with upstream() as scripted:
        yield scripted


@pytest.fixture(scope="module")
def dead() -> Iterator[str]:
    """An address where nobody listens, and nobody will: it is bound."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


def config(mock: Mock, origin: Upstream, dead: str) -> dict[str, Any]:
    def route(host: str, path: str = "/", **more: object) -> dict[str, object]:
        methods = {"methods": more.pop("methods")} if "methods" in more else {}
        return {"match": {"host": host, "path": path} | methods, "upstream": mock.url} | more

    return {
        "routes": [
            route("app.test", response_headers={"x-route": "app"}),
            route("app.test", "/api", response_headers={"x-route": "app-api"}),
            route("app.test", "/api", methods=["PUT", "DELETE"], response_headers={"x-route": "app-api-write"}),
            route("*.app.test", response_headers={"x-route": "wild"}),
            route("deep.app.test", response_headers={"x-route": "deep"}),
            route("strip.test", "/old", strip_prefix="/old", add_prefix="/echo"),
            route("several.test", upstream=[dead, mock.url]),
            route("dead.test", upstream=[dead, dead]),
            route("fields.test", request_headers={"x-added": "by the gateway", "x-replaced": "new"},
                  remove_request_headers=["x-secret"], response_headers={"x-set": "1", "content-language": "de"},
                  remove_response_headers=["server"]),
            route("append.test"),
            route("replace.test", forwarded="replace"),
            route("off.test", forwarded="off"),
            route("upstream-host.test", host_header="upstream"),
            route("script.test", upstream=origin.url),
        ],
        "limits": {"pool_idle_timeout": "20s"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def gateway(
    shared_mock: Mock, origin: Upstream, dead: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:  # fmt: skip
    with Gateway(
        tmp_path_factory.mktemp("edge"), "--admin", "off", config=config(shared_mock, origin, dead)
    ) as running:
        yield running


def ask(
    gateway: Gateway, host: str, target: str = "/echo", method: str = "GET", headers: Mapping[str, str] | None = None
) -> Answer:
    body = b"x" if method in ("POST", "PUT", "PATCH") else None
    return gateway.ask(method, target, body, {"host": host} | dict(headers or {}))


# --- which route ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "host", "target", "taken"),
    [
        ("GET", "app.test", "/echo", "app"),
        ("GET", "APP.Test", "/echo", "app"),
        ("GET", "app.test:8080", "/echo", "app"),
        ("GET", "app.test", "/api", "app-api"),
        ("GET", "app.test", "/api?x=1", "app-api"),
        ("GET", "app.test", "/api/x", "app-api"),
        ("GET", "app.test", "/apis", "app"),
        ("GET", "app.test", "/API", "app"),
        ("PUT", "app.test", "/api/x", "app-api-write"),
        ("DELETE", "app.test", "/api", "app-api-write"),
        ("PUT", "app.test", "/echo", "app"),
        ("GET", "one.app.test", "/echo", "wild"),
        ("GET", "two.one.app.test", "/echo", "wild"),
        ("GET", "deep.app.test", "/echo", "deep"),
    ],
)
def test_the_most_specific_route_takes_it(gateway: Gateway, method: str, host: str, target: str, taken: str) -> None:
    assert ask(gateway, host, target, method).one("x-route") == taken


@pytest.mark.parametrize("host", ["test", "xapp.test", "app.test.evil.example", "[::1]"])
def test_other_hosts_fall_through_to_the_gateway(gateway: Gateway, mock: Mock, host: str) -> None:
    assert ask(gateway, host, "/echo").status == 404
    assert "fastproxy" in ask(gateway, host, "/").body.decode()
    assert mock.last() == []


@pytest.mark.parametrize(
    ("target", "arrives"),
    [
        ("/old/a%2Fb?x=1", "/echo/a%2Fb?x=1"),
        ("/old", "/echo/"),
        ("/old?x", "/echo/?x"),
        ("/old//x", "/echo//x"),
    ],
)
def test_prefixes_are_taken_off_and_put_on(gateway: Gateway, target: str, arrives: str) -> None:
    assert ask(gateway, "strip.test", target).json["path"] == arrives


def test_one_of_several_upstreams_may_be_down(gateway: Gateway) -> None:
    for method in ("GET", "POST") * 4:
        assert ask(gateway, "several.test", method=method).status == 200
    assert ask(gateway, "dead.test").status == 502


def test_upstreams_take_turns(tmp_path: Path) -> None:
    with (
        upstream(one_each(b"a")) as first,
        upstream(one_each(b"b")) as second,
        Gateway(tmp_path, "--admin", "off", "--upstream", first.url, "--upstream", second.url) as gateway,
    ):
        got = b"".join(gateway.ask("GET", "/").body for _ in range(6))
    assert got in (b"ababab", b"bababa")


def one_each(body: bytes) -> Any:
    def play(wire: Wire) -> None:
        while True:
            wire.request()
            wire.send(plain(body))

    return play


def test_upstream_alone_takes_everything(mock: Mock, tmp_path: Path) -> None:
    with Gateway(tmp_path, "--admin", "off", "--upstream", mock.url) as gateway:
        for target in ("/", "/v1/chat/completions", "/health", "/openai/v1/x", "/a/./b", "/v1/models"):
            gateway.ask("GET", target)
            assert mock.newest()["path"] == target


# --- fields --------------------------------------------------------------------------------------------------------


def test_fields_are_set_and_removed_both_ways(gateway: Gateway) -> None:
    sent = {"x-secret": "s", "x-replaced": "old", "x-kept": "k", "X-Added": "by the client"}
    reply = ask(gateway, "fields.test", headers=sent)
    got = reply.json["headers"]
    assert (got["x-added"], got["x-replaced"], got["x-kept"]) == (["by the gateway"], ["new"], ["k"])
    assert "x-secret" not in got
    assert (reply.one("x-set"), reply.one("content-language")) == ("1", "de")
    assert "server" not in reply.headers


CLAIMED: Final = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https", "x-forwarded-host": "claimed.test"}


@pytest.mark.parametrize(
    ("host", "sent", "for_", "proto", "name"),
    [
        ("append.test", {}, ["127.0.0.1"], ["http"], ["append.test"]),
        ("append.test", CLAIMED, ["203.0.113.9, 127.0.0.1"], ["http"], ["append.test"]),
        ("replace.test", CLAIMED, ["127.0.0.1"], ["http"], ["replace.test"]),
        ("off.test", {}, None, None, None),
        ("off.test", CLAIMED, ["203.0.113.9"], ["https"], ["claimed.test"]),
    ],
)
def test_forwarding_fields(  # noqa: PLR0913 - one row of the table
    gateway: Gateway, host: str, sent: dict[str, str], for_: object, proto: object, name: object
) -> None:  # fmt: skip
    got = ask(gateway, host, headers=sent).json["headers"]
    assert [got.get(f"x-forwarded-{part}") for part in ("for", "proto", "host")] == [for_, proto, name]


def test_the_hosts_name(gateway: Gateway, mock: Mock) -> None:
    assert ask(gateway, "append.test:81").json["headers"]["host"] == ["append.test:81"]
    assert ask(gateway, "upstream-host.test").json["headers"]["host"] == [f"127.0.0.1:{mock.port}"]


def test_hop_by_hop_fields_stop_here(gateway: Gateway) -> None:
    sent = {"connection": "close, x-mine", "x-mine": "1", "keep-alive": "5", "te": "gzip", "proxy-authorization": "x",
            "proxy-connection": "keep-alive", "upgrade": "h2c", "trailer": "x"}  # fmt: skip
    got = ask(gateway, "append.test", headers=sent).json["headers"]
    assert not {"connection", "x-mine", "keep-alive", "proxy-connection", "upgrade", "te"} & set(got)
    assert len(got["via"]) == 1


def test_a_request_that_was_here_before_is_refused(gateway: Gateway, mock: Mock) -> None:
    (via,) = ask(gateway, "append.test").json["headers"]["via"]
    assert ask(gateway, "append.test", headers={"via": f"1.0 other, {via}"}).status == 508
    again = ask(gateway, "append.test", headers={"via": "1.1 other"}).json["headers"]["via"]
    assert ", ".join(again) == f"1.1 other, {via}"


def test_a_route_to_itself_ends(tmp_path: Path) -> None:
    """Through a symbolic link, so that no check of the configuration can see it."""
    link = tmp_path / "link.sock"
    link.symlink_to(tmp_path / "own.sock")
    listen = {"listen": ["127.0.0.1:0", f"unix:{tmp_path / 'own.sock'}"]}
    with Gateway(tmp_path, "--admin", "off", config=listen | {"routes": [{"upstream": f"unix:{link}"}]}) as gateway:
        assert gateway.ask("GET", "/").status == 508


# --- versions, methods, bodies -------------------------------------------------------------------------------------


def test_a_client_of_http_1_0(gateway: Gateway, origin: Upstream) -> None:
    with Wire.connect(gateway.port) as client:
        client.send("GET /echo HTTP/1.0\r\nhost: app.test\r\n\r\n")
        head, body = client.reply()
        assert json.loads(body)["path"] == "/echo"
        assert head.get("connection") in (None, "close")
        assert client.rest() == b""
    with Wire.connect(gateway.port) as client:
        for _ in range(2):
            client.send("GET /echo HTTP/1.0\r\nhost: app.test\r\nconnection: keep-alive\r\n\r\n")
            head, _ = client.reply()
            assert head.get("connection") == "keep-alive"


def scripted(origin: Upstream, *replies: bytes) -> None:
    """The next connection answers with these, then closes; the last reply should say so."""

    def play(wire: Wire) -> None:
        for reply in replies:
            wire.request()
            wire.send(reply)

    origin.play = play


END: Final = http("HTTP/1.1 200 OK\ncontent-length: 3\nconnection: close", b"end")


@pytest.mark.parametrize(
    ("method", "reply", "shown"),
    [
        ("HEAD", "HTTP/1.1 200 OK\ncontent-length: 1000", "1000"),
        ("HEAD", "HTTP/1.1 200 OK\ntransfer-encoding: chunked", None),
        ("GET", "HTTP/1.1 204 No Content", None),
        ("GET", "HTTP/1.1 304 Not Modified\netag: x\ncontent-length: 77", "77"),
        ("GET", "HTTP/1.1 304 Not Modified\netag: x", None),
        ("POST", "HTTP/1.1 200 OK\ncontent-length: 0", "0"),
        ("GET", "HTTP/1.1 103 Early Hints\nlink: x\n\nHTTP/1.1 204 No Content", None),
    ],
)
def test_replies_without_a_body(gateway: Gateway, origin: Upstream, method: str, reply: str, shown: str | None) -> None:
    scripted(origin, http(reply), END)
    with Wire.connect(gateway.port) as client:
        client.send(f"{method} /x HTTP/1.1\r\nhost: script.test\r\n\r\nGET /y HTTP/1.1\r\nhost: script.test\r\n\r\n")
        head = client.head()
        assert head.status == int(reply.rpartition("HTTP/1.1 ")[2][:3])
        assert head.get("content-length") == shown
        assert client.reply()[1] == b"end"


def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    with Wire.connect(gateway.port) as client:
        client.send(b"".join(http(f"GET /echo/{n} HTTP/1.1\nhost: app.test") for n in range(10)))
        assert [json.loads(client.reply()[1])["path"] for _ in range(10)] == [f"/echo/{n}" for n in range(10)]


def test_expect_100_continue(gateway: Gateway) -> None:
    with Wire.connect(gateway.port) as client:
        client.send(http("POST /echo HTTP/1.1\nhost: app.test\nexpect: 100-continue\ncontent-length: 5"))
        assert client.head().status == 100
        client.send(b"hello")
        head, body = client.reply()
        assert (head.status, json.loads(body)["body_length"]) == (200, 5)


@pytest.mark.parametrize("sizes", [[1] * 100, [1 << 16] * 20, [5, 70_000, 3]])
@pytest.mark.parametrize("together", [True, False])
def test_chunked_uploads(gateway: Gateway, sizes: list[int], together: bool) -> None:
    pieces = [os.urandom(size) for size in sizes]
    parts = [b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\nx-trailer: 1\r\n\r\n"]
    with Wire.connect(gateway.port) as client:
        client.send(http("POST /echo HTTP/1.1\nhost: app.test\ntransfer-encoding: chunked"))
        for part in [b"".join(parts)] if together else parts:
            client.send(part)
        found = json.loads(client.reply()[1])
    assert found["body_sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()


@pytest.mark.parametrize("chunked", [False, True], ids=["counted", "chunked"])
def test_large_uploads_arrive_whole(gateway: Gateway, chunked: bool) -> None:
    with Wire.connect(gateway.port) as client:
        for _ in range(2):
            if chunked:
                parts = (BIG[at : at + 100_000] for at in range(0, len(BIG), 100_000))
                data = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
                client.send(http("POST /echo HTTP/1.1\nhost: app.test\ntransfer-encoding: chunked", data))
            else:
                client.send(http(f"POST /echo HTTP/1.1\nhost: app.test\ncontent-length: {len(BIG)}", BIG))
            found = json.loads(client.reply()[1])
            assert (found["body_length"], found["body_sha256"]) == (len(BIG), DIGEST)


def big_reply(framing: str) -> bytes:
    if framing == "chunked":
        parts = (BIG[at : at + 99_999] for at in range(0, len(BIG), 99_999))
        data = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        return http("HTTP/1.1 200 OK\ntransfer-encoding: chunked", data)
    length = f"\ncontent-length: {len(BIG)}" if framing == "counted" else ""
    return http(f"HTTP/1.1 200 OK\nconnection: close{length}", BIG)


@pytest.mark.parametrize("framing", ["counted", "chunked", "until close"])
def test_large_downloads_arrive_whole(gateway: Gateway, origin: Upstream, framing: str) -> None:
    def play(wire: Wire) -> None:
        wire.request()
        wire.send(big_reply(framing))

    origin.play = play
    with Wire.connect(gateway.port) as client:
        client.send(http("GET / HTTP/1.1\nhost: script.test"))
        assert hashlib.sha256(client.reply()[1]).hexdigest() == DIGEST


def test_both_directions_at_once(gateway: Gateway, origin: Upstream) -> None:
    """The upstream answers while it reads, all but its last byte: neither direction may wait for the other."""

    def play(wire: Wire) -> None:
        head = wire.head()
        reading = threading.Thread(target=lambda: seen.append(wire.body(head)))
        reading.start()
        reply = big_reply("counted")
        wire.send(reply[:-1])
        reading.join(5)
        wire.send(reply[-1:])

    seen: list[bytes] = []
    origin.play = play
    with Wire.connect(gateway.port) as client:
        sending = threading.Thread(target=client.send, args=(http(
            f"POST / HTTP/1.1\nhost: script.test\ncontent-length: {len(BIG)}", BIG),))  # fmt: skip
        sending.start()
        assert hashlib.sha256(client.reply()[1]).hexdigest() == DIGEST
        sending.join(5)
    assert hashlib.sha256(b"".join(seen)).hexdigest() == DIGEST


def test_an_early_refusal_reaches_a_client_that_still_sends(gateway: Gateway, origin: Upstream) -> None:
    def play(wire: Wire) -> None:
        wire.head()
        wire.send(http("HTTP/1.1 413 Too Large\nconnection: close\ncontent-length: 3", b"no!"))

    origin.play = play
    with Wire.connect(gateway.port) as client:
        client.send(http(f"POST / HTTP/1.1\nhost: script.test\ncontent-length: {len(BIG)}", BIG[:100_000]))
        head, body = client.reply()
        assert (head.status, body, head.get("connection")) == (413, b"no!", "close")


# --- addresses -----------------------------------------------------------------------------------------------------


def test_a_unix_socket_upstream(tmp_path: Path) -> None:
    path = str(tmp_path / "up.sock")
    with (
        upstream(one_each(b"from a socket"), unix=path) as origin,
        Gateway(tmp_path, "--admin", "off", "--upstream", origin.url) as gateway,
    ):
        assert [gateway.ask("GET", "/").body for _ in range(3)] == [b"from a socket"] * 3


def test_ipv6_and_unix_sockets_both_ways(tmp_path: Path) -> None:
    own = tmp_path / "own.sock"
    with mocking(host="::1") as mock:
        told = {"listen": ["127.0.0.1:0", "[::1]:0", f"unix:{own}"], "routes": [{"upstream": mock.url}]}
        with Gateway(tmp_path, "--admin", "off", config=told) as gateway:
            port = int(gateway.addresses[1].rpartition(":")[2])
            with Wire.connect(port, "::1") as client:
                client.send(http(f"GET /echo HTTP/1.1\nhost: [::1]:{port}"))
                got = json.loads(client.reply()[1])["headers"]
                assert (got["host"], got["x-forwarded-for"]) == ([f"[::1]:{port}"], ["::1"])
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(own))
                local = Wire(sock)
                local.send(http("GET /echo HTTP/1.1\nhost: x"))
                assert local.reply()[0].status == 200
