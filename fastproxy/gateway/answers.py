"""What the gateway answers by itself for somebody it knows: a key's models, stored responses, estimates of tokens.

Only where it knows the whole answer; everything else is the upstream's to answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from fastproxy.errors import BadRequest, NoRoute
from fastproxy.formats import checked
from fastproxy.formats.estimate import estimate
from fastproxy.formats.model_lists import model_list, model_object
from fastproxy.formats.registry import CHAT
from fastproxy.gateway.local import write
from fastproxy.gateway.stored import forget, recall

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.formats.operations import Operation
    from fastproxy.gateway.exchange import Exchange


def answer_known(exchange: Exchange) -> bool:
    """Write the reply, if it is ours to give. Raises: NoRoute (404), BadRequest."""
    operation = exchange.operation
    give = _ANSWERS.get(operation.name) if operation is not None else None
    if give is None or operation is None:
        return False
    found = give(exchange, operation)
    if found is None:
        return False
    lines = b"x-fastproxy-estimated: 1\r\n" if give is _count else b""
    write(exchange, 200, b"application/json", orjson.dumps(found), lines)
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
        raise NoRoute(f"model '{name[:100]}' does not exist or the key may not use it", kind="model_not_found")
    return model_object(operation.format, name, owner, exchange.table.created)


def _listed(exchange: Exchange) -> list[tuple[str, str]] | None:
    """The models that this key can use, with their vendors; None when a channel takes any and only it knows which."""
    served, key = exchange.table.listed_models, exchange.key
    allowed = key.models if key is not None else None
    if served is None:
        return [(name, "") for name in sorted(allowed)] if allowed is not None else None
    return [(name, owner) for name, owner in served if allowed is None or name in allowed]


def _response(exchange: Exchange, operation: Operation) -> dict[str, Any] | None:
    response_id = _id_of(operation)
    stored = recall(exchange, response_id)
    if stored is None:
        return None
    if exchange.head.method == b"DELETE":
        forget(exchange, response_id)
        return {"id": response_id, "object": "response", "deleted": True}
    response: dict[str, Any] = stored["response"]
    return response


def _cancelled(exchange: Exchange, operation: Operation) -> dict[str, Any] | None:
    if recall(exchange, _id_of(operation)) is None:
        return None
    raise BadRequest("only background responses can be cancelled, and this one is complete")


def _input_items(exchange: Exchange, operation: Operation) -> dict[str, Any] | None:
    stored = recall(exchange, _id_of(operation))
    if stored is None:
        return None
    items = [item if "id" in item else {"id": f"item_{place}", **item} for place, item in enumerate(stored["input"])]
    ends = (items[0]["id"], items[-1]["id"]) if items else (None, None)
    return {"object": "list", "data": items[::-1], "first_id": ends[1], "last_id": ends[0], "has_more": False}


def _count(exchange: Exchange, operation: Operation) -> dict[str, Any] | None:
    """An estimate, where no channel can be asked in the client's own format."""
    if any(operation.format in channel.formats for channel in exchange.table.channels):
        return None
    body = checked.load(bytes(exchange.body))
    if operation.format == "gemini":
        inner = body.get("generateContentRequest")
        body = inner if isinstance(inner, dict) else body
    request = CHAT[operation.format].read_request(body, model=operation.path_model or "", stream=False)
    tokens = estimate(request)
    if operation.format == "gemini":
        return {"totalTokens": tokens}
    if operation.format == "anthropic":
        return {"input_tokens": tokens}
    return {"object": "response.input_tokens", "input_tokens": tokens}


def _id_of(operation: Operation) -> str:
    return operation.upstream_path.partition(b"?")[0].split(b"/")[2].decode("latin-1")


_ANSWERS: Final[dict[str, Callable[[Exchange, Operation], dict[str, Any] | None]]] = {
    "models": _models,
    "model": _model,
    "responses_id": _response,
    "responses_id_cancel": _cancelled,
    "responses_id_input_items": _input_items,
    "messages_count_tokens": _count,
    "responses_input_tokens": _count,
    "countTokens": _count,
}
