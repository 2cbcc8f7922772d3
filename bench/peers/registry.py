"""Which peers there are, which can be had here, and which take part in a case. Absence is told, never silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.peers import caddy, envoy, fastproxy, haproxy, litellm, nginx, portkey
from bench.peers.peer import Absent, Peer, Sort

if TYPE_CHECKING:
    from collections.abc import Iterable

NGINX, FASTPROXY = nginx.PEER, fastproxy.PEER
# nginx and fastproxy are neighbours, so that the two halves of their pairs lie side by side in every turn
ALL = (NGINX, FASTPROXY, haproxy.PEER, caddy.PEER, envoy.PEER, portkey.PEER, litellm.PEER)
PAIR = (NGINX, FASTPROXY)


def by_name(names: Iterable[str]) -> tuple[Peer, ...]:
    """These peers and always the pair, in the order of the tables."""
    wanted = {peer.name for peer in PAIR} | set(names)
    return tuple(peer for peer in ALL if peer.name in wanted)


def able(peers: Iterable[Peer], *, unified: bool, translates: bool = False) -> tuple[Peer, ...]:
    """Those that can do the job: a gateway without a plain relay is compared on its entry only.

    Where it is about translating, nginx as a plain relay stays as the reference, and the others must translate.
    """
    some = (peer for peer in peers if unified or peer.sort is not Sort.GATEWAY)
    return tuple(peer for peer in some if not translates or peer.translates or peer is NGINX)


def prepare(peers: Iterable[Peer]) -> tuple[tuple[Peer, ...], dict[str, dict[str, Any]]]:
    """Install what is missing. Returns those that are there, and for each peer its facts or the reason of absence."""
    there: list[Peer] = []
    facts: dict[str, dict[str, Any]] = {}
    for peer in peers:
        try:
            peer.install()
            facts[peer.name] = {"version": peer.version(), "source": peer.source, "sort": peer.sort.value}
        except Absent as reason:
            facts[peer.name] = {"absent": str(reason), "source": peer.source, "sort": peer.sort.value}
        else:
            there.append(peer)
    return tuple(there), facts
