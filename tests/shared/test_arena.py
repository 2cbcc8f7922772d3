"""The arena: columns and rows, what survives a process, what onlookers may do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared import rows
from fastproxy.shared.arena import COLUMN_BYTES, GAUGES, Arena

if TYPE_CHECKING:
    from pathlib import Path


def test_rows_and_totals_gather_all_columns(tmp_path: Path) -> None:
    arena = Arena.create(str(tmp_path / "arena.1"), 4)
    for index in range(4):
        arena.column(index)[rows.REQUESTS] = 10**index
    assert arena.row(rows.REQUESTS) == [1, 10, 100, 1000]
    assert arena.total(rows.REQUESTS) == 1111
    assert arena.total(rows.REQUESTS + 1) == 0


def test_columns_fill_whole_cache_lines_and_never_overlap(tmp_path: Path) -> None:
    arena = Arena.create(str(tmp_path / "arena.1"), 3)
    assert COLUMN_BYTES % 64 == 0
    for row in range(rows.ROWS):
        arena.column(1)[row] = 2**64 - 1
    assert set(arena.column(0)) == set(arena.column(2)) == {0}


@pytest.mark.parametrize("index", [-1, 3])
def test_a_column_that_does_not_exist_is_an_error(tmp_path: Path, index: int) -> None:
    with pytest.raises(IndexError, match=f"column {index} of 3"):
        Arena.create(str(tmp_path / "arena.1"), 3).column(index)


def test_onlookers_see_changes_and_cannot_make_any(tmp_path: Path) -> None:
    arena = Arena.create(str(tmp_path / "arena.1"), 2)
    seen = Arena.open(arena.path)
    arena.column(1)[rows.PID] = 42
    assert seen.columns == 2
    assert seen.column(1)[rows.PID] == 42
    with pytest.raises(TypeError):
        seen.column(1)[rows.PID] = 43


@pytest.mark.parametrize("size", [0, 8, COLUMN_BYTES - 8, COLUMN_BYTES + 8])
def test_an_arena_of_another_shape_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "arena.1").write_bytes(bytes(size))
    with pytest.raises(ValueError, match=f"{size} bytes are not columns"):
        Arena.open(str(tmp_path / "arena.1"))


def test_a_left_over_file_is_replaced_and_not_written_to(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"x")
    (tmp_path / "arena.1").symlink_to(target)
    arena = Arena.create(str(tmp_path / "arena.1"), 2)
    assert target.read_bytes() == b"x"
    assert os.stat(arena.path).st_mode & 0o777 == 0o600
    arena.unlink()
    arena.unlink()
    assert not os.path.lexists(arena.path)


def test_gauges_go_with_their_process_and_counters_stay(tmp_path: Path) -> None:
    arena = Arena.create(str(tmp_path / "arena.1"), 2)
    column = arena.column(1)
    for row in range(rows.ROWS):
        column[row] = 7
    arena.clear_gauges(1)
    assert {row for row in range(rows.ROWS) if column[row] == 0} == set(GAUGES)


def test_a_forked_child_writes_into_the_same_cells(tmp_path: Path) -> None:
    arena = Arena.create(str(tmp_path / "arena.1"), 3)
    pid = os.fork()
    if pid == 0:
        arena.column(2)[rows.REQUESTS] = os.getpid()
        os._exit(0)
    os.waitpid(pid, 0)
    assert arena.total(rows.REQUESTS) == pid
