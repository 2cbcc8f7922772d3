"""Records, what hangs on them, where the journals were left, and all sums: the first tables.

As they were then: a later change of ledger_tables.py belongs into a migration of its own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "l0001"
down_revision = None

_TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
_SUMS = (
    *("requests", "status_none", "status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx"),
    *("status_400", "status_429", "status_500"),
    *("errors", "aborted", "streams", "attempts", "estimated", "cache_hits"),
    *_TOKENS,
    *("bytes_in", "bytes_out", "duration_us", "ttft_us", "ttft_requests", "gateway_us"),
)
_ROLLUPS = ("rollup_minutes", "rollup_hours")
_LATENCIES = ("latency_minutes", "latency_hours")


def upgrade() -> None:
    _make_records()
    _make_what_hangs_on_them()
    _make_reading()
    _make_sums()
    _make_usage()


def downgrade() -> None:
    for name in ("ledger_state", "usage", *_LATENCIES, *_ROLLUPS, "series"):
        op.drop_table(name)
    for name in ("journal_positions", "in_flight", "bodies", "attempts", "records"):
        op.drop_table(name)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _counts(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False) for name in names]


def _id() -> sa.Column[str]:
    return sa.Column("request_id", sa.String(length=32), nullable=False)


def _small(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)


def _money() -> sa.Column[float]:
    return sa.Column("cost_usd", sa.Float(), nullable=False)


def _make_records() -> None:
    op.create_table(
        "records",
        _id(),
        *_counts("started_at"),
        *_texts("group", "key_name", "model", "upstream_model", "channel", "provider"),
        *_texts("client_format", "upstream_format", "operation"),
        sa.Column("stream", sa.Boolean(), nullable=False),
        _small("status"),
        *_texts("error_kind"),
        _small("attempts"),
        *_counts(*_TOKENS),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        _money(),
        sa.Column("ttft_ms", sa.Float(), nullable=True),
        sa.Column("duration_ms", sa.Float(), nullable=False),
        *_counts("gateway_us", "bytes_in", "bytes_out"),
        *_texts("client_ip", "user_agent", "key_id", "node"),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_records_time", "records", ["started_at", "request_id"])
    op.create_index("ix_records_group", "records", ["group", "started_at", "request_id"])
    op.create_index("ix_records_key", "records", ["key_id", "started_at", "request_id"])


def _make_what_hangs_on_them() -> None:
    op.create_table(
        "attempts",
        _id(),
        _small("number"),
        *_counts("started_at"),
        *_texts("channel", "provider", "upstream_model", "upstream_format"),
        _small("status"),
        *_texts("error_kind"),
        sa.Column("duration_ms", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "number"),
    )
    op.create_index("ix_attempts_time", "attempts", ["started_at"])
    op.create_table(
        "bodies",
        _id(),
        _small("side"),
        *_counts("stored_at"),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        *_counts("size"),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "side"),
    )
    op.create_index("ix_bodies_time", "bodies", ["stored_at"])


def _make_reading() -> None:
    op.create_table(
        "in_flight",
        _id(),
        sa.Column("journal", sa.String(length=32), nullable=False),
        *_counts("epoch"),
        *_texts("node"),
        *_counts("started_at"),
        _small("kind"),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_in_flight_journal", "in_flight", ["journal", "epoch"])
    op.create_table(
        "journal_positions",
        sa.Column("journal", sa.String(length=32), nullable=False),
        *_texts("node"),
        *_counts("epoch", "ring", "spill", "offset", "updated_at"),
        sa.PrimaryKeyConstraint("journal"),
    )
    op.create_table(
        "ledger_state",
        sa.Column("name", sa.String(length=32), nullable=False),
        *_counts("value"),
        sa.PrimaryKeyConstraint("name"),
    )


def _make_sums() -> None:
    op.create_table(
        "series",
        *_counts("id"),
        *_texts("group", "key_id", "key_name", "model", "channel"),
        *_counts("seen_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_series_time", "series", ["seen_at"])
    for name in _ROLLUPS:
        op.create_table(
            name,
            *_counts("start_ms", "series", *_SUMS),
            _money(),
            sa.PrimaryKeyConstraint("start_ms", "series"),
            sqlite_with_rowid=False,
        )
    for name in _LATENCIES:
        op.create_table(
            name,
            *_counts("start_ms", "series"),
            _small("bin"),
            *_counts("durations", "ttfts"),
            sa.PrimaryKeyConstraint("start_ms", "series", "bin"),
            sqlite_with_rowid=False,
        )


def _make_usage() -> None:
    op.create_table(
        "usage",
        sa.Column("owner", sa.String(length=5), nullable=False),
        *_texts("owner_name"),
        sa.Column("period", sa.String(length=5), nullable=False),
        *_counts("start_ms", "requests", *_TOKENS),
        _money(),
        sa.PrimaryKeyConstraint("owner", "owner_name", "period", "start_ms"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_time", "usage", ["period", "start_ms"])
