"""TLS at both ends with certificates of the test's own: verified or refused, large bodies, streams, reload on HUP."""

from __future__ import annotations

import hashlib
import json
import os
import select
import ssl
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import trustme
from websockets.sync.client import connect as websocket

from bench.serving import until
from fastproxy.server.control import ReloadFailed
from tests.live.running import Gateway, Mock, MockOptions, mocking
from tests.live.wire_client import TIMEOUT_S, Wire, http

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live
BIG: Final = os.urandom(1 << 20) * 10
DIGEST: Final = hashlib.sha256(BIG).hexdigest()


class Certificates:
    """A certificate authority, and files with what it has signed."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.authority = trustme.CA()
        self.ca_file = str(place / "ca.pem")
        self.authority.cert_pem.write_to_path(self.ca_file)

    def issue(self, name: str, *hosts: str) -> tuple[str, str]:
        cert, key = str(self.place / f"{name}.pem"), str(self.place / f"{name}.key")
        issued = self.authority.issue_cert(*hosts)
        for number, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(cert, append=number > 0)
        issued.private_key_pem.write_to_path(key)
        return cert, key

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("other-ca"))


@pytest.fixture(scope="module")
def mock(ours: Certificates) -> Iterator[Mock]:
    cert, key = ours.issue("mock", "localhost", "127.0.0.1")
    with mocking(MockOptions(certificate=cert, private_key=key)) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    ours: Certificates, strangers: Certificates, mock: Mock, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:  # fmt: skip
    cert, key = ours.issue("gateway", "localhost", "127.0.0.1")

    def route(host: str, **more: object) -> dict[str, Any]:
        return {"match": {"host": host}, "upstream": f"https://localhost:{mock.port}", "ca_file": ours.ca_file} | more

    config = {
        "listen": [{"address": "127.0.0.1:0"}, {"address": "127.0.0.1:0", "tls": False}],
        "tls": {"cert": cert, "key": key},
        "routes": [
            route("good.test"),
            route("localhost"),
            route("address.test", upstream=f"https://127.0.0.1:{mock.port}"),
            route("stranger.test", ca_file=strangers.ca_file),
            route("unchecked.test", ca_file=strangers.ca_file, verify=False),
            {"match": {"host": "roots.test"}, "upstream": f"https://localhost:{mock.port}"},
        ],
        "channels": [{"provider": "openai", "base_url": f"https://localhost:{mock.port}/v1", "keys": ["sk-upstream-1"],
                      "ca_file": ours.ca_file}],
    }  # fmt: skip
    with Gateway(tmp_path_factory.mktemp("tls"), "--admin", "off", config=config) as running:
        yield running


def get(host: str, target: str = "/echo") -> bytes:
    return http(f"GET {target} HTTP/1.1\nhost: {host}")


def test_clients_speak_tls_and_http_1_1(gateway: Gateway, ours: Certificates) -> None:
    with Wire.connect(gateway.port, context=ours.client()) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.selected_alpn_protocol() == "http/1.1"
        for _ in range(3):
            client.send(get("good.test"))
            got = json.loads(client.reply()[1])["headers"]
            assert got["x-forwarded-proto"] == ["https"]


def test_one_address_may_stay_plain(gateway: Gateway) -> None:
    with Wire.connect(int(gateway.addresses[1].rpartition(":")[2])) as client:
        client.send(get("good.test"))
        assert json.loads(client.reply()[1])["headers"]["x-forwarded-proto"] == ["http"]


def test_old_versions_and_plain_text_are_refused(gateway: Gateway, ours: Certificates) -> None:
    old = ours.client()
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with Wire.connect(gateway.port, context=old) as client:
        client.send(get("good.test"))
        assert client.reply()[0].status == 200
    with Wire.connect(gateway.port) as client:
        client.send(get("good.test"))
        assert b"200 OK" not in client.rest()
    assert gateway.workers()


@pytest.mark.parametrize(
    ("host", "status"),
    [("good.test", 200), ("address.test", 200), ("unchecked.test", 200), ("stranger.test", 502), ("roots.test", 502)],
)
def test_upstreams_are_verified(gateway: Gateway, ours: Certificates, host: str, status: int) -> None:
    for _ in range(2):  # a connection that one route trusts must not serve another
        with Wire.connect(gateway.port, context=ours.client()) as client:
            client.send(get(host))
            head, body = client.reply()
            assert head.status == status
            assert status == 200 or b"tls" in body


def test_a_certificate_for_another_name_is_refused(ours: Certificates, tmp_path: Path) -> None:
    cert, key = ours.issue("elsewhere", "elsewhere.test")
    with mocking(MockOptions(certificate=cert, private_key=key)) as mock:
        routes = [{"upstream": f"https://localhost:{mock.port}", "ca_file": ours.ca_file}]
        with Gateway(tmp_path, "--admin", "off", config={"routes": routes}) as gateway:
            assert gateway.ask("GET", "/echo").status == 502


def test_the_unified_entry_over_tls(gateway: Gateway, ours: Certificates) -> None:
    body = json.dumps({"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
    with Wire.connect(gateway.port, context=ours.client()) as client:
        for _ in range(3):
            client.send(http("POST /v1/chat/completions HTTP/1.1\nhost: gateway.test\ncontent-type: application/json\n"
                             f"content-length: {len(body)}", body))  # fmt: skip
            head, got = client.reply()
            assert head.status == 200
            assert got.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("chunked", [False, True], ids=["counted", "chunked"])
def test_large_uploads(gateway: Gateway, ours: Certificates, chunked: bool) -> None:
    with Wire.connect(gateway.port, context=ours.client()) as client:
        if chunked:
            data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BIG), BIG)
            client.send(http("POST /echo HTTP/1.1\nhost: good.test\ntransfer-encoding: chunked", data))
        else:
            client.send(http(f"POST /echo HTTP/1.1\nhost: good.test\ncontent-length: {len(BIG)}", BIG))
        assert json.loads(client.reply()[1])["body_sha256"] == DIGEST


def test_large_downloads(gateway: Gateway, ours: Certificates) -> None:
    """Two megabytes of words."""
    body = json.dumps({"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}).encode()
    with Wire.connect(gateway.port, context=ours.client()) as client:
        head_sent = "POST /v1/chat/completions HTTP/1.1\nhost: good.test\ncontent-type: application/json"
        more = f"x-mock-tokens: 300000\nauthorization: Bearer x\ncontent-length: {len(body)}"
        client.send(http(f"{head_sent}\n{more}", body))
        head, got = client.reply()
    assert head.status == 200
    assert len(json.loads(got)["choices"][0]["message"]["content"].split()) == 300_000


def test_websockets_over_tls(gateway: Gateway, ours: Certificates) -> None:
    url = f"wss://localhost:{gateway.port}/ws"
    with websocket(url, proxy=None, ssl=ours.client(), additional_headers={}, max_size=None) as client:
        client.send(b"x" * (1 << 20))
        assert client.recv(timeout=5) == b"x" * (1 << 20)


def test_a_client_that_leaves_in_the_handshake_harms_nobody(gateway: Gateway, ours: Certificates) -> None:
    pids = gateway.workers()
    for data in (b"", b"\x16\x03\x01\x02\x00\x01", b"\x80" * 300):
        with Wire.connect(gateway.port) as client:
            client.send(data)
    with Wire.connect(gateway.port, context=ours.client()) as client:
        client.send(get("good.test"))
        assert client.reply()[0].status == 200
    assert gateway.workers() == pids


def serial(port: int, certificates: Certificates) -> object:
    with Wire.connect(port, context=certificates.client()) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        return (client.sock.getpeercert() or {})["serialNumber"]


def test_a_new_certificate_is_used_after_a_reload(ours: Certificates, mock: Mock, tmp_path: Path) -> None:
    cert, key = ours.issue("renewed", "localhost")
    routes = [{"upstream": f"https://localhost:{mock.port}", "ca_file": ours.ca_file}]
    with Gateway(tmp_path, "--admin", "off", config={"tls": {"cert": cert, "key": key}, "routes": routes}) as gateway:
        before = serial(gateway.port, ours)
        with Wire.connect(gateway.port, context=ours.client()) as client:
            client.send(get("x"))
            assert client.reply()[0].status == 200
            ours.issue("renewed", "localhost")
            assert gateway.reload() == 2
            assert serial(gateway.port, ours) != before
            client.send(get("x"))  # and the connection from before goes on
            assert client.reply()[0].status == 200


def test_a_broken_certificate_keeps_the_old_one(ours: Certificates, mock: Mock, tmp_path: Path) -> None:
    cert, key = ours.issue("spoiled", "localhost")
    routes = [{"upstream": f"https://localhost:{mock.port}", "ca_file": ours.ca_file}]
    with Gateway(tmp_path, "--admin", "off", config={"tls": {"cert": cert, "key": key}, "routes": routes}) as gateway:
        before = serial(gateway.port, ours)
        Path(cert).write_text("not a certificate", encoding="ascii")
        with pytest.raises(ReloadFailed, match="refused"):
            gateway.reload()
        assert serial(gateway.port, ours) == before


def test_an_early_413_over_tls_was_lost_to_a_reset(ours: Certificates, mock: Mock, tmp_path: Path) -> None:
    cert, key = ours.issue("early", "localhost")
    config = {"tls": {"cert": cert, "key": key}, "limits": {"max_body": "1MiB"}, "routes": [{"upstream": mock.url}]}
    with (
        Gateway(tmp_path, "--admin", "off", config=config) as gateway,
        Wire.connect(gateway.port, context=ours.client()) as client,
    ):
        client.send(http("POST /echo HTTP/1.1\nhost: edge.test\ncontent-length: 40000000", os.urandom(400_000)))
        client.send(os.urandom(400_000))  # on its way while the reply comes
        head, _ = client.reply()
        assert (head.status, head.get("connection")) == (413, "close")
        assert client.rest() == b""


def test_connections_in_their_handshake_were_not_counted(ours: Certificates, mock: Mock, tmp_path: Path) -> None:
    cert, key = ours.issue("few", "localhost")
    route = {"upstream": f"https://localhost:{mock.port}", "ca_file": ours.ca_file}
    config = {"tls": {"cert": cert, "key": key}, "limits": {"max_connections": 4}, "routes": [route]}
    with Gateway(tmp_path, "--admin", "off", config=config) as gateway, ExitStack() as stack:
        silent = [stack.enter_context(Wire.connect(gateway.port)) for _ in range(5)]
        # A worker listens on several sockets, so which of the five came last is the kernel's to say.
        refused, _, _ = select.select([one.sock for one in silent], [], [], TIMEOUT_S)
        assert [sock.recv(1) for sock in refused] == [b""]
        for one in silent:
            one.sock.close()

        def served() -> bool:
            with suppress(OSError), Wire.connect(gateway.port, context=ours.client()) as client:
                client.send(get("edge.test"))
                return client.reply()[0].status == 200
            return False

        until(served)  # their places are free again


def test_a_peer_that_goes_on_sending_behind_our_end_is_cut(gateway: Gateway, ours: Certificates) -> None:
    with Wire.connect(gateway.port, context=ours.client()) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")
        assert client.head().status == 400
        with pytest.raises(OSError, match=r"reset|Broken pipe|EOF"):
            client.send(bytes(20_000_000))
