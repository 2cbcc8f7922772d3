"""A power cut: what the disk may hold of files that were written to after their last sync.

Each page that changed since is as it was (zeros, where nothing was), as it is, or some of its sectors of 512 bytes are
the one and some the other. A segment is as long as it was, as it is, or something in between, or is not there at all
when the directory was not synced; what was removed may be back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from pathlib import Path

PAGE: Final = 4096
SECTOR: Final = 512


def image(directory: Path) -> dict[str, bytes]:
    """What the disk holds after a sync."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.suffix in {".ring", ".spill"}}


def cut(directory: Path, synced: dict[str, bytes], chance: random.Random) -> None:
    """Leave what a power cut might leave."""
    now = image(directory)
    for name in {*synced, *now}:
        path = directory / name
        old, new = synced.get(name), now.get(name)
        if old is None and chance.random() < 0.5:
            path.unlink()
        elif new is None:
            if chance.random() < 0.5:
                path.write_bytes(old or b"")
        else:
            path.write_bytes(mixed(old or b"", new, name.endswith(".ring"), chance))


def mixed(old: bytes, new: bytes, is_ring: bool, chance: random.Random) -> bytes:
    longest = max(len(old), len(new))
    length = longest if is_ring else chance.choice([len(old), len(new), chance.randint(len(old), longest)])
    before, after = old.ljust(length, b"\0"), new.ljust(length, b"\0")
    whole = b""
    for at in range(0, length, PAGE):
        kind = chance.randrange(3)
        for sector in range(at, min(at + PAGE, length), SECTOR):
            is_new = chance.random() < 0.5 if kind == 2 else kind == 1
            whole += (after if is_new else before)[sector : min(sector + SECTOR, length)]
    return whole
