"""What a reply cost whose upstream does not say it: estimated, and marked so, instead of nothing.

    no counts in a whole reply or stream, or      both sides are estimated
    nothing but zeros (OpenAI's formats)
    a stream broke off, or its client left        what was said so far, and all that was asked; Anthropic's beginning
                                                  says what was asked, so only the output is estimated

By the letters (formats/said.py), not with the tokenizer: this runs on the event loop, where a reply is settled and its
client has it already, and looks at 64 KiB of each side at most. Where usage is reported nothing of this is done.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from msgspec.structs import asdict

from fastproxy.formats.letters import estimate_json
from fastproxy.formats.said import asked, said, said_so_far
from fastproxy.formats.usage_fields import Estimated

if TYPE_CHECKING:
    from fastproxy.formats.usage_fields import Usage
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.gateway.watch import Meter, Seen

# Those whose tokens are texts. Pictures and sound are charged otherwise, moderations not at all.
ESTIMATED: Final = frozenset(
    ("chat_completions", "completions", "responses", "responses_compact", "messages", "generateContent",
     "streamGenerateContent", "generateAnswer", "embeddings", "embedContent", "batchEmbedContents", "v2_embed",
     "rerank", "v2_rerank")
)  # fmt: skip
UNREAD_BYTES: Final = 1 << 20  # of a prompt that is not here any more; what is larger has files in it
_BYTES_PER_TOKEN: Final = 4
# What a body of an unforeseen shape shows itself as.
_UNFORESEEN: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_log = logging.getLogger("fastproxy")
_ERROR: Final = b'"error"'  # some say it with a 200; in what a model says, its quotes are escaped


def so_far(exchange: Exchange) -> Usage | None:
    """What a reply that is under way has cost until now."""
    usage = exchange.meter.finish() if exchange.meter is not None else None
    return supplemented(exchange, usage, is_cut=True)


def supplemented(exchange: Exchange, usage: Usage | None, *, is_cut: bool = False) -> Usage | None:
    """`usage` as far as it is the upstream's, else an estimate; None where there is nothing to estimate from.

    `is_cut`: the reply is not all there; of one that broke off, the exchange knows.
    """
    operation, meter = exchange.operation, exchange.meter
    if operation is None or meter is None or operation.name not in ESTIMATED:
        return usage
    try:
        return _supplemented(exchange, meter, usage, is_cut=is_cut)
    except _UNFORESEEN:  # no record, and no client, must wait for an estimate
        _log.exception("what a reply has cost cannot be estimated")
        return usage


def _supplemented(exchange: Exchange, meter: Meter, usage: Usage | None, *, is_cut: bool) -> Usage | None:
    wire_format, is_cut = exchange.metered_as(), is_cut or bool(exchange.error_kind)
    if usage is not None and not (is_cut and wire_format == "anthropic"):
        return usage
    seen = meter.seen()
    output = _output(wire_format, seen, seen.total or exchange.bytes_out)
    if usage is not None:
        return _finished(usage, seen, output)
    if not output and (is_cut or _ERROR in seen.text):
        return None  # it failed before it said anything
    return Estimated(_input(exchange), output=output)


def _output(wire_format: str, seen: Seen, total: int) -> int:
    if seen.is_stream:
        return said_so_far(wire_format, seen.text, total)
    if len(seen.text) < total:  # the end of a large one
        return estimate_json(seen.text) * total // max(1, len(seen.text))
    return said(wire_format, seen.text)


def _finished(usage: Usage, seen: Seen, output: int) -> Usage:
    """Anthropic's counts of a stream that broke off: message_start knows the input, message_delta the output."""
    if b'"message_delta"' in seen.text or output <= usage.output:
        return usage
    return Estimated(**asdict(usage) | {"output": output})


def _input(exchange: Exchange) -> int:
    """From the client's own body, whatever was made of it; from its size where it was passed on and is gone."""
    body = exchange.asked[0] if exchange.asked is not None else exchange.body
    if len(body) >= exchange.bytes_in:
        return asked(bytes(body))
    return min(exchange.bytes_in, UNREAD_BYTES) // _BYTES_PER_TOKEN
