"""Stored responses: what the Responses API remembers, for upstreams that remember nothing.

A translated reply is put on the shelf with all items that led to it, unless its client said `store: false`. The next
request may name it as `previous_response_id`, from any worker; get, delete and input_items work too. Bounded by the
shelf (memory only, six hours, the oldest go first): whoever needs more sends the items along, as with `store: false`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from fastproxy.errors import BadRequest
from fastproxy.formats.openai_responses import input_items, output_items, with_history
from fastproxy.gateway.owner import fetch_back, put_away, shelf_key

if TYPE_CHECKING:
    from fastproxy.gateway.exchange import Exchange


def remember(exchange: Exchange, body: dict[str, Any], reply: dict[str, Any]) -> bool:
    """Put a reply away with the input that led to it; `body` is the request, with its history in `input`.

    False when it is too large to be kept.
    """
    items = input_items(body)
    stored = orjson.dumps({"response": reply, "input": items, "history": [*items, *output_items(reply)]})
    return put_away(exchange, _key(exchange, reply["id"]), stored)


def recall(exchange: Exchange, response_id: str) -> dict[str, Any] | None:
    """`{"response", "input", "history"}` of a stored response, if it is this key's and of a model it may use."""
    packed = fetch_back(exchange, _key(exchange, response_id))
    found: dict[str, Any] | None = orjson.loads(packed) if packed is not None else None
    allowed = exchange.key.models if exchange.key is not None else None
    if found is None or (allowed is not None and found["response"].get("model") not in allowed):
        return None
    return found


def forget(exchange: Exchange, response_id: str) -> None:
    exchange.world.shelf.delete(_key(exchange, response_id))


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
    return shelf_key(exchange, "response", response_id)
