"""A worker takes over what was published: when, how much of it, and what it says it uses."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from fastproxy.server.seat import Seat
from fastproxy.server.worker import Worker
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena
from fastproxy.shared.board import Board
from fastproxy.shared.register import Register
from fastproxy.snapshot import (
    ChannelSpec,
    GroupSpec,
    KeySpec,
    Snapshot,
    digest,
    entry_name_of_group,
    pack,
    pack_group,
    pack_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = b"s" * 32
MANY = 100_000
MOST_MS = 5.0


def snapshot(*addresses: str) -> bytes:
    channels = (
        ChannelSpec(f"c{place}", "openai", url, ("openai-chat",), "bearer") for place, url in enumerate(addresses)
    )
    return pack(Snapshot(SECRET, "fp", {}, tuple(channels)))


class Scene:
    def __init__(self, place: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.arena = Arena.create(str(place / "arena.1"), 3)
        self.board = Board(self.arena.column(rows.MASTER_COLUMN))
        self.register = Register.in_memory()
        self.board.publish(snapshot("https://one"))
        self.column = self.arena.column(rows.WORKER_COLUMN)
        seat = Seat("worker", 0, self.column, self.arena, self.board, [], os.getppid(), None, self.register)
        self.worker = Worker(loop, seat)

    @property
    def channels(self) -> list[str]:
        return [one.base_url for one in self.worker.world.table.snapshot.channels]

    @property
    def swaps(self) -> int:
        return self.worker.world.counts[rows.SWAPS]

    def put(self, *secrets: str) -> None:
        """Keys of one group."""
        changes = [(entry_name_of_group(SECRET, "g"), pack_group(GroupSpec("g")))]
        for secret in secrets:
            name = digest(SECRET, secret.encode())
            changes.append((name, pack_key(KeySpec(secret, name, "g"))))
        self.register.apply(changes)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield Scene(tmp_path, loop)
    asyncio.set_event_loop(None)
    loop.close()


def test_a_snapshot_is_taken_over_and_acknowledged(scene: Scene) -> None:
    scene.board.publish(snapshot("https://two"))
    scene.worker._follow()
    assert (scene.channels, scene.column[rows.GENERATION], scene.swaps) == (["https://two"], 2, 1)
    scene.worker._follow()
    assert scene.swaps == 1


def test_a_change_of_keys_alone_leaves_the_table(scene: Scene) -> None:
    table = scene.worker.world.table
    scene.put("sk-1")
    scene.board.touch()
    scene.worker._follow()
    assert scene.worker.world.table is table
    assert scene.column[rows.GENERATION] == 2
    assert scene.worker.world.keybook.find(digest(SECRET, b"sk-1")) is not None


def test_what_cannot_be_used_is_not_acknowledged_and_tried_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.board.publish(snapshot("no address at all"))
    for _ in range(3):
        scene.worker._follow()
    scene.board.touch()
    scene.worker._follow()
    assert (scene.channels, scene.column[rows.GENERATION]) == (["https://one"], 0)
    assert caplog.text.count("generation 2 cannot be used, the old configuration stays") == 1
    scene.board.publish(snapshot("https://three"))
    scene.worker._follow()
    assert (scene.channels, scene.column[rows.GENERATION]) == (["https://three"], 4)


def test_with_a_hundred_thousand_keys_no_change_holds_a_worker(scene: Scene) -> None:
    """CPU of the quickest of some: the pause itself is in SWAP_US_MAX, and other processes of the machine in it."""
    secrets = [f"sk-{number}" for number in range(MANY)]
    scene.put(*secrets)
    scene.worker._follow()
    book = scene.worker.world.keybook
    used = [book.find(digest(SECRET, secret.encode())) for secret in secrets[:4096]]
    assert None not in used
    assert quickest(scene, lambda: scene.put("sk-new")) < MOST_MS
    assert quickest(scene, lambda: scene.register.apply([(digest(SECRET, b"sk-1"), None)])) < MOST_MS
    assert quickest(scene, lambda: scene.board.publish(snapshot("https://four"))) < MOST_MS
    assert book.find(digest(SECRET, b"sk-99999")) is not None


def quickest(scene: Scene, change: object) -> float:
    times = []
    for _ in range(5):
        change()  # type: ignore[operator]
        scene.board.touch()
        before = time.thread_time()
        scene.worker._follow()
        times.append((time.thread_time() - before) * 1000)
    return min(times)
