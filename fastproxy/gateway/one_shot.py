"""What is asked once and answered whole, of a channel that has it in another shape: embeddings, images, speech.

    route      attempt_for: who can be asked, and whether it must be asked in another shape
    translate  ask: the client's body, JSON or a form (form_body.py), becomes the upstream's
    deliver    WholeTaker: the upstream's reply becomes the client's

How, is in formats/one_shot.py; here is nothing of any shape.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any

from msgspec import structs

from fastproxy.errors import BadRequest
from fastproxy.formats import checked, exact
from fastproxy.formats.form_fields import read_form
from fastproxy.formats.one_shot import FOREIGN, OPERATIONS, formats, vendor_way, way
from fastproxy.formats.question import Question, Wish
from fastproxy.gateway.bounds import check_depth, check_model, load_bounded
from fastproxy.gateway.form_body import FormExchange, hold_written

if TYPE_CHECKING:
    from fastproxy.formats.operations import Operation
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.gateway.table import Attempt, Channel


class OneShot:
    """One exchange of this kind: what `Translation` is for chat."""

    __slots__ = ("losses", "question")

    def __init__(self) -> None:
        self.losses: tuple[str, ...] = ()
        self.question: Question | None = None  # to the attempt in hand

    @property
    def is_stream(self) -> bool:
        return False


def is_one_shot(operation: Operation | None) -> bool:
    """Whether there is a way to ask somebody for it in another shape."""
    return operation is not None and operation.name in OPERATIONS


def attempt_for(channel: Channel, operation: Operation) -> Attempt | None:
    """The attempt for such an operation: as it is, or in the channel's own shape; None when it has neither."""
    name, bridges = operation.name, {} if channel.deploys else channel.bridges
    if vendor_way(name, channel.provider) is not None:
        return bridges.get(operation.format) or next(iter(bridges.values()))
    if name not in FOREIGN and operation.format in channel.attempts:
        return channel.attempts[operation.format]
    return next((bridges[spoken] for spoken in formats(name) if spoken in bridges), None)


def ask(exchange: Exchange, attempt: Attempt) -> bytes:
    """The upstream's path, with what stands before it; `exchange.body` becomes the body. Raises: FormatError."""
    operation, one_shot = exchange.operation, exchange.translation
    assert operation is not None
    if not isinstance(one_shot, OneShot):
        one_shot = exchange.translation = OneShot()
    body = _fields(exchange)
    model = operation.path_model or checked.text(body, "model")
    if not model:
        raise BadRequest("field 'model' is missing: expected the name of a model")
    check_model(model)
    found = way(operation.name, attempt.provider, attempt.format)
    assert found is not None
    wish = Wish(body, model, attempt.rename.get(model, model), exchange.name().decode(), int(time()))
    question = found(wish)
    one_shot.question = structs.replace(question, body={})  # what is written need not be kept twice
    one_shot.losses = question.losses
    exchange.ask_else(exact.dumps(question.body), exchange.target)
    if isinstance(exchange, FormExchange):
        hold_written(exchange)
    return _base(attempt.prefix, question) + question.path.encode()


def _fields(exchange: Exchange) -> dict[str, Any]:
    """What the client's body says, be it JSON or a form. Raises: FormatError, BadRequest."""
    if isinstance(exchange, FormExchange):
        return read_form(exchange.body, exchange.head.get(b"content-type") or b"")
    body = load_bounded(bytes(exchange.body))
    check_depth(body)
    return body


def _base(prefix: bytes, question: Question) -> bytes:
    for ending in question.instead_of:
        if prefix.endswith(ending.encode()):
            return prefix[: -len(ending)]
    return prefix
