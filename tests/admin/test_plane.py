"""The tasks of the control plane: what fails is started again, and the end takes what is left in the journals."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from fastproxy.payloads import END
from fastproxy.publish.claim import Claim
from fastproxy.shared.journal import Journal
from tests.admin.api.control import controlled
from tests.admin.ledger.journals import end, numbers
from tests.live.running import until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_task_that_fails_takes_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from fastproxy.admin.publisher import Publisher

    turn = Publisher._turn
    failures: list[int] = []

    async def failing(self: Publisher) -> None:
        if len(failures) < 2:
            failures.append(1)
            raise LookupError("a fault in the publisher")
        await turn(self)

    monkeypatch.setattr(Publisher, "_turn", failing)
    with controlled(tmp_path) as api:
        assert api.ask("GET", "/api/health").status == 200
        until(lambda: len(failures) == 2 and api.ask("GET", "/api/health/detailed").json["status"] == "ok")
        made = api.ask("POST", "/api/groups", {"name": "after"})
        assert (made.status, made.headers["x-fastproxy-acknowledged"]) == (201, "2/2")
    assert caplog.text.count("the publisher failed, it is started again") == 2


def test_the_end_takes_what_is_left_in_the_journals(tmp_path: Path) -> None:
    with controlled(tmp_path) as api:
        journal = Journal.claim(str(tmp_path / "state" / "journal"), 1 << 20, 1 << 20)
        until(lambda: api.ask("GET", "/api/health/detailed").json["collector"]["is_collecting"])
        for number in range(100):
            journal.append(END, end(number, numbers(int(time.time() * 1000))))
    journal.close()
    with sqlite3.connect(tmp_path / "fastproxy-ledger.db") as database:
        assert database.execute("SELECT count(*) FROM records").fetchone() == (100,)
    database.close()


def test_while_an_older_gateway_publishes_changes_wait_for_it(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    claim = Claim.take(str(tmp_path / "state"))
    assert claim is not None
    with controlled(tmp_path) as api:
        assert api.ask("POST", "/api/publications/reload").status == 503
        made = api.ask("POST", "/api/groups", {"name": "early"})
        assert (made.status, made.headers["x-fastproxy-acknowledged"]) == (201, "0/2")
        claim.release()
        until(lambda: api.ask("POST", "/api/publications/reload").status == 200)
        changed = api.ask("PATCH", f"/api/groups/{made.json['id']}", {"note": "x"})
        assert changed.headers["x-fastproxy-acknowledged"] == "2/2"
