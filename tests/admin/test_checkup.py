"""What health makes of the states of the control plane's tasks; and metrics of the same."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest

from fastproxy.admin import checkup
from fastproxy.admin.condition import Condition
from fastproxy.admin.ledger.state import CollectorState
from fastproxy.admin.plane_metrics import plane_metrics
from fastproxy.admin.publisher import PublisherState
from fastproxy.shared import rows
from tests.admin.cells import Cells, node


def plane(**changes: Any) -> Any:
    """A control plane in the best of health; `changes` are its parts."""
    conditions = {name: Condition(1000.0) for name in ("config_database", "ledger_database")}
    for condition in conditions.values():
        condition.note("", 2000.0)
    state = PublisherState(revision=7, generation=4, is_database_ok=True, is_from_saved=False)
    counted = CollectorState(
        is_collecting=True, last_commit=3000, lag_bytes=64, rows=5, aborted=1, failures=2, set_aside=8
    )
    parts = {"publisher": SimpleNamespace(state=state), "collector": SimpleNamespace(state=counted), **conditions}
    return SimpleNamespace(note=lambda: None, **{**parts, **changes})


def cells() -> Cells:
    found = Cells(slots=2)
    found.master(GENERATION=4)
    found.start(0, GENERATION=4, JOURNAL_UNREAD=10, JOURNAL_SPILLED=3)
    found.start(1, GENERATION=3, JOURNAL_UNREAD=20)
    return found


def test_in_good_health_there_is_nothing_to_tell() -> None:
    well = {"status": "ok", "error": "", "since": "1970-01-01T00:33:20.000+00:00"}
    found = asdict(checkup.check(plane(), node(cells()).look()))
    assert found == {
        "database": {"config": well, "ledger": well},
        "publisher": {
            "revision": 7, "generation": 4, "acknowledged": [0], "is_from_saved": False, "left_out": [], "error": "",
        },
        "collector": {
            "lag_bytes": 64, "last_commit": "1970-01-01T00:00:03.000+00:00", "is_collecting": True, "rows": 5,
            "aborted": 1, "failures": 2, "unreadable": 0, "set_aside_bytes": 8, "error": "",
        },
        "journal": {"unread_bytes": 30, "spilled": 3, "lost": 0},
        "reasons": [],
    }  # fmt: skip


def test_what_is_wrong_is_told() -> None:
    away = Condition(1000.0)
    away.note("no answer", 3000.0)
    state = PublisherState(is_from_saved=True, left_out=("channel 'x': unknown provider",), error="no answer")
    lossy = cells()
    lossy.worker(1)[rows.JOURNAL_LOST] = 2
    sick = plane(config_database=away, publisher=SimpleNamespace(state=state), collector=None)
    found = checkup.check(sick, node(lossy).look())
    assert found.reasons == [
        "the database is away since 1970-01-01T00:16:40.000+00:00: no answer",
        "channels and keys of the database are from an earlier run",
        "left out: channel 'x': unknown provider",
        "2 frames of records are lost: there was no room for them",
    ]
    assert (found.collector.error, found.collector.is_collecting) == ("waits for the database", False)


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("fastproxy_database_up", {"database": "config"}, 1),
        ("fastproxy_database_up", {"database": "ledger"}, 1),
        ("fastproxy_config_revision", {}, 7),
        ("fastproxy_config_from_saved", {}, 0),
        ("fastproxy_ledger_lag_bytes", {}, 64),
        ("fastproxy_ledger_last_commit_seconds", {}, 3),
        ("fastproxy_ledger_rows_total", {}, 5),
        ("fastproxy_ledger_aborted_total", {}, 1),
        ("fastproxy_ledger_failures_total", {}, 2),
        ("fastproxy_ledger_set_aside_bytes_total", {}, 8),
    ],
)
def test_metrics_tell_the_same(name: str, labels: dict[str, str], value: float) -> None:
    samples = [sample for family in plane_metrics(plane(), node(cells()).look()) for sample in family.samples]
    assert [sample.value for sample in samples if (sample.name, sample.labels) == (name, labels)] == [value]


def test_metrics_do_without_a_collector() -> None:
    found = {family.name: family.samples for family in plane_metrics(plane(collector=None), node(cells()).look())}
    assert "fastproxy_database_up" in found
    assert [name for name in found if name.startswith("fastproxy_ledger")] == ["fastproxy_ledger_lag_bytes"]
    assert found["fastproxy_ledger_lag_bytes"][0].value == 30  # as the workers tell
