"""`fastproxy health`: where it asks, what it makes of the answers, and that a check every few seconds stays light."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from fastproxy import health
from fastproxy.config import FLAGS
from fastproxy.config.values import parse_address
from fastproxy.health import Door, ask, door_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n"
DOORS = [
    ("127.0.0.1:8080", Door("127.0.0.1", 8080), "http://127.0.0.1:8080"),
    ("0.0.0.0:80", Door("127.0.0.1", 80), "http://127.0.0.1:80"),
    (":80", Door("127.0.0.1", 80), "http://127.0.0.1:80"),
    ("*:80", Door("127.0.0.1", 80), "http://127.0.0.1:80"),
    ("[::]:80", Door("::1", 80), "http://[::1]:80"),
    ("[0:0:0:0:0:0:0:0]:80", Door("::1", 80), "http://[::1]:80"),
    ("[fd00::1]:80", Door("fd00::1", 80), "http://[fd00::1]:80"),
    ("gateway.example:80", Door("gateway.example", 80), "http://gateway.example:80"),
    ("unix:/run/fp.sock", Door("", 0, "/run/fp.sock"), "http://localhost"),
]


@contextmanager
def serving(answer: bytes, listener: socket.socket | None = None) -> Iterator[str]:
    """A server that reads once on each of two connections, says this and hangs up; its address."""
    with listener or socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return  # one was enough
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        name = server.getsockname()
        yield f"unix:{name}" if isinstance(name, str) else f"127.0.0.1:{name[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize(("listen", "door", "url"), DOORS, ids=[case[0] for case in DOORS])
def test_an_address_becomes_one_that_can_be_asked(listen: str, door: Door, url: str) -> None:
    assert door_of(listen) == door
    assert door.url("http") == url
    _, port, unix = parse_address(listen)  # the configuration spells them in the same way
    assert (port, unix or "") == (door.port, door.unix)


@pytest.mark.parametrize("listen", ["", "8080", "host", "host:", "host:http", "host:65536", "host:²"])
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        door_of(listen)
    assert ask(listen, 1.0)[0] is False


def test_the_default_is_the_configuration_s() -> None:
    assert health.LISTEN in FLAGS["listen"].text


@pytest.mark.parametrize(
    ("answer", "is_well", "words"),
    [
        (OK, True, "/health: 200 OK"),
        (b"HTTP/1.1 200\r\n\r\n", True, ": 200"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\ndraining\n", False, "/health: 503 Service Unavailable"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", False, "2000"),
        (b"HTTP/1.1", False, "without an answer"),
        (b"HTTP/1.1  \r\n", False, "/health:  "),
        (b"SSH-2.0-x\r\n", False, "without TLS no HTTP came"),
        (b"", False, "without TLS no HTTP came"),
    ],
)
def test_only_200_is_well(answer: bytes, is_well: bool, words: str) -> None:
    with serving(answer) as address:
        found, text = ask(address, 5.0)
    assert found is is_well
    assert words in text
    assert address in text


def test_a_unix_socket(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    with serving(OK, listener) as address:
        assert ask(address, 5.0) == (True, f"GET http://localhost/health on {address}: 200 OK")


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        assert ask(address, 5.0) == (False, f"GET http://{address}/health: connection refused")
    assert "no such file" in ask(f"unix:{tmp_path / 's'}", 5.0)[1]


def test_who_does_not_answer_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found, text = ask(f"127.0.0.1:{silent.getsockname()[1]}", 0.05)
    assert (found, "timed out" in text) == (False, True)


def test_the_variable_s_first_address_unless_one_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(OK) as address:
        environ = {"FASTPROXY_LISTEN": f" {address} , 127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"}
        assert health.main([], environ) == 0
        assert capsys.readouterr() == (f"GET http://{address}/health: 200 OK\n", "")
        assert health.main(["--listen", "127.0.0.1:1"], environ) == 1
        out, err = capsys.readouterr()
        assert (out, err) == ("", "fastproxy: GET http://127.0.0.1:1/health: connection refused\n")


@pytest.mark.parametrize("told", ["0", "-1", "nan", "inf", "soon"])
def test_a_timeout_that_is_none(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        health.main(["--timeout", told], {})
    assert "is not a number of seconds" in capsys.readouterr().err


def test_it_loads_nothing_of_the_gateway_and_no_http_client() -> None:
    code = "import sys; from fastproxy.launch import main; print(main(), *sys.modules)"
    command = [sys.executable, "-c", code, "health", "--listen", "unix:/nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    code, *loaded = done.stdout.split()
    ours = {name for name in loaded if name.startswith("fastproxy")}
    assert (code, ours) == ("1", {"fastproxy", "fastproxy.launch", "fastproxy.health"})
    assert {"http.client", "urllib.request", "ssl", "asyncio", "yaml"}.isdisjoint(loaded)
