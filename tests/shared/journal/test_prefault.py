"""Pages are made writable ahead of the writer, and nothing in them changes."""

from __future__ import annotations

import mmap
import os
import random
import resource
from typing import TYPE_CHECKING

from fastproxy.shared.journal.prefault import Prefault

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PAGES = 256


def mapped(path: Path) -> tuple[mmap.mmap, bytes]:
    content = random.Random(1).randbytes(PAGES * 4096)
    path.write_bytes(content)
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), len(content)), content


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def test_what_was_made_ready_is_the_same_and_needs_no_fault(tmp_path: Path) -> None:
    mapping, content = mapped(tmp_path / "file")
    prefault = Prefault(mapping, 0)
    assert prefault.go_ahead(100 * 4096, 8192 + 100) == 100 * 4096 + 100
    before = faults()
    for page in range(2, 102):
        mapping[page * 4096] = content[page * 4096]
    assert faults() - before < 20  # and not a hundred
    assert mapping[:] == content
    mapping.close()


def test_a_few_bytes_are_left_to_the_writer_and_the_end_is_the_end(tmp_path: Path) -> None:
    mapping, _ = mapped(tmp_path / "file")
    prefault = Prefault(mapping, 1000)
    assert prefault.go_ahead(1000 + 16383, 0) == 0
    assert prefault.go_ahead(1000 + 16383 + 40_960, 255 * 4096) == 4096
    assert prefault.go_ahead(1 << 30, 256 * 4096) == 0
    mapping.close()


def test_a_kernel_that_cannot_do_it_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapping, content = mapped(tmp_path / "file")
    prefault = Prefault(mapping, 0)
    asked = []

    def refuse(*arguments: int) -> int:
        asked.append(arguments)
        return -1

    monkeypatch.setattr(prefault, "_madvise", refuse)
    assert [prefault.go_ahead(at, 0) for at in (1 << 15, 1 << 16, 1 << 17)] == [0, 0, 0]
    assert len(asked) == 1
    assert os.path.getsize(tmp_path / "file") == len(content)
    mapping.close()
