"""The crew's decisions where no live test can lead it: forks that fail, children that do not die, last workers."""

from __future__ import annotations

import errno
import math
import os
import time
from typing import TYPE_CHECKING, cast

import pytest

from fastproxy.server.children import Children, Life, Place
from fastproxy.server.crew import DEADLY_FAILURES, Crew
from fastproxy.server.plan import MasterPlan, Publication, Role
from fastproxy.server.sockets import Listeners
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from socket import socket

    from fastproxy.server.seat import Seat
    from fastproxy.server.spawn import Nursery

FIRST_PID = 5_000_000  # no process has these numbers: the kernel's limit is 2**22


def do_nothing(seat: Seat) -> None:
    """A role that is never run here."""


class FakeNursery:
    """Gives out pids of processes that do not exist; `error` makes every fork fail."""

    def __init__(self, children: Children, slots: int) -> None:
        self.children = children
        self.listeners = Listeners([[] for _ in range(slots)])
        self.error: OSError | None = None
        self._next = FIRST_PID

    def fork(self, place: Place, private: Iterable[socket]) -> int:
        self.children.prepare(place)
        if self.error is not None:
            raise self.error
        self._next += 1
        self.children.born(place, self._next)
        return self._next


class Scene:
    def __init__(self, path: Path) -> None:
        self.arena = Arena.create(str(path / "arena.1"), 6)
        worker = Role("worker", do_nothing, 2, sockets=True)
        plan = MasterPlan(
            (worker,), (), "unused", Publication(b""), lambda: Publication(b""), ("python",), {}, heartbeat_timeout=1.0
        )
        self.places = [Place(worker, slot, 2 + slot, self.arena.column(2 + slot)) for slot in range(4)]
        self.children = Children(self.arena, self.places)
        self.nursery = FakeNursery(self.children, 4)
        self.now = time.monotonic()
        self.crew = Crew(plan, cast("Nursery", self.nursery), self.now)

    def owners(self) -> list[int]:
        return self.arena.column(0)[rows.OWNER : rows.OWNER + 4].tolist()

    def turns(self, seconds: float) -> None:
        """The master ticks regularly for so long, while nobody beats."""
        for _ in range(round(seconds / 0.1)):
            self.now += 0.1
            self.crew.look(self.now)
            self.crew.mend(self.now)

    def ready(self, slot: int) -> None:
        self.places[slot].column[rows.HEARTBEAT] = int(self.now * 1000)
        self.places[slot].column[rows.STATE] = rows.READY
        self.children.notice_ready()


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pids that were sent a signal; none of them exists."""
    pids: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: pids.append(pid))
    return pids


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_start_forks_as_many_as_wanted_and_shares_all_slots(scene: Scene) -> None:
    scene.crew.start()
    assert [place.life for place in scene.places] == [Life.STARTING, Life.STARTING, Life.EMPTY, Life.EMPTY]
    assert scene.owners() == [1, 2, 1, 2]
    found = [scene.crew.is_ready]
    scene.ready(0)
    found.append(scene.crew.is_ready)
    scene.ready(1)
    assert [*found, scene.crew.is_ready] == [False, False, True]


def test_a_fork_that_fails_is_tried_again(scene: Scene) -> None:
    scene.nursery.error = OSError(errno.EAGAIN, "too many processes")
    scene.crew.start()
    assert {place.life for place in scene.places[:2]} == {Life.WAITING}
    scene.nursery.error = None
    scene.turns(1.2)
    assert {place.life for place in scene.places[:2]} == {Life.STARTING}


def test_forks_that_always_fail_end_the_first_start(scene: Scene) -> None:
    scene.nursery.error = OSError(errno.ENOMEM, "no memory")
    scene.crew.start()
    found = [scene.crew.is_hopeless]
    scene.places[0].failures = DEADLY_FAILURES
    found.append(scene.crew.is_hopeless)
    scene.places[0].was_ready = True
    found.append(scene.crew.is_hopeless)
    assert found == [False, True, False]


def test_a_silent_worker_loses_its_sockets_first_and_is_killed_once(scene: Scene, killed: list[int]) -> None:
    scene.crew.start()
    scene.ready(0)
    scene.ready(1)
    scene.turns(0.4)
    assert scene.owners() == [1, 2, 1, 2]
    scene.places[0].column[rows.HEARTBEAT] = int((scene.now + 60) * 1000)
    scene.turns(0.3)
    assert scene.owners() == [1, 1, 1, 1]
    assert killed == []
    scene.turns(0.9)  # it does not die at once
    assert killed == [scene.places[1].pid]
    assert scene.arena.column(0)[rows.HANGS] == 1


def test_a_worker_that_never_becomes_ready_is_killed_in_the_end(scene: Scene, killed: list[int]) -> None:
    scene.crew.start()
    scene.turns(29)
    assert killed == []
    scene.turns(2)
    assert killed == [scene.places[0].pid, scene.places[1].pid]


def test_the_slots_of_a_starting_worker_are_not_moved_at_once(scene: Scene, killed: list[int]) -> None:
    scene.crew.start()
    scene.ready(0)
    scene.places[0].column[rows.HEARTBEAT] = int((scene.now + 60) * 1000)
    scene.turns(0.8)
    assert scene.owners() == [1, 2, 1, 2]
    scene.turns(0.5)
    assert scene.owners() == [1, 1, 1, 1]


def test_one_less_gives_the_sockets_away_before_the_signal(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.crew.start()
    scene.ready(0)
    scene.ready(1)
    owners_at_signal = []
    monkeypatch.setattr(os, "kill", lambda *_: owners_at_signal.append(scene.owners()))
    scene.crew.fewer(scene.now)
    assert owners_at_signal[0] == [1, 1, 1, 1]
    assert scene.places[1].life is Life.STOPPING
    scene.crew.fewer(scene.now)
    assert scene.places[0].life is Life.READY
    scene.crew.more()
    assert [place.life for place in scene.places] == [Life.READY, Life.STOPPING, Life.STARTING, Life.EMPTY]
    assert scene.places[2].kill_at == math.inf


def test_log_files_are_opened_again_by_those_who_are_ready(scene: Scene, killed: list[int]) -> None:
    scene.crew.start()
    scene.ready(1)
    scene.crew.pass_on_usr1()
    assert killed == [scene.places[1].pid]
