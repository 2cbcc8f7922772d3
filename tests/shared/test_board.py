"""The board: what is read was published as a whole, also while it changes and when its writer dies halfway."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared import rows
from fastproxy.shared.board import Board, BoardError

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (0, 1, 5000, 3, 200_000, 200_000, 100, 4096, 4097, 1_000_000, 0, 7)


@pytest.fixture
def column() -> memoryview[int]:
    return memoryview(bytearray(rows.ROWS * 8)).cast("Q")


@pytest.fixture
def board(column: memoryview[int]) -> Iterator[Board]:
    board = Board(column)
    yield board
    board.close()


def test_reads_what_was_published_last(board: Board, column: memoryview[int]) -> None:
    for generation, size in enumerate(SIZES, 1):
        data = bytes([generation]) * size
        assert board.publish(data) == generation
        assert board.generation() == generation
        assert board.read() == (generation, data)
        assert column[rows.SNAPSHOT_SIZE] == size


def test_an_empty_board_says_so(board: Board) -> None:
    assert board.data_generation() == 0
    for ask in (board.read, board.touch):
        with pytest.raises(BoardError):
            ask()


def test_a_touch_is_a_generation_of_the_same_data(board: Board, column: memoryview[int]) -> None:
    seen = []
    for data in (b"one", None, None, b"two", None):
        made = board.touch() if data is None else board.publish(data)
        assert (made, column[rows.GENERATION]) == (board.generation(), board.generation())
        seen.append((made, board.data_generation(), board.read()))
    assert seen == [
        (1, 1, (1, b"one")),
        (2, 1, (1, b"one")),
        (3, 1, (1, b"one")),
        (4, 4, (4, b"two")),
        (5, 4, (4, b"two")),
    ]


def test_who_publishes_next_goes_on_from_the_header(board: Board, column: memoryview[int]) -> None:
    """One that was killed before it wrote the cell has used that number already."""
    board.publish(b"one")
    board.touch()
    column[rows.GENERATION] = 1
    assert board.touch() == 3


def test_the_number_appears_only_after_the_bytes(board: Board, column: memoryview[int]) -> None:
    """A reader that sees generation n can read generation n: the cell is written last."""
    board.publish(b"one")
    column[rows.GENERATION] = 0  # as if the writer were still busy
    assert board.read() == (1, b"one")


def test_new_bytes_never_touch_those_in_use(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that dies before the header leaves the old snapshot whole, whatever the sizes are."""

    class Killed(Exception):
        pass

    def killed(*_: object) -> int:
        raise Killed

    for generation, size in enumerate(SIZES, 1):
        old = bytes([generation]) * size
        board.publish(old)
        for next_size in SIZES:
            with monkeypatch.context() as patch:
                patch.setattr("fastproxy.shared.board._seal", killed)
                with pytest.raises(Killed):
                    board.publish(b"\xff" * next_size)
            assert board.read() == (generation, old)


def test_readers_in_another_process_never_see_a_mixture(board: Board) -> None:
    board.publish(b"\x00" * 1000)
    writer = os.fork()
    if writer == 0:
        for number in range(1_000_000):
            board.publish(bytes([number % 251]) * (1 + number * 7919 % 60_000))
            board.touch()
        os._exit(0)
    seen: set[int] = set()
    reads, deadline = 0, time.monotonic() + 10
    while (reads < 300 or len(seen) < 3) and time.monotonic() < deadline:  # a busy machine may not run the writer yet
        _, data = board.read()
        assert len(set(data)) == 1
        seen.add(data[0])
        reads += 1
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    assert len(seen) > 2
    assert len(set(board.read()[1])) == 1
