"""The database is not there: at the start, in the middle, and when it comes back. Everything else goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.admin.api.control import KEY, Api, Reply, controlled
from tests.admin.postgres import cluster
from tests.live.running import until

if TYPE_CHECKING:
    from pathlib import Path

TENANTS = ("/api/logs", "/api/groups", "/api/keys/x", "/api/channels", "/api/models", "/api/publications")


def is_refused_for_now(reply: Reply) -> bool:
    return (reply.status, reply.error["kind"], reply.headers.get("retry-after")) == (503, "database_unavailable", "2")


def detailed(api: Api) -> Any:
    reply = api.ask("GET", "/api/health/detailed")
    assert reply.status == 200  # workers serve, so the node does
    return reply.json


def test_a_database_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "fastproxy.db").mkdir()  # what is there is no database
    with controlled(tmp_path, waits=False) as api:
        until(lambda: "being opened" not in str(detailed(api)["database"]))
        for path in TENANTS:
            assert is_refused_for_now(api.ask("GET", path)), path
        assert is_refused_for_now(api.ask("POST", "/api/groups", {"name": "g"}))
        assert api.ask("GET", "/api/health").json["status"] == "ok"
        found = detailed(api)
        assert found["status"] == "degraded"
        assert found["database"]["config"]["status"] == "error"
        assert "fastproxy.db" in found["database"]["config"]["error"]
        assert b'fastproxy_database_up{database="config"} 0.0' in api.ask("GET", "/metrics").body
        assert api.ask("POST", "/api/publications/reload").status == 200  # the file needs no database

        (tmp_path / "fastproxy.db").rmdir()
        until(lambda: api.ask("GET", "/api/groups").status == 200)
        assert api.made("/api/groups", {"name": "g"})["version"] == 1
        until(lambda: detailed(api)["database"]["config"]["status"] == "ok")
        assert b'fastproxy_database_up{database="config"} 1.0' in api.ask("GET", "/metrics").body


@pytest.mark.live
def test_a_server_that_stops_is_told_and_comes_back(tmp_path: Path) -> None:
    url = cluster().new_database()
    try:
        with controlled(tmp_path, {"database": url, "migrate": True}) as api:
            api.made("/api/groups", {"name": "before"})
            until(lambda: detailed(api)["database"]["config"]["status"] == "ok")
            since = detailed(api)["database"]["config"]["since"]
            cluster().stop()
            for path in TENANTS:
                assert is_refused_for_now(api.ask("GET", path)), path
            assert is_refused_for_now(api.ask("POST", "/api/groups", {"name": "lost"}))
            until(lambda: detailed(api)["database"]["config"]["status"] == "error")
            found = detailed(api)["database"]["config"]
            assert found["since"] > since
            assert "connect call failed" in found["error"].lower()
            assert cluster().password not in json.dumps(found)
            assert api.ask("GET", "/api/health").status == 200

            cluster().start()
            until(lambda: api.ask("GET", "/api/groups").status == 200)
            assert [item["name"] for item in api.ask("GET", "/api/groups").json["items"]] == ["before"]
            assert api.made("/api/groups", {"name": "after"})["version"] == 1
            until(lambda: detailed(api)["database"]["config"]["status"] == "ok")
    finally:
        cluster().start()
        cluster().drop(url)


def test_a_database_of_another_master_key_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastproxy.shared.master_key import MasterKey
    from tests.admin.api import control

    with controlled(tmp_path) as api:
        api.made("/api/groups", {"name": "g"})
    monkeypatch.setattr(control, "MASTER", MasterKey(bytes(range(1, 33))))
    with controlled(tmp_path, waits=False) as api:
        until(lambda: "another master key" in json.dumps(detailed(api)["database"]))
        reply = api.ask("GET", "/api/groups")
        assert is_refused_for_now(reply)
        assert "another master key" in reply.error["message"]
        assert KEY not in reply.error["message"]
