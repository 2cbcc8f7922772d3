"""For the tests of the mock: a mock in a thread of its own, and a bare HTTP client that shows every byte."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastproxy.loadtest.mock import MockOptions, start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = "sk-test-0123456789"
BEARER = {"authorization": f"Bearer {KEY}"}
_TIMEOUT_S = 5.0
_STOPPED_S = 5.0


@contextmanager
def serving(options: MockOptions | None = None) -> Iterator[int]:
    """The port of a mock that serves while the block runs."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(start(options or MockOptions()))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.port
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(server.wait_closed(), loop).result(_STOPPED_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_STOPPED_S)
        loop.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply: `raw` is the body as framed on the wire, `body` without its chunk framing."""

    status: int
    headers: dict[str, list[str]]
    raw: bytes
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def one(self, name: str) -> str:
        (value,) = self.headers[name]
        return value


def ask(port: int, method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One request on a connection of its own, read to its end."""
    return read_all(exchange(port, request(method, target, body, headers, close=True)))


def request(
    method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None, *, close: bool = False
) -> bytes:
    """A request's bytes; anything but bytes is sent as JSON."""
    fields = {"host": "mock.test"} | ({"connection": "close"} if close else {})
    data = b""
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields |= {"content-length": str(len(data))} | ({} if isinstance(body, bytes) else _JSON)
    fields |= dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + data


def exchange(port: int, data: bytes) -> bytes:
    """Send, then read until the mock ends the connection."""
    with connect(port) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(65536), b""))


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S)


def read_all(data: bytes) -> Answer:
    """Bytes of one whole reply → Answer; whatever is missing or left over fails."""
    head, gap, raw = data.partition(b"\r\n\r\n")
    assert gap, data
    status, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers.setdefault(name, []).append(value)
    if headers.get("transfer-encoding") == ["chunked"]:
        return Answer(int(status.split()[1]), headers, raw, b"".join(chunks(raw)))
    return Answer(int(status.split()[1]), headers, raw, raw)


def chunks(raw: bytes) -> list[bytes]:
    """The HTTP chunks of a complete chunked body."""
    found: list[bytes] = []
    while True:
        size, _, rest = raw.partition(b"\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n", raw
        if not length:
            assert rest == b"\r\n", raw
            return found
        found.append(rest[:length])
        raw = rest[length + 2 :]


_JSON = {"content-type": "application/json"}
