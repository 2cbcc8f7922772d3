"""The books of an exchange: what is written down so that every admitted request leaves exactly one record.

    BEGIN      before the first byte goes upstream
    PROGRESS   once a second while a reply is long
    END        before the client has the last byte, whichever way the exchange ends

They go into the worker's journal (shared/journal), which outlives the worker; admin's collector makes rows of them. An
exchange is admitted when nothing but the upstream can refuse it any more; what is refused before leaves no record. A
worker without a journal (no admin process to read it) keeps no books, and edge routes and our own pages never do.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns, time
from typing import TYPE_CHECKING, Final

from fastproxy.errors import Limited
from fastproxy.formats.usage_fields import NOTHING, Estimated
from fastproxy.gateway.bodies import write_bodies
from fastproxy.gateway.unreported import so_far, supplemented
from fastproxy.payloads import (
    BEGIN,
    BODY_HEAD,
    END,
    PROGRESS,
    Context,
    Unusual,
    end_payload,
    flags,
    pack_begin,
)
from fastproxy.payloads import pack_context as pack
from fastproxy.payloads import text as short
from fastproxy.shared import rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.formats.usage_fields import Usage
    from fastproxy.gateway.asker import Asker
    from fastproxy.gateway.exchange import Exchange
    from fastproxy.gateway.table import Attempt, Key
    from fastproxy.gateway.world import World
    from fastproxy.shared.journal import Journal

    # key, format and name of the operation, model, address of the client, its user agent
    Said = tuple[Key | None, tuple[str, str], str, str, bytes]

MAX_LATE: Final = 10_000  # ENDs that wait for room in the journal: more than a worker has exchanges under way
MAX_PROGRESS: Final = 64  # of one tick, 50 us each
PROGRESS_NS: Final = 1_000_000_000
MAX_CONTEXTS: Final = 256  # packed texts that are remembered for each attempt of a table
MAX_REMEMBERED: Final = 512  # bytes of what a client chooses in one of them
_FORMATS: Final = {name: rows.TOKENS + place * len(rows.TOKEN_KINDS) for place, name in enumerate(rows.FORMATS)}
_REFUSED: Final = "requests cannot be recorded now, so none are taken; the operator's log says why"


class Books:
    """One worker's. `refuses`: no request is taken that cannot be written down; else it is served and counted."""

    __slots__ = ("_late", "journal", "lost", "refuses")

    def __init__(self, journal: Journal | None = None, *, refuses: bool) -> None:
        """`journal` is None as long as none is to be had."""
        self.journal = journal
        self.refuses = refuses
        self.lost = 0  # records: their ENDs found no room even here
        self._late: deque[bytes] = deque()

    def begin(self, payload: bytes) -> bool:
        """False when the request must not go on."""
        journal = self.journal
        if journal is None or not journal.is_open:
            return not self.refuses
        return journal.append(BEGIN, payload) or not self.refuses

    def end(self, payload: bytes) -> None:
        """What finds no room waits: its request has been served."""
        journal = self.journal
        if self._late or journal is None or not journal.is_open or not journal.append(END, payload):
            if len(self._late) < MAX_LATE:
                self._late.append(payload)
            else:
                self.lost += 1

    def note(self, kind: int, payload: bytes) -> None:
        """What is worth having, and no record depends on."""
        if self.journal is not None and self.journal.is_open:
            self.journal.append(kind, payload)

    @property
    def largest_body(self) -> int:
        """Bytes of a body that one frame takes; a small ring takes small ones only."""
        return self.journal.max_payload - BODY_HEAD if self.journal is not None else 0

    def tick(self) -> None:
        """Ten times a second."""
        if self.journal is not None:
            self.journal.tick()
            while self._late and self.journal.is_open and self.journal.append(END, self._late[0]):
                self._late.popleft()

    def progress(self, exchanges: Iterable[Exchange]) -> None:
        """Write down how far those exchanges are whose replies have begun, if nobody has for a second."""
        now = perf_counter_ns()
        due = [exchange for exchange in exchanges if _is_long(exchange, now)]
        if len(due) > MAX_PROGRESS:
            due.sort(key=_last_noted)  # else it would always be the same ones' turn
        for exchange in due[:MAX_PROGRESS]:
            exchange.noted_at = now
            self.note(PROGRESS, _so_far(exchange, (now - exchange.started) // 1000))


def _is_long(exchange: Exchange, now: int) -> bool:
    """Whether it is recorded, its reply is under way, and nobody has written down for a second how far it is."""
    is_open = exchange.admitted and exchange.status and exchange.duration_us < 0
    return bool(is_open) and now - exchange.noted_at >= PROGRESS_NS


def _last_noted(exchange: Exchange) -> int:
    return exchange.noted_at or exchange.started


def open_books(exchange: Exchange, attempt: Attempt) -> None:
    """Write the BEGIN of an exchange that is about to go to `attempt`. Raises: Limited (503)."""
    books = exchange.world.books
    if books is None or exchange.begun_at:
        return
    exchange.begun_at = int(time() * 1000)
    exchange.context = context_of(exchange, attempt, exchange.client_ip(), agent_of(exchange))
    exchange.context_for = attempt
    if not books.begin(pack_begin(exchange.name(), exchange.begun_at, exchange.bytes_in) + exchange.context):
        exchange.admitted = False  # it is refused, and leaves nothing
        raise Limited(_REFUSED, status=503, kind="overloaded", retry_after=1)


def close_books(exchange: Exchange) -> None:
    """Note what the exchange has cost and how it ended, once. To be called before its client has the last byte."""
    if exchange.duration_us >= 0:
        return
    exchange.duration_us = (perf_counter_ns() - exchange.started) // 1000
    exchange.gateway_us = exchange.own_us()
    exchange.count_payload()
    _read_meter(exchange)
    note_left(exchange)
    books = exchange.world.books
    if books is not None and exchange.admitted:
        if exchange.kept is not None:
            write_bodies(exchange, exchange.kept)
        unusual = None
        if exchange.error_kind or exchange.earlier:
            unusual = Unusual(exchange.error_kind, exchange.earlier)
        numbers = numbers_of(exchange, exchange.usage, (exchange.duration_us, exchange.gateway_us))
        books.end(end_payload(exchange.name(), numbers, unusual, _context(exchange)))


def note_left(exchange: Exchange) -> None:
    """A client that is gone, though its reply was read to the end, and cost what that says."""
    if exchange.left and not exchange.error_kind:
        exchange.error_kind = "client_closed"


def _read_meter(exchange: Exchange) -> None:
    if exchange.meter is None or exchange.operation is None:
        return
    usage = exchange.meter.finish()  # also of a reply that broke off: what it reported was used
    if usage is None or exchange.error_kind:
        usage = supplemented(exchange, usage)
    exchange.usage = usage
    exchange.meter = None  # a translation's knows the exchange: a cycle, which only the collector would find
    count_usage(exchange.world, exchange.metered_as(), usage)


def count_usage(world: World, wire_format: str, usage: Usage | None) -> None:
    """Tokens by the format that reported them, or should have; a reply without is counted as unread."""
    counts = world.counts
    if usage is None:
        counts[rows.USAGE_UNREAD] += 1
        return
    if type(usage) is Estimated:
        counts[rows.USAGE_ESTIMATED] += 1
    first = _FORMATS[wire_format]
    counts[first] += usage.input
    counts[first + 3] += usage.output
    if usage.cache_read or usage.cache_write:
        counts[first + 1] += usage.cache_read
        counts[first + 2] += usage.cache_write
    if usage.reasoning:
        counts[first + 4] += usage.reasoning


# --- what is written --------------------------------------------------------------------------------------------------


def context_of(asker: Asker, attempt: Attempt | None, client_ip: str, agent: bytes) -> bytes:
    """The texts of a record, packed: who asks whom for what. Clients repeat themselves, and so do their texts."""
    operation, model = asker.operation, asker.model
    asked = (operation.format, operation.name) if operation is not None else ("", "")
    said = (asker.key, asked, model, client_ip, agent)
    if attempt is None:
        return _packed(said, ("", "", "", asked[0]))
    packed = attempt.contexts.get(said)
    if packed is None:
        upstream_model = short(attempt.rename.get(model, model))
        packed = _packed(said, (upstream_model, attempt.channel, attempt.provider, attempt.format or asked[0]))
        if len(model) + len(agent) <= MAX_REMEMBERED:
            if len(attempt.contexts) >= MAX_CONTEXTS:
                attempt.contexts.clear()
            attempt.contexts[said] = packed
    return packed


def _packed(said: Said, upstream: tuple[str, str, str, str]) -> bytes:
    key, (spoken, operation), model, client_ip, agent = said
    group, name, key_id = (key.group, key.name, key.id) if key is not None else ("", "", "")
    upstream_model, channel, provider, upstream_format = upstream
    return pack(Context(group, name, key_id, short(model), upstream_model, channel, provider, spoken, upstream_format,
                        operation, client_ip, short(agent.decode("latin-1"))))  # fmt: skip


def agent_of(exchange: Exchange) -> bytes:
    return exchange.head.get(b"user-agent") or b""


def _context(exchange: Exchange) -> bytes:
    """As at the beginning, unless another attempt has served; for what never went upstream, made now."""
    if not exchange.context or exchange.context_for is not exchange.attempt:
        exchange.context = context_of(exchange, exchange.attempt, exchange.client_ip(), agent_of(exchange))
    return exchange.context


def numbers_of(exchange: Exchange, usage: Usage | None, took_us: tuple[int, int]) -> tuple[float, ...]:
    """In the order of `Numbers`, without its names: making one takes as long as all the rest. `took_us`: in all, and of
    that here."""
    duration_us, gateway_us = took_us
    started_at = exchange.begun_at or int(time() * 1000) - duration_us // 1000
    marks = flags(exchange.is_stream(), type(usage) is Estimated)
    ttft_us = (exchange.first_byte - exchange.started) // 1000 if exchange.first_byte else -1
    cost = usage or NOTHING
    counts = (cost.input, cost.cache_read, cost.cache_write, cost.output, cost.reasoning)
    return (started_at, exchange.status, marks, exchange.attempts_made, *counts, 0.0, ttft_us, duration_us, gateway_us,
            exchange.bytes_in, exchange.bytes_out)  # fmt: skip


def _so_far(exchange: Exchange, duration_us: int) -> bytes:
    exchange.count_payload()
    unusual = Unusual("", exchange.earlier) if exchange.earlier else None
    numbers = numbers_of(exchange, so_far(exchange), (duration_us, exchange.own_us()))
    return end_payload(exchange.name(), numbers, unusual, _context(exchange))
