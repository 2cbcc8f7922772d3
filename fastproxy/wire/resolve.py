"""Names to addresses: off the loop, kept for a while, and the last good answer kept when a name server fails."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from fastproxy.errors import UpstreamFailed

if TYPE_CHECKING:
    from fastproxy.wire.deadlines import Deadlines

MAX_NAMES: Final = 4096


class Resolver:
    """The addresses of names. An answer older than `ttl` seconds is used while a new one is being fetched."""

    __slots__ = ("_answers", "_deadlines", "_refreshing", "ttl")

    def __init__(self, deadlines: Deadlines, ttl: float) -> None:
        self._deadlines = deadlines
        self.ttl = ttl
        self._answers: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}
        self._refreshing: dict[tuple[str, int], asyncio.Task[tuple[str, ...]]] = {}

    async def addresses(self, host: str, port: int, *, public_only: bool = False) -> tuple[str, ...]:
        """The addresses of `host`, the best first. Raises: UpstreamFailed when there is none that may be used."""
        found = await self._lookup(host, port)
        if public_only:
            found = tuple(address for address in found if is_public(address))
            if not found:
                raise UpstreamFailed("the upstream's name leads to no public address", kind="upstream_failed")
        return found

    async def _lookup(self, host: str, port: int) -> tuple[str, ...]:
        if is_address(host):
            return (host,)
        key = (host, port)
        known = self._answers.get(key)
        if known is not None and known[0] > self._deadlines.now:
            return known[1]
        task = self._refreshing.get(key)
        if task is None:
            task = self._refreshing[key] = asyncio.get_running_loop().create_task(self._refresh(key))
            task.add_done_callback(lambda _: self._refreshing.pop(key, None))
        if known is not None:
            return known[1]
        return await asyncio.shield(task)

    async def _refresh(self, key: tuple[str, int]) -> tuple[str, ...]:
        host, port = key
        try:
            rows = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            known = self._answers.get(key)
            if known is None:
                raise UpstreamFailed("the upstream's name cannot be resolved", retry="if_unsent") from None
            found = known[1]
        else:
            found = tuple(dict.fromkeys(str(row[4][0]) for row in rows))
        if len(self._answers) >= MAX_NAMES:
            self._answers.clear()
        self._answers[key] = (self._deadlines.now + self.ttl, found)
        return found


# Prefixes whose addresses stand for IPv4 ones, which may be private: 6to4, Teredo, NAT64, IPv4-compatible.
_EMBEDDING = tuple(ip_network(text) for text in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48", "::/96"))


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet's, and not a private one in disguise."""
    address = ip_address(text.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in _EMBEDDING if network.version == address.version)


def is_address(host: str) -> bool:
    """Whether `host` is an IP address already."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
