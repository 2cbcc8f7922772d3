"""TLS with real handshakes: who is trusted, what an end means, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import warnings
import weakref
from typing import TYPE_CHECKING, cast

import pytest

from fastproxy.wire.deadlines import Deadlines
from fastproxy.wire.tls import TlsTransport, client_context, server_context
from tests.wire.certificates import Authority, Certificate
from tests.wire.fakes import Clock
from tests.wire.live_loop import run, until

if TYPE_CHECKING:
    from pathlib import Path


class Talker(asyncio.Protocol):
    """Keeps what it hears; echoes when told to."""

    def __init__(self, *, echo: bool = False, stays: bool = False) -> None:
        self.echo = echo
        self.stays = stays
        self.heard = b""
        self.made = self.ends = 0
        self.lost: list[Exception | None] = []
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made += 1
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if self.echo and self.transport is not None:
            self.transport.write(data)

    def eof_received(self) -> bool:
        self.ends += 1
        return self.stays

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.append(error)

    def say(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class Server:
    """A TLS server on loopback whose connections are TlsTransports."""

    def __init__(self, certificate: Certificate, *, echo: bool = True, stays: bool = False) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.talkers: list[Talker] = []
        self.tunnels: list[TlsTransport] = []
        self.errors: list[Exception | None] = []
        self._context = server_context(certificate.cert, certificate.key)
        self._echo, self._stays = echo, stays

    async def start(self) -> int:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(self._accept, "127.0.0.1", 0)
        return int(self.server.sockets[0].getsockname()[1])

    def _accept(self) -> TlsTransport:
        talker = Talker(echo=self._echo, stays=self._stays)
        self.talkers.append(talker)
        tunnel = TlsTransport(self._context, talker, self.deadlines, timeout=5, connected=self.errors.append)
        self.tunnels.append(tunnel)
        return tunnel

    @property
    def talker(self) -> Talker:
        (talker,) = self.talkers
        return talker


async def connect(port: int, context: ssl.SSLContext, name: str = "localhost") -> tuple[Talker, list[Exception | None]]:
    """A client's TlsTransport, after its handshake has come to an end."""
    talker, ends = Talker(), list[Exception | None]()
    tls = TlsTransport(context, talker, Deadlines(), timeout=5, server_name=name, connected=ends.append)
    await asyncio.get_running_loop().create_connection(lambda: tls, "127.0.0.1", port)
    await until(lambda: ends)
    return talker, ends


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
def test_what_is_said_is_heard(authority: Authority, size: int) -> None:
    async def scenario() -> None:
        server = Server(authority.issue("localhost"))
        talker, ends = await connect(await server.start(), client_context(authority.file))
        assert ends == [None]
        said = bytes(range(256)) * (size // 256 + 1)
        talker.say(said)
        await until(lambda: len(talker.heard) == len(said))
        assert talker.heard == said
        assert talker.transport is not None
        engine = talker.transport.get_extra_info("ssl_object")
        assert (engine.version(), engine.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
        talker.transport.close()
        await until(lambda: talker.lost and server.talker.lost)
        assert (talker.lost, server.talker.ends) == ([None], 1)
        server.server.close()

    run(scenario)


@pytest.mark.parametrize("case", ["wrong name", "expired", "unknown authority", "not tls 1.2"])
def test_whoever_cannot_be_trusted_is_refused(authority: Authority, tmp_path: Path, case: str) -> None:
    async def scenario() -> None:
        certificate = authority.issue("other.test" if case == "wrong name" else "localhost", expired=case == "expired")
        trusted = Authority(tmp_path).file if case == "unknown authority" else authority.file
        context = client_context(trusted)
        if case == "not tls 1.2":
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
        server = Server(certificate)
        port = await server.start()
        talker, ends = await connect(port, context)
        assert [type(end) for end in ends if isinstance(end, ssl.SSLError)]
        assert (talker.made, talker.heard, talker.lost) == (0, b"", [])
        await until(lambda: server.errors and not server.deadlines.live)
        server.server.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TLS 1.1, which is the point of one case
        run(scenario)


def test_trust_can_be_switched_off_for_one_origin_only(authority: Authority) -> None:
    async def scenario() -> None:
        server = Server(authority.issue("other.test", expired=True))
        port = await server.start()
        talker, ends = await connect(port, client_context(verify=False))
        assert ends == [None]
        assert talker.transport is not None
        talker.transport.abort()
        _, ends = await connect(port, client_context())
        assert isinstance(ends[0], ssl.SSLCertVerificationError)
        await until(lambda: talker.lost and not server.deadlines.live)
        server.server.close()

    run(scenario)


def test_close_notify_is_an_end_and_a_bare_fin_is_not(authority: Authority) -> None:
    async def scenario() -> None:
        server = Server(authority.issue("localhost"), echo=False)
        port = await server.start()
        talker, _ = await connect(port, client_context(authority.file))
        await until(lambda: server.talker.made)
        server.talker.say(b"all of it")
        assert server.talker.transport is not None
        server.talker.transport.close()
        await until(lambda: talker.lost)
        assert (talker.heard, talker.ends) == (b"all of it", 1)

        server.talkers.clear()
        talker, _ = await connect(port, client_context(authority.file))
        await until(lambda: server.talker.made)
        server.talker.say(b"half of")
        await until(lambda: talker.heard)
        descriptor = server.tunnels[-1].get_extra_info("socket").fileno()
        with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as raw:
            raw.shutdown(socket.SHUT_WR)
        await until(lambda: talker.lost)
        assert (talker.heard, talker.ends) == (b"half of", 0)
        server.server.close()

    run(scenario)


def test_a_handshake_that_never_comes_ends_by_the_clock(authority: Authority) -> None:
    async def scenario() -> None:
        server = Server(authority.issue("localhost"))
        port = await server.start()
        with socket.create_connection(("127.0.0.1", port)) as silent:
            await until(lambda: server.deadlines.live)
            server.clock.now += 4.9
            server.deadlines.tick()
            assert server.errors == []
            server.clock.now += 0.2
            server.deadlines.tick()
            assert isinstance(server.errors[0], TimeoutError)
            await until(lambda: not server.deadlines.live)
            silent.setblocking(False)
            await until(lambda: _is_cut(silent))
        assert server.talker.made == 0
        server.server.close()

    run(scenario)


def _is_cut(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 600])
def test_who_does_not_speak_tls_is_let_go(authority: Authority, nonsense: bytes) -> None:
    async def scenario() -> None:
        server = Server(authority.issue("localhost"))
        port = await server.start()
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.setblocking(False)
            await loop.sock_sendall(stranger, nonsense)
            stranger.shutdown(socket.SHUT_WR)
            await until(lambda: server.errors and not server.deadlines.live)
        assert server.talker.made == 0
        server.server.close()

    run(scenario)


def test_nothing_stays_behind_when_connections_go(authority: Authority) -> None:
    async def scenario() -> None:
        server = Server(authority.issue("localhost"))
        port = await server.start()
        context = client_context(authority.file)
        seen: list[weakref.ref[object]] = []
        gc.collect()
        gc.disable()  # only reference counts may free them
        try:
            for _ in range(10):
                talker, _ = await connect(port, context)
                assert talker.transport is not None
                seen += [weakref.ref(talker.transport), weakref.ref(talker.transport.get_extra_info("ssl_object"))]
                talker.say(b"hello")
                await until(lambda talker=talker: talker.heard)  # type: ignore[misc]  # mypy loses a lambda's default
                talker.transport.close()
                await until(lambda talker=talker: talker.lost)  # type: ignore[misc]  # as above
            await until(lambda: all(talker.lost for talker in server.talkers))
            seen += [weakref.ref(tunnel) for tunnel in server.tunnels]
            server.tunnels.clear()
            server.talkers.clear()
            del talker
            await asyncio.sleep(0)
            assert [ref for ref in seen if ref() is not None] == []
        finally:
            gc.enable()
        server.server.close()

    run(scenario)


def test_a_closed_transport_takes_no_more(authority: Authority) -> None:
    async def scenario() -> None:
        server = Server(authority.issue("localhost"))
        talker, _ = await connect(await server.start(), client_context(authority.file))
        transport = talker.transport
        assert transport is not None
        transport.close()
        transport.close()
        transport.write(b"late")
        assert transport.is_closing()
        assert not transport.can_write_eof()
        await until(lambda: talker.lost)
        transport.write(b"later")
        transport.writelines([b"a", b"b"])
        assert server.talker.heard == b""
        server.server.close()

    run(scenario)
