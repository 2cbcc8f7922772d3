"""The pid file: state_dir/fastproxy.pid, and the promise that one state directory has one master.

The promise is a POSIX record lock on the file, not the number in it: the kernel drops the lock when the master dies,
however it dies, children do not inherit it, and a number that was given to another process cannot be mistaken for a
live master (in a container every master is process 1). A successor replaces the file by one that it has locked already.
Within the master nothing else may open and close this file: that would drop the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from typing import Final

from fastproxy.server.plan import ExitCode, StartError

NAME: Final = "fastproxy.pid"
_FLOCK: Final = struct.Struct("hhqqi")  # Linux: l_type, l_whence, l_start, l_len, l_pid


class StateDirTrouble(StartError):
    """The state directory cannot be used, or another master uses it."""

    exit_code = ExitCode.STATE_DIR


class PidFile:
    """A locked pid file. `was_stale`: a master died without removing its own.

    A successor prepares its own under another name, and installs it when it is the master.
    """

    __slots__ = ("_descriptor", "_path", "was_stale")

    def __init__(self, path: str, descriptor: int, *, was_stale: bool) -> None:
        self._path = path
        self._descriptor = descriptor
        self.was_stale = was_stale

    @classmethod
    def take(cls, state_dir: str) -> PidFile:
        """Claim the directory (made if needed). Raises StateDirTrouble when a live master has it."""
        path = os.path.join(state_dir, NAME)
        try:
            os.makedirs(state_dir, mode=0o700, exist_ok=True)
            while True:
                descriptor = _open(path)
                if not _lock(descriptor):
                    os.close(descriptor)
                    raise StateDirTrouble(f"another master runs in {state_dir}, pid {_read(path) or 'unknown'}")
                if _is_at(descriptor, path):
                    break
                os.close(descriptor)  # replaced or removed between open and lock: look again
            was_stale = os.fstat(descriptor).st_size > 0
            _write(descriptor)
        except OSError as error:
            raise StateDirTrouble(f"state directory {state_dir}: {(error.strerror or str(error)).lower()}") from error
        return cls(path, descriptor, was_stale=was_stale)

    @classmethod
    def prepare(cls, state_dir: str) -> PidFile:
        """Whatever can fail fails here, while the predecessor is still there. Raises StateDirTrouble."""
        path = os.path.join(state_dir, f"{NAME}.{os.getpid()}")
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            descriptor = _open(path)
            _lock(descriptor)
            _write(descriptor)
        except OSError as error:
            raise StateDirTrouble(f"state directory {state_dir}: {(error.strerror or str(error)).lower()}") from error
        return cls(path, descriptor, was_stale=False)

    def install(self) -> None:
        """Replace the predecessor's file by our own, in one step."""
        path = os.path.join(os.path.dirname(self._path), NAME)
        os.rename(self._path, path)
        self._path = path

    def release(self) -> None:
        """Remove the file, unless a successor has put its own there."""
        if _is_at(self._descriptor, self._path):
            os.unlink(self._path)
        os.close(self._descriptor)


def live_master(state_dir: str) -> int | None:
    """The pid of the master that runs in this directory, or None. For other processes than the master."""
    path = os.path.join(state_dir, NAME)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked)[: _FLOCK.size])[0]
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else _read(path)


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _write(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _read(path: str) -> int | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(32).strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
