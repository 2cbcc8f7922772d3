"""Stored responses: what the Responses API remembers, for upstreams that remember nothing.

A translated reply is put on the shelf with all items that led to it, unless its client said `store: false`. The next
request may name it as `previous_response_id`, from any worker; get, delete and input_items work too. Bounded by the
shelf (memory only, six hours, the oldest go first): whoever needs more sends the items along, as with `store: false`.
"""

from __future__ import annotations

import hashlib
from time import time
from typing import TYPE_CHECKING, Any, Final

import orjson

from fastproxy.errors import BadRequest
from fastproxy.formats.openai_responses import input_items, output_items, with_history

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange

KEPT_S: Final = 6 * 3600


def remember(exchange: Exchange, body: dict[str, Any], reply: dict[str, Any]) -> None:
    """Put a reply away with the input that led to it; `body` is the request, with its history in `input`."""
    items = input_items(body)
    stored = orjson.dumps({"response": reply, "input": items, "history": [*items, *output_items(reply)]})
    now, world = int(time() * 1000), exchange.world
    world.shelf.put(world.slot, _key(exchange, reply["id"]), stored, now, now + KEPT_S * 1000)


def recall(exchange: Exchange, response_id: str) -> dict[str, Any] | None:
    """`{"response", "input", "history"}` of a stored response of this group."""
    packed = exchange.world.shelf.get(_key(exchange, response_id), int(time() * 1000))
    found: dict[str, Any] | None = orjson.loads(packed) if packed is not None else None
    return found


def forget(exchange: Exchange, response_id: str) -> None:
    exchange.world.shelf.delete(exchange.world.slot, _key(exchange, response_id), int(time() * 1000))


def with_previous(exchange: Exchange, body: dict[str, Any]) -> dict[str, Any]:
    """The request with the items that its previous response stands for. Raises: BadRequest when it is not here."""
    previous = body.get("previous_response_id")
    if not isinstance(previous, str):
        return body
    stored = recall(exchange, previous)
    if stored is None:
        text = f"field 'previous_response_id': previous response with id '{previous[:80]}' not found"
        raise BadRequest(text, kind="previous_response_not_found")
    return with_history(body, stored["history"])


def _key(exchange: Exchange, response_id: str) -> bytes:
    group = exchange.key.group if exchange.key is not None else ""
    named = f"{group}\0response\0{response_id}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(named, key=exchange.table.snapshot.secret, digest_size=16).digest()
