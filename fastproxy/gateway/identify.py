"""Station 2: who asks.

SDKs put a client's key in many places; all of them are read, and none of them travels on or into a log:

    authorization                                            Bearer KEY, or just KEY when it begins with sk-
    x-api-key, api-key, x-goog-api-key, x-openai-api-key     KEY, or Bearer KEY
    ?key=, ?access_token=, ?api_key=, ?apikey=               KEY

Credentials are looked up by keyed hash, so what is compared never depends on how much of a guess is right. A request
that brings two different credentials is refused: which of them counted would be anyone's guess.

Browsers cannot set fields on a WebSocket, so OpenAI's realtime clients offer their key as a sub-protocol beside the
real one: `realtime, openai-insecure-api-key.KEY`. It is read here and never travels on; the channel's own does.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from fastproxy.errors import BadRequest, Denied, Limited
from fastproxy.gateway.client_address import is_within
from fastproxy.gateway.table import EDGE, LOCAL, PROVIDER
from fastproxy.snapshot import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.gateway.exchange import Exchange
    from fastproxy.gateway.table import Key
    from fastproxy.wire.request_head import RequestHead

_FIELDS: Final = (b"x-api-key", b"api-key", b"x-goog-api-key", b"x-openai-api-key")
_NAMES: Final = frozenset((b"key", b"access_token", b"api_key", b"apikey"))
_ONCE: Final = frozenset((b"authorization", *_FIELDS))
_UNKNOWN: Final = "the key is not known here"
_DISABLED: Final = {"key": "the key is disabled", "group": "the group of the key is disabled"}
_PROTOCOLS: Final = b"sec-websocket-protocol"
_KEY_PROTOCOL: Final = b"openai-insecure-api-key."
# What a sub-protocol tells of the client's account
_ACCOUNT: Final = (_KEY_PROTOCOL, b"openai-organization.", b"openai-project.")


def identify(exchange: Exchange) -> None:
    """Fill `exchange.key` where the door asks for one. Raises: Denied (401, 403), BadRequest, Limited (503)."""
    entry = exchange.entry
    if entry is EDGE or entry is LOCAL:
        return
    snapshot = exchange.table.snapshot
    if entry is PROVIDER:
        if snapshot.passthrough == "off":
            raise Denied("transparent access to providers is switched off here", status=403, kind="forbidden")
        if snapshot.passthrough != "require-key":
            return  # the client's own provider key is the credential; it is the provider's to check
    if _PROTOCOLS in exchange.head.shape.index:
        _withhold(exchange)
    if entry is not PROVIDER and snapshot.open_to_all:
        return
    exchange.key = _known_key(exchange)


def _known_key(exchange: Exchange) -> Key:
    credential = credential_of(exchange.head)
    if exchange.tunnelled:
        credential = _same(credential, _protocol_key(exchange.head))
    if not credential:
        raise Denied("no key was sent: use 'authorization: bearer KEY', 'x-api-key' or 'x-goog-api-key'")
    key = exchange.world.keybook.find(digest(exchange.table.snapshot.secret, credential))
    if key is None:
        if exchange.table.snapshot.is_unread:
            raise Limited("the keys have not been read yet", status=503, kind="overloaded", retry_after=1)
        raise Denied(_UNKNOWN)
    if not key.is_plain:
        _check(exchange, key)
    return key


def _check(exchange: Exchange, key: Key) -> None:
    """Whether a known key may be used now, and from there. Raises: Denied (401, 403)."""
    now = time.time()
    if key.until and now > key.until:
        raise Denied(_UNKNOWN)  # it was replaced by another, and both of them counted for long enough
    if key.disabled:
        raise Denied(_DISABLED[key.disabled], status=403, kind="forbidden")
    if key.expires and now > key.expires:
        raise Denied("the key has expired", status=403, kind="forbidden")
    if key.subnets and not is_within(exchange.client_ip(), key.subnets):
        raise Denied("the key may not be used from this address", status=403, kind="forbidden")


def credential_of(head: RequestHead) -> bytes:
    """The client's credential, wherever its SDK puts it; b"" when there is none. Raises: BadRequest for two of them."""
    index, values = head.shape.index, head.values
    found = b""
    place = index.get(b"authorization")
    if place is not None:
        found = _authorized(values[place])
    for name in _FIELDS:
        place = index.get(name)
        if place is not None:
            found = _same(found, _bare(values[place]))
    if head.target.find(b"?") >= 0:
        for value in _query_keys(head.target):
            found = _same(found, value)
    if head.shape.repeated and not _ONCE.isdisjoint(head.shape.repeated):
        raise BadRequest("more than one credential of a kind")
    return found


def credentials_in(head: RequestHead) -> set[bytes]:
    """All that may be one, for whoever must not show them."""
    found = {_authorized(value) for value in head.get_all(b"authorization")}
    found.update(_bare(value) for name in _FIELDS for value in head.get_all(name))
    found.update(_query_keys(head.target))
    found.update(word[len(_KEY_PROTOCOL) :] for word in _offered(head) if word.startswith(_KEY_PROTOCOL))
    return found - {b""}


def _authorized(value: bytes) -> bytes:
    scheme, _, rest = value.partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.strip()
    return value if value.startswith(b"sk-") else b""


def _offered(head: RequestHead) -> list[bytes]:
    """The sub-protocols of a WebSocket handshake."""
    return [word for line in head.get_all(_PROTOCOLS) for each in line.split(b",") if (word := each.strip(b" \t"))]


def _protocol_key(head: RequestHead) -> bytes:
    found = b""
    for word in _offered(head):
        if word.startswith(_KEY_PROTOCOL):
            found = _same(found, word[len(_KEY_PROTOCOL) :])
    return found


def _withhold(exchange: Exchange) -> None:
    """Let no sub-protocol go on that is a credential. The upstream chooses among the others, as the client expects."""
    offered = _offered(exchange.head)
    kept = [word for word in offered if not word.startswith(_ACCOUNT)]
    if len(kept) < len(offered):
        exchange.protocols = b"%b: %b\r\n" % (_PROTOCOLS, b", ".join(kept)) if kept else b""


def _bare(value: bytes) -> bytes:
    return value[7:].strip() if value[:7].lower() == b"bearer " else value


def _same(found: bytes, other: bytes) -> bytes:
    if found and other and found != other:
        raise BadRequest("two different credentials")
    return found or other


def _query_keys(target: bytes) -> Iterator[bytes]:
    for pair in target.partition(b"?")[2].split(b"&"):
        if _is_key(pair):
            yield unquote_to_bytes(pair.partition(b"=")[2])


def _is_key(pair: bytes) -> bool:
    name = pair.partition(b"=")[0]
    return (name if name.find(b"%") < 0 else unquote_to_bytes(name)) in _NAMES


def without_query_key(target: bytes) -> bytes:
    """The target without the client's credential, which must not travel on or into a log."""
    if target.find(b"?") < 0:
        return target
    path, mark, query = target.partition(b"?")
    pairs = query.split(b"&")
    kept = [pair for pair in pairs if not _is_key(pair)]
    if len(kept) == len(pairs):
        return target
    return path + mark + b"&".join(kept) if kept else path
