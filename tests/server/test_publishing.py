"""The master as publisher: what it puts into the register and on the board, and when it must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastproxy.publish.claim import Claim
from fastproxy.server.plan import MasterPlan, Publication, RegisterPlan
from fastproxy.server.publishing import open_register, publish_all, publish_first
from fastproxy.shared import rows
from fastproxy.shared.board import Board
from fastproxy.shared.register import Register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

A, B, C = (letter * 16 for letter in (b"a", b"b", b"c"))


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board(memoryview(bytearray(rows.ROWS * 8)).cast("Q"))
    yield board
    board.close()


def plan(state_dir: Path, first: Publication, *, in_memory: bool = False) -> MasterPlan:
    register = RegisterPlan(None if in_memory else b"f" * 16)
    return MasterPlan((), (), str(state_dir), first, lambda: first, (), {}, register=register)


def test_everything_of_a_reload_replaces_everything(board: Board) -> None:
    register = Register.in_memory()
    assert publish_all(Publication(b"one", {A: b"k1", B: b"g1"}), register, board) == 1
    assert publish_all(Publication(b"two", {B: b"g2", C: b"k3"}), register, board) == 2
    assert dict(register.items()) == {B: b"g2", C: b"k3"}
    assert board.read() == (2, b"two")


def test_the_first_one_adds_to_what_is_there_and_writes_down_what_it_will_add(tmp_path: Path, board: Board) -> None:
    kept = []

    def keep() -> None:
        kept.append(dict(register.items()))

    first = Publication(b"snapshot", {A: b"k1"}, (B,), b"carrying", keep)
    register = open_register(plan(tmp_path, first))
    register.apply([(B, b"k of before"), (C, b"k of the database")])
    publish_first(plan(tmp_path, first), register, board, is_only_master=True)
    assert kept == [{C: b"k of the database"}]
    assert dict(register.items()) == {A: b"k1", C: b"k of the database"}
    assert board.read() == (1, b"snapshot")
    assert Claim.take(str(tmp_path)) is not None, "it must not be held: the admin process will need it"


@pytest.mark.parametrize("is_only_master", [False, True], ids=["an upgrade", "somebody holds the claim for ever"])
def test_beside_another_publisher_the_register_is_left_alone(
    tmp_path: Path, board: Board, is_only_master: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastproxy.server.publishing.ORPHANS_LEAVE_S", 0.0)
    first = Publication(b"snapshot", {A: b"k1"}, (B,), b"carrying")
    register = open_register(plan(tmp_path, first))
    register.apply([(B, b"k of before")])
    other = Claim.take(str(tmp_path)) if is_only_master else None
    publish_first(plan(tmp_path, first), register, board, is_only_master=is_only_master)
    assert dict(register.items()) == {B: b"k of before"}
    assert board.read() == (1, b"carrying")
    if other is not None:
        other.release()


def test_an_orphan_of_a_killed_master_is_waited_for(
    tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Publication(b"snapshot", {A: b"k1"}, (), b"carrying")
    orphan = Claim.take(str(tmp_path))
    assert orphan is not None
    monkeypatch.setattr("fastproxy.server.publishing.time.sleep", lambda _: orphan.release())
    register = open_register(plan(tmp_path, first))
    publish_first(plan(tmp_path, first), register, board, is_only_master=True)
    assert board.read() == (1, b"snapshot")


def test_a_full_disk_makes_the_snapshot_carry_the_keys(
    tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = Publication(b"snapshot", {A: b"k1"}, (), b"carrying")
    register = open_register(plan(tmp_path, first))

    def full(*_: object) -> None:
        raise OSError(28, "no room")

    monkeypatch.setattr("fastproxy.shared.register.write_all", full)
    publish_first(plan(tmp_path, first), register, board, is_only_master=True)
    assert board.read() == (1, b"carrying")
    assert "the register cannot be written" in caplog.text


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (lambda path: path.mkdir(), "will not be known after a restart"),
        (lambda path: path.write_bytes(b"x" * 5000), "begins anew"),
    ],
    ids=["a directory", "damaged"],
)
def test_a_register_that_cannot_be_used_is_told(
    tmp_path: Path, trouble: object, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    trouble(tmp_path / "register")  # type: ignore[operator]
    register = open_register(plan(tmp_path, Publication(b"")))
    assert said in caplog.text
    register.apply([(A, b"k")])
    assert register.get(A) == b"k"


def test_without_a_database_nothing_is_written(tmp_path: Path, board: Board) -> None:
    first = Publication(b"snapshot", {A: b"k1"})
    register = open_register(plan(tmp_path, first, in_memory=True))
    publish_first(plan(tmp_path, first, in_memory=True), register, board, is_only_master=True)
    assert dict(register.items()) == {A: b"k1"}
    assert list(tmp_path.iterdir()) == []
