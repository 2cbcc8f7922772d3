"""`fastproxy mock` as a process: first line, several processes on one port, exit codes, stopping."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.loadtest.mock_process import BEARER, ask, connect, request

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "fastproxy.loadtest.mock"]
CHAT: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}


@contextmanager
def mock(*flags: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A running mock's port and process; it must stop cleanly on SIGTERM."""
    with subprocess.Popen([*COMMAND, "--listen", "127.0.0.1:0", *flags], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:")
            yield int(line.rpartition(":")[2]), process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(8) == 0
        finally:
            process.kill()


def test_one_process() -> None:
    with mock("--tokens", "3") as (port, _):
        reply = ask(port, "POST", "/v1/chat/completions", CHAT, BEARER)
        assert reply.json["choices"][0]["message"]["content"] == "Mock answer to:"


def test_several_processes_share_a_port_and_books() -> None:
    with mock("--processes", "3") as (port, _):
        idents = {ask(port, "POST", "/v1/chat/completions", CHAT, BEARER).json["id"][9:17] for _ in range(60)}
        assert len(idents) > 1, "one process took all connections"
        assert ask(port, "GET", "/_books").json["total"]["requests"] == 60
        ask(port, "DELETE", "/_books")
        assert ask(port, "GET", "/_books").json["total"]["requests"] == 0


def test_children_end_with_their_parent() -> None:
    with mock("--processes", "2") as (port, process), connect(port) as client:
        client.sendall(request("GET", "/echo"))
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        process.kill()
        assert process.wait(5) == -signal.SIGKILL
        assert client.recv(1) == b""


def test_a_cut_is_a_reset_on_uvloop_too() -> None:
    with mock() as (port, _), connect(port) as client:
        client.sendall(request("POST", "/v1/chat/completions", CHAT | {"stream": True}, BEARER | {"x-mock-cut": "2"}))
        received: list[bytes] = []
        with pytest.raises(ConnectionResetError):
            received.extend(iter(lambda: client.recv(65536), b""))
    assert b"".join(received).count(b"data: ") == 2


def test_streams_may_end_after_the_signal() -> None:
    with mock() as (port, process), connect(port) as client:
        wishes = BEARER | {"x-mock-tokens": "20", "x-mock-chunk-delay": "10"}
        client.sendall(request("POST", "/v1/chat/completions", CHAT | {"stream": True}, wishes))
        data = client.recv(65536)
        process.send_signal(signal.SIGTERM)
        data += b"".join(iter(lambda: client.recv(65536), b""))
        assert data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        (["--listen", "nowhere"], 2, "expected HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], 2, "expected HOST:PORT"),
        (["--error-rate", "2"], 2, "expected 0 to 1"),
        (["--error-status", "200"], 2, "expected 400 to 599"),
    ],
)
def test_bad_flags(flags: list[str], code: int, text: str) -> None:
    done = subprocess.run([*COMMAND, *flags], capture_output=True, text=True, timeout=8, check=False)
    assert (done.returncode, text in done.stderr) == (code, True), done.stderr


def test_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run([*COMMAND, "--listen", address], capture_output=True, text=True, timeout=8, check=False)
    assert (done.returncode, address in done.stderr) == (3, True), done.stderr


def test_an_ordinary_http_client_is_content() -> None:
    with mock() as (port, _):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/echo", timeout=5) as reply:
            assert json.load(reply)["method"] == "GET"
