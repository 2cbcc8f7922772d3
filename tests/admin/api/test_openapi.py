"""The description of the API: whole, consistent, and true of what is served (other tests hold replies against it)."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from tests.admin.api.test_permissions import build

if TYPE_CHECKING:
    from collections.abc import Iterator

TENANTS = re.compile(r"/api/(groups|keys|channels|models|publications|logs)\b")
PLAIN = {"/metrics"}  # text, not JSON
CREATES = {"/api/groups", "/api/keys", "/api/channels", "/api/models"}


@cache
def schema() -> Any:
    return json.loads(json.dumps(build("k").openapi()))


def operations() -> Iterator[tuple[str, str]]:
    for path, methods in schema()["paths"].items():
        for method in methods:
            yield path, method


OPERATIONS = sorted(operations())


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from refs(part)
    elif isinstance(value, list):
        for part in value:
            yield from refs(part)


def test_every_reference_leads_somewhere_and_nothing_is_named_twice() -> None:
    components = schema()["components"]["schemas"]
    assert {ref.removeprefix("#/components/schemas/") for ref in refs(schema())} <= components.keys()
    assert "HTTPValidationError" not in components  # the framework's own shape of errors is nowhere
    ids = [schema()["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(ids) == len(set(ids))
    assert schema()["openapi"].startswith("3.")


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_operation_is_described(path: str, method: str) -> None:
    found = schema()["paths"][path][method]
    assert found["summary"]
    asked = {parameter["name"] for parameter in found.get("parameters", ()) if parameter["in"] == "path"}
    assert asked == set(re.findall(r"{(\w+)}", path))
    good = {status: reply for status, reply in found["responses"].items() if status.startswith("2")}
    assert len(good) == 1
    for status, reply in good.items():
        if status != "204" and path not in PLAIN and path != "/api/convert":
            assert reply["content"]["application/json"]["schema"], f"{method} {path} says not what it gives"


@pytest.mark.parametrize(("path", "method"), [one for one in OPERATIONS if TENANTS.match(one[0])])
def test_what_tenants_are_asked_for_tells_its_refusals(path: str, method: str) -> None:
    found = schema()["paths"][path][method]
    expected = {"401", "403", "404", "422", "503"} | ({"409"} if method != "get" else set())
    assert expected <= found["responses"].keys()
    for status in expected:
        told = found["responses"][status]["content"]["application/json"]["schema"]
        assert told == {"$ref": "#/components/schemas/ErrorReply"}
    names = {parameter["name"] for parameter in found.get("parameters", ())}
    if method in ("post", "patch", "put", "delete") and "reload" not in path:
        assert "plan" in names
        assert ("if-match" in names) == (path not in CREATES and not path.endswith("rollback"))


@pytest.mark.parametrize("path", sorted(CREATES))
def test_bodies_are_those_of_the_service(path: str) -> None:
    body = schema()["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["additionalProperties"] is False
    assert "name" in body["required"]
    assert body["properties"].keys() >= {"name", "note"}
    patch = schema()["paths"][f"{path}/{{ident}}"]["patch"]["requestBody"]["content"]["application/json"]["schema"]
    assert patch["properties"].keys() == body["properties"].keys()
    assert "required" not in patch
