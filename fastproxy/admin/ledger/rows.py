"""From what the journal says to rows of `records` and `attempts`. Pure.

Nothing that stands in a payload may stop the ledger: a text that PostgreSQL does not take (a NUL) or no index holds is
changed, and a count that would overflow a sum is cut. Otherwise one hostile request would be a row that fails forever,
and everything behind it in the journal would wait.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple

from fastproxy.gateway.unreported import ESTIMATED
from fastproxy.payloads import BEGIN, Context, decode_begin, decode_end

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.payloads import Begun, Ended

ABORTED: Final = "aborted"  # the error kind of a request whose worker died
LARGEST: Final = 10**12  # of any count: nine million of them fit into a sum
_LATEST: Final = 253_402_300_799_999  # the last millisecond of the year 9999
_LONGEST: Final = 256  # characters of a text; an index of PostgreSQL takes 2,700 bytes
_BYTES_PER_TOKEN: Final = 4
_PROMPT_BYTES: Final = 1 << 20  # what is larger has files in it, and says nothing about tokens


class Row(NamedTuple):
    """One row of `records`, in the order of its columns."""

    request_id: str
    started_at: int
    group: str
    key_name: str
    model: str
    upstream_model: str
    channel: str
    provider: str
    client_format: str
    upstream_format: str
    operation: str
    stream: bool
    status: int
    error_kind: str
    attempts: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost_usd: float
    ttft_ms: float | None
    duration_ms: float
    gateway_us: int
    bytes_in: int
    bytes_out: int
    client_ip: str
    user_agent: str
    key_id: str
    node: str


class AttemptRow(NamedTuple):
    """One row of `attempts`, in the order of its columns."""

    request_id: str
    number: int
    started_at: int
    channel: str
    provider: str
    upstream_model: str
    upstream_format: str
    status: int
    error_kind: str
    duration_ms: float


def request_id_of(payload: bytes) -> str:
    """The id at the start of every payload. Raises: ValueError."""
    request_id = payload[:32].decode("ascii")
    if len(request_id) != 32 or not request_id.isalnum():
        raise ValueError(f"not a request id: {request_id!r}")
    return request_id


def row_of(ended: Ended, node: str) -> Row:
    numbers, context = ended.numbers, _storable(ended.context)
    tokens = numbers[4:9]
    if min(tokens) < 0 or max(tokens) > LARGEST:
        asked, read, written, said, thought = map(_whole, tokens)
    else:
        asked, read, written, said, thought = tokens
    return Row(
        ended.request_id,
        _moment(numbers.started_at),
        context.group,
        context.key_name,
        context.model,
        context.upstream_model,
        context.channel,
        context.provider,
        context.client_format,
        context.upstream_format,
        context.operation,
        ended.stream,
        numbers.status,
        _short(ended.unusual.error_kind),
        numbers.attempts,
        asked,
        read,
        written,
        said,
        thought,
        ended.estimated,
        numbers.cost_usd if isfinite(numbers.cost_usd) else 0.0,
        min(numbers.ttft_us, LARGEST) / 1000 if numbers.ttft_us >= 0 else None,
        _whole(numbers.duration_us) / 1000,
        _whole(numbers.gateway_us),
        _whole(numbers.bytes_in),
        _whole(numbers.bytes_out),
        context.client_ip,
        context.user_agent,
        context.key_id,
        node,
    )


def attempts_of(ended: Ended) -> Iterable[AttemptRow]:
    """The tries that did not serve; a number that comes twice is the same try."""
    found = {}
    for each in ended.unusual.earlier:
        found[each.number] = AttemptRow(
            ended.request_id,
            each.number & 0x7FFFFFFF,
            _moment(ended.numbers.started_at),
            _short(each.channel),
            _short(each.provider),
            _short(each.upstream_model),
            _short(each.upstream_format),
            each.status & 0x7FFFFFFF,
            _short(each.error_kind),
            _whole(each.duration_us) / 1000,
        )
    return found.values()


def aborted_row(kind: int, payload: bytes, node: str) -> Row:
    """The record of a request whose end never came, from the newest that is known of it.

    Raises: ValueError for a payload that cannot be read.
    """
    if kind == BEGIN:
        return _aborted_begin(decode_begin(payload), node)
    row = row_of(decode_end(payload), node)
    seen = row.input_tokens or _asked(row.operation, row.bytes_in)
    return row._replace(status=0, error_kind=ABORTED, input_tokens=seen, estimated=True)


def _aborted_begin(begun: Begun, node: str) -> Row:
    c, bytes_in = _storable(begun.context), _whole(begun.bytes_in)
    texts = (c.group, c.key_name, c.model, c.upstream_model, c.channel, c.provider)
    formats = (c.client_format, c.upstream_format, c.operation)
    head = (begun.request_id, _moment(begun.started_at), *texts, *formats)
    tokens = (_asked(c.operation, bytes_in), 0, 0, 0, 0)
    # One attempt was about to be made; nobody knows whether as a stream, how long it took, and what came of it.
    return Row(
        *head, False, 0, ABORTED, 1, *tokens, True, 0.0, None, 0.0, 0, bytes_in, 0, c.client_ip, c.user_agent, c.key_id,
        node,
    )  # fmt: skip


def _asked(operation: str, bytes_in: int) -> int:
    """Input tokens by the size of the request, where texts are what is charged."""
    return min(bytes_in, _PROMPT_BYTES) // _BYTES_PER_TOKEN if operation in ESTIMATED else 0


def _whole(value: int) -> int:
    return value if 0 <= value <= LARGEST else 0 if value < 0 else LARGEST


def _moment(value: int) -> int:
    return value if 0 <= value <= _LATEST else 0


def _short(text: str) -> str:
    return text[:_LONGEST].replace("\0", "\ufffd")


def _storable(context: Context) -> Context:
    c = context
    together = "".join(
        (c.group, c.key_name, c.key_id, c.model, c.upstream_model, c.channel, c.provider, c.client_format,
         c.upstream_format, c.operation, c.client_ip, c.user_agent)
    )  # fmt: skip
    if len(together) <= _LONGEST and "\0" not in together:
        return context
    return Context(*(_short(getattr(c, name)) for name in Context.__struct_fields__))
