"""A listen address that wants TLS never speaks in the clear, whatever becomes of its certificate."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from fastproxy.server.doorways import Doorways
from fastproxy.server.seat import Seat
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena
from fastproxy.shared.board import Board
from tests.gateway.gateway_stage import unified
from tests.wire.certificates import Authority
from tests.wire.live_loop import run, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.wire.certificates import Certificate
    from tests.wire.stage import Stage

HEALTH = b"GET /health HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
NO_SUCH = ("/does/not/exist.pem", "/does/not/exist.key")


@pytest.fixture
def seat(tmp_path: Path) -> Iterator[Seat]:
    """The only worker, with one listen address."""
    arena = Arena.create(str(tmp_path / "arena.1"), 6)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    board = Board(arena.column(0))
    master = arena.column(rows.MASTER_COLUMN)
    master[rows.OWNER], master[rows.TOPOLOGY] = 1, 1
    yield Seat("worker", 0, arena.column(2), arena, board, [[listening]], os.getppid())
    board.close()
    listening.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Authority(tmp_path).issue("a.test")


async def in_the_clear(seat: Seat) -> bytes:
    """What a client without TLS is told."""
    reader, writer = await asyncio.open_connection(*seat.sockets[0][0].getsockname())
    try:
        writer.write(HEALTH)
        return await reader.read(65536)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def encrypted(seat: Seat) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(*seat.sockets[0][0].getsockname(), ssl=context)
    writer.write(HEALTH)
    reply = await reader.read(65536)
    writer.close()
    return reply


async def open_doors(seat: Seat, stage: Stage, *configurations: tuple[str, str] | None) -> Doorways:
    """Doors after a start and some reloads: each is the certificate of the one address."""
    doorways = Doorways(asyncio.get_running_loop(), seat, stage.front)
    for pair in configurations:
        doorways.use_certificates([pair])
    doorways.look()
    await until(lambda: all(doorways._servers.values()) and doorways._servers)
    return doorways


@pytest.mark.parametrize("reloaded", [False, True], ids=["at start", "in the clear before"])
@pytest.mark.parametrize("bad", ["missing", "unreadable"])
def test_a_certificate_that_cannot_be_loaded_opens_the_address_in_the_clear(
    seat: Seat, tmp_path: Path, bad: str, reloaded: bool
) -> None:
    pair = NO_SUCH
    if bad == "unreadable":
        (tmp_path / "bad.pem").write_text("this is no certificate")
        pair = (str(tmp_path / "bad.pem"),) * 2

    async def scenario() -> None:
        stage = unified()
        doorways = await open_doors(seat, stage, *((None,) if reloaded else ()), pair)
        assert await in_the_clear(seat) == b""
        assert stage.front.accepted == 0, "nothing may read plain requests there"
        doorways.close()

    run(scenario)


def test_a_reload_with_a_bad_certificate_ends_encryption(seat: Seat, certificate: Certificate) -> None:
    async def scenario() -> None:
        stage = unified()
        doorways = await open_doors(seat, stage, (certificate.cert, certificate.key), NO_SUCH)
        assert b"HTTP/1.1 " not in await in_the_clear(seat)
        assert (await encrypted(seat)).startswith(b"HTTP/1.1 200 ")
        doorways.close()

    run(scenario)


def test_an_address_without_tls_still_speaks_in_the_clear(seat: Seat) -> None:
    async def scenario() -> None:
        doorways = await open_doors(seat, unified(), None)
        assert (await in_the_clear(seat)).startswith(b"HTTP/1.1 200 ")
        doorways.close()

    run(scenario)
