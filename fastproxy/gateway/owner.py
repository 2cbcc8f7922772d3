"""What is kept for a client on the shelf, and whose it is: a group's, or a single key's where nobody has put it into a
group."""

from __future__ import annotations

import hashlib
from time import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange

KEPT_S: Final = 6 * 3600
_NO_GROUPS: Final = ("", "default")


def shelf_key(exchange: Exchange, kind: str, name: str) -> bytes:
    """The key of `name` for the client of this exchange: nobody else's names lead to it."""
    key = exchange.key
    owner = ""
    if key is not None:
        owner = f"key\0{key.name}" if key.group in _NO_GROUPS else f"group\0{key.group}"
    named = f"{owner}\0{kind}\0{name}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(named, key=exchange.table.snapshot.secret, digest_size=16).digest()


def put_away(exchange: Exchange, key: bytes, data: bytes) -> bool:
    """Keep `data` for six hours, or until there is no room. False when it is too large."""
    now, world = int(time() * 1000), exchange.world
    return world.shelf.put(world.slot, key, data, now, now + KEPT_S * 1000)


def fetch_back(exchange: Exchange, key: bytes) -> bytes | None:
    return exchange.world.shelf.get(key, int(time() * 1000))
