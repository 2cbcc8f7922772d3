"""Stored responses: what the Responses API remembers, for upstreams that remember nothing.

A translated reply is put on the shelf with all items that led to it, unless its client said `store: false`. The next
request may name it as `previous_response_id`, from any worker; get, delete and input_items work too. Bounded by the
shelf (some hours, the oldest go first): whoever needs more sends the items along, as with `store: false`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.errors import BadRequest
from fastproxy.formats import exact
from fastproxy.formats.openai_responses import input_items, output_items, referenced_ids, with_history
from fastproxy.gateway.owner import fetch_back, put_away, shelf_key

if TYPE_CHECKING:
    from fastproxy.gateway.asker import Asker

MAX_REFERENCED: Final = 64  # responses whose items one request may refer to


def remember(asker: Asker, body: dict[str, Any], reply: dict[str, Any]) -> bool:
    """Put a reply away with the input that led to it; `body` is the request, with its history in `input`.

    False when it is too large to be kept.
    """
    items = input_items(body)
    stored = exact.dumps({"response": reply, "input": items, "history": [*items, *output_items(reply)]})
    return put_away(asker, _key(asker, reply["id"]), stored)


def recall(asker: Asker, response_id: str) -> dict[str, Any] | None:
    """`{"response", "input", "history"}` of a stored response, if it is this key's and of a model it may use."""
    packed = fetch_back(asker, _key(asker, response_id))
    found: dict[str, Any] | None = exact.loads(packed) if packed is not None else None
    allowed = asker.key.models if asker.key is not None else None
    if found is None or (allowed is not None and found["response"].get("model") not in allowed):
        return None
    return found


def forget(asker: Asker, response_id: str) -> None:
    asker.world.shelf.delete(_key(asker, response_id))


def with_previous(asker: Asker, body: dict[str, Any]) -> dict[str, Any]:
    """The request with the items that its previous response, or its references, stand for. Raises: BadRequest when one
    is not here."""
    previous = body.get("previous_response_id")
    if not isinstance(previous, str):
        return _with_referenced(asker, body)
    stored = recall(asker, previous)
    if stored is None:
        text = f"field 'previous_response_id': previous response with id '{previous[:80]}' not found"
        raise BadRequest(text, kind="previous_response_not_found")
    return with_history(body, stored["history"])


def _with_referenced(asker: Asker, body: dict[str, Any]) -> dict[str, Any]:
    """The request with stored items in place of references to them: an item's id holds that of its response."""
    wanted = referenced_ids(body)
    if not wanted:
        return body
    names = dict.fromkeys(item_id.rpartition("_")[0].partition("_")[2] for item_id in wanted)
    if len(names) > MAX_REFERENCED:
        raise BadRequest(f"field 'input' refers to items of more than {MAX_REFERENCED} responses")
    found = (recall(asker, f"resp_{name}") for name in names if name)
    return with_history(body, [item for stored in found if stored is not None for item in stored["history"]])


def _key(asker: Asker, response_id: str) -> bytes:
    return shelf_key(asker, "response", response_id)
