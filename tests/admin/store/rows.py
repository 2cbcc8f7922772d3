"""One row or two of every table of the configuration, with everything set and with as little as allowed; and the way
to read and write them all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastproxy.admin.store.connect import make_engine
from fastproxy.admin.store.tables import config_metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

FACTS = {"note": "ünïcode 🦊", "created_at": 1_700_000_000_000, "updated_at": 1_700_000_000_001, "version": 3}
CAPS = {"rpm": 600, "tpm": 10**15, "concurrency": 50}
NO_CAPS = dict.fromkeys(CAPS)
PRICE = {"input": 1.25, "output": 10.0, "cache_read": None}
OVERRIDES = {"price": PRICE, "retries": 2, "timeouts": {"total": 1.5}, "bodies": {"keep": "all"}}
NO_OVERRIDES = dict.fromkeys(OVERRIDES)

ROWS: dict[str, list[dict[str, Any]]] = {
    "state": [{"id": 1, "installation": "0" * 32, "revision": 2**40, "hash_secret": b"\0\xff" * 40, "created_at": 1}],
    "groups": [
        {
            "id": "a" * 32, "name": "team", "status": "disabled", "models": ["gpt-*"], "sets": ["a", "b"], **CAPS,
            "budget_amount": 0.1, "budget_period": "daily", "rpm_ratio": 1.5, "tpm_ratio": 0.5,
            "balance_alert_enabled": True, "balance_alert_threshold": 1e-9, **FACTS,
        },
        {
            "id": "b" * 32, "name": "other", "status": "enabled", "models": ["*"], "sets": ["default"], **NO_CAPS,
            "budget_amount": None, "budget_period": "monthly", "rpm_ratio": 1.0, "tpm_ratio": 1.0,
            "balance_alert_enabled": False, "balance_alert_threshold": None, **FACTS, "note": "",
        },
    ],
    "group_models": [
        {"group_id": "a" * 32, "model": "gpt-5", "rpm": 1, "tpm": 2, **OVERRIDES, "version": 1},
        {"group_id": "b" * 32, "model": "org/model:1", "rpm": None, "tpm": None, **NO_OVERRIDES, "version": 1},
    ],
    "keys": [
        {
            "id": "c" * 32, "group_id": "a" * 32, "name": "ci", "prefix": "sk-fp-abcd", "digest": bytes(range(16)),
            "previous_digest": b"p" * 16, "previous_until": 9, "status": "enabled", "models": ["*"], "sets": [],
            "subnets": ["10.0.0.0/8", "2001:db8::/32"], "expires_at": 2**45, "quota_total": 1.0, "quota_daily": 2.0,
            "quota_weekly": 3.0, "quota_monthly": 4.0, **CAPS, "lossy": "strict", "rotated_at": 8, **FACTS,
        },
        {
            "id": "d" * 32, "group_id": "b" * 32, "name": "ci", "prefix": "sk-fp-efgh", "digest": b"d" * 16,
            "previous_digest": None, "previous_until": None, "status": "enabled", "models": ["*"], "sets": [],
            "subnets": [], "expires_at": None, "quota_total": None, "quota_daily": None, "quota_weekly": None,
            "quota_monthly": None, **NO_CAPS, "lossy": "report", "rotated_at": None, **FACTS,
        },
    ],
    "channels": [
        {
            "id": "e" * 32, "name": "main", "provider": "openai", "base_url": "https://api.openai.com/v1",
            "format": "openai-chat", "models": ["gpt-5"], "rename": {"z": "a", "b": "c"}, "priority": -1, "weight": 2,
            "sets": ["default"], "status": "enabled", "verify": False, "ca_file": "/ca.pem",
            "api_version": "2024-10-21", "defaults": {"n": 1.5, "deep": [{"x": None}]}, "builtin_tools": "map", **CAPS,
            **FACTS,
        },
    ],
    "credentials": [
        {
            "id": "f" * 32, "channel_id": "e" * 32, "label": "first", "sealed": b"\0sealed\xff", "hint": "…wxyz",
            "status": "enabled", "created_at": 5,
        },
    ],
    "models": [
        {
            "id": "1" * 32, "name": "gpt-5", "owner": "openai", "mode": "chat", "strategy": "weighted",
            "fallback": ["x"], "facts": {"max_output": 8000}, "rpm": 1, "tpm": 2, **OVERRIDES, **FACTS,
        },
        {
            "id": "2" * 32, "name": "bare", "owner": None, "mode": None, "strategy": None, "fallback": [], "facts": {},
            "rpm": None, "tpm": None, **NO_OVERRIDES, **FACTS,
        },
    ],
    "changes": [
        {
            "revision": 1, "number": 1, "at": 1_700_000_000_000, "actor": "admin key", "kind": "groups",
            "object_id": "a" * 32, "name": "team", "before": None, "after": {"name": "team", "rpm": None},
        },
    ],
}  # fmt: skip


def fill(connection: Connection) -> None:
    for table in config_metadata.sorted_tables:
        connection.execute(table.insert(), ROWS[table.name])


def read_all(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Only the columns that this program knows, in the order of the keys."""
    return {
        table.name: [
            dict(row._mapping) for row in connection.execute(table.select().order_by(*table.primary_key.columns))
        ]
        for table in config_metadata.sorted_tables
    }


def ask(url: str, function: Callable[..., Any], *args: object) -> Any:
    """`function(connection, *args)` in a transaction of its own."""

    async def run() -> Any:
        engine = make_engine(url)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(function, *args)
        finally:
            await engine.dispose()

    return asyncio.run(run())
