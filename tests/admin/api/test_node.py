"""What the routes about this node say, over real sockets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fastproxy.admin.access import Access
from fastproxy.admin.app import create_app
from fastproxy.shared import rows
from tests.admin.cells import NOW_MS, WALL_S, Cells, fetch, node, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI


def build(cells: Cells) -> FastAPI:
    return create_app(node(cells), Access(None, "127.0.0.1"), version="1.2.3")


def healthy() -> Cells:
    cells = Cells(slots=2)
    cells.master(PID=10, GENERATION=1, STARTED=int(WALL_S * 1000) - 90_500)
    cells.start(0, GENERATION=1)
    return cells


@pytest.fixture
def port() -> Iterator[int]:
    with serving(build(healthy())) as port:
        yield port


def test_health() -> None:
    cells = healthy()
    with serving(build(cells)) as port:
        good = fetch(port, "/api/health")
        assert (good.status, json.loads(good.body)) == (200, {"status": "ok", "workers_ready": 1, "reasons": []})
        cells.worker(0)[rows.HEARTBEAT] = NOW_MS - 11_000
        bad = fetch(port, "/api/health")
        reasons = ["worker 0 is silent for 11000 ms"]
        assert (bad.status, json.loads(bad.body)) == (
            503,
            {"status": "unavailable", "workers_ready": 0, "reasons": reasons},
        )
        assert fetch(port, "/api/health/detailed").status == 503


def test_health_detailed_lists_the_workers(port: int) -> None:
    worker = {"slot": 0, "pid": 1000, "state": "ready", "heartbeat_age_ms": 50, "generation": 1, "problem": ""}
    body = json.loads(fetch(port, "/api/health/detailed").body)
    nothing = dict.fromkeys(("database", "publisher", "collector", "journal"))  # there is no control plane here
    assert body == {"status": "ok", "reasons": [], "workers": [worker], **nothing}


def test_status(port: int) -> None:
    worker = {"slot": 0, "pid": 1000, "connections": 0, "requests": 0, "generation": 1, "heartbeat_age_ms": 50}
    body = json.loads(fetch(port, "/api/status").body)
    assert body == {"master": 10, "admin": 0, "generation": 1, "workers": [worker]}


def test_system_info(port: int) -> None:
    body = json.loads(fetch(port, "/api/system/info").body)
    assert body.pop("python").startswith("3.")
    assert body == {
        "version": "1.2.3",
        "started_at": "2027-01-15T07:58:29.500+00:00",
        "uptime_s": 90.5,
        "workers": 1,
        "workers_ready": 1,
        "generation": 1,
        "acknowledged": [{"slot": 0, "generation": 1, "is_newest": True}],
        "node": None,
        "database": None,
        "ledger_database": None,
        "revision": None,
    }
