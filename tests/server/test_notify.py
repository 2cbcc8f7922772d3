"""sd_notify over real datagram sockets, by path and by abstract name; silence when nobody listens."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from fastproxy.server.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PID = 4711


@pytest.fixture(params=["path", "abstract"])
def ear(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify") if request.param == "path" else f"\0fastproxy-notify-{os.getpid()}")
        sock.settimeout(0.2)
        yield sock


def name_of(ear: socket.socket) -> str:
    name = ear.getsockname()
    return "@" + name[1:].decode() if isinstance(name, bytes) else str(name)


def test_every_state_is_one_datagram(ear: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name_of(ear)}, PID)
    notifier.ready("serving")
    notifier.main_pid(12)
    notifier.stopping()
    assert [ear.recv(200) for _ in range(3)] == [b"READY=1\nSTATUS=serving", b"MAINPID=12", b"STOPPING=1"]
    notifier.reloading()
    assert ear.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WATCHDOG_USEC": "2000000"}, 3),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(PID)}, 3),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
        ({}, 0),
    ],
)
def test_the_watchdog_is_fed_at_half_of_its_time(ear: socket.socket, environ: dict[str, str], expected: int) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name_of(ear)} | environ, PID)
    for tick in range(30):
        notifier.watchdog(100 + tick / 10)
    notifier.stopping()
    heard = [ear.recv(200) for _ in range(expected + 1)]
    assert heard == [b"WATCHDOG=1"] * expected + [b"STOPPING=1"]


@pytest.mark.parametrize("name", ["", "/nowhere/at/all", "@nobody-listens-here"])
def test_nobody_listening_is_no_error(name: str) -> None:
    Notifier({"NOTIFY_SOCKET": name}, PID).ready("x")
