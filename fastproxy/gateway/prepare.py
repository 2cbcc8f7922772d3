"""Station 5: the head that goes upstream. What is the client's stops here, what is ours is put in.

Hop-by-hop fields never pass (RFC 9110 7.6.1), framing is written anew from what was counted, and the rest of the
client's lines is passed on in its own order and spelling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.formats.defaults import with_defaults
from fastproxy.formats.operations import path_with_model
from fastproxy.formats.peek import rename
from fastproxy.gateway.deployments import deployed
from fastproxy.gateway.form_body import FormExchange
from fastproxy.gateway.identify import without_query_key
from fastproxy.gateway.translate import is_chat
from fastproxy.wire.fields import Plan

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.gateway.table import Attempt
    from fastproxy.wire.inbound import Inbound
    from fastproxy.wire.request_head import RequestHead


_PROTOCOLS: Final = frozenset((b"sec-websocket-protocol",))


def prepare(exchange: Exchange, attempt: Attempt) -> bytes:
    """The whole upstream head. May replace `exchange.body` when the model has another name there."""
    head, inbound = exchange.head, exchange.inbound
    shape = head.shape
    if attempt.rename:
        _rename_model(exchange, attempt)
    if attempt.defaults and exchange.entry.reads_body and is_chat(exchange.operation):
        exchange.ask_else(with_defaults(bytes(exchange.body), attempt.defaults), exchange.target)
    target = deployed(attempt, exchange.model, exchange.target) if attempt.api_version else exchange.target
    parts = [head.method, b" ", attempt.prefix, target, attempt.fixed]
    reading = head.reading
    as_it_came = not head.connection.listed and exchange.protocols is None
    if reading is not None and reading.drop is attempt.drop and as_it_came:
        groups = head.groups
        parts += [groups[place] for place in reading.runs]
    else:
        parts.append(_lines(exchange, attempt))
    if attempt.auth is not None:
        parts.append(attempt.auth())
    if attempt.forwarded != "off":
        parts += (
            b"x-forwarded-for: ",
            _before(exchange, attempt),
            inbound.forwarded or forwarded(inbound),
            head.host,
            b"\r\n",
        )
    if attempt.preserves_host and shape.host_at < 0:
        parts += (b"host: ", head.host or attempt.pool.origin.authority.encode(), b"\r\n")
    if exchange.tunnelled:
        parts.append(b"connection: upgrade\r\nupgrade: websocket\r\n" + (exchange.protocols or b""))
    parts.append(attempt.via)
    parts.append(_framing(exchange, head))
    return b"".join(parts)


def _lines(exchange: Exchange, attempt: Attempt) -> bytes:
    """The lines that pass on, from a head that was taken apart; the next of its shape may be recognised at once."""
    head = exchange.head
    shape = head.shape
    exchange.inbound.reading = shape.reading(attempt.drop) if shape.host_at >= 0 else None
    listed = head.connection.listed if exchange.protocols is None else head.connection.listed | _PROTOCOLS
    plan = Plan(shape, attempt.drop | listed) if listed else shape.plan(attempt.drop)
    return plan.lines % plan.pick(head.values)


def _framing(exchange: Exchange, head: RequestHead) -> bytes:
    """The end of the head: how the body is framed, from what was counted and not from what was said."""
    if exchange.entry.reads_body and head.length:
        return b"content-length: %d\r\n\r\n" % len(exchange.body)
    if head.length > 0 or head.shape.length_at >= 0:
        return b"content-length: %d\r\n\r\n" % head.length
    return b"\r\n" if head.length == 0 else b"transfer-encoding: chunked\r\n\r\n"


def _before(exchange: Exchange, attempt: Attempt) -> bytes:
    """The addresses that X-Forwarded-For has already, when the route trusts them."""
    head = exchange.head
    if attempt.forwarded != "append" or b"x-forwarded-for" not in head.shape.index:
        return b""
    return b", ".join(head.get_all(b"x-forwarded-for")) + b", "


def forwarded(inbound: Inbound) -> bytes:
    """The rest of the X-Forwarded-* lines, the same for all requests of a connection, up to the host's value."""
    scheme = "https" if inbound.secure else "http"
    inbound.forwarded = f"{inbound.peer}\r\nx-forwarded-proto: {scheme}\r\nx-forwarded-host: ".encode()
    return inbound.forwarded


def _rename_model(exchange: Exchange, attempt: Attempt) -> None:
    other = attempt.rename.get(exchange.model)
    if other is None or exchange.operation is None:
        return
    if exchange.operation.model == "path":
        exchange.ask_else(exchange.body, without_query_key(path_with_model(exchange.operation, other)))
    elif exchange.entry.reads_body:
        exchange.ask_else(rename(bytes(exchange.body), other), exchange.target)
    elif isinstance(exchange, FormExchange) and exchange.form is not None:
        exchange.put_model(exchange.form, other)
