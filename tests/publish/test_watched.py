"""Changes of a file: seen once, when they are over."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fastproxy.publish.watched import Watched

if TYPE_CHECKING:
    from pathlib import Path


def test_a_change_counts_when_it_is_over_and_once(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("one")
    watched = Watched(str(file))
    seen = [watched.look()]
    file.write_text("tw")
    seen.append(watched.look())
    file.write_text("two")  # still being written
    seen += [watched.look() for _ in range(3)]
    file.unlink()
    seen += [watched.look() for _ in range(2)]
    file.write_text("three")
    seen += [watched.look() for _ in range(3)]
    assert seen == [False, False, False, True, False, False, False, False, True, False]


def test_a_file_behind_links_is_followed_as_orchestrators_swap_them(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text("same size")
        os.utime(tmp_path / name / "f", (1, 1))
    link = tmp_path / "current"
    link.symlink_to("a")
    watched = Watched(str(link / "f"))
    (tmp_path / "next").symlink_to("b")
    (tmp_path / "next").rename(link)
    assert [watched.look() for _ in range(3)] == [False, True, False]


def test_nothing_to_watch() -> None:
    watched = Watched("")
    assert [watched.look() for _ in range(2)] == [False, False]
