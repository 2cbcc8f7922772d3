"""How long every table keeps its rows: no table without a rule, so that nothing grows for ever by oversight.

    RETENTION    table name → Rule; a test fails for a table that has none

A rule with a `setting` is carried out by admin/ledger/retention.py in bounded batches: rows whose `column` (Unix ms)
is older than `ledger.retention.<setting>` go. A rule without one says in `reason` what bounds the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Rule:
    """`where` narrows a rule to the rows with these values, for tables that hold several kinds of rows."""

    reason: str
    setting: str = ""  # a field of config.Retention
    column: str = ""
    where: tuple[tuple[str, str], ...] = ()


CONFIG: Final[Mapping[str, Rule]] = {
    "state": Rule("one row"),
    "groups": Rule("until somebody removes them"),
    "group_models": Rule("go with their group"),
    "keys": Rule("until somebody removes them, or their group"),
    "channels": Rule("until somebody removes them"),
    "credentials": Rule("go with their channel"),
    "models": Rule("until somebody removes them"),
    "changes": Rule("one cannot go back further than this", "history", "at"),
}

LEDGER: Final[Mapping[str, Rule]] = {
    "records": Rule("the bulk of everything", "records", "started_at"),
    "attempts": Rule("tries that did not serve", "attempts", "started_at"),
    "bodies": Rule("what clients and providers said", "bodies", "stored_at"),
    "in_flight": Rule("until the request ends, its worker is dead, or its journal is gone for a day"),
    "journal_positions": Rule("one per journal, until that is gone for a month"),
    "rollup_minutes": Rule("charts of the last hours", "minutes", "start_ms"),
    "latency_minutes": Rule("charts of the last hours", "minutes", "start_ms"),
    "rollup_hours": Rule("charts of the last year", "hours", "start_ms"),
    "latency_hours": Rule("charts of the last year", "hours", "start_ms"),
    "series": Rule("what no hour refers to any more", "hours", "seen_at"),
    "usage": Rule("months and totals stay: a few rows per key", "days", "start_ms", (("period", "day"),)),
    "ledger_state": Rule("a handful of rows"),
}

RETENTION: Final[Mapping[str, Rule]] = {**CONFIG, **LEDGER}
