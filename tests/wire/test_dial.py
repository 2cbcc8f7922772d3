"""Opening connections: what is tried, how long, and that a failure says so without a byte being sent."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from fastproxy.errors import UpstreamFailed
from fastproxy.wire.deadlines import Deadlines
from fastproxy.wire.dial import Dialer
from fastproxy.wire.limits import WireLimits
from fastproxy.wire.origin import Origin
from fastproxy.wire.pool import Pool, PoolCounts
from fastproxy.wire.resolve import Resolver
from fastproxy.wire.tls import TlsTransport, server_context
from tests.wire.certificates import Authority
from tests.wire.live_loop import run, until

if TYPE_CHECKING:
    from pathlib import Path

    from fastproxy.wire.outbound import Outbound

LIMITS = WireLimits(connect_timeout=2)


class Addresses(Resolver):
    """A resolver that gives every name the same addresses."""

    def __init__(self, deadlines: Deadlines, *found: str) -> None:
        super().__init__(deadlines, 30)
        self.found = found

    async def addresses(self, host: str, port: int, *, public_only: bool = False) -> tuple[str, ...]:
        return self.found


def pool_of(origin: Origin, *addresses: str, limits: WireLimits = LIMITS) -> Pool:
    deadlines = Deadlines()
    resolver = Addresses(deadlines, *addresses) if addresses else Resolver(deadlines, 30)
    return Pool(origin, deadlines, limits, Dialer(resolver).dial, PoolCounts())


async def refused(pool: Pool) -> UpstreamFailed:
    with pytest.raises(UpstreamFailed) as failed:
        await pool.open()
    assert failed.value.retry == "if_unsent"
    assert (pool.total, pool.active, pool.counts.failures) == (0, 0, 1)
    return failed.value


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def drop(connection: Outbound) -> None:
    connection.cancel()
    await until(lambda: connection not in connection.pool.deadlines.live)
    assert connection.pool.total == 0


def test_a_plain_connection() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            connection = await pool_of(Origin("127.0.0.1", server.getsockname()[1])).open()
            raw = connection.transport.get_extra_info("socket")
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            await drop(connection)

    run(scenario)


def test_a_unix_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            await drop(await pool_of(Origin("localhost", 0, unix=path)).open())
        error = await refused(pool_of(Origin("localhost", 0, unix=str(tmp_path / "none"))))
        assert error.status == 502
        assert path not in str(error)

    run(scenario)


def test_nobody_listens() -> None:
    async def scenario() -> None:
        error = await refused(pool_of(Origin("127.0.0.1", closed_port())))
        assert (error.status, error.kind) == (502, "upstream_failed")
        assert "127.0.0.1" not in str(error)

    run(scenario)


def test_the_addresses_are_tried_in_turn() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            connection = await pool_of(Origin("a.test", port), "127.0.0.2", "::1", "127.0.0.1").open()
            assert connection.transport.get_extra_info("peername")[0] == "127.0.0.1"
            await drop(connection)
        await refused(pool_of(Origin("a.test", port), "127.0.0.2", "127.0.0.1"))

    run(scenario)


def test_a_handshake_that_is_never_answered_has_a_timeout(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            origin = Origin("127.0.0.1", server.getsockname()[1], tls=True, ca_file=Authority(tmp_path).file)
            pool = pool_of(origin, limits=replace(LIMITS, connect_timeout=0.1))
            error = await refused(pool)
            assert (error.status, error.kind) == (504, "upstream_timeout")
            await until(lambda: not pool.deadlines.live)

    run(scenario)


@dataclass(frozen=True, slots=True)
class Case:
    """What a server shows, how it is asked, and why it is refused."""

    names: tuple[str, ...]
    expired: bool = False
    ca: bool = True
    verify: bool = True
    why: str = ""


@pytest.mark.parametrize(
    "case",
    [
        Case(("localhost", "127.0.0.1")),
        Case(("other.test",), why="tls cannot be trusted"),
        Case(("localhost", "127.0.0.1"), expired=True, why="expired"),
        Case(("localhost", "127.0.0.1"), ca=False, why="tls cannot be trusted"),
        Case(("other.test",), expired=True, ca=False, verify=False),
    ],
    ids=["good", "wrong name", "expired", "unknown authority", "not verified"],
)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_tls(tmp_path: Path, case: Case, host: str) -> None:
    async def scenario() -> None:
        authority = Authority(tmp_path)
        issued = authority.issue(*case.names, expired=case.expired)
        context, deadlines = server_context(issued.cert, issued.key), Deadlines()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: TlsTransport(context, asyncio.Protocol(), deadlines, timeout=5), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        origin = Origin(host, port, tls=True, verify=case.verify, ca_file=authority.file if case.ca else None)
        pool = pool_of(origin, "127.0.0.1")
        if case.why:
            error = await refused(pool)
            assert error.status == 502
            assert case.why in str(error)
            await until(lambda: not pool.deadlines.live)
        else:
            await drop(await pool.open())
        server.close()

    run(scenario)


def test_a_ca_file_that_is_not_there() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            origin = Origin("127.0.0.1", server.getsockname()[1], tls=True, ca_file="none.pem")
            assert (await refused(pool_of(origin))).status == 502

    run(scenario)
