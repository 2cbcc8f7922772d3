"""A small exchange costs two reads and two writes: counted at the transports, and by the kernel for a real process."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.wire.fakes import wire_of
from tests.wire.stage import Stage, exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
BODY = b"x" * 900
REPLY_BODY = b"y" * 700
FIELDS = b"Host: a.test\r\nAuthorization: Bearer k\r\nUser-Agent: t\r\n"
REPLY = b"HTTP/1.1 200 OK\r\nServer: o\r\nContent-Type: text/plain\r\nContent-Length: 700\r\n\r\n" + REPLY_BODY
ROUNDS = 40  # the first ones go the long way, the later ones are recognised: the price must be the same


def request(number: int, body: bytes = BODY) -> bytes:
    """No two alike."""
    head = b"POST /v1/x?n=%d HTTP/1.1\r\n%btraceparent: 00-%032x-01\r\nContent-Length: %d\r\n\r\n"
    return head % (number, FIELDS, number, len(body)) + body


def test_a_small_exchange_is_two_reads_and_two_writes() -> None:
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    for number in range(ROUNDS):
        up, down = exchange(client, outbound, request(number), REPLY)
        assert up.startswith(b"POST /v1/x?n=%d HTTP/1.1\r\n" % number)
        assert up.endswith(b"\r\n\r\n" + BODY)
        assert down.startswith(b"HTTP/1.1 200 OK\r\n")
        assert down.endswith(b"\r\n\r\n" + REPLY_BODY)
        assert (wire_of(outbound).writes, wire_of(client).writes) == (number + 1, number + 1)
    assert stage.pool.active == 0


@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        (b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", REPLY),
        (b"HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n"),
        (b"DELETE / HTTP/1.1\r\nHost: a.test\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"),
    ],
    ids=["get", "head", "204", "304"],
)
def test_so_is_one_without_a_body(asked: bytes, reply: bytes) -> None:
    stage = Stage()
    client, outbound = stage.client(), stage.warm()
    for number in range(ROUNDS):
        exchange(client, outbound, asked, reply)
        assert (wire_of(outbound).writes, wire_of(client).writes) == (number + 1, number + 1)


# --- counted by the kernel ------------------------------------------------------------------------------------------


def answer_all(listener: socket.socket) -> None:
    """A blocking upstream for one kept connection: a whole request in, a whole reply out."""
    connection, _ = listener.accept()
    with connection:
        while received := connection.recv(65536):
            while not received.endswith(b"\r\n\r\n" + BODY):
                received += connection.recv(65536)
            connection.sendall(REPLY)


def calls(pid: int) -> tuple[int, int]:
    """How often the process has called read and write, and their kin."""
    lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines())
    return int(lines["syscr"]), int(lines["syscw"])


@contextmanager
def worker(upstream: str) -> Iterator[tuple[int, int]]:
    """A gateway process: its pid and its port."""
    command = [sys.executable, "-m", "tests.wire.one_worker", upstream]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.communicate(timeout=5)


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 5)


def ask(client: socket.socket, number: int) -> bytes:
    client.sendall(request(number))
    received = b""
    while not received.endswith(REPLY_BODY):
        received += client.recv(65536)
    return received


def test_the_kernel_counts_the_same() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_all, args=(listener,), daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        with worker(f"http://127.0.0.1:{port}") as (pid, gateway), dial(gateway) as client:
            for number in range(ROUNDS):
                ask(client, number)
            reads, writes = calls(pid)
            for number in range(500):
                ask(client, number)
            reads, writes = calls(pid)[0] - reads, calls(pid)[1] - writes
        thread.join(5)
    assert writes == 1000
    assert 1000 <= reads <= 1010, "two reads for each, and a wake-up or two of the loop"
