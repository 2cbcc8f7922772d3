"""Who may use what: every method of every path that the application has, asked of the application itself."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from starlette.routing import Route

from fastproxy.admin.access import LOCAL, PUBLIC, SECURITY_HEADERS, Access
from fastproxy.admin.app import create_app
from tests.admin.api.control import Api, controlled
from tests.admin.cells import Cells, ask, node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

KEY = "correct-horse"
LOCALLY = {"host": "127.0.0.1:9090", "content-type": "application/json"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Untouched:
    """A control plane that nobody may reach."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the control plane was asked for its {name}")


@cache
def build(key: str | None, bound: str = "127.0.0.1") -> FastAPI:
    plane: Any = Untouched()
    return create_app(node(Cells()), Access(key, bound), version="1.2.3", plane=plane)


def all_routes() -> list[tuple[str, str]]:
    """(method, path) of everything, with a value for what a path leaves open."""
    app = build(KEY)
    plain = {(method, route.path) for route in app.routes if isinstance(route, Route) for method in route.methods or ()}
    described = {(method.upper(), path) for path, found in app.openapi()["paths"].items() for method in found}
    named = {
        (method, path.format(ident="x", model="m", revision="1", request_id="0" * 32)) for method, path in described
    }
    return sorted((plain - {("HEAD", path) for _, path in plain}) | named)


ROUTES = all_routes()
TENANTS = [(method, path) for method, path in ROUTES if path not in PUBLIC | LOCAL]


def test_the_walk_sees_every_kind_of_route() -> None:
    assert len(ROUTES) > 35
    for part in ("groups", "keys", "channels", "models", "publications", "logs"):
        assert {method for method, path in TENANTS if path.startswith(f"/api/{part}")} >= {"GET"}
    assert {path for _, path in ROUTES} - {path for _, path in TENANTS} == PUBLIC | LOCAL


@pytest.mark.parametrize(("method", "path"), TENANTS)
@pytest.mark.parametrize("peer", ["127.0.0.1", "203.0.113.9"])
def test_without_the_key_nothing_of_tenants_is_reached(method: str, path: str, peer: str) -> None:
    for configured, given, expected in (
        (KEY, None, 401),
        (KEY, "wrong", 401),
        (KEY, "", 401),
        (None, None, 403),
        (None, KEY, 403),
        ("", "", 403),
    ):
        headers = LOCALLY if given is None else {**LOCALLY, "authorization": f"Bearer {given}"}
        answer = ask(build(configured), path, headers, peer, (method, b"{}"))
        assert answer.status == expected
        assert set(SECURITY_HEADERS) <= set(answer.headers)
        error = json.loads(answer.body)["error"]
        assert set(error) == {"status", "kind", "message"}
        assert expected == 401 or "FASTPROXY_ADMIN_KEY" in error["message"]


@pytest.mark.parametrize("method", [*METHODS, "OPTIONS", "HEAD", "TRACE"])
@pytest.mark.parametrize(
    "path", ["/api/groups", "/api/keys/x/rotate", "/api/logs", "/api/nothing", "/../api/keys", "//api/keys"]
)
def test_other_methods_and_spellings_find_no_way_round(method: str, path: str) -> None:
    assert ask(build(None), path, LOCALLY, "127.0.0.1", (method, b"")).status == 403
    assert ask(build(KEY), path, LOCALLY, "127.0.0.1", (method, b"")).status == 401


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] != "GET"])
def test_another_site_changes_nothing_even_with_the_key(method: str, path: str) -> None:
    headers = {**LOCALLY, "authorization": f"Bearer {KEY}"}
    for more, expected in (
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ):
        assert ask(build(KEY), path, {**headers, **more}, "127.0.0.1", (method, b"{}")).status == expected


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with controlled(tmp_path_factory.mktemp("control")) as api:
        yield api


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_with_the_key_every_route_is_reached(api: Api, method: str, path: str) -> None:
    reply = api.ask(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
    assert reply.status in (200, 204, 400, 404, 422), reply.body


def test_a_key_in_another_place_is_not_taken(api: Api) -> None:
    for path, headers in ((f"/api/keys?key={KEY}", {}), ("/api/keys", {"x-api-key": KEY})):
        assert api.ask("GET", path, headers=headers, key="wrong").status == 401
