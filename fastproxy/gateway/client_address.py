"""Where a client is: the peer of its connection, or what proxies that are trusted say in X-Forwarded-For. Pure.

    X-Forwarded-For: a lie, 198.51.100.7, 10.0.0.5      from the peer 10.0.0.9, with 10.0.0.0/8 trusted: 198.51.100.7

Each proxy appends the address that it was asked from. So the list is read from the right, for as long as the address
that a value came from is a trusted proxy's; the first that is not, is the client, whatever stands before it. A Unix
socket has no address: whoever connects to one is believed only if "unix:" is listed among the trusted.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.wire.request_head import RequestHead

UNIX: Final = "unix:"
UNIX_PEER: Final = "unix"  # what a connection through a Unix socket has for an address
MAX_HOPS: Final = 32  # believed at most; nobody has so many proxies, and a client may send thousands of commas
MAX_KNOWN: Final = 256
_FIELD: Final = b"x-forwarded-for"

Network = IPv4Network | IPv6Network


class Proxies:
    """The networks, and "unix:", whose X-Forwarded-For is believed."""

    __slots__ = ("_known", "_networks", "_unix", "any")

    def __init__(self, trusted: Iterable[str]) -> None:
        trusted = tuple(trusted)
        self.any = bool(trusted)
        self._unix = UNIX in trusted
        self._networks = networks(each for each in trusted if each != UNIX)
        self._known: dict[str, bool] = {}  # peers are few

    def trusts(self, address: str) -> bool:
        found = self._known.get(address)
        if found is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            found = self._known[address] = self._unix if address == UNIX_PEER else is_within(address, self._networks)
        return found


def client_address(peer: str, head: RequestHead, proxies: Proxies) -> str:
    """`peer` is the address of the connection, "unix" for a Unix socket."""
    if not proxies.any or _FIELD not in head.shape.index or not proxies.trusts(peer):
        return peer
    said = b",".join(head.get_all(_FIELD)).decode("latin-1")
    address = peer
    for hop in reversed(said.rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
        found = _bare(hop.strip())
        if found is None:
            return address  # what stands further left, this one has passed on unseen
        address = found
        if not proxies.trusts(address):
            break
    return address


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Raises ValueError."""
    return tuple(ip_network(text) for text in texts)


def is_within(address: str, wanted: Iterable[Network]) -> bool:
    """An IPv4 address that comes mapped into IPv6 is the IPv4 address. What is no address is within nothing."""
    found = _address(address)
    return found is not None and any(found in network for network in wanted)


def _bare(hop: str) -> str | None:
    """The address without the port that some proxies add; None for what is no address."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    found = _address(hop)
    return str(found) if found is not None else None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
