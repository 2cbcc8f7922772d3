"""Files of the state directory that several processes of ours keep open: how they are opened, replaced and locked."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from typing import Final

_LOCK: Final = struct.Struct("hhqqi")  # Linux: l_type, l_whence, l_start, l_len, l_pid


def open_own(path: str, flags: int) -> int:
    """A regular file that is ours alone, to read and write. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid():
        os.close(descriptor)
        raise PermissionError("it is not a regular file of this user")
    os.fchmod(descriptor, 0o600)
    return descriptor


def open_again(descriptor: int) -> int:
    """The same file as a description of our own: one that was inherited is shared, and so are its locks."""
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)


def replaced(path: str, first: bytes) -> int:
    """A new file that begins with `first` in the place of what is there; whoever has that one open keeps it.

    Raises OSError."""
    draft = f"{path}.{os.getpid()}"
    if os.path.lexists(draft):
        os.unlink(draft)
    descriptor = open_own(draft, os.O_CREAT | os.O_EXCL)
    try:
        write_all(descriptor, first, 0)
        os.rename(draft, path)
    except OSError:
        os.close(descriptor)
        os.unlink(draft)
        raise
    return descriptor


def write_all(descriptor: int, data: bytes, at: int) -> None:
    """Raises OSError."""
    if os.pwrite(descriptor, data, at) != len(data):
        raise OSError("the disk is full")


def lock(descriptor: int, start: int = 0, length: int = 0, *, waits: bool = False) -> bool:
    """A lock of this open file, all of it if nothing is said: it ends when the last process closes it, however that
    ends, and other opened ones of ours mind it too."""
    command = fcntl.F_OFD_SETLKW if waits else fcntl.F_OFD_SETLK
    try:
        fcntl.fcntl(descriptor, command, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def unlock(descriptor: int, start: int, length: int) -> None:
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, start, length, 0))


def is_locked(descriptor: int) -> bool:
    """Whether somebody else holds any of it."""
    found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    return bool(_LOCK.unpack(found)[0] != fcntl.F_UNLCK)


def sync_directory(path: str) -> None:
    """Until the disk has what was made, renamed or removed there. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
