"""The seat: what a process reads there and what it tells through it."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from fastproxy.server.seat import Seat
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena
from fastproxy.shared.board import Board

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def seat(tmp_path: Path) -> Iterator[Seat]:
    """The seat of worker 1 of 2, with four slots that share their second socket."""
    arena = Arena.create(str(tmp_path / "arena.1"), 6)
    shared = socket.socket()
    sockets = [[socket.socket(), shared] for _ in range(4)]
    board = Board(arena.column(0))
    yield Seat("worker", 1, arena.column(3), arena, board, sockets, os.getppid())
    board.close()
    for group in sockets:
        for sock in group:
            sock.close()


def own(seat: Seat, *owners: int) -> None:
    column = seat.arena.column(rows.MASTER_COLUMN)
    for slot, owner in enumerate(owners):
        column[rows.OWNER + slot] = owner
    column[rows.TOPOLOGY] += 1


@pytest.mark.parametrize(
    ("owners", "slots", "places"),
    [
        ((1, 2, 1, 2), [1, 3], [0, 1, 0]),
        ((1, 1, 1, 1), [], []),
        ((0, 2, 0, 0), [1], [0, 1]),
        ((2, 2, 2, 2), [0, 1, 2, 3], [0, 1, 0, 0, 0]),
    ],
)
def test_listeners_are_those_of_owned_slots_each_once(
    seat: Seat, owners: tuple[int, ...], slots: list[int], places: list[int]
) -> None:
    before = seat.topology
    own(seat, *owners)
    assert seat.topology != before
    assert seat.owned_slots() == slots
    assert [place for place, _ in seat.listeners()] == places


def test_what_it_tells_stands_in_its_own_column(seat: Seat) -> None:
    seat.uses(5)
    seat.ready()
    column = seat.arena.column(3)
    assert (column[rows.STATE], column[rows.GENERATION]) == (rows.READY, 5)
    assert column[rows.HEARTBEAT] > 0
    seat.draining()
    assert column[rows.STATE] == rows.DRAINING
    assert [seat.arena.total(row) for row in (rows.STATE, rows.GENERATION)] == [rows.DRAINING, 5]


def test_an_orphan_knows(seat: Seat) -> None:
    assert not seat.is_orphan()
    assert Seat("x", 0, seat.column, seat.arena, seat.board, [], master_pid=1 + os.getppid()).is_orphan()


def test_closing_closes_every_slot(seat: Seat) -> None:
    seat.close_sockets()
    assert {sock.fileno() for group in seat.sockets for sock in group} == {-1}
