"""A client leaves before its reply is whole: the upstream is cancelled, or, with `limits.client_gone: drain`, read on.

    cancel   the connection to the upstream is closed at once: what has been said is what was charged for, or estimated
    drain    the reply is read to its end for nobody, so the counts are the vendor's own and the connection is kept;
             bounded by total_timeout, by 64 MiB, and by max_connections, among which it counts

Only what costs tokens is read on, and only once the upstream has all of the request. A worker that is told to stop
waits for such a reply as long as it waits for clients: `drain_timeout`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.wire.absent import Absent
from fastproxy.wire.outbound import BODY, SENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.gateway.exchange import Exchange

DRAIN: Final = "drain"


def read_on(exchange: Exchange, give_up: Callable[[], None]) -> bool:
    """Read the reply on without its client, if that is wanted and of use. `give_up` is for one that grows too long."""
    if exchange.left:
        return True
    if exchange.table.snapshot.client_gone != DRAIN or not _is_of_use(exchange):
        return False
    outbound, inbound = exchange.outbound, exchange.inbound
    assert outbound is not None
    exchange.left = True
    exchange.inbound = absent = Absent(inbound, exchange, give_up)
    inbound.exchange = None
    inbound.finish()
    outbound.redirect(absent.transport.write)
    exchange.client_resumed()
    return True


def _is_of_use(exchange: Exchange) -> bool:
    """Whether a reply is on its way that will say what it cost."""
    operation, outbound = exchange.operation, exchange.outbound
    if operation is None or not operation.metered or outbound is None or exchange.waited_for is not None:
        return False
    if exchange.upstream_done or exchange.tunnelled or not exchange.has_asked():
        return False
    if exchange.entry.name == "provider" and exchange.key is None:
        return False  # the client's own key pays for it
    is_told = exchange.meter is not None or exchange.duration_us >= 0  # what it costs, or has cost
    return outbound.phase is SENT or (outbound.phase is BODY and is_told)
