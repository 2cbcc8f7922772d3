"""Multipart forms: their beginning is held until the model is known; the files behind it stream as they are.

    held        … name="model" CRLF CRLF whisper-1 CRLF --B … │ streamed      file … --B--
                                          ^ another name goes here             watched, not kept

Where nothing depends on the model nothing is held. Official SDKs send plain fields before files, so that a kilobyte
will do; after MAX_HELD_BYTES a key that is limited to models is refused, and for others the form goes to whoever takes
any model. What was decided by a model must not be decided anew behind our back: where it has been looked at for a key's
or a channel's sake, the rest is read as well, and a second one refuses the request before its end is sent upstream.

A form for a channel that has its operation in another shape (one_shot.py) is the exception: it is held whole, up to
what such a channel takes in one request, within what the worker may hold (`limits.max_buffer`); and so is what is made
of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.errors import BadRequest, Denied, FormatError, Limited
from fastproxy.formats.form import FormReader, boundary_of
from fastproxy.formats.gemini_once import INLINE_BYTES
from fastproxy.gateway.admit import reads_model
from fastproxy.gateway.exchange import EARLY_PIECE_BYTES, Exchange
from fastproxy.gateway.table import UNIFIED

if TYPE_CHECKING:
    from fastproxy.formats.operations import Operation
    from fastproxy.gateway.table import Entry
    from fastproxy.gateway.world import World
    from fastproxy.wire.inbound import Inbound
    from fastproxy.wire.outbound import Outbound
    from fastproxy.wire.request_head import RequestHead

MAX_HELD_BYTES: Final = EARLY_PIECE_BYTES  # beyond it an exchange without a connection reads no more
MAX_FORM_BYTES: Final = INLINE_BYTES + MAX_HELD_BYTES  # of a form that is held whole: files, and fields beside them
_LATEST: Final = MAX_HELD_BYTES - 128  # where a model must have ended, so that it does not depend on how reads fall


def is_form(operation: Operation, head: RequestHead) -> bool:
    """Whether the model stands in a multipart body."""
    if operation.model != "form" or head.length == 0:
        return False
    return (head.get(b"content-type") or b"").lstrip().lower().startswith(b"multipart/form-data")


class FormExchange(Exchange):
    """An exchange whose body is read as it comes. `form` is None when there is nothing (more) to look for."""

    __slots__ = ("_announced", "_door", "decides", "form", "holding")

    def __init__(
        self, world: World, inbound: Inbound, head: RequestHead, body: bytes | memoryview, entry: Entry
    ) -> None:
        super().__init__(world, inbound, head, body, entry)
        self._announced = head.length
        self._door = entry
        self.form: FormReader | None = None
        self.holding = False
        self.decides = False  # a key or a channel depends on the model, not a log alone

    def body_piece(self, piece: bytes | memoryview) -> None:
        """Look, then pass on or keep; pieces that were kept come by once more on their way upstream."""
        if self.form is not None and self.bytes_in + len(piece) > self.form.size and not self.look(self.form, piece):
            return
        super().body_piece(piece)
        if self.holding:
            self.hold_bytes(len(piece))
            if not self.inbound.body_complete:  # else `body_end` is about to be called
                self.wake()

    def look(self, form: FormReader, piece: bytes | memoryview) -> bool:
        """Read on; False when the request has failed with that."""
        try:
            form.feed(piece)
        except FormatError as error:
            self.form = None
            if self.decides:
                self.client_failed(error)
                return False
        return True

    def seeks(self) -> bool:
        """Whether the model may be in what is still to come, and that may be waited for."""
        form = self.form
        if form is None or form.model is not None or form.closed:
            return False
        return self.bytes_in <= MAX_HELD_BYTES and not self.inbound.body_complete

    def pump_upload(self, outbound: Outbound) -> None:
        """A pump looks at nothing."""
        if self.form is None:
            super().pump_upload(outbound)

    def put_model(self, form: FormReader, name: str) -> None:
        """Ask for another model: in what is held and, where it is announced, in the length."""
        first, last = form.span
        body, value = self.body, name.encode()
        self.ask_else(b"".join((body[:first], value, body[last:])), self.target)
        self.grown = len(self.body) - len(body)
        if self._announced > 0:
            self.head.length = self._announced + self.grown

    def rewind(self) -> None:
        super().rewind()
        self.entry = self._door  # another attempt may have read the body
        self.grown, self.head.length = 0, self._announced


async def hold_model(exchange: FormExchange) -> None:
    """Fill `exchange.model`, if anything depends on it. Raises: FormatError, Denied (403), Limited (503)."""
    key, operation = exchange.key, exchange.operation
    if operation is None or not reads_model(exchange):
        return
    is_limited = key is not None and key.models is not None
    exchange.decides = is_limited or operation.format in exchange.table.decided_by_model
    exchange.form = form = _reader(exchange)
    if form is not None:
        await _hold(exchange, form)
    if form is not None and form.model is not None and form.span[1] <= _LATEST and exchange.form is form:
        exchange.model = form.model
    elif is_limited:
        raise Denied(_NO_MODEL, status=403, kind="forbidden")
    if not exchange.decides or not exchange.model:
        exchange.form = None


_NO_MODEL: Final = (
    "the key may use certain models only: field 'model' is missing in the form's first "
    f"{MAX_HELD_BYTES >> 10} KiB, put it before the files"
)


def _reader(exchange: FormExchange) -> FormReader | None:
    """A reader for this form; None when its content type says no boundary."""
    head = exchange.head
    try:
        if b"content-type" in head.shape.repeated:
            raise FormatError("the content type is given twice")
        boundary = boundary_of(head.get(b"content-type") or b"")
    except FormatError:
        if exchange.decides:
            raise
        return None
    return FormReader(boundary) if boundary is not None else None


async def _hold(exchange: FormExchange, form: FormReader) -> None:
    """Keep what comes in `exchange.body` until the model is known, or is not to be waited for any longer."""
    exchange.hold_bytes(len(exchange.body))
    exchange.look(form, exchange.body)
    exchange.check()
    exchange.holding = True
    while exchange.seeks():
        await exchange.pause()
    exchange.holding = False
    if exchange.pieces:
        exchange.body = b"".join((exchange.body, *exchange.pieces))
        exchange.pieces.clear()


async def hold_form(exchange: FormExchange) -> None:
    """Put the whole form into `exchange.body`. Raises: BadRequest (413), Limited (503), FormatError."""
    _check_size(max(exchange.head.length, exchange.bytes_in))
    exchange.entry = UNIFIED  # from here on it is a body that is read
    if not exchange.inbound.body_complete:
        _reserve(exchange, max(exchange.head.length, exchange.bytes_in))
        exchange.resume_early()
        while not exchange.inbound.body_complete:
            await exchange.pause()
    exchange.check()
    _check_size(exchange.bytes_in)  # of a chunked one it is known only now; `limits.max_body` has bounded it
    if exchange.pieces:
        exchange.body = b"".join((exchange.body, *exchange.pieces))
        exchange.pieces.clear()
        if exchange.asked is not None:  # an attempt before has put its own model into the beginning
            exchange.asked = (exchange.body, exchange.asked[1])


def hold_written(exchange: FormExchange) -> None:
    """Count what was made of a form, which is held beside it. Raises: Limited (503)."""
    _reserve(exchange, exchange.bytes_in + len(exchange.body))


def _reserve(exchange: FormExchange, count: int) -> None:
    """Count `count` bytes as held, before they come. Raises: Limited (503)."""
    missing, world = count - exchange.held_bytes, exchange.world
    if missing <= 0:
        return
    if world.buffered_bytes + missing > world.max_buffered_bytes:
        raise Limited("too many request bodies are held in memory", status=503, kind="overloaded", retry_after=1)
    exchange.held_bytes += missing
    world.buffered_bytes += missing


def _check_size(count: int) -> None:
    if count > MAX_FORM_BYTES:
        text = f"a form of {count} bytes is not translated: the channel takes {INLINE_BYTES >> 20} MiB in one request"
        raise BadRequest(text, status=413, kind="too_large")
