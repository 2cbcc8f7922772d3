"""A stand-in for the arena, a web server in a thread, and a client: what the tests of the admin plane share."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastproxy.admin import runner
from fastproxy.admin.view import Node
from fastproxy.shared import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastproxy.admin.plane import Plane

NOW_MS = 50_000_000  # the monotonic clock of these tests
WALL_S = 1_800_000_000.0


class Cells:
    """Columns in plain memory, with the arena's two ways of reading."""

    def __init__(self, slots: int = 2) -> None:
        self._columns = [memoryview(bytearray(rows.ROWS * 8)).cast("Q") for _ in range(rows.WORKER_COLUMN + slots)]
        for slot in range(slots):
            self._columns[rows.MASTER_COLUMN][rows.OWNER + slot] = slot + 1

    def column(self, index: int, /) -> memoryview:
        return self._columns[index]

    def row(self, row: int, /) -> list[int]:
        return [column[row] for column in self._columns]

    def worker(self, slot: int) -> memoryview:
        return self._columns[rows.WORKER_COLUMN + slot]

    def start(self, slot: int, **cells: int) -> memoryview:
        """Make a healthy worker; `cells` are row names with other values."""
        column = self.worker(slot)
        healthy = {"PID": 1000 + slot, "STATE": rows.READY, "HEARTBEAT": NOW_MS - 50, "STARTED": 1}
        for name, value in {**healthy, **cells}.items():
            column[getattr(rows, name)] = value
        return column

    def master(self, **cells: int) -> memoryview:
        for name, value in cells.items():
            self._columns[rows.MASTER_COLUMN][getattr(rows, name)] = value
        return self._columns[rows.MASTER_COLUMN]


def node(cells: Cells) -> Node:
    """A node whose clocks stand still."""
    return Node(cells, heartbeat_timeout_s=10, monotonic=lambda: NOW_MS / 1000, wall=lambda: WALL_S)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@contextmanager
def serving(app: object, plane: Plane | None = None) -> Iterator[int]:
    """Serve an application by the product's own server, with its control plane beside it; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    ready = threading.Event()
    server = runner.Server(runner.configure(app), ready.set)
    work = runner.Work(app, [listener], plane)
    thread = threading.Thread(target=lambda: asyncio.run(runner.serve_beside(server, work)))
    thread.start()
    try:
        assert ready.wait(5)
        yield port
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def fetch(
    port: int, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: bytes | None = None
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, body, headers=dict(headers or {}))
        reply = connection.getresponse()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    finally:
        connection.close()


def ask(
    app: object, path: str, headers: Mapping[str, str], peer: str | None, request: tuple[str, bytes] = ("GET", b"")
) -> Answer:
    """One request (its method and body) to the application itself, from any address one likes."""
    method, data = request
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": None if peer is None else (peer, 40000),
        "server": ("127.0.0.1", 9090),
    }
    asyncio.run(app(scope, receive, send))  # type: ignore[operator]  # any ASGI application
    start, *rest = sent
    fields = start["headers"]
    status = start["status"]
    assert isinstance(fields, list)
    assert isinstance(status, int)
    parts = [message.get("body", b"") for message in rest]
    body = b"".join(part for part in parts if isinstance(part, bytes))
    return Answer(status, {name.decode(): value.decode("latin-1") for name, value in fields}, body)
