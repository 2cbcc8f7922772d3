"""What the gateway answers by itself for somebody it knows: a key's models, stored responses, estimates of tokens.

Only where it knows the whole answer; everything else is the upstream's to answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.errors import BadRequest, NoRoute
from fastproxy.formats import exact
from fastproxy.formats.model_lists import model_list, model_object
from fastproxy.gateway.counting import counted
from fastproxy.gateway.local import write
from fastproxy.gateway.stored import forget, recall

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastproxy.formats.operations import Operation
    from fastproxy.gateway.exchange import Exchange

    Give = Callable[[Exchange, Operation], dict[str, Any] | None]


def answer_known(exchange: Exchange) -> Coroutine[Any, Any, bool] | None:
    """What writes the reply, if it is ours to give; it says False when it is not. Nothing is awaited for the others.

    Raises, when awaited: NoRoute (404), BadRequest.
    """
    operation = exchange.operation
    if operation is None:
        return None
    give = _ANSWERS.get(operation.name)
    if give is not None:
        return _answer(exchange, operation, give)
    return _count(exchange, operation) if operation.name in _COUNTED else None


async def _answer(exchange: Exchange, operation: Operation, give: Give) -> bool:
    found = give(exchange, operation)
    if found is None:
        return False
    write(exchange, 200, b"application/json", exact.dumps(found))
    return True


def _models(exchange: Exchange, operation: Operation) -> dict[str, Any] | None:
    models = _listed(exchange)
    return None if models is None else model_list(operation.format, models, exchange.table.created)


def _model(exchange: Exchange, operation: Operation) -> dict[str, Any] | None:
    models = _listed(exchange)
    if models is None or operation.action or exchange.head.method not in (b"GET", b"HEAD"):
        return None
    name = operation.path_model or ""
    owner = dict(models).get(name)
    if owner is None:
        if exchange.table.offer_for(exchange.key).takes_any:
            return None  # a pattern of the key's allows it, and no channel of ours names it
        raise NoRoute(f"model '{name[:100]}' does not exist or the key may not use it", kind="model_not_found")
    return model_object(operation.format, name, owner, exchange.table.created)


def _listed(exchange: Exchange) -> list[tuple[str, str]] | None:
    """The models that this key can use, with their vendors; None when a channel takes any and only it knows which."""
    key = exchange.key
    return exchange.table.offer_for(key).models(key.models if key is not None else None)


def _stored(exchange: Exchange, operation: Operation) -> dict[str, Any] | None:
    """The response that is asked for; None where a channel may know it. Raises: NoRoute (404)."""
    response_id = _id_of(operation)
    stored = recall(exchange, response_id)
    if stored is None and not exchange.table.offer_for(exchange.key).speaks(operation.format):
        raise NoRoute(f"response with id '{response_id[:80]}' not found")
    return stored


def _response(exchange: Exchange, operation: Operation) -> dict[str, Any] | None:
    stored = _stored(exchange, operation)
    if stored is None:
        return None
    if exchange.head.method == b"DELETE":
        response_id = _id_of(operation)
        forget(exchange, response_id)
        return {"id": response_id, "object": "response", "deleted": True}
    response: dict[str, Any] = stored["response"]
    return response


def _cancelled(exchange: Exchange, operation: Operation) -> dict[str, Any] | None:
    if _stored(exchange, operation) is None:
        return None
    raise BadRequest("only background responses can be cancelled, and this one is complete")


def _input_items(exchange: Exchange, operation: Operation) -> dict[str, Any] | None:
    stored = _stored(exchange, operation)
    if stored is None:
        return None
    items = [item if "id" in item else {"id": f"item_{place}", **item} for place, item in enumerate(stored["input"])]
    ends = (items[0]["id"], items[-1]["id"]) if items else (None, None)
    return {"object": "list", "data": items[::-1], "first_id": ends[1], "last_id": ends[0], "has_more": False}


async def _count(exchange: Exchange, operation: Operation) -> bool:
    """An estimate, where no channel can be asked in the client's own format."""
    if exchange.table.offer_for(exchange.key).speaks(operation.format):
        return False
    tokens = await exchange.wait(counted(operation, bytes(exchange.body), exchange.table))
    body = exact.dumps(_COUNTED[operation.name] | {_TOTALS.get(operation.format, "input_tokens"): tokens})
    write(exchange, 200, b"application/json", body, b"x-fastproxy-estimated: 1\r\n")
    return True


def _id_of(operation: Operation) -> str:
    return operation.upstream_path.partition(b"?")[0].split(b"/")[2].decode("latin-1")


_ANSWERS: Final[dict[str, Give]] = {
    "models": _models,
    "model": _model,
    "responses_id": _response,
    "responses_id_cancel": _cancelled,
    "responses_id_input_items": _input_items,
}
# what counts tokens → the rest of its reply
_COUNTED: Final[dict[str, dict[str, Any]]] = {
    "messages_count_tokens": {},
    "responses_input_tokens": {"object": "response.input_tokens"},
    "countTokens": {},
}
_TOTALS: Final = {"gemini": "totalTokens"}
