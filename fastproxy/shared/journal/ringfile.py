"""The file of a ring: its two pages of header, who holds it, and how one is made.

    page 0   magic, version, size, slack, identity 16, checksum            written once, when it is made
    page 1   at 0     head, checksum                                       the worker's, every 50 ms
             at 512   epoch, ring, spill, offset (the tail), checksum      the collector's, after each commit
             at 2048  64 × (epoch, start, 0, checksum), at epoch % 64      the worker's, when it takes the ring
    8192     size bytes; a frame begins in these, and may end in the slack bytes behind them

Everything in page 1 proves itself; what does not is as if it were not there. The file is written in full when it is
made and synced then, and never again (copies.py): a disk that is full says so at once, and not as SIGBUS later.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import struct
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from xxhash import xxh3_64_intdigest

from fastproxy.shared.journal.frames import MAX_POSITION, Position, salt_of
from fastproxy.shared.own_file import is_locked, lock, open_own

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA: Final = 8192
MAX_RINGS: Final = 128
MIN_SIZE: Final = 1 << 16
MAX_SLACK: Final = 1 << 24
EPOCHS: Final = 64
VERSION: Final = 1
HEAD_AT: Final = 4096
TAIL_AT: Final = 4096 + 512
EPOCHS_AT: Final = 4096 + 2048
PAGE: Final = 4096
_MAGIC: Final = b"fastproxy ring\n\0"
_FIXED: Final = struct.Struct("=16sQQQ16sQ")
_HEAD: Final = struct.Struct("=QQ")
_TAIL: Final = struct.Struct("=QQQQQ")
_EPOCH: Final = struct.Struct("=QQQQ")
_CELL: Final = struct.Struct("=Q")
_ZEROS: Final = bytes(1 << 20)

log = logging.getLogger("fastproxy")


class JournalError(Exception):
    """There is no ring file that this process could write to."""


class Shape(NamedTuple):
    """What page 0 says."""

    size: int
    slack: int
    identity: bytes

    @property
    def file_bytes(self) -> int:
        return DATA + self.size + self.slack

    @property
    def salt(self) -> int:
        return salt_of(self.identity)


class Cells(NamedTuple):
    """What page 1 says."""

    head: int | None
    tail: Position | None
    starts: Mapping[int, int]  # epoch → where it began


# --- page 0 and page 1 ------------------------------------------------------------------------------------------------


def shape_for(size: int) -> Shape:
    """A new ring of at least so many bytes: the largest frame is an eighth of it."""
    size = -(-max(size, MIN_SIZE) // PAGE) * PAGE
    return Shape(size, min(-(-size // 8 // PAGE) * PAGE, MAX_SLACK), secrets.token_bytes(16))


def pack_shape(shape: Shape) -> bytes:
    named = _FIXED.pack(_MAGIC, VERSION, *shape, 0)[:-8]
    return named + _CELL.pack(xxh3_64_intdigest(named))


def read_shape(descriptor: int) -> Shape | None:
    """None: the file is not a ring, or not a whole one. Raises JournalError for a ring of another version."""
    raw = os.pread(descriptor, _FIXED.size, 0)
    if len(raw) < _FIXED.size:
        return None
    magic, version, size, slack, identity, check = _FIXED.unpack(raw)
    if magic != _MAGIC or check != xxh3_64_intdigest(raw[:-8]):
        return None
    if version != VERSION:
        raise JournalError(f"a ring of version {version}: expected {VERSION}")
    shape = Shape(size, slack, identity)
    return shape if os.fstat(descriptor).st_size >= shape.file_bytes else None


def pack_head(head: int, salt: int) -> bytes:
    return _sealed(_HEAD.pack(head, 0), salt)


def pack_tail(tail: Position, salt: int) -> bytes:
    return _sealed(_TAIL.pack(*tail, 0), salt)


def pack_epoch(epoch: int, start: int, salt: int) -> bytes:
    return _sealed(_EPOCH.pack(epoch, start, 0, 0), salt)


def epoch_at(epoch: int) -> int:
    return EPOCHS_AT + epoch % EPOCHS * _EPOCH.size


def read_cells(page: bytes, salt: int) -> Cells:
    """`page`: page 1."""
    head = _believed(_HEAD, page[: _HEAD.size], salt)
    starts = _starts(page[EPOCHS_AT - PAGE :], salt)
    return Cells(head[0] if head is not None else None, read_tail(page[TAIL_AT - PAGE :], salt), starts)


@lru_cache(2 * MAX_RINGS)
def _starts(table: bytes, salt: int) -> Mapping[int, int]:
    """It changes when a process takes the ring, and is looked at with every read."""
    starts = {}
    for at in range(0, EPOCHS * _EPOCH.size, _EPOCH.size):
        found = _believed(_EPOCH, table[at : at + _EPOCH.size], salt)
        if found is not None:
            starts[found[0]] = found[1]
    return MappingProxyType(starts)


def read_tail(raw: bytes, salt: int) -> Position | None:
    found = _believed(_TAIL, raw[: _TAIL.size], salt)
    return Position(*found[:4]) if found is not None else None


TAIL_BYTES: Final = _TAIL.size


def _sealed(cells: bytes, salt: int) -> bytes:
    return cells[:-8] + _CELL.pack(xxh3_64_intdigest(cells[:-8], salt))


def _believed(layout: struct.Struct, raw: bytes, salt: int) -> tuple[int, ...] | None:
    if len(raw) < layout.size or raw != _sealed(raw, salt):
        return None
    found = layout.unpack(raw)
    return found if max(found[:-1]) < MAX_POSITION else None


# --- files and locks --------------------------------------------------------------------------------------------------


def is_at(descriptor: int, path: str) -> bool:
    """Whether the path still leads to this file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def make_ring(path: str, size: int) -> None:
    """A new ring at this path, if there is none. Raises OSError, also for a full disk."""
    draft = f"{path}.{secrets.token_hex(8)}.draft"
    descriptor = open_own(draft, os.O_CREAT | os.O_EXCL)
    try:
        lock(descriptor)  # or it would be taken for one that was left
        _fill(descriptor, shape_for(size))
        with contextlib.suppress(
            FileExistsError, FileNotFoundError
        ):  # another was first, or took it for that all the same
            os.link(draft, path, follow_symlinks=False)
    finally:
        os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)


def _fill(descriptor: int, shape: Shape) -> None:
    os.posix_fallocate(descriptor, 0, shape.file_bytes)
    for at in range(0, shape.file_bytes, len(_ZEROS)):
        part = _ZEROS[: shape.file_bytes - at]
        if os.pwrite(descriptor, part, at) != len(part):
            raise OSError("the disk is full")
    os.pwrite(descriptor, pack_head(0, shape.salt), HEAD_AT)
    os.pwrite(descriptor, pack_tail(Position(0, 0, 0, 0), shape.salt), TAIL_AT)
    os.pwrite(descriptor, pack_shape(shape), 0)
    os.fsync(descriptor)


def remove_drafts(directory: str, suffix: str = ".draft") -> None:
    """What processes left that were killed while they made a ring or a copy. Raises OSError."""
    for name in os.listdir(directory):
        if name.endswith(suffix):
            _remove_unlocked(os.path.join(directory, name))


def _remove_unlocked(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        if not is_locked(descriptor) and is_at(descriptor, path):
            with contextlib.suppress(FileNotFoundError):  # somebody else was quicker
                os.unlink(path)
    finally:
        os.close(descriptor)
