"""What is kept for a client on the shelf, and whose it is: a group's, or a single key's where nobody has put it into a
group.

How long is said by the snapshot; 0 means that nothing is kept, and nothing found any more.
"""

from __future__ import annotations

import hashlib
from time import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastproxy.gateway.asker import Asker

_NO_GROUPS: Final = ("", "default")


def shelf_key(asker: Asker, kind: str, name: str) -> bytes:
    """The key of `name` for the client of this exchange: nobody else's names lead to it."""
    key = asker.key
    owner = ""
    if key is not None:
        owner = f"key\0{key.id or key.name}" if key.group in _NO_GROUPS else f"group\0{key.group}"
    named = f"{owner}\0{kind}\0{name}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(named, key=asker.table.snapshot.secret, digest_size=16).digest()


def put_away(asker: Asker, key: bytes, data: bytes) -> bool:
    """Keep `data` for that long, or until others need the room. False when it is too large, or cannot be kept."""
    now, kept_s = int(time() * 1000), asker.table.snapshot.remember_s
    return kept_s > 0 and asker.world.shelf.put(key, data, now, now + int(kept_s * 1000))


def fetch_back(asker: Asker, key: bytes) -> bytes | None:
    if asker.table.snapshot.remember_s <= 0:
        return None
    return asker.world.shelf.get(key, int(time() * 1000))
