"""Taking a ring: the lowest one that nobody holds becomes ours, with a new epoch, behind what stands in it."""

from __future__ import annotations

import contextlib
import mmap
import os
from typing import Final, NamedTuple

from fastproxy.shared.journal.aside import retire, segments
from fastproxy.shared.journal.copies import Copy, copy_path, open_copy
from fastproxy.shared.journal.frames import NUMBER, frame_bytes
from fastproxy.shared.journal.recovery import Log, end_of_log, ring_cells
from fastproxy.shared.journal.ringfile import (
    HEAD_AT,
    MAX_RINGS,
    JournalError,
    Shape,
    epoch_at,
    is_at,
    log,
    make_ring,
    pack_epoch,
    pack_head,
    read_shape,
    remove_drafts,
    shape_for,
)
from fastproxy.shared.own_file import lock, open_own, sync_directory

_OWNER_AND_MARK: Final = 2 * frame_bytes(NUMBER.size)  # what one process may need of a ring that is full


class Taken(NamedTuple):
    number: int
    shape: Shape
    descriptor: int
    mapping: mmap.mmap
    copy: Copy
    epoch: int  # ours
    head: int
    tail: int  # nothing before it is needed any more


def take_ring(directory: str, size: int) -> Taken:
    """Raises JournalError: the directory cannot be used, the disk is full, or all rings are held."""
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
        os.chmod(directory, 0o700)
        remove_drafts(directory)
        for number in range(MAX_RINGS):
            taken = _try_to_take(directory, number, size)
            if taken is not None:
                return taken
    except OSError as error:
        raise JournalError(f"no journal in {directory}: {error.strerror or error}") from error
    raise JournalError(f"no journal in {directory}: all {MAX_RINGS} rings are held or full")


def _try_to_take(directory: str, number: int, size: int) -> Taken | None:
    path = os.path.join(directory, f"{number}.ring")
    descriptor = _held(path)
    if descriptor >= 0 and not _is_worth_keeping(descriptor, directory, number, size):
        os.close(descriptor)
        descriptor = _MISSING
    if descriptor == _MISSING:
        make_ring(path, size)
        descriptor = _held(path)
    if descriptor < 0:
        return None
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, descriptor)
        taken = _taken(descriptor, directory, number)
        if taken is not None:
            undo.pop_all()
    return taken


_NOT_OURS: Final = -1
_MISSING: Final = -2


def _held(path: str) -> int:
    """The file with our lock on it; _NOT_OURS, or _MISSING."""
    try:
        descriptor = open_own(path, 0)
    except FileNotFoundError:
        return _MISSING
    except OSError as error:
        log.error("journal: %s is passed by: %s", path, error)
        return _NOT_OURS
    if lock(descriptor) and is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return _NOT_OURS


def _is_worth_keeping(descriptor: int, directory: str, number: int, size: int) -> bool:
    """False: it was damaged, or has another size than asked for and nothing in it; it is out of the way then. Its lock
    is ours. Raises OSError.
    """
    try:
        shape = read_shape(descriptor)
    except JournalError:
        return True  # of another version: `_taken` passes it by
    if shape is None:
        log.error("journal: ring %d is damaged and a new one takes its place", number)
        retire(directory, number)
        return False
    if shape.size == shape_for(size).size or not _is_drained(Log.of_ring(descriptor, shape), directory, number):
        return True
    _remove(directory, number)
    return False


def _remove(directory: str, number: int) -> None:
    """A ring with nothing in it, for good: its reader may forget its position."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(copy_path(directory, number))
    os.unlink(os.path.join(directory, f"{number}.ring"))
    sync_directory(directory)


def _is_drained(ring: Log, directory: str, number: int) -> bool:
    cells = ring_cells(ring)
    return (
        cells.tail is not None and cells.tail.ring == end_of_log(ring, cells).head and not segments(directory, number)
    )


def _taken(descriptor: int, directory: str, number: int) -> Taken | None:
    """None: it has no room for another process. Raises OSError."""
    try:
        shape = read_shape(descriptor)
    except JournalError as error:
        log.error("journal: ring %d is passed by: %s", number, error)
        return None
    if shape is None:
        raise OSError("the ring was cut while it was taken")
    os.posix_fallocate(descriptor, 0, shape.file_bytes)  # a copy may have holes, where a full disk would be a SIGBUS
    ring = Log.of_ring(descriptor, shape)
    cells = ring_cells(ring)
    epoch, head = end_of_log(ring, cells)
    tail = cells.tail.ring if cells.tail is not None else 0  # unknown: nothing is free until the reader says something
    if head + _OWNER_AND_MARK > tail + shape.size:
        return None
    mapping = mmap.mmap(descriptor, shape.file_bytes)
    copy = open_copy(directory, number, mapping, shape, head)  # before anything is written to the ring
    _begin_epoch(mapping, shape, epoch + 1, head)
    return Taken(number, shape, descriptor, mapping, copy, epoch + 1, head, tail)


def _begin_epoch(mapping: mmap.mmap, shape: Shape, epoch: int, head: int) -> None:
    _put(mapping, epoch_at(epoch), pack_epoch(epoch, head, shape.salt))
    _put(mapping, HEAD_AT, pack_head(head, shape.salt))


def _put(mapping: mmap.mmap, at: int, raw: bytes) -> None:
    mapping[at : at + len(raw)] = raw
