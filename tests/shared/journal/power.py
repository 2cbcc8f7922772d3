"""A power cut: what the disk may hold of files that were written to after their last sync, and what is made of it.

Each page of a copy that changed since is as it was, as it is, or some of its sectors of 512 bytes are the one and some
the other. A segment is as long as it was, as it is, or something in between, or is not there at all when the directory
was not synced; what was removed may be back. A ring that has a copy is never synced: each of its pages is anything.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from fastproxy.shared.journal import restore

if TYPE_CHECKING:
    import random
    from pathlib import Path

PAGE: Final = 4096
SECTOR: Final = 512
_boots: Final = count()


def image(directory: Path) -> dict[str, bytes]:
    """What the disk holds after a sync."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.suffix in {".copy", ".spill"}}


def cut(directory: Path, synced: dict[str, bytes], chance: random.Random) -> None:
    """Leave what a power cut might leave, and restore the rings as the next start would."""
    now = image(directory)
    copies = [directory / name for name in now if name.endswith(".copy")]
    for path in copies:
        spoil(path.with_suffix(".ring"), synced[path.name], chance)
    for name in {*synced, *now}:
        path = directory / name
        old, new = synced.get(name), now.get(name)
        if old is None and chance.random() < 0.5:
            path.unlink()
        elif new is None:
            if chance.random() < 0.5:
                path.write_bytes(old or b"")
        else:
            path.write_bytes(mixed(old or b"", new, name.endswith(".copy"), chance))
    assert restore(str(directory), f"boot {next(_boots)}") == len(copies)


def spoil(ring: Path, old: bytes, chance: random.Random) -> None:
    kind = chance.randrange(8)
    if kind == 0:
        ring.unlink()
    elif kind == 1:
        ring.write_bytes(b"")
    else:
        content = mixed(old, ring.read_bytes(), True, chance)
        ring.write_bytes(mixed(bytes(len(content)), content, True, chance))


def mixed(old: bytes, new: bytes, has_its_length: bool, chance: random.Random) -> bytes:
    longest = max(len(old), len(new))
    length = longest if has_its_length else chance.choice([len(old), len(new), chance.randint(len(old), longest)])
    before, after = old.ljust(length, b"\0"), new.ljust(length, b"\0")
    whole = b""
    for at in range(0, length, PAGE):
        kind = chance.randrange(3)
        for sector in range(at, min(at + PAGE, length), SECTOR):
            is_new = chance.random() < 0.5 if kind == 2 else kind == 1
            whole += (after if is_new else before)[sector : min(sector + SECTOR, length)]
    return whole
