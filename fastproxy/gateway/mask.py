"""What an upstream complains of must not show our credential to a client: stars take its place, byte for byte.

Vendors name the key that they refuse, mostly half of it, some all. An error that is translated is redacted where it is
read (formats/read_error.py); one that is relayed passes here, if the channel has a credential of ours. The length stays
what the head has said. A credential that comes in two pieces is found too: what may be its beginning is held back until
the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.formats.inflate import decoder
from fastproxy.wire.reply_head import BY_NONE

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange

FIRST_STATUS: Final = 400
_ABOUT_CREDENTIALS: Final = (401, 403)
SHORTEST: Final = 6  # bytes of a credential; what is shorter stands in any text


def masked(text: bytes, secrets: tuple[bytes, ...]) -> bytes:
    for secret in secrets:
        text = text.replace(secret, b"*" * len(secret))
    return text


class Mask:
    """`feed` every piece, `end` gives the rest."""

    __slots__ = ("_held", "_most", "_secrets")

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        self._secrets = secrets
        self._most = max(map(len, secrets)) - 1
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        text = self._masked(self._held + piece)
        keep = self._unsure(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> bytes:
        rest, self._held = self._held, b""
        return rest

    def _masked(self, text: bytes) -> bytes:
        return masked(text, self._secrets)

    def _unsure(self, text: bytes) -> int:
        """How many bytes at the end may be the beginning of a secret."""
        for count in range(min(self._most, len(text)), 0, -1):
            tail = text[-count:]
            if any(secret.startswith(tail) for secret in self._secrets):
                return count
        return 0


def mask_for(exchange: Exchange, status: int) -> Mask | None:
    """For a reply of this status; None where there is nothing to hide."""
    secrets = exchange.the_attempt().secrets
    return Mask(secrets) if status >= FIRST_STATUS and secrets else None


def masked_message(exchange: Exchange, message: str) -> str:
    """What an error tells the client, in whosever words."""
    secrets = exchange.attempt.secrets if exchange.attempt is not None else ()
    for secret in secrets:
        message = message.replace(secret.decode(), "*" * len(secret))
    return message


def is_packed(exchange: Exchange) -> bool:
    """Whether a reply may show a credential and cannot be looked into as it comes: see unpack.py.

    In a coding that is not read here, an error goes on as it is unless it is about the credential: what else is wrong
    with a request, its client must be able to read.
    """
    reply = exchange.reply
    if reply is None or reply.status < FIRST_STATUS or not exchange.the_attempt().secrets:
        return False
    encoding = reply.get(b"content-encoding")
    if encoding is None or encoding.lower() in (b"", b"identity") or reply.framing is BY_NONE:
        return False
    return reply.status in _ABOUT_CREDENTIALS or decoder(encoding) is not None
