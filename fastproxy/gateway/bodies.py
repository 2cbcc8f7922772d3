"""Bodies that a rule wants kept: what the client asked, and what it got, cut to size and without secrets.

    snapshot.bodies    the first rule whose patterns fit the model: off, errors (what failed), all
    Kept               collects the beginning of the reply as the client gets it
    write_bodies       two BODY frames in the journal, before the END

Only JSON requests are kept, and replies of any kind of text. A rule that may apply costs its requests the express lane
(lay.py), and a body of 64 KiB some milliseconds of blotting out, which is why nothing is kept unless somebody asks.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from fastproxy.formats.inflate import decoder
from fastproxy.formats.redaction import without_secrets
from fastproxy.gateway.identify import credentials_in
from fastproxy.gateway.mask import SHORTEST
from fastproxy.payloads import BODY, REPLY, REQUEST, body_payload

if TYPE_CHECKING:
    from fastproxy.formats.inflate import Inflate
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.snapshot import BodyRule
    from fastproxy.wire.reply_head import ReplyHead

_MARGIN: Final = 4096  # read beyond the size that is kept, so that a secret is not cut in two and half of it kept
_BLOT: Final = b"[redacted]"
_TEXTS: Final = (b"text/", b"json", b"xml", b"urlencoded")  # in a content type


class Kept:
    """What is to be kept of one exchange."""

    __slots__ = ("_inflate", "_pieces", "_room", "rule", "size")

    def __init__(self, rule: BodyRule) -> None:
        self.rule = rule
        self.size = 0  # of the whole reply
        self._pieces: list[bytes] = []
        self._room = rule.reply_size + _MARGIN
        self._inflate: Inflate | None = None

    def expect(self, reply: ReplyHead) -> None:
        """Such a reply is relayed: it is kept unpacked, and only measured if it is no text, or packed otherwise."""
        encoding = (reply.get(b"content-encoding") or b"identity").lower()
        if encoding != b"identity":
            self._inflate = decoder(encoding)
        kind = (reply.get(b"content-type") or b"text/plain").lower()
        if not any(word in kind for word in _TEXTS) or (encoding != b"identity" and self._inflate is None):
            self._room = 0

    def feed(self, piece: bytes) -> None:
        """The next bytes of the reply's body, as the client gets them."""
        if self._room > 0:
            if self._inflate is not None:
                piece = self._inflate.feed(piece)
            self._pieces.append(bytes(piece[: self._room]))
            self._room -= len(self._pieces[-1])
        self.size += len(piece)

    def reply(self) -> bytes:
        return b"".join(self._pieces)

    def is_wanted(self, exchange: Exchange) -> bool:
        return self.rule.keep == "all" or bool(exchange.error_kind) or exchange.status >= 400


def kept_for(exchange: Exchange) -> Kept | None:
    """What collects for this exchange; None where no rule wants it. To be asked once the model is known."""
    for rule in exchange.table.snapshot.bodies:
        if any(fnmatchcase(exchange.model, pattern) for pattern in rule.models):
            return Kept(rule) if rule.keep != "off" else None
    return None


def write_bodies(exchange: Exchange, kept: Kept) -> None:
    """Put both bodies into the journal, if the rule still wants them now that the end is known."""
    books = exchange.world.books
    if books is None or not kept.is_wanted(exchange):
        return
    secrets, rule, name = _secrets(exchange), kept.rule, exchange.name()
    body = exchange.asked[0] if exchange.asked is not None else exchange.body
    kind = exchange.head.get(b"content-type") or b""
    if exchange.entry.reads_body and body and not kind.lstrip().lower().startswith(b"multipart/"):
        size = min(rule.request_size, books.largest_body)
        asked = _shown(bytes(body[: size + _MARGIN]), size, secrets)
        books.note(BODY, body_payload(name, REQUEST, max(len(body), len(asked)), asked))
    if kept.size:
        size = min(rule.reply_size, books.largest_body)
        said = _shown(kept.reply()[: size + _MARGIN], size, secrets)
        books.note(BODY, body_payload(name, REPLY, max(kept.size, len(said)), said))


def _shown(data: bytes, size: int, secrets: list[bytes]) -> bytes:
    """The first `size` bytes, without what opens a door somewhere."""
    unsure = _MARGIN if len(data) == size + _MARGIN else 0  # what stands last of a longer one may be half a secret
    for secret in secrets:
        data = data.replace(secret, _BLOT)
    shown = without_secrets(data.decode("utf-8", "replace")).encode()
    return shown[: max(0, min(size, len(shown) - unsure))]


def _secrets(exchange: Exchange) -> list[bytes]:
    """What this exchange itself was opened with: the client's key, and the channel's."""
    theirs = exchange.attempt.secrets if exchange.attempt is not None else ()
    return [secret for secret in (*credentials_in(exchange.head), *theirs) if len(secret) >= SHORTEST]
