"""An upstream's error in a content coding, where it might name our credential (mask.py): it goes on plain and masked.

What refuses the credential in a coding that is not read here (br, zstd) is told as a refusal without its words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.gateway.books import close_books
from fastproxy.gateway.mask import masked
from fastproxy.gateway.relay import reply_head
from fastproxy.gateway.take import ReplyTaker, take_over
from fastproxy.wire.fields import Connection
from fastproxy.wire.reply_head import BY_LENGTH

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange

_CODING = b"content-encoding"


async def unpack(exchange: Exchange) -> None:
    """Relay the reply of `exchange`, an error. Raises: UpstreamFailed."""
    reply = exchange.reply
    assert reply is not None
    await take_over(exchange, _Unpacked(exchange, reply, exchange.metered_as()))


class _Unpacked(ReplyTaker):
    """Takes the error whole."""

    __slots__ = ()

    def _take(self, piece: bytes) -> None:
        if self._inflate is not None:
            super()._take(piece)

    def _complete(self) -> None:
        if self._inflate is None:
            raise self._refusal()
        exchange, reply = self._exchange, self._exchange.reply
        assert reply is not None
        secrets = exchange.the_attempt().secrets
        body = masked(b"".join(self._collected), secrets)
        reply.connection = Connection(b",".join((_CODING, *reply.connection.listed)))
        reply.framing, reply.length = BY_LENGTH, len(body)
        head = masked(reply_head(exchange, reply), secrets)
        exchange.status, exchange.bytes_out = reply.status, len(body)
        if exchange.kept is not None:
            exchange.kept.feed(body)
        close_books(exchange)
        exchange.inbound.transport.write(head + body)
