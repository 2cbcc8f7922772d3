"""The history of changes, the ways back, and the file read again: through the API, over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.admin.api import shapes
from tests.admin.api.control import Api, controlled

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with controlled(tmp_path_factory.mktemp("control")) as api:
        yield api


def told(api: Api, config: dict[str, Any]) -> None:
    """Write another file."""
    api.declare({"database": f"sqlite:///{api.place}/fastproxy.db", **config})


def test_every_change_is_one_revision_and_can_be_taken_back(api: Api) -> None:
    team = api.made("/api/groups", {"name": "team"})
    api.made("/api/keys", {"name": "ci", "group": "team"})
    assert api.ask("PATCH", f"/api/groups/{team['id']}", {"rpm": 9}).status == 200

    page = api.ask("GET", "/api/publications").json
    shapes.PublicationPage.model_validate(page)
    assert [(one["revision"], one["changes"][0]["action"]) for one in page["items"]] == [
        (3, "change"), (2, "create"), (1, "create"),
    ]  # fmt: skip
    assert page["items"][0]["actor"] == "admin key from 127.0.0.1"
    assert [one["revision"] for one in api.ask("GET", "/api/publications?before=3&limit=1").json["items"]] == [2]

    one = api.ask("GET", "/api/publications/3").json
    shapes.PublicationShown.model_validate(one)
    assert one["changes"][0]["fields"] == [{"path": "rpm", "before": None, "after": 9}]

    plan = api.ask("POST", "/api/publications/1/rollback?plan=true")
    shapes.Plan.model_validate(plan.json)
    assert {(one["kind"], one["action"]) for one in plan.json["differences"]} == {
        ("keys", "remove"),
        ("groups", "change"),
    }
    assert api.ask("GET", "/api/keys").json["total"] == 1

    back = api.ask("POST", "/api/publications/1/rollback")
    shapes.RolledBack.model_validate(back.json)
    assert (back.status, back.json["revision"], back.headers["x-fastproxy-acknowledged"]) == (200, 4, "2/2")
    assert api.ask("GET", "/api/keys").json["total"] == 0
    assert api.ask("GET", "/api/groups/team").json["rpm"] is None


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/publications/99"), ("POST", "/api/publications/99/rollback")]
)
def test_a_revision_that_never_was(api: Api, method: str, path: str) -> None:
    assert api.ask(method, path).status == 404


def test_the_file_is_planned_and_read_again(api: Api) -> None:
    assert api.ask("POST", "/api/publications/plan-reload").json == {"plan": True, "differences": []}
    told(api, {"groups": [{"name": "declared", "rpm": 7}], "limits": {"max_connections": 5}})
    plan = api.ask("POST", "/api/publications/plan-reload")
    shapes.ReloadPlan.model_validate(plan.json)
    changes = {one["path"]: (one["before"], one["after"]) for one in plan.json["differences"]}
    assert changes["limits.max_connections"] == ("10000", "5")
    assert changes["groups.declared.rpm"] == (None, "7")
    assert api.ask("GET", "/api/groups/declared").status == 404

    generation = api.ask("GET", "/api/system/info").json["generation"]
    reloaded = api.ask("POST", "/api/publications/reload")
    shapes.Reloaded.model_validate(reloaded.json)
    assert (reloaded.status, reloaded.json["generation"]) == (200, generation + 1)
    assert api.ask("GET", "/api/groups/declared").json["managed_by"] == "file"
    assert api.ask("POST", "/api/publications/plan-reload").json["differences"] == []


@pytest.mark.parametrize("action", ["plan-reload", "reload"])
@pytest.mark.parametrize(
    ("config", "place", "text"),
    [
        ({"limits": {"max_conections": 5}}, "fastproxy.yaml:", "max_conections"),
        ({"channels": [{"name": "c", "provider": "nobody"}]}, "fastproxy.yaml:", "nobody"),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing(
    api: Api, action: str, config: dict[str, Any], place: str, text: str
) -> None:
    generation = api.ask("GET", "/api/system/info").json["generation"]
    told(api, config)
    reply = api.ask("POST", f"/api/publications/{action}")
    assert (reply.status, reply.error["kind"]) == (422, "invalid")
    assert place in reply.paths()[0]
    assert text in reply.error["message"]
    assert api.ask("GET", "/api/system/info").json["generation"] == generation


def test_a_file_that_is_gone_is_told_so(api: Api) -> None:
    (api.place / "fastproxy.yaml").unlink()
    reply = api.ask("POST", "/api/publications/reload")
    assert reply.status == 422
    assert "fastproxy.yaml" in str(reply.error["fields"])
