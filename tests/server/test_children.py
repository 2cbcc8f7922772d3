"""The life of a place: forks, readiness, deaths, back-off, with real processes and their arena columns."""

from __future__ import annotations

import math
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from fastproxy.server.children import Children, Life, Place, kill_overdue, stop
from fastproxy.server.plan import Role
from fastproxy.shared import rows
from fastproxy.shared.arena import GAUGES, Arena

if TYPE_CHECKING:
    from pathlib import Path

    from fastproxy.server.seat import Seat


def do_nothing(seat: Seat) -> None:
    """A role that is never run here."""


@pytest.fixture
def children(tmp_path: Path) -> Children:
    arena = Arena.create(str(tmp_path / "arena.1"), 4)
    once = Role("once", do_nothing, restart=False)
    worker = Role("worker", do_nothing, sockets=True)
    return Children(arena, [Place(worker, 0, 2, arena.column(2)), Place(once, 0, 3, arena.column(3))])


def fork(children: Children, place: Place, *, ready: bool = True, stays: bool = True) -> None:
    """A process that waits to be killed, or leaves by itself."""
    children.prepare(place)
    pid = os.fork()
    if pid == 0:
        if stays:
            signal.pause()
        os._exit(1)
    children.born(place, pid)
    if ready:
        place.column[rows.STATE] = rows.READY
        children.notice_ready()


def kill(children: Children, place: Place, number: signal.Signals = signal.SIGKILL) -> None:
    os.kill(place.pid, number)
    await_death(children, place)


def await_death(children: Children, place: Place) -> None:
    deadline = time.monotonic() + 5
    while place.is_alive and time.monotonic() < deadline:
        children.reap()
    assert not place.is_alive


def delay_of(place: Place) -> float:
    """Seconds from a death to the next process."""
    return round(place.respawn_at - place.started, 3)


def test_death_clears_gauges_and_keeps_counters(children: Children) -> None:
    worker = children.places[0]
    fork(children, worker)
    for row in (*GAUGES, rows.REQUESTS):
        worker.column[row] = 3
    kill(children, worker)
    assert worker.life is Life.WAITING
    assert [worker.column[row] for row in (rows.PID, rows.HEARTBEAT, rows.STATE)] == [0, 0, rows.STOPPED]
    assert {worker.column[row] for row in GAUGES} == {0}
    assert worker.column[rows.REQUESTS] == 3


def test_back_off_grows_and_ends_at_five_seconds(children: Children) -> None:
    worker, delays = children.places[0], []
    for _ in range(12):
        fork(children, worker, ready=False)
        kill(children, worker)
        delays.append(delay_of(worker))
    assert delays == [0, 0, 0, 0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]
    assert not worker.was_ready


@pytest.mark.parametrize("noticed", [True, False])
def test_who_kills_workers_one_after_the_other_waited_five_seconds_for_each(children: Children, noticed: bool) -> None:
    worker, delays = children.places[0], []
    for _ in range(12):
        fork(children, worker, ready=noticed)
        worker.column[rows.STATE] = rows.READY
        kill(children, worker)
        delays.append(delay_of(worker))
    assert delays == [0] * 4 + [0.02] * 8


def test_a_worker_that_gives_up_when_it_should_serve_is_waited_for_longer(children: Children) -> None:
    worker, delays = children.places[0], []
    for _ in range(7):
        fork(children, worker, stays=False)
        await_death(children, worker)
        delays.append(delay_of(worker))
    assert delays == [0, 0, 0, 0, 0.1, 0.2, 0.4]


def test_an_old_worker_is_replaced_at_once_whatever_came_before(children: Children) -> None:
    worker = children.places[0]
    worker.failures = 8
    fork(children, worker)
    worker.started -= 2
    kill(children, worker)
    assert worker.failures == 0
    assert worker.respawn_at == worker.started


def test_a_role_that_is_not_to_be_restarted_stays_away(children: Children) -> None:
    once = children.places[1]
    fork(children, once)
    kill(children, once)
    assert once.life is Life.EMPTY


def test_a_stopped_process_hears_that_it_is_to_leave(children: Children) -> None:
    worker = children.places[0]
    fork(children, worker)
    os.kill(worker.pid, signal.SIGSTOP)
    stop(worker, signal.SIGTERM, math.inf)
    kill(children, worker, signal.Signals.SIGCONT)
    assert worker.life is Life.EMPTY


def test_a_deadline_ends_with_a_kill(children: Children) -> None:
    worker = children.places[0]
    fork(children, worker)
    stop(worker, signal.SIGURG, 100.0)  # ignored by default: as if it did not hear
    assert kill_overdue(children.places, 99.9) == []
    assert kill_overdue(children.places, 100.0) == [worker]
    assert kill_overdue(children.places, 100.0) == []
    kill(children, worker, signal.SIGCONT)


def test_a_place_without_a_process_just_becomes_empty(children: Children) -> None:
    worker = children.places[0]
    worker.life, worker.respawn_at = Life.WAITING, 5.0
    stop(worker, signal.SIGTERM, 100.0)
    assert (worker.life, worker.respawn_at) == (Life.EMPTY, math.inf)


def test_strangers_are_reaped_and_told_apart(children: Children) -> None:
    worker = children.places[0]
    fork(children, worker)
    stranger = os.fork()
    if stranger == 0:
        os._exit(7)
    found: dict[int, str] = {}
    deadline = time.monotonic() + 5
    while not found and time.monotonic() < deadline:
        deaths, found = children.reap()
        assert deaths == []
    assert found == {stranger: "exit 7"}
    kill(children, worker)


@pytest.mark.parametrize(
    ("sockets", "life", "beats", "expected"),
    [
        (True, Life.READY, 0, True),
        (True, Life.STARTING, 5, False),
        (True, Life.STOPPING, 5, False),
        (False, Life.READY, 0, False),
        (False, Life.READY, 5, True),
    ],
)
def test_who_is_watched(children: Children, sockets: bool, life: Life, beats: int, expected: bool) -> None:
    place = children.places[0 if sockets else 1]
    place.life = life
    place.column[rows.HEARTBEAT] = beats
    assert place.can_be_watched is expected
