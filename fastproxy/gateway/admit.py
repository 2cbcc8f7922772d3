"""Station 3: may this key do this now.

Here: the models a key may use. Rates, tokens and money come with the limits; they are cells in shared memory and will
be reserved at this place, because after it nothing but the upstream can refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.errors import BadRequest, Denied
from fastproxy.formats.peek import peek
from fastproxy.formats.same_model import LARGE_BYTES, SameModel
from fastproxy.gateway.table import PROVIDER, UNIFIED

if TYPE_CHECKING:
    from fastproxy.formats.operations import Operation
    from fastproxy.gateway.exchange import Exchange


def admit(exchange: Exchange) -> None:
    """Fill `exchange.model` where it is needed; refuse what the key may not use. Raises: Denied (403), BadRequest."""
    operation = exchange.operation
    if exchange.entry is PROVIDER:
        if exchange.key is not None and exchange.key.models is not None:
            raise Denied("the key may use certain models only, not whole providers", status=403, kind="forbidden")
        return
    if operation is None:
        return
    if operation.path_model:
        exchange.model = operation.path_model
    elif exchange.entry is UNIFIED and reads_model(exchange):
        _read_model(exchange, operation)
    _check_model(exchange)


def reads_model(exchange: Exchange) -> bool:
    """Whether anything depends on the model: a channel, the key, or a record that shows it.

    Reading it from a 40 KB prompt takes 15 us, as long as everything else together, so nothing is read for nothing.
    """
    key, operation = exchange.key, exchange.operation
    if operation is not None and operation.model == "path":
        return False  # it is known without
    if key is not None and key.models is not None:
        return True
    is_written = exchange.world.log is not None or exchange.world.books is not None
    if operation is None or is_written:
        return is_written
    decided = exchange.table.decided_by_model
    return operation.format in decided or operation.name in decided


def _read_model(exchange: Exchange, operation: Operation) -> None:
    body, inbound = bytes(exchange.body), exchange.inbound
    last = inbound.memory
    if len(body) >= LARGE_BYTES and isinstance(last, SameModel) and last.surely_asked_by(body):
        exchange.model = last.model
        return
    found = peek(body)
    if found.model is None and operation.needs_model:
        raise BadRequest("field 'model' is missing: expected the name of a model")
    exchange.model = found.model or ""
    if found.model and len(body) >= LARGE_BYTES:
        inbound.memory = same = SameModel(found.model)
        same.learn(body)


def _check_model(exchange: Exchange) -> None:
    key, model = exchange.key, exchange.model
    if key is None or key.models is None:
        return
    unseen = exchange.tunnelled and exchange.operation is not None and exchange.operation.name == "responses"
    if model in key.models and not unseen:
        return
    if unseen:
        text = "the key may use certain models only, and on this websocket they are named in messages"
        raise Denied(text, status=403, kind="forbidden")
    if model:
        raise Denied(f"the key may not use model '{model[:100]}'", status=403, kind="forbidden")
    if exchange.head.method == b"POST" or exchange.tunnelled:
        raise Denied("the key may use certain models only, and the request names none", status=403, kind="forbidden")
