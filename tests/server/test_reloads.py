"""Reloads as the master sees them: done here, or asked for and waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastproxy.errors import ConfigError
from fastproxy.server.notify import Notifier
from fastproxy.server.plan import MasterPlan, Publication
from fastproxy.server.reloads import ANSWER_S, Reloads
from fastproxy.server.spawn import Shared
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena
from fastproxy.shared.board import Board
from fastproxy.shared.register import Register
from fastproxy.shared.shelf import Shelf

if TYPE_CHECKING:
    from pathlib import Path

NAME = b"k" * 16


class Ear(Notifier):
    """Hears what the service manager would be told."""

    def __init__(self) -> None:
        super().__init__({}, 1)
        self.heard: list[str] = []

    def _send(self, state: str) -> None:
        self.heard.append(state.partition("=")[0])


class Scene:
    def __init__(self, place: Path, publisher: str = "", watch: str = "") -> None:
        self.answers: list[Publication | Exception] = []
        self.arena = Arena.create(str(place / "arena.1"), 3)
        board = Board(self.arena.column(rows.MASTER_COLUMN))
        self.shared = Shared(board, Register.in_memory(), Shelf.in_memory())
        board.publish(b"one")
        first = Publication(b"one")
        plan = MasterPlan((), (), str(place), first, self.reload, (), {}, publisher=publisher, watch=watch)
        self.ear = Ear()
        self.reloads = Reloads(plan, self.shared, self.arena, self.ear)

    def reload(self) -> Publication:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cells(self, column: int) -> list[int]:
        cells = self.arena.column(column)
        return [cells[row] for row in (rows.RELOAD_ASKED, rows.RELOAD_TAKEN, rows.RELOADS, rows.RELOAD_FAILURES)]


def test_the_master_publishes_where_nobody_else_does(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answers = [Publication(b"two", {NAME: b"k"}), ConfigError("nothing good"), OSError(2, "gone")]
    for _ in range(3):
        scene.reloads.ask(1.0)
    assert scene.shared.board.read() == (2, b"two")
    assert scene.shared.register.get(NAME) == b"k"
    assert scene.cells(rows.MASTER_COLUMN) == [3, 3, 1, 2]
    assert scene.ear.heard == ["RELOADING", "READY"] * 3


def test_the_publisher_is_asked_and_its_answer_waited_for(tmp_path: Path) -> None:
    scene = Scene(tmp_path, publisher="admin")
    scene.reloads.ask(1.0)
    scene.reloads.look(2.0)
    assert scene.ear.heard == ["RELOADING"]
    scene.arena.column(rows.ADMIN_COLUMN)[rows.RELOAD_TAKEN] = 1
    for now in (3.0, 4.0):
        scene.reloads.look(now)
    assert scene.ear.heard == ["RELOADING", "READY"]
    assert scene.cells(rows.MASTER_COLUMN) == [1, 0, 0, 0]
    assert scene.shared.board.generation() == 1


def test_a_publisher_that_does_not_answer_holds_nobody(tmp_path: Path) -> None:
    scene = Scene(tmp_path, publisher="admin")
    scene.reloads.ask(1.0)
    scene.reloads.look(1.0 + ANSWER_S)
    assert scene.ear.heard == ["RELOADING"]
    scene.reloads.look(1.5 + ANSWER_S)
    assert scene.ear.heard == ["RELOADING", "READY"]


@pytest.mark.parametrize("times", [[0.0, 0.5, 0.9], [0.0, 1.0, 2.0]], ids=["too soon", "in time"])
def test_a_watched_file_is_as_good_as_a_signal(tmp_path: Path, times: list[float]) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("one")
    scene = Scene(tmp_path, watch=str(file))
    scene.answers = [Publication(b"two")]
    file.write_text("another")
    for now in times:
        scene.reloads.look(now)
    assert scene.cells(rows.MASTER_COLUMN) == ([1, 1, 1, 0] if times[-1] >= 1 else [0, 0, 0, 0])
