"""Which lane an exchange that has gone well lays for the next request of its connection, if that can be foreseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.gateway.admit import reads_model
from fastproxy.gateway.bridge_lane import BridgeLane
from fastproxy.gateway.relay_lane import RelayLane
from fastproxy.gateway.table import EDGE, UNIFIED
from fastproxy.gateway.translate import Translation

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange

_VOUCHED: Final = b"idempotency-key"
# A request with one of these is decided anew each time.
_NEVER: Final = frozenset((b"via", b"max-forwards", b"x-forwarded-for", b"x-model-provider", b"sec-websocket-protocol"))


def lay(exchange: Exchange) -> None:
    """Lay a lane for the connection of this exchange, or none."""
    head, attempt, inbound = exchange.head, exchange.attempt, exchange.inbound
    reading = head.reading
    if attempt is None or reading is None or reading.drop is not attempt.drop or not head.keep_alive:
        return
    if exchange.attempts_made != 1 or exchange.kept is not None:
        return  # bodies are kept, or the first choice was not to be had; it may be again
    if head.method == b"HEAD" or head.connection.listed or not _NEVER.isdisjoint(head.shape.index):
        return
    if attempt.bridges:
        if _can_be_bridged(exchange):
            inbound.lane = BridgeLane(exchange, attempt, reading)
    elif not (attempt.api_version or attempt.rename or attempt.defaults) and _can_be_relayed(exchange):
        inbound.lane = RelayLane(exchange, attempt, reading)


def _can_be_relayed(exchange: Exchange) -> bool:
    if exchange.entry is EDGE:
        route = exchange.table.catch_all
        same = exchange.choices == (exchange.attempt,) and exchange.target is exchange.head.target
        return route is not None and not route.confined and same
    return exchange.entry is UNIFIED and exchange.head.length > 0 and bool(exchange.model or not reads_model(exchange))


def _can_be_bridged(exchange: Exchange) -> bool:
    """Not what is asked once, nor what a stale connection would have to send again."""
    head = exchange.head
    return isinstance(exchange.translation, Translation) and head.length > 0 and _VOUCHED not in head.shape.index
