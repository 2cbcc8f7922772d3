"""A writer and a reader that run at the same time, each on its own processor."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared.journal import spill as spill_module
from tests.shared.forks import ended, in_child
from tests.shared.journal.rings import LIMIT, Reader, claimed, payload

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = 20_000
pytestmark = pytest.mark.usefixtures("quick_disk")


def write_all(directory: Path, seed: int) -> bool:
    """Ends when all is appended and the other end of the world has read it."""
    journal = claimed(directory, LIMIT)
    journal.start_sync(0.001)
    chance = random.Random(seed)
    for number in range(FRAMES):
        length = chance.choice([8, 30, 100, 220, 1000])
        while not journal.append(1, payload(number, length)):
            journal.tick()
        if chance.random() < 0.005:
            journal.tick()
    journal.close()
    return True


@pytest.mark.parametrize("seed", range(3))
def test_a_reader_beside_a_writer_sees_all_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Through some fifty laps and episodes; each read meets frames that are half written."""
    monkeypatch.setattr(spill_module, "SEGMENT_BYTES", 30_000)
    claimed(tmp_path).close()
    child = in_child(lambda: write_all(tmp_path, seed))
    reader = Reader(tmp_path)
    chance = random.Random(seed)
    while len(reader.numbers) < FRAMES:
        before = len(reader.numbers)
        reader.read(chance.choice([1000, 20_000, 1 << 20]))
        assert reader.numbers[before:] == list(range(before, len(reader.numbers)))
        assert reader.set_aside == 0
    assert ended(child) == 0
    assert reader.read() == []
    assert not reader.source.is_owned()
    reader.close()
