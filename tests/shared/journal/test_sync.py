"""Syncing: what the disk has after it, in which thread, and what a power cut takes."""

from __future__ import annotations

import os
import random
import threading
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared.journal import spill as spill_module
from tests.shared.journal import power
from tests.shared.journal.rings import Reader, abandon, claimed, fill, payload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.parametrize("seed", range(40))
def test_a_power_cut_takes_only_what_came_after_the_last_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Three in a row; pages reach the disk in any order; ring and spill, with a collector that is ahead of the disk."""
    monkeypatch.setattr(spill_module, "SEGMENT_BYTES", 9000)
    chance = random.Random(seed)
    journal = claimed(tmp_path)
    reader = Reader(tmp_path)
    done, safe, unsynced = 0, set[int](), set[int]()
    synced = power.image(tmp_path)
    for _ in range(3):
        for _ in range(chance.randrange(1, 6)):
            burst = range(done, done + chance.randrange(1, 200))
            for number in burst:
                assert journal.append(1, payload(number, chance.choice([8, 100, 220, 2000])))
            unsynced.update(burst)
            done = burst.stop
            if chance.random() < 0.5:
                reader.read(chance.choice([1000, 1 << 20]))
                journal.tick()
            if chance.random() < 0.6:
                journal.sync()
                safe, unsynced, synced = safe | unsynced, set(), power.image(tmp_path)
        if chance.random() < 0.5:
            journal.sync()  # the power goes before it is done
        abandon(journal)
        reader.close()
        power.cut(tmp_path, synced, chance)
        reader = Reader.going_on(reader)
        reader.read()
        reader.source.advance(reader.source.read(reader.position).position)  # as the collector when it begins
        journal = claimed(tmp_path)
        unsynced, synced = set(), power.image(tmp_path)
    fill(journal, range(done, done + 20))
    reader.read()
    journal.tick()
    fill(journal, range(done + 20, done + 40))
    reader.read()
    assert reader.numbers == sorted(set(reader.numbers))
    assert reader.numbers[-40:] == list(range(done, done + 40))
    assert safe <= set(reader.numbers)
    reader.close()
    journal.close()


def counting(call: Callable[[int], None], calls: list[str]) -> Callable[[int], None]:
    def counted(descriptor: int) -> None:
        calls.append(threading.current_thread().name)
        call(descriptor)

    return counted


def test_nothing_new_is_no_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = claimed(tmp_path)
    journal.sync()  # the OWNER
    calls: list[str] = []
    monkeypatch.setattr(os, "fdatasync", counting(os.fdatasync, calls))
    journal.sync()
    assert calls == []
    fill(journal, range(10))
    journal.sync()
    journal.sync()
    assert len(calls) == 1
    fill(journal, range(10, 300))  # now with a segment
    journal.sync()
    assert len(calls) == 3
    journal.close()


def test_the_thread_syncs_and_ends_with_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = claimed(tmp_path)
    calls: list[str] = []
    has_synced = threading.Event()
    real = os.fdatasync

    def synced(descriptor: int) -> None:
        counting(real, calls)(descriptor)
        has_synced.set()

    monkeypatch.setattr(os, "fdatasync", synced)
    journal.start_sync(0.001)
    journal.start_sync(0.001)
    for first in range(0, 300, 10):
        has_synced.clear()
        fill(journal, range(first, first + 10))
        assert has_synced.wait(5)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("journal-sync") == 1
    assert set(calls) == {"journal-sync"}
    journal.close()
    assert "journal-sync" not in [thread.name for thread in threading.enumerate()]
    reader = Reader(tmp_path)
    assert reader.read() == list(range(300))
    reader.close()


def test_segments_are_synced_for_the_last_time_before_they_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill_module, "SEGMENT_BYTES", 2480)
    journal = claimed(tmp_path)
    synced: list[str] = []
    real = os.fdatasync

    def named(descriptor: int) -> None:
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", named)
    fill(journal, range(300))
    segments = sorted(name for name in os.listdir(tmp_path) if name.endswith(".spill"))
    assert len(segments) == 6
    journal.sync()
    assert sorted(synced) == sorted(["0.copy", *segments])
    before = len(os.listdir("/proc/self/fd"))
    journal.close()
    assert len(os.listdir("/proc/self/fd")) == before - 4  # ring, its mapping, its copy, the last segment


def test_a_sync_beside_appends_harms_none(tmp_path: Path) -> None:
    """Another thread syncs all the time, while this one goes through ring and segments."""
    journal = claimed(tmp_path)
    journal.start_sync(0)
    reader = Reader(tmp_path)
    for first in range(0, 6000, 300):
        fill(journal, range(first, first + 300))
        reader.read()
        journal.tick()
    journal.close()
    reader.read()
    assert reader.numbers == list(range(6000))
    assert (reader.set_aside, journal.sync_failures) == (0, 0)
    reader.close()
