"""The tables of the ledger. They may live in a database of their own; nothing here refers to the configuration's.

    records           one row per admitted request: COLUMNS of record.py, and of which key and node
    attempts, bodies  what hangs on it: tries that did not serve; bodies, where a rule asked for them
    in_flight         begun, not ended: becomes a record, or an aborted one when its worker is dead
    journal_positions how far each worker's journal has been read: written with what was read, so each frame counts once
    rollup_*, usage   sums of the records, so that nobody ever has to scan them
    latency_*         histograms that belong to the roll-ups
    series            the texts of both

Times are Unix milliseconds UTC, latencies of sums microseconds (integers: their sums are exact), money USD. Sums are
keyed by names as they were, not by references to the configuration: what is deleted there keeps its history.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table

ledger_metadata = MetaData()


def _text(name: str, *, primary_key: bool = False) -> Column[str]:
    return Column(name, String, primary_key=primary_key, nullable=False)


def _whole(name: str, *, primary_key: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=primary_key, nullable=False, autoincrement=False)


def _id(name: str) -> Column[str]:
    return Column(name, String(32), primary_key=True, nullable=False)


records: Final = Table(
    "records",
    ledger_metadata,
    _id("request_id"),
    _whole("started_at"),
    *map(_text, ("group", "key_name", "model", "upstream_model", "channel", "provider")),
    *map(_text, ("client_format", "upstream_format", "operation")),
    Column("stream", Boolean, nullable=False),
    Column("status", Integer, nullable=False),
    _text("error_kind"),
    Column("attempts", Integer, nullable=False),
    *map(_whole, ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")),
    Column("estimated", Boolean, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("ttft_ms", Float),
    Column("duration_ms", Float, nullable=False),
    *map(_whole, ("gateway_us", "bytes_in", "bytes_out")),
    *map(_text, ("client_ip", "user_agent", "key_id", "node")),
)
# The three orders in which /api/logs reads. More of them would cost each insert more than they save.
Index("ix_records_time", records.c.started_at, records.c.request_id)
Index("ix_records_group", records.c.group, records.c.started_at, records.c.request_id)
Index("ix_records_key", records.c.key_id, records.c.started_at, records.c.request_id)

attempts: Final = Table(
    "attempts",
    ledger_metadata,
    _id("request_id"),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1; the one that served is in records
    _whole("started_at"),  # of the request, for retention
    *map(_text, ("channel", "provider", "upstream_model", "upstream_format")),
    Column("status", Integer, nullable=False),
    _text("error_kind"),
    Column("duration_ms", Float, nullable=False),
)
Index("ix_attempts_time", attempts.c.started_at)

bodies: Final = Table(
    "bodies",
    ledger_metadata,
    _id("request_id"),
    Column("side", Integer, primary_key=True, autoincrement=False),  # payloads.REQUEST or REPLY
    _whole("stored_at"),
    Column("truncated", Boolean, nullable=False),
    _whole("size"),  # of the whole body, of which data may be the beginning
    Column("data", LargeBinary, nullable=False),
)
Index("ix_bodies_time", bodies.c.stored_at)

in_flight: Final = Table(
    "in_flight",
    ledger_metadata,
    _id("request_id"),
    Column("journal", String(32), nullable=False),
    _whole("epoch"),
    _text("node"),
    _whole("started_at"),
    Column("kind", Integer, nullable=False),  # payloads.BEGIN or PROGRESS
    Column("payload", LargeBinary, nullable=False),  # the newest frame of it
)
Index("ix_in_flight_journal", in_flight.c.journal, in_flight.c.epoch)

journal_positions: Final = Table(
    "journal_positions",
    ledger_metadata,
    Column("journal", String(32), primary_key=True),  # its identity
    _text("node"),
    *map(_whole, ("epoch", "ring", "spill", "offset", "updated_at")),
)

# What is summed up per row. Status 0 is "none" (the client left first, or the worker died); 1xx are tunnels.
STATUS_CLASSES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
STATUS_EXACT: Final = (400, 429, 500)
TOKENS: Final = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
COUNTS: Final = (
    "requests",
    *(f"status_{name}" for name in STATUS_CLASSES),
    *(f"status_{number}" for number in STATUS_EXACT),
    *("errors", "aborted", "streams", "attempts", "estimated", "cache_hits"),
    *TOKENS,
    *("bytes_in", "bytes_out", "duration_us", "ttft_us", "ttft_requests", "gateway_us"),
)
SUMS: Final = (*COUNTS, "cost_usd")


def _sums(names: tuple[str, ...]) -> list[Column[int] | Column[float]]:
    return [_money() if name == "cost_usd" else _whole(name) for name in names]


def _money() -> Column[float]:
    return Column("cost_usd", Float, nullable=False)


# Who asked for what, and who served it: the texts of the roll-ups once, so that their rows are numbers. A name that
# changes is a new series. The id is a hash of the texts (admin/ledger/rollups.py), so nobody has to look it up.
SERIES: Final = ("group", "key_id", "key_name", "model", "channel")
series: Final = Table(
    "series",
    ledger_metadata,
    _whole("id", primary_key=True),
    *map(_text, SERIES),
    _whole("seen_at"),  # the last day on which it was written, for retention
)
Index("ix_series_time", series.c.seen_at)


def _rollup(name: str) -> Table:
    keys = (_whole("start_ms", primary_key=True), _whole("series", primary_key=True))
    # Without a row id the row lies in the index itself: half the writes, and what is read together lies together.
    return Table(name, ledger_metadata, *keys, *_sums(SUMS), sqlite_with_rowid=False)


def _latency(name: str) -> Table:
    keys = (_whole("start_ms", primary_key=True), _whole("series", primary_key=True))
    number = Column("bin", Integer, primary_key=True, autoincrement=False)  # admin/ledger/histogram.py
    counts = (_whole("durations"), _whole("ttfts"))
    return Table(name, ledger_metadata, *keys, number, *counts, sqlite_with_rowid=False)


rollup_minutes: Final = _rollup("rollup_minutes")
rollup_hours: Final = _rollup("rollup_hours")
latency_minutes: Final = _latency("latency_minutes")
latency_hours: Final = _latency("latency_hours")

USED: Final = ("requests", *TOKENS, "cost_usd")
usage: Final = Table(
    "usage",
    ledger_metadata,
    Column("owner", String(5), primary_key=True),  # key or group
    _text("owner_name", primary_key=True),  # a group's name; a key's id, or "group/name" for keys of the file
    Column("period", String(5), primary_key=True),  # day, month or total
    _whole("start_ms", primary_key=True),  # 0 for total
    *_sums(USED),
    sqlite_with_rowid=False,
)
Index("ix_usage_time", usage.c.period, usage.c.start_ms)  # for retention; nobody else reads across owners

ledger_state: Final = Table(
    "ledger_state",
    ledger_metadata,
    Column("name", String(32), primary_key=True),
    _whole("value"),
)
