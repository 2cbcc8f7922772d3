"""What the collector finds in the directory: rings, and whether another collector is at work there."""

from __future__ import annotations

import os
from typing import Final

from fastproxy.shared.journal.aside import retire
from fastproxy.shared.journal.reader import Source
from fastproxy.shared.journal.ringfile import MAX_RINGS, JournalError, is_at, log, read_shape
from fastproxy.shared.own_file import lock, open_own

_told: Final[set[str]] = set()  # what each file that cannot be used was complained about


class CollectorLock:
    """Held as long as this is open, or the process lives."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def claim_collector(directory: str) -> CollectorLock | None:
    """None: another process is the collector. Raises JournalError."""
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
        os.chmod(directory, 0o700)
        descriptor = open_own(os.path.join(directory, "collector.lock"), os.O_CREAT)
    except OSError as error:
        raise JournalError(f"no journal in {directory}: {error.strerror or error}") from error
    if lock(descriptor):
        return CollectorLock(descriptor)
    os.close(descriptor)
    return None


def sources(directory: str, known: dict[str, Source]) -> dict[str, Source]:
    """All rings of the directory by name; of `known` (the last answer) those that are still there, the others are
    closed. A file that is no ring and that nobody holds is put aside. Raises OSError.
    """
    found = {}
    for number in numbers(directory, ".ring"):
        source = known.get(str(number))
        path = os.path.join(directory, f"{number}.ring")
        if source is None or not source.is_of(path):
            source = _opened(directory, number, path)
        if source is not None:
            found[source.name] = source
    for name, source in known.items():
        if found.get(name) is not source:
            source.close()
    return found


def numbers(directory: str, suffix: str) -> list[int]:
    """Of the files that are called `<number><suffix>`, in their order. Raises OSError."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    stems = [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
    return sorted(int(stem) for stem in stems if stem.isdecimal() and stem == str(int(stem)) and int(stem) < MAX_RINGS)


def _opened(directory: str, number: int, path: str) -> Source | None:
    try:
        descriptor = open_own(path, 0)
    except FileNotFoundError:
        return None
    except OSError as error:
        _tell(path, error.strerror or str(error))
        return None
    try:
        shape = read_shape(descriptor)
        if shape is not None:
            return Source(directory, number, descriptor, shape)
        if lock(descriptor) and is_at(descriptor, path):
            retire(directory, number)
        else:
            _tell(path, "it is damaged, and a process writes to it")
    except JournalError as error:
        _tell(path, str(error))
    os.close(descriptor)
    return None


def _tell(path: str, why: str) -> None:
    """Once: this is asked every second."""
    if f"{path}: {why}" not in _told and len(_told) < 2 * MAX_RINGS:
        _told.add(f"{path}: {why}")
        log.error("journal: %s cannot be read: %s", path, why)
