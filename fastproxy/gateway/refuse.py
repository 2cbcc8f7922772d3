"""The one error exit: a GatewayError becomes a reply in the client's own format, or an honest end of a broken one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.formats.errors import array_error, status_for, stream_error, write_error
from fastproxy.gateway.books import close_books
from fastproxy.gateway.exchange import Download, Exchange
from fastproxy.gateway.mask import masked_message
from fastproxy.gateway.translate import wants_array
from fastproxy.shared import rows
from fastproxy.wire.reply_head import STATUS_LINES

if TYPE_CHECKING:
    from fastproxy.errors import GatewayError

_ROWS: Final = {kind: place for place, kind in enumerate(rows.ERROR_KINDS)}
_OTHER: Final = rows.ERROR_KINDS.index("other")


def error_row(kind: str) -> int:
    """The index of an error kind among the metric rows."""
    return _ROWS.get(kind, _OTHER)


def refuse(exchange: Exchange, error: GatewayError) -> None:
    """Answer with the error, or cut the reply that is under way so that nobody takes it for whole."""
    exchange.error_kind = error.kind
    error.message = masked_message(exchange, error.message)
    if exchange.status:
        close_books(exchange)
        _cut(exchange, error)
        return
    inbound = exchange.inbound
    if not inbound.body_complete or inbound.front.draining:
        inbound.keep_alive = False
    wire_format = exchange.operation.format if exchange.operation is not None else "edge"
    exchange.status = status_for(wire_format, error.status)
    reply = error_reply(error, wire_format, exchange.name(), exchange.world.date_line, closing=not inbound.keep_alive)
    if exchange.head.method == b"HEAD":
        reply = reply[: reply.find(b"\r\n\r\n") + 4]
    if exchange.kept is not None:
        exchange.kept.feed(reply[reply.find(b"\r\n\r\n") + 4 :])
    close_books(exchange)
    inbound.transport.write(reply)


def _cut(exchange: Exchange, error: GatewayError) -> None:
    """A stream gets one error event in its own format; then the connection ends without the end of the body.

    Source: design 7.3; an ended stream without its finish marker looks complete to every SDK (ecosystem facts, 4b).
    """
    inbound, reply = exchange.inbound, exchange.reply
    inbound.keep_alive = False
    if exchange.download is Download.CHUNKED:
        if exchange.operation is not None and exchange.is_stream():
            told = (error.status, error.kind, error.message, exchange.name().decode())
            event = stream_error(exchange.operation.format, *told)
            if exchange.translation is not None and wants_array(exchange.operation):
                event = array_error(*told)
            inbound.transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        inbound.cut()
    elif reply is not None and reply.framing.value == "length" and exchange.translation is None:
        inbound.cut()
    else:
        inbound.abort()  # without framing, a mere close would look like the end


def error_reply(error: GatewayError, wire_format: str, request_id: bytes, date_line: bytes, *, closing: bool) -> bytes:
    """A whole reply, head and body, for `error` in `wire_format` ("edge" is plain text)."""
    status = status_for(wire_format, error.status)
    kind, body = write_error(wire_format, error.status, error.kind, error.message, request_id.decode())
    parts = [
        STATUS_LINES[status],
        date_line,
        b"content-type: %b\r\ncontent-length: %d\r\n" % (kind, len(body)),
        b"x-request-id: %b\r\nrequest-id: %b\r\n" % (request_id, request_id),
    ]
    if error.retry_after is not None:
        parts.append(b"retry-after: %d\r\n" % error.retry_after)
    if error.status == 405:
        parts.append(b"allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n")
    if error.status == 426:
        parts.append(b"upgrade: websocket\r\nsec-websocket-version: 13\r\n")
    if closing:
        parts.append(b"connection: close\r\n")
    parts += (b"\r\n", body)
    return b"".join(parts)
