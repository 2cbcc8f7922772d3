"""Station 2: who asks.

Credentials are looked up by keyed hash, so what is compared never depends on how much of a guess is right. A request
that brings two different credentials is refused: which of them counted would be anyone's guess.

Browsers cannot set fields on a WebSocket, so OpenAI's realtime clients offer their key as a sub-protocol beside the
real one: `realtime, openai-insecure-api-key.KEY`. It is read here and never travels on; the channel's own does.
"""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from fastproxy.errors import BadRequest, Denied
from fastproxy.gateway.table import EDGE, LOCAL, PROVIDER, Key
from fastproxy.snapshot import digest

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.wire.request_head import RequestHead

_FIELDS: Final = (b"x-api-key", b"api-key", b"x-goog-api-key")
_PROTOCOLS: Final = b"sec-websocket-protocol"
_KEY_PROTOCOL: Final = b"openai-insecure-api-key."
# What a sub-protocol tells of the client's account
_ACCOUNT: Final = (_KEY_PROTOCOL, b"openai-organization.", b"openai-project.")


def identify(exchange: Exchange) -> None:
    """Fill `exchange.key` where the door asks for one. Raises: Denied (401, 403), BadRequest."""
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
    table = exchange.table
    key = table.keys.get(digest(table.snapshot.secret, credential))
    if key is None:
        raise Denied("the key is not known here")
    if key.expires and time.time() > key.expires:
        raise Denied("the key has expired", status=403, kind="forbidden")
    if key.subnets and not _is_within(exchange.inbound.peer, key):
        raise Denied("the key may not be used from this address", status=403, kind="forbidden")
    return key


def _is_within(peer: str, key: Key) -> bool:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False  # a unix socket has no address
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in subnet for subnet in key.subnets)


def credential_of(head: RequestHead) -> bytes:
    """The client's credential, wherever its SDK puts it; b"" when there is none. Raises: BadRequest for two of them."""
    index, values = head.shape.index, head.values
    found = b""
    place = index.get(b"authorization")
    if place is not None:
        scheme, _, rest = values[place].partition(b" ")
        found = rest.strip() if scheme.lower() == b"bearer" else b""
    for name in _FIELDS:
        place = index.get(name)
        if place is not None:
            found = _same(found, _bare(values[place]))
    if head.target.find(b"key=") >= 0:
        found = _same(found, _query_key(head.target))
    if b"authorization" in head.shape.repeated or any(name in head.shape.repeated for name in _FIELDS):
        raise BadRequest("more than one credential of a kind")
    return found


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


def _query_key(target: bytes) -> bytes:
    for pair in target.partition(b"?")[2].split(b"&"):
        name, _, value = pair.partition(b"=")
        if name == b"key":
            return unquote_to_bytes(value)
    return b""


def without_query_key(target: bytes) -> bytes:
    """The target without `key=…`: it is the client's credential and must not travel on or into a log."""
    if target.find(b"key=") < 0:
        return target
    path, mark, query = target.partition(b"?")
    kept = [pair for pair in query.split(b"&") if pair.partition(b"=")[0] != b"key"]
    return path + mark + b"&".join(kept) if kept else path
