"""What the tests of the journal share: a directory with a ring, payloads with numbers, deaths without a farewell."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Final

from fastproxy.shared.journal import START, Journal, Position, Source, sources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE: Final = 1 << 16  # the smallest ring
LIMIT: Final = 1 << 24
DATA: Final = 8192  # where the ring's frames begin in the file


def claimed(directory: Path, limit: int = LIMIT, size: int = SIZE) -> Journal:
    return Journal.claim(str(directory), size, limit)


def payload(number: int, length: int = 220) -> bytes:
    """One that tells its number, and whether it is whole."""
    return number.to_bytes(8, "little") + random.Random(number).randbytes(max(length - 8, 0))


def number_of(found: bytes) -> int:
    number = int.from_bytes(found[:8], "little")
    assert found == payload(number, len(found))
    return number


def fill(journal: Journal, numbers: range, length: int = 220) -> None:
    for number in numbers:
        assert journal.append(1, payload(number, length))


def abandon(journal: Journal) -> None:
    """As SIGKILL would leave it: nothing is synced or noted, the lock is gone."""
    journal._ring.close()
    for descriptor in (
        journal._descriptor,
        journal._copy.descriptor,
        journal._spill.descriptor,
        *journal._spill.retired,
    ):
        if descriptor >= 0:
            os.close(descriptor)
    journal._descriptor = -1


def rounds(source: Source, position: Position, max_bytes: int = 4 << 20) -> Iterator[tuple[list[int], Position, int]]:
    """(numbers, position, set aside) of each batch until there is no more."""
    while True:
        batch = source.read(position, max_bytes)
        if batch.position == position:
            return
        position = batch.position
        yield [number_of(frame.payload) for frame in batch.frames], position, batch.set_aside


class Reader:
    """The collector of one ring: what it has read, and what of that is committed."""

    def __init__(self, directory: Path, name: str = "0") -> None:
        self.directory = directory
        self.known = sources(str(directory), {})
        self.source = self.known[name]
        self.position = START
        self.numbers: list[int] = []
        self.set_aside = 0

    @classmethod
    def going_on(cls, other: Reader) -> Reader:
        """The next process, with the same database."""
        fresh = cls(other.directory, other.source.name)
        fresh.position, fresh.numbers, fresh.set_aside = other.position, other.numbers, other.set_aside
        return fresh

    def read(self, max_bytes: int = 4 << 20, *, advance: bool = True) -> list[int]:
        """What is new."""
        fresh: list[int] = []
        for numbers, position, set_aside in rounds(self.source, self.position, max_bytes):
            fresh += numbers
            self.position = position
            self.set_aside += set_aside
            if advance:
                self.source.advance(position)
        self.numbers += fresh
        return fresh

    def close(self) -> None:
        for source in self.known.values():
            source.close()
