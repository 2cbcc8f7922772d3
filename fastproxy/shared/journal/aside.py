"""What is no frame is put aside, for a person to look at: at most 64 files and 16 MiB, then it is only counted."""

from __future__ import annotations

import os
from typing import Final

from fastproxy.shared.journal.ringfile import log
from fastproxy.shared.own_file import open_own

MAX_FILES: Final = 64
MAX_BYTES: Final = 16 << 20


def set_aside(directory: str, name: str, raw: bytes) -> None:
    """Keep `raw` as `<directory>/set-aside/<name>`, as far as there is room. The same bytes found again have the same
    name and take no more room. It never raises: what cannot be kept is told.
    """
    folder = os.path.join(directory, "set-aside")
    path = os.path.join(folder, name)
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        if os.path.lexists(path):
            return
        sizes = [entry.stat(follow_symlinks=False).st_size for entry in os.scandir(folder)]
        room = MAX_BYTES - sum(sizes) if len(sizes) < MAX_FILES else 0
        log.error(
            "journal: %d bytes are no frames, kept of them in %s: %d", len(raw), path, min(len(raw), max(room, 0))
        )
        if room <= 0:
            return
        descriptor = open_own(path, os.O_CREAT | os.O_EXCL)
        try:
            os.write(descriptor, raw[:room])
        finally:
            os.close(descriptor)
    except OSError as error:
        log.error("journal: %d bytes are no frames and cannot be kept: %s", len(raw), error)


def retire(directory: str, number: int) -> None:
    """Take ring file `number`, which is none, and what belongs to it (segments, the copy) out of the way. The caller
    holds its lock. Raises OSError.
    """
    names = [f"{number}.ring", *(name for name, _ in segments(directory, number))]
    if os.path.lexists(os.path.join(directory, f"{number}.copy")):
        names.append(f"{number}.copy")
    for name in names:
        path = os.path.join(directory, name)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            raw = os.pread(descriptor, MAX_BYTES, 0)
            info = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        set_aside(directory, f"{name}.{info.st_ino:x}.{info.st_mtime_ns:x}", raw)
        os.unlink(path)


def segments(directory: str, number: int) -> list[tuple[str, int]]:
    """(file name, segment) of ring `number`, oldest first. Raises OSError."""
    found = []
    for name in os.listdir(directory):
        parts = name.split(".")
        if len(parts) == 3 and parts[0] == str(number) and parts[2] == "spill" and parts[1].isdecimal():
            found.append((name, int(parts[1])))
    return sorted(found, key=lambda one: one[1])
