"""The application over real sockets: what each path answers, and who is let in to which."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from starlette.routing import Route

from fastproxy.admin.access import PUBLIC, SECURITY_HEADERS, Access
from fastproxy.admin.app import create_app, installed_version
from fastproxy.admin.page import PAGE_POLICY
from tests.admin.cells import WALL_S, Cells, ask, fetch, node, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

KEY = "correct-horse"
KNOWN = {
    "/",
    "/api/convert",
    "/api/health",
    "/api/health/detailed",
    "/api/status",
    "/api/system/info",
    "/docs",
    "/metrics",
    "/openapi.json",
    "/swagger/index.html",
}


CONVERSION = b"""{"from": "openai-chat", "to": "openai-chat", "body": {"model": "m",
    "messages": [{"role": "user", "content": "hi"}]}}"""
POSTED = {"/api/convert": CONVERSION}  # the other paths are read
AS_JSON = {"content-type": "application/json"}


def build(cells: Cells, key: str | None = None, bound: str = "127.0.0.1") -> FastAPI:
    return create_app(node(cells), Access(key, bound), version="1.2.3")


def healthy() -> Cells:
    cells = Cells(slots=2)
    cells.master(PID=10, GENERATION=1, STARTED=int(WALL_S * 1000) - 90_500)
    cells.start(0, GENERATION=1)
    return cells


@pytest.fixture
def port() -> Iterator[int]:
    with serving(build(healthy())) as port:
        yield port


def all_paths(app: FastAPI) -> set[str]:
    """Every path the application has, asked of the application itself and of its schema."""
    plain = {route.path for route in app.routes if isinstance(route, Route)}
    return plain | set(app.openapi()["paths"])


def test_the_enumeration_below_sees_every_route() -> None:
    assert all_paths(build(Cells())) == KNOWN


@pytest.mark.parametrize("path", sorted(all_paths(build(Cells())) | {"/api/unknown"}))
@pytest.mark.parametrize(
    ("configured", "given", "peer", "expected"),
    [
        (KEY, None, "127.0.0.1", 401),
        (KEY, "wrong", "127.0.0.1", 401),
        (KEY, KEY, "127.0.0.1", 200),
        (KEY, None, "203.0.113.9", 401),
        (KEY, "wrong", "203.0.113.9", 401),
        (KEY, KEY, "203.0.113.9", 200),
        (None, None, "127.0.0.1", 200),
        (None, None, "203.0.113.9", 403),
        (None, KEY, "203.0.113.9", 403),
    ],
    ids=lambda value: str(value),
)
def test_permissions(path: str, configured: str | None, given: str | None, peer: str, expected: int) -> None:
    app = build(healthy(), configured, bound="0.0.0.0")
    headers = {"host": "127.0.0.1:9090", **AS_JSON} | ({"authorization": f"Bearer {given}"} if given else {})
    answer = ask(app, path, headers, peer, ("POST", POSTED[path]) if path in POSTED else ("GET", b""))
    wanted = 200 if path in PUBLIC else expected
    if path == "/api/unknown" and wanted == 200:
        wanted = 404 if configured else 403
    assert answer.status == wanted
    if answer.status != 200:
        assert set(json.loads(answer.body)) == {"error"}
    assert set(SECURITY_HEADERS) <= set(answer.headers)


@pytest.mark.parametrize("path", sorted(KNOWN - POSTED.keys()))
def test_every_path_answers_over_a_socket(port: int, path: str) -> None:
    answer = fetch(port, path)
    assert answer.status == 200
    assert set(SECURITY_HEADERS) <= set(answer.headers)
    assert "server" not in answer.headers
    head = fetch(port, path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == answer.headers["content-type"]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/status/", 404, "not_found"),
        ("POST", "/api/status", 405, "method_not_allowed"),
        ("GET", "/api/convert", 405, "method_not_allowed"),
        ("DELETE", "/", 405, "method_not_allowed"),
    ],
)
def test_errors_have_one_shape(method: str, path: str, status: int, kind: str) -> None:
    with serving(build(healthy(), KEY)) as port:
        answer = fetch(port, path, {"authorization": f"Bearer {KEY}"}, method)
    assert answer.status == status
    error = json.loads(answer.body)["error"]
    assert (error["status"], error["kind"]) == (status, kind)


def test_a_wrong_method_is_told_the_right_ones(port: int) -> None:
    assert fetch(port, "/api/status", method="POST").headers["allow"] == "GET"
    assert fetch(port, "/api/convert").headers["allow"] == "POST"


def test_a_rebound_name_is_refused_over_a_socket(port: int) -> None:
    for path in ("/", "/metrics", "/api/health"):
        assert fetch(port, path, {"host": f"evil.example:{port}"}).status == 403


def test_an_address_in_a_header_is_not_believed(port: int) -> None:
    assert fetch(port, "/api/status", {"x-forwarded-for": "127.0.0.1"}).status == 403


def test_pages_carry_their_own_policy(port: int) -> None:
    for path in ("/", "/docs", "/swagger/index.html"):
        assert fetch(port, path).headers["content-security-policy"] == PAGE_POLICY
    assert b"/api/system/info" in fetch(port, "/docs").body


def test_a_fault_in_a_route_is_one_error_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    app = build(healthy(), KEY)

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("secret detail")

    with serving(app) as port:
        answer = fetch(port, "/broken", {"authorization": f"Bearer {KEY}"})
    assert answer.status == 500
    assert json.loads(answer.body)["error"]["kind"] == "internal"
    assert b"secret" not in answer.body
    assert set(SECURITY_HEADERS) <= set(answer.headers)
    assert "secret detail" in caplog.text  # the log is the operator's


def test_the_schema_says_what_is_served() -> None:
    schema = build(Cells()).openapi()
    assert schema["info"] == {"title": "fastproxy", "version": "1.2.3"}
    assert all(operation["summary"] for methods in schema["paths"].values() for operation in methods.values())


def test_the_version_is_known() -> None:
    assert installed_version()[0].isdigit()
