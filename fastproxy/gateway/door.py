"""Where a request comes in: which of the four doors it takes.

    edge       a configured route or --upstream: any HTTP
    provider   /{provider}/…: transparent, with the client's own key
    unified    /v1/… and its kin: the AI wire formats, to the channels
    local      /, /health, /providers

Routes come first, so a route of "/" without a host takes everything. This file answers the wire (`begin`, `refuse`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.errors import BadRequest, GatewayError
from fastproxy.formats import operations
from fastproxy.gateway import local, passthrough
from fastproxy.gateway.client_address import client_address
from fastproxy.gateway.exchange import Exchange
from fastproxy.gateway.form_body import FormExchange, is_form
from fastproxy.gateway.lay import lay
from fastproxy.gateway.refuse import error_reply, error_row
from fastproxy.gateway.serve import serve
from fastproxy.gateway.settle import refused_record
from fastproxy.gateway.table import EDGE, LOCAL, PROVIDER, UNIFIED, UNIFIED_STREAM, EdgeRoute, Entry, Table
from fastproxy.gateway.tunnel import wants_tunnel
from fastproxy.providers.passthrough import STEP_UP
from fastproxy.shared import rows

if TYPE_CHECKING:
    from fastproxy.gateway.world import World
    from fastproxy.wire.inbound import Inbound
    from fastproxy.wire.request_head import RequestHead


_IN_BODY: Final = ("body", "form")  # a form may as well come as JSON


class Door:
    """The application behind the wire: see wire.inbound.Application."""

    __slots__ = ("world",)

    def __init__(self, world: World) -> None:
        self.world = world
        world.lay = lay

    def begin(self, inbound: Inbound, head: RequestHead, body: bytes | memoryview) -> None:
        """Start the journey of one request."""
        table = self.world.table
        route = table.catch_all or _edge_route(table, head)
        if route is not None:
            exchange = Exchange(self.world, inbound, head, body, EDGE)
            _enter_edge(exchange, route)
        else:
            exchange = _enter_gateway(self.world, inbound, head, body)
        if b"upgrade" in head.shape.index:
            _ask_for_tunnel(exchange)
        if b"via" in head.shape.index:
            _check_loop(exchange)
        exchange.begin(serve(exchange))

    def refuse(self, inbound: Inbound, error: GatewayError, head: RequestHead | None) -> bytes:
        """The reply to a request that could not be read."""
        counts = self.world.counts
        counts[rows.REQUESTS] += 1
        counts[rows.REQUESTS_BY + LOCAL.row * rows.STATUS_CLASSES + error.status // 100] += 1
        counts[rows.ERRORS_BY + error_row(error.kind)] += 1
        wire_format = _format_of(head) if head is not None else "edge"
        request_id = self.world.next_id()
        if self.world.log is not None:
            peer = client_address(inbound.peer, head, self.world.table.proxies) if head is not None else inbound.peer
            self.world.log(refused_record(request_id, error, peer, head))
        return error_reply(error, wire_format, request_id, self.world.date_line, closing=True)


def _edge_route(table: Table, head: RequestHead) -> EdgeRoute | None:
    for route in table.routes:
        if route.matches(head.method, head.host, head.target):
            return route
    return None


def _enter_edge(exchange: Exchange, route: EdgeRoute) -> None:
    exchange.choices = route.next_attempts()
    if route.confined and STEP_UP.search(exchange.target.partition(b"?")[0]):
        exchange.trouble = BadRequest("the path must not step out of its route with '..'")
    if route.strip or route.add:
        target = exchange.target
        strip = route.strip
        if strip and target.startswith(strip) and target[len(strip) : len(strip) + 1] in (b"", b"/", b"?"):
            target = target[len(strip) :]
            target = target if target[:1] == b"/" else b"/" + target
        exchange.target = route.add + target
    if b"max-forwards" in exchange.head.shape.index:
        _check_hops(exchange)


def _ask_for_tunnel(exchange: Exchange) -> None:
    try:
        exchange.tunnelled = wants_tunnel(exchange.head)
    except BadRequest as error:
        exchange.trouble = error


def _check_loop(exchange: Exchange) -> None:
    """A request that bears our own name in Via has been here before (RFC 9110 7.6.3)."""
    hops = b",".join(exchange.head.get_all(b"via")).split(b",")
    if exchange.table.via in [hop.strip() for hop in hops]:
        exchange.trouble = BadRequest("the request has been here before", status=508, kind="no_route")


def _check_hops(exchange: Exchange) -> None:
    """Max-Forwards, which only OPTIONS and TRACE heed (RFC 9110 7.6.2)."""
    head = exchange.head
    hops = head.get(b"max-forwards")
    if hops is None or head.method != b"OPTIONS" or not hops.isdigit():
        return
    if len(hops) > 9:
        exchange.trouble = BadRequest("max-forwards is not a usable number")
    elif int(hops) == 0:
        exchange.entry = LOCAL
    else:
        head.change(b"max-forwards", b"%d" % (int(hops) - 1))


def _enter_gateway(world: World, inbound: Inbound, head: RequestHead, body: bytes | memoryview) -> Exchange:
    """One of the doors of the gateway proper."""
    operation = operations.find(head.method, head.target)
    entry: Entry = LOCAL
    if operation is not None:
        entry = UNIFIED if _is_read(world.table, head, operation) else UNIFIED_STREAM
        if entry is UNIFIED_STREAM and is_form(operation, head):
            exchange: Exchange = FormExchange(world, inbound, head, body, entry)
            exchange.operation = operation
            return exchange
        if operation.name == "models":
            operation = _whose_models(head, operation)
    elif not local.is_local(head.target) and passthrough.provider_of(head.target):
        entry = PROVIDER
        operation = passthrough.operation_of(head.method, head.target)
    exchange = Exchange(world, inbound, head, body, entry)
    exchange.operation = operation
    return exchange


def _whose_models(head: RequestHead, operation: operations.Operation) -> operations.Operation:
    """Three protocols share GET /v1/models; their clients differ in the fields they send."""
    index = head.shape.index
    dialect = operations.models_dialect(
        has_anthropic_version=b"anthropic-version" in index,
        has_goog_key=b"x-goog-api-key" in index or b"x-goog-api-client" in index or _has_query_key(head.target),
    )
    return operation if operation.format == "gemini" else operations.in_dialect(operation, dialect)


def _has_query_key(target: bytes) -> bool:
    return b"?key=" in target or b"&key=" in target


def _is_read(table: Table, head: RequestHead, operation: operations.Operation) -> bool:
    """Whether the body is JSON that a station needs: for its model, or because it may have to be translated."""
    wanted = operation.model in _IN_BODY or (operation.action and operation.format in table.translated)
    if not wanted or head.length == 0:
        return False
    kind = head.get(b"content-type")
    if kind is None:
        return operation.model != "form"
    return kind.lower().startswith(b"application/json") or b"json" in kind.partition(b";")[0].lower()


def _format_of(head: RequestHead) -> str:
    operation = operations.find(head.method, head.target)
    return operation.format if operation is not None else "edge"
