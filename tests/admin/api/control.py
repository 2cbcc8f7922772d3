"""The admin API with everything behind it that the product has: a database, the service, the publisher, a seat.

    with controlled(place) as api:
        api.ask("POST", "/api/groups", {"name": "team"}).json

The workers are a thread that says "I use the newest" for each of them, as often as real ones do.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from os import getppid
from typing import TYPE_CHECKING, Any

from fastproxy.admin.access import Access
from fastproxy.admin.app import create_app
from fastproxy.admin.plane import Plane
from fastproxy.admin.serve import Control
from fastproxy.admin.view import Node
from fastproxy.config import load
from fastproxy.providers.catalogue import ALIASES, PROVIDERS
from fastproxy.publish.opening import open_with
from fastproxy.server.plan import Publication
from fastproxy.server.publishing import publish_all
from fastproxy.server.seat import Seat
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena
from fastproxy.shared.board import Board
from fastproxy.shared.master_key import MasterKey
from fastproxy.shared.register import Register
from tests.admin.cells import fetch, serving
from tests.live.running import until, write_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from fastproxy.config import Settings

KEY = "correct-horse-battery"
MASTER = MasterKey(bytes(range(32)))


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]

    def paths(self) -> list[str]:
        """Where the fields are that are wrong."""
        return [field["path"] for field in self.error["fields"]]


@dataclass(frozen=True, slots=True)
class Api:
    port: int
    plane: Plane
    place: Path

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, key: str = KEY
    ) -> Reply:
        """`body`: what becomes JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        told = {"authorization": f"Bearer {key}"} | ({"content-type": "application/json"} if data is not None else {})
        answer = fetch(self.port, path, {**told, **(headers or {})}, method, data)
        return Reply(answer.status, answer.headers, answer.body)

    def send_in_pieces(self, method: str, path: str, pieces: Iterable[bytes]) -> Reply:
        """A body that does not tell its length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        try:
            connection.request(method, path, iter(pieces), headers, encode_chunked=True)
            reply = connection.getresponse()
            return Reply(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            connection.close()

    def made(self, path: str, body: object) -> Any:
        """The item of a creation that has to succeed."""
        reply = self.ask("POST", path, body)
        assert reply.status == 201, reply.body
        return reply.json

    def declare(self, config: Mapping[str, Any]) -> None:
        write_config(self.place, config)


def settings_of(place: Path) -> Settings:
    """From the file in `place`, as the product reads it."""
    flags = {"config": str(place / "fastproxy.yaml"), "state_dir": str(place / "state")}
    return load(flags, {}, known_providers=frozenset(PROVIDERS) | frozenset(ALIASES))


def make_seat(place: Path, workers: int) -> Seat:
    arena = Arena.create(str(place / "arena"), rows.WORKER_COLUMN + workers)
    board = Board(arena.column(rows.MASTER_COLUMN))
    column = arena.column(rows.ADMIN_COLUMN)
    return Seat("admin", 0, column, arena, board, [[]], getppid(), register=Register.in_memory())


@contextmanager
def acknowledging(arena: Arena, workers: int) -> Iterator[None]:
    """Workers that use the newest publication a few milliseconds after it is there."""
    done = threading.Event()
    columns = [arena.column(rows.WORKER_COLUMN + slot) for slot in range(workers)]
    for slot, column in enumerate(columns):
        column[rows.PID], column[rows.STATE], column[rows.STARTED] = 1000 + slot, rows.READY, 1
        arena.column(rows.MASTER_COLUMN)[rows.OWNER + slot] = slot + 1

    def work() -> None:
        master = arena.column(rows.MASTER_COLUMN)
        while not done.wait(0.005):
            for column in columns:
                column[rows.GENERATION] = master[rows.GENERATION]
                column[rows.HEARTBEAT] = int(time.monotonic() * 1000)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def controlled(
    place: Path, config: Mapping[str, Any] | None = None, *, workers: int = 2, waits: bool = True
) -> Iterator[Api]:
    """`waits`: until the database is open."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "state").mkdir(mode=0o700, exist_ok=True)
    write_config(place, {"database": f"sqlite:///{place}/fastproxy.db", **(config or {})})
    seat = make_seat(place, workers)
    opening = open_with(settings_of(place), MASTER)
    publish_all(Publication(opening.snapshot, opening.entries), seat.register or Register.in_memory(), seat.board)
    control = Control(settings_of(place), MASTER, lambda: settings_of(place), saved=opening.saved)
    plane = Plane(seat, control)
    app = create_app(Node(seat.arena), Access(KEY, "127.0.0.1"), version="1.2.3", plane=plane)
    with acknowledging(seat.arena, workers), serving(app, plane) as port:
        api = Api(port, plane, place)
        if waits:
            until(lambda: api.ask("GET", "/api/groups").status == 200)
        yield api
