"""Prometheus metrics of the control plane: databases, publisher, collector. Part of every scrape (metrics.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from fastproxy.admin.checkup import lag_bytes
from fastproxy.shared import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.admin.plane import Plane
    from fastproxy.admin.view import Look

# (name without _total, help, attribute of CollectorState); they begin at 0 with each admin process
COUNTERS: Final = (
    ("rows", "Records written to the database.", "rows"),
    ("aborted", "Of these, records of requests whose worker died.", "aborted"),
    ("repeated", "Records that were read again and not counted again.", "repeated"),
    ("failures", "Times that the database did not take a batch.", "failures"),
    ("unreadable", "Frames of journals that are not what their kind says.", "unreadable"),
    ("set_aside_bytes", "Bytes of journals that were no frames.", "set_aside"),
    ("deleted", "Rows that retention has taken.", "deleted"),
)


def plane_metrics(plane: Plane, look: Look) -> Iterator[Metric]:
    """Yield every family; those of the collector begin when the store is open."""
    up = GaugeMetricFamily("fastproxy_database_up", "1 while the database works.", labels=["database"])
    up.add_metric(["config"], int(plane.config_database.is_ok))
    up.add_metric(["ledger"], int(plane.ledger_database.is_ok))
    yield up
    state = plane.publisher.state
    text = "The revision of the database that has been published."
    yield GaugeMetricFamily("fastproxy_config_revision", text, value=state.revision)
    text = "1 while the database's part of what is served is from an earlier run."
    yield GaugeMetricFamily("fastproxy_config_from_saved", text, value=int(state.is_from_saved))
    found = plane.collector.state if plane.collector is not None else None
    text = "Bytes that workers have written and the database does not have."
    lag = lag_bytes(found, look.gauge(rows.JOURNAL_UNREAD))
    yield GaugeMetricFamily("fastproxy_ledger_lag_bytes", text, value=lag)
    if found is None:
        return
    text = "When a batch was last committed, in Unix time; 0: not yet."
    yield GaugeMetricFamily("fastproxy_ledger_last_commit_seconds", text, value=found.last_commit / 1000)
    for name, text, attribute in COUNTERS:
        yield CounterMetricFamily(f"fastproxy_ledger_{name}", text, value=getattr(found, attribute))
