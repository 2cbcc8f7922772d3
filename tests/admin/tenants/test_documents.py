"""Documents: every fault by its path, values in one form, and never a secret in an error. No database."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.admin.tenants.accepting import given, patched, read_document
from fastproxy.admin.tenants.documents import CHANNEL_PATCH, DOCUMENTS, KEY_PATCH
from fastproxy.admin.tenants.refusals import MOST_FIELDS, Invalid
from fastproxy.admin.tenants.rules import write_moment

NEW_YEAR = 1_798_761_600_000
DEEP: Any = "x"
for _ in range(100):
    DEEP = {"a": DEEP}


def faults(kind: str, document: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        read_document(kind, given(kind, document))
    return {field["path"]: field["message"] for field in caught.value.fields}


@pytest.mark.parametrize(
    ("field", "written", "kept"),
    [
        ("expires", "2027-01-01", NEW_YEAR),
        ("expires", "2027-01-01T02:00:00+02:00", NEW_YEAR),
        ("expires", "2027-01-01T00:00:00Z", NEW_YEAR),
        ("expires", NEW_YEAR // 1000, NEW_YEAR),
        ("expires", NEW_YEAR / 1000 + 0.5, NEW_YEAR + 500),
        ("expires", None, None),
        ("subnets", ["10.1.2.3/8", "::1", "2001:db8::/32", "192.0.2.1"],
         ["10.0.0.0/8", "::1/128", "2001:db8::/32", "192.0.2.1/32"]),
        ("models", ["gpt-*", "*", "meta-llama/Llama-3:free"], ["gpt-*", "*", "meta-llama/Llama-3:free"]),
        ("rpm", 5.0, 5),
        ("quota", 0, 0.0),
        ("status", "Disabled", "disabled"),
        ("status", None, "enabled"),
        ("note", "", ""),
    ],
)  # fmt: skip
def test_values_have_one_form(field: str, written: Any, kept: Any) -> None:
    document = read_document("keys", given("keys", {"name": "ci", field: written}))
    assert getattr(document, field) == kept


@pytest.mark.parametrize(
    ("kind", "fields", "path", "message"),
    [
        ("keys", {"name": None}, "name", "is required"),
        ("keys", {"name": "a/b"}, "name", "without '/'"),
        ("keys", {"name": " a"}, "name", "without spaces around"),
        ("keys", {"name": "0" * 32}, "name", "look like an id"),
        ("keys", {"name": "x" * 65}, "name", "at most 64 characters"),
        ("keys", {"name": "a\nb"}, "name", "one line"),
        ("keys", {"name": "\ud800"}, "name", "one line"),
        ("keys", {"name": 5}, "name", "expected text, seen a number"),
        ("keys", {"models": []}, "models", "at least 1"),
        ("keys", {"models": "gpt-5"}, "models", "a list"),
        ("keys", {"models": ["a b"]}, "models[0]", "without spaces"),
        ("keys", {"models": ["a"] * 1001}, "models", "at most 1000"),
        ("keys", {"subnets": ["10.0.0.0/8", "10.0.0.0/33"]}, "subnets[1]", "is not a subnet"),
        ("keys", {"expires": "soon"}, "expires", "is not a date"),
        ("keys", {"expires": NEW_YEAR}, "expires", "divided by 1000"),
        ("keys", {"expires": float("nan")}, "expires", "not a moment"),
        ("keys", {"expires": "0001-01-01T00:00:00+23:00"}, "expires", "from 1970"),
        ("keys", {"expires": "9999-12-31T23:59:59-23:00"}, "expires", "from 1970"),
        ("keys", {"expires": True}, "expires", "expected text, seen true or false"),
        ("keys", {"rpm": 0}, "rpm", "out of range"),
        ("keys", {"rpm": True}, "rpm", "expected a whole number, seen true or false"),
        ("keys", {"rpm": "5"}, "rpm", "expected a whole number, seen text"),
        ("keys", {"rpm": 1e300}, "rpm", "out of range"),
        ("keys", {"quota": float("inf")}, "quota", "out of range"),
        ("keys", {"lossy": "maybe"}, "lossy", "expected one of"),
        ("keys", {"sets": ["a b"]}, "sets[0]", "expected a word"),
        ("keys", {"modles": None}, "modles", "did you mean 'models'"),
        ("keys", {"id": "x"}, "id", "cannot be set"),
        ("groups", {"budget": {"amount": 5, "periode": "daily"}}, "budget.periode", "unknown field"),
        ("groups", {"budget": {}}, "budget.amount", "is required"),
        ("groups", {"budget": 5}, "budget", "an object"),
        ("channels", {"defaults": DEEP}, "defaults", "nested deeper"),
        ("channels", {"defaults": {"a": "x" * 70_000}}, "defaults", "longer than"),
        ("channels", {"defaults": {"a": [1 << 70]}}, "defaults", "64 bits"),
        ("channels", {"defaults": {"a": "\0"}}, "defaults", "NUL"),
        ("channels", {"defaults": {"\ud800": 1}}, "defaults", "half of a character"),
        ("channels", {"credentials": ["sk-live-secret"]}, "credentials[0]", "an object"),
        ("channels", {"credentials": {"secret": "sk-live-secret"}}, "credentials", "a list"),
        ("channels", {"credentials": [{"secret": "x\r\nsk-live-secret"}]}, "credentials[0].secret", "on one line"),
        ("channels", {"credentials": [{"secret": ["sk-live-secret"]}]}, "credentials[0].secret", "seen a list"),
        ("channels", {"base_url": "https://sk-live-secret@example.com"}, "base_url", "credentials do not belong"),
        ("models", {"bodies": {"keep": "all", "request_size": "1TiB"}}, "bodies.request_size", "is not a size"),
    ],
)  # fmt: skip
def test_faults_are_told_by_their_path_without_secrets(
    kind: str, fields: dict[str, Any], path: str, message: str
) -> None:
    found = faults(kind, {"name": "ci", **fields})
    assert list(found) == [path]
    assert message in found[path]
    assert "sk-live-secret" not in repr(found)


def test_all_faults_are_told_at_once_but_not_without_end() -> None:
    assert set(faults("keys", {"rpm": 0, "tpm": 0, "x": 1})) == {"name", "rpm", "tpm", "x"}
    assert len(faults("keys", {"name": "a", **{f"x{number}": 1 for number in range(200)}})) == MOST_FIELDS


@pytest.mark.parametrize("value", [None, [], "x", 5])
def test_a_document_is_an_object(value: Any) -> None:
    for kind in DOCUMENTS:
        assert list(faults(kind, value)) == [""]
        with pytest.raises(Invalid):
            patched(kind, {}, value)


@pytest.mark.parametrize(
    ("current", "patch", "result"),
    [
        ({"a": 1}, {}, {"a": 1}),
        ({"rpm": 1}, {"rpm": None}, {}),
        ({}, {"nothing": None}, {"nothing": None}),
        ({"budget": {"amount": 1, "period": "daily"}}, {"budget": {"period": None}}, {"budget": {"amount": 1}}),
        ({"rename": {"a": "b"}}, {"rename": {"a": None, "c": "d"}}, {"rename": {"c": "d"}}),
        ({"models": ["a", "b"]}, {"models": ["c"]}, {"models": ["c"]}),
        ({"budget": 5}, {"budget": {"amount": 6}}, {"budget": {"amount": 6}}),
    ],
)
def test_merge_patch(current: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    kept = repr(current)
    assert patched("groups" if "budget" in result else "channels", current, patch) == result
    assert repr(current) == kept


def test_a_patch_that_is_nested_without_end_is_refused() -> None:
    merged = patched("channels", {"name": "a"}, {"defaults": DEEP})
    assert list(faults("channels", merged)) == ["defaults"]


def test_moments_are_written_as_they_are_read() -> None:
    for ms in (0, NEW_YEAR, NEW_YEAR + 1, 253_402_300_799_999):
        document = read_document("keys", {"name": "a", "expires": write_moment(ms)})
        assert document.model_dump()["expires"] == ms


def test_the_shapes_of_patches_ask_for_nothing() -> None:
    for shape in (KEY_PATCH, CHANNEL_PATCH):
        assert "required" not in shape.model_json_schema()
        assert shape().model_dump(exclude_unset=True) == {}
