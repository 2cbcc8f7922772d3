"""After a power cut: the copies take the place of the rings, whose pages may hold anything then.

Whether there was one, the kernel's boot id tells: `<directory>/boot` has that of the last `restore`. An ordinary
restart of the machine looks the same, and is: what a worker appends is in its copy when it has ended well. A file
system that was lost and mounted again without a boot is not noticed.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

from fastproxy.shared.journal.aside import MAX_BYTES, set_aside
from fastproxy.shared.journal.copies import NEW, copy_path
from fastproxy.shared.journal.finding import numbers
from fastproxy.shared.journal.ringfile import JournalError, log, read_shape, remove_drafts
from fastproxy.shared.own_file import lock, open_own, sync_directory

_BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
_LONGEST: Final = 256


def restore(directory: str, boot: str | None = None) -> int:
    """How many rings were replaced by their copies: none, when the machine has not been booted since the last call.
    Before anybody claims or reads; rings that a live process holds are left alone. `boot`: what to take for the
    kernel's boot id. The directory is made, and is ours alone. A file that cannot be used is told; raises OSError for
    the directory only.
    """
    os.makedirs(directory, 0o700, exist_ok=True)
    os.chmod(directory, 0o700)
    boot = boot or _said(_BOOT_ID)
    path = os.path.join(directory, "boot")
    with contextlib.suppress(OSError):
        remove_drafts(directory, f".copy{NEW}")
    if not boot:
        log.error("journal: the kernel has no boot id, so that a power cut would not be noticed")
        return 0
    if _said(path) == boot:
        return 0
    count = sum(_is_restored(directory, number) for number in numbers(directory, ".copy"))
    sync_directory(directory)
    try:
        _note(path, boot)
        sync_directory(directory)
    except OSError as error:
        log.error("journal: %s cannot be written: %s", path, error)
    if count:
        log.warning("journal: the machine was booted, %d rings were replaced by their copies", count)
    return count


def _said(path: str) -> str:
    """Empty: it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        return os.read(descriptor, _LONGEST).decode("ascii", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _note(path: str, boot: str) -> None:
    draft = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    descriptor = open_own(draft, os.O_CREAT | os.O_EXCL)
    try:
        os.write(descriptor, boot.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(draft, path)


def _is_restored(directory: str, number: int) -> bool:
    path = copy_path(directory, number)
    held: list[int] = []
    try:
        held.append(open_own(path, 0))
        if not lock(held[0]):
            log.warning("journal: %s is held by a live process, and stays", path)
            return False
        return _replaces(directory, number, held)
    except (OSError, JournalError) as error:
        log.error("journal: %s cannot be restored: %s", path, error)
        return False
    finally:
        for descriptor in held:
            os.close(descriptor)


def _replaces(directory: str, number: int, held: list[int]) -> bool:
    """Rename the copy if it is to be the ring. Raises OSError, JournalError."""
    path, ring_path = copy_path(directory, number), os.path.join(directory, f"{number}.ring")
    shape = read_shape(held[0])
    if shape is None:
        _put_aside(directory, path, held[0])
        return False
    try:
        held.append(open_own(ring_path, 0))
    except FileNotFoundError:
        os.rename(path, ring_path)
        return True
    if not lock(held[1]):
        log.warning("journal: ring %d is held by a live process, and stays", number)
        return False
    ring = read_shape(held[1])
    if ring is not None and ring.identity != shape.identity:
        log.warning("journal: %s is of another ring, which stays", path)
        return False
    os.rename(path, ring_path)
    return True


def _put_aside(directory: str, path: str, descriptor: int) -> None:
    info = os.fstat(descriptor)
    name = f"{os.path.basename(path)}.{info.st_ino:x}.{info.st_mtime_ns:x}"
    set_aside(directory, name, os.pread(descriptor, MAX_BYTES, 0))
    os.unlink(path)
