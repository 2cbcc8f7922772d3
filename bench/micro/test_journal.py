"""The journal: an append, a read per frame, a sync of what 50 ms bring at 20,000 appends a second."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared.journal import START, Journal, Position, Source, sources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

RING_BYTES = 16 << 20
PAYLOAD = os.urandom(220)  # a record, about
BURST = 1000  # 20,000 a second, every 50 ms


class Course:
    """A worker and its collector."""

    def __init__(self, directory: Path) -> None:
        self.journal = Journal.claim(str(directory), RING_BYTES, 0)
        self.source: Source = sources(str(directory), {})["0"]
        self.position: Position = START

    def append(self) -> None:
        append = self.journal.append
        for _ in range(BURST):
            append(3, PAYLOAD)

    def read(self) -> int:
        return len(self.source.read(self.position, 1 << 30).frames)

    def collect(self) -> None:
        self.position = self.source.read(self.position, 1 << 30).position
        self.source.advance(self.position)

    def lap(self) -> None:
        """So that every page was touched."""
        for _ in range(RING_BYTES // 248 // BURST + 1):
            self.append()
            self.collect()


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Course]:
    course = Course(tmp_path)
    course.lap()
    yield course
    course.source.close()
    course.journal.close()


def test_append_a_thousand_frames(benchmark: BenchmarkFixture, course: Course) -> None:
    benchmark.pedantic(course.append, setup=course.collect, rounds=200)  # type: ignore[no-untyped-call]
    assert course.journal.lost == 0


def test_read_a_thousand_frames(benchmark: BenchmarkFixture, course: Course) -> None:
    course.append()
    assert benchmark(course.read) == BURST


def test_read_when_there_is_nothing_new(benchmark: BenchmarkFixture, course: Course) -> None:
    assert benchmark(course.read) == 0


def test_sync_a_thousand_frames(benchmark: BenchmarkFixture, course: Course) -> None:
    def appended() -> None:
        course.append()
        course.collect()

    benchmark.pedantic(course.journal.sync, setup=appended, rounds=50)  # type: ignore[no-untyped-call]
    assert course.journal.sync_failures == 0
