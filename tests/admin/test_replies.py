"""Whatever was raised, one shape; and no word of what was sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fastproxy.admin.replies import field_path, fields_of, refusal_reply
from fastproxy.admin.tenants import Conflict, Invalid, NotFound, Unavailable
from fastproxy.admin.tenants.refusals import MOST_FIELDS


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (("body",), ""),
        (("body", "name"), "name"),
        (("body", "models", 0, "name"), "models[0].name"),
        (("body", 0), "[0]"),
        (("query", "page"), "page"),
        (("header", "if-match"), "if-match"),
        ((), ""),
    ],
)
def test_paths(place: tuple[int | str, ...], path: str) -> None:
    assert field_path(place) == path


@pytest.mark.parametrize(
    ("error", "field"),
    [
        ({"type": "missing", "loc": ("body", "name"), "msg": "Field required"}, ("name", "this field is missing")),
        ({"type": "missing", "loc": ("body",), "msg": "Field required"}, ("", "a JSON object is needed as the body")),
        ({"type": "extra_forbidden", "loc": ("query", "x"), "msg": "Extra"}, ("x", "this name is unknown here")),
        ({"type": "value_error", "loc": ("query", "x"), "msg": "Value error, no moment"}, ("x", "no moment")),
        ({"type": "int_parsing", "loc": ("path", "n"), "msg": "Input should be"}, ("n", "input should be")),
        (
            {"type": "json_invalid", "loc": ("body", 7), "msg": "JSON decode error", "ctx": {"error": "Extra data"}},
            ("", "not JSON: extra data at character 7"),
        ),
    ],
)
def test_errors_of_the_framework_become_fields(error: dict[str, Any], field: tuple[str, str]) -> None:
    found = fields_of([{**error, "input": "sk-secret"}])
    assert found == [{"path": field[0], "message": field[1]}]


def test_at_most_so_many_fields_are_told() -> None:
    error = {"type": "missing", "loc": ("body", "x"), "msg": ""}
    assert len(fields_of([error] * 1000)) == MOST_FIELDS


@pytest.mark.parametrize(
    ("refusal", "status", "kind", "has_fields", "retry"),
    [
        (NotFound("gone"), 404, "not_found", False, None),
        (Conflict("duplicate", "taken"), 409, "duplicate", False, None),
        (Invalid([{"path": "a", "message": "b"}]), 422, "invalid", True, None),
        (Unavailable("away"), 503, "database_unavailable", False, "2"),
    ],
)
def test_refusals(refusal: Any, status: int, kind: str, has_fields: bool, retry: str | None) -> None:
    reply = refusal_reply(refusal)
    error = json.loads(bytes(reply.body))["error"]
    assert (reply.status_code, error["status"], error["kind"]) == (status, status, kind)
    assert ("fields" in error) == has_fields
    assert reply.headers.get("retry-after") == retry
