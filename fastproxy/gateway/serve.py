"""The journey of a request. This is the only file that knows the order of the stations.

accept → identify → admit → route → ┌ prepare → send ┐ → relay → settle
                                    └  next attempt  ┘

Two ways to move a reply: the received bytes as they are (relay), or events in another format (deliver).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastproxy.errors import GatewayError
from fastproxy.gateway.accept import collect_body
from fastproxy.gateway.admit import admit
from fastproxy.gateway.answers import answer_known
from fastproxy.gateway.bodies import kept_for
from fastproxy.gateway.books import open_books
from fastproxy.gateway.deliver import deliver
from fastproxy.gateway.exchange import ClientGone, Exchange
from fastproxy.gateway.form_body import FormExchange, hold_model
from fastproxy.gateway.identify import identify
from fastproxy.gateway.local import answer
from fastproxy.gateway.mask import is_packed
from fastproxy.gateway.prepare import prepare
from fastproxy.gateway.refuse import refuse
from fastproxy.gateway.relay import relay, relay_at_once
from fastproxy.gateway.route import route
from fastproxy.gateway.send import send
from fastproxy.gateway.settle import settle
from fastproxy.gateway.table import EDGE, LOCAL
from fastproxy.gateway.translate import translate
from fastproxy.gateway.unpack import unpack

if TYPE_CHECKING:
    from fastproxy.wire.outbound import Outbound


logger = logging.getLogger("fastproxy")


async def serve(exchange: Exchange, sent: Outbound | None = None) -> None:
    """Carry one exchange from its head to its settlement. Never raises; `settle` runs exactly once.

    `sent` is the connection on which the express lane has written the request already; see lane.py.
    """
    try:
        if exchange.trouble is not None:
            exchange.check()
        if exchange.entry is LOCAL:
            answer(exchange)
        else:
            await _forward(exchange, sent)
    except GatewayError as error:
        refuse(exchange, error)
    except ClientGone:
        exchange.error_kind = "client_closed"
    except Exception:  # the edge of an exchange: a fault of ours must not leave its client waiting
        logger.exception("exchange failed")
        refuse(exchange, GatewayError("an internal error", status=500))
    finally:
        settle(exchange)


async def _forward(exchange: Exchange, sent: Outbound | None) -> None:  # noqa: C901 - the one list of the stations
    if exchange.entry is not EDGE and sent is None:
        identify(exchange)
        if exchange.entry.reads_body:
            await collect_body(exchange)
        elif isinstance(exchange, FormExchange):
            await hold_model(exchange)
        admit(exchange)
        exchange.admitted = True
        if exchange.table.snapshot.bodies:
            exchange.kept = kept_for(exchange)
        answering = answer_known(exchange)
        if answering is not None and await answering:
            return
    attempts = route(exchange) if sent is None else exchange.choices
    if exchange.admitted:
        open_books(exchange, attempts[0])
    for attempt in attempts:  # a retry is the next item, not a loop back
        exchange.rewind()
        if not attempt.bridges:
            request = prepare(exchange, attempt)
        else:  # a lane for translations has done this already, and takes nothing that may be sent twice
            request = await translate(exchange, attempt) if sent is None else b""
        if await send(exchange, attempt, request, last=attempt is attempts[-1], sent=sent):
            break
    if exchange.translation is not None and exchange.the_attempt().bridges:
        await deliver(exchange, exchange.translation)
    elif is_packed(exchange):
        await unpack(exchange)
    elif not relay_at_once(exchange):
        await relay(exchange)
