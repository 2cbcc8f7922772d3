"""Whose things on the shelf are whose: a group's, or a single key's where nobody has put it into a group."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange

_NO_GROUPS: Final = ("", "default")


def shelf_key(exchange: Exchange, kind: str, name: str) -> bytes:
    """The key of `name` for the client of this exchange: nobody else's names lead to it."""
    key = exchange.key
    owner = ""
    if key is not None:
        owner = f"key\0{key.name}" if key.group in _NO_GROUPS else f"group\0{key.group}"
    named = f"{owner}\0{kind}\0{name}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(named, key=exchange.table.snapshot.secret, digest_size=16).digest()
