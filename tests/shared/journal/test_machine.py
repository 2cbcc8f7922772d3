"""Any course of events: appends, reads, commits, kills, power cuts, and an exact account of every frame.

The rules that hold whatever happens: numbers come in their order, none comes twice, each is whole; what was appended is
read unless `append` said no, or a power cut came before the next sync.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from fastproxy.shared.journal import spill as spill_module
from tests.shared.journal import power
from tests.shared.journal.rings import Reader, abandon, claimed, payload

pytestmark = pytest.mark.usefixtures("quick_disk")
SEGMENT = 20_000
LENGTHS = st.sampled_from([8, 16, 17, 220, 221, 500, 3000])


class Course(RuleBasedStateMachine):
    """One ring, one worker after the other, one collector after the other, one database."""

    limit = 300_000

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="fastproxy-journal-"))
        self.next = 0
        self.owed: list[int] = []  # was appended, and is not committed
        self.unsynced: set[int] = set()
        self.maybe: set[int] = set()  # may come or not
        self.newest = -1  # committed
        self.has_cut = False

    @initialize()
    def begin(self) -> None:
        self.journal = claimed(self.directory, self.limit)
        self.synced = power.image(self.directory)
        self.reader = Reader(self.directory)

    @rule(count=st.integers(1, 120), length=LENGTHS)
    def append(self, count: int, length: int) -> None:
        for _ in range(count):
            if self.journal.append(1, payload(self.next, length)):
                self.owed.append(self.next)
                self.unsynced.add(self.next)
            self.next += 1

    @rule(max_bytes=st.sampled_from([1, 300, 5000, 30_000, 4 << 20]))
    def collect(self, max_bytes: int) -> None:
        batch = self.reader.source.read(self.reader.position, max_bytes)
        self.settle([int.from_bytes(frame.payload[:8], "little") for frame in batch.frames])
        assert all(
            frame.payload == payload(int.from_bytes(frame.payload[:8], "little"), len(frame.payload))
            for frame in batch.frames
        )
        assert batch.set_aside == 0 or self.has_cut
        self.reader.position = batch.position
        self.reader.source.advance(batch.position)

    def settle(self, numbers: list[int]) -> None:
        """The database commits these."""
        assert numbers == sorted(set(numbers))
        if not numbers:
            return
        assert numbers[0] > self.newest
        self.newest = numbers[-1]
        due = [number for number in self.owed if number <= self.newest and number not in self.maybe]
        assert set(due) <= set(numbers), "one was passed over"
        assert set(numbers) <= set(self.owed), "one came that was never appended, or twice"
        self.owed = [number for number in self.owed if number > self.newest]

    @rule()
    def read_and_fail_to_commit(self) -> None:
        assert self.reader.source.read(self.reader.position) == self.reader.source.read(self.reader.position)

    @rule()
    def commit_and_die_before_advance(self) -> None:
        batch = self.reader.source.read(self.reader.position)
        self.settle([int.from_bytes(frame.payload[:8], "little") for frame in batch.frames])
        self.reader.position = batch.position
        self.restart_collector()

    @rule()
    def restart_collector(self) -> None:
        position = self.reader.position
        self.reader.close()
        self.reader = Reader(self.directory)
        self.reader.position = position

    @rule()
    def tick(self) -> None:
        for _ in range(5):
            self.journal.tick()

    @rule()
    def sync(self) -> None:
        self.journal.sync()
        self.note_sync()

    def note_sync(self) -> None:
        self.synced = power.image(self.directory)
        self.unsynced.clear()

    @rule()
    def kill_the_worker(self) -> None:
        epoch = self.journal._epoch
        abandon(self.journal)
        self.journal = claimed(self.directory, self.limit)
        assert self.journal.name != "0" or self.journal._epoch == epoch + 1
        assert self.journal.name == "0"
        self.note_sync()

    @rule(seed=st.integers(0, 1 << 32), reads_before=st.booleans(), during=st.sampled_from(["", "sync", "claim"]))
    def cut_the_power(self, seed: int, reads_before: bool, during: str) -> None:
        if during == "sync":
            self.journal.sync()
        abandon(self.journal)
        if during == "claim":
            abandon(claimed(self.directory, self.limit))
        self.reader.close()
        power.cut(self.directory, self.synced, random.Random(seed))
        self.maybe |= self.unsynced
        self.has_cut = True
        position = self.reader.position
        self.reader = Reader(self.directory)
        self.reader.position = position
        if reads_before:
            self.collect(4 << 20)
        self.journal = claimed(self.directory, self.limit)
        if self.journal.name != "0":  # the head is newer than the tail: it looks full until the collector has come
            self.journal.close()
            self.collect(4 << 20)
            self.journal = claimed(self.directory, self.limit)
        self.note_sync()

    def teardown(self) -> None:
        for _ in range(5):
            self.journal.tick()
        while True:
            before = self.reader.position
            self.collect(4 << 20)
            if self.reader.position == before:
                break
        assert set(self.owed) <= self.maybe
        self.reader.close()
        self.journal.close()
        shutil.rmtree(self.directory)


@pytest.mark.timeout(60)
def test_any_course_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill_module, "SEGMENT_BYTES", SEGMENT)
    quick = settings(
        max_examples=40,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(Course, settings=quick)
