"""Channels and their credentials, models and overrides: what is kept, sealed, shown and refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trustme

from fastproxy.admin.tenants import Conflict, Invalid, NotFound, Terms
from fastproxy.config import Listen
from tests.admin.tenants.office import TERMS, Office

if TYPE_CHECKING:
    from pathlib import Path

FIRST = "sk-live-0123456789abcdef"
SECOND = "sk-live-fedcba9876543210"


def secrets_of(office: Office) -> dict[str, str]:
    (channel,) = office(office.tenants.load()).channels
    return {one.label: one.secret for one in channel.credentials}


def paths(caught: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [field["path"] for field in caught.value.fields]


def test_credentials_are_sealed_and_only_their_ends_are_shown(office: Office) -> None:
    made = office.make("channels", "openai", credentials=[{"label": "a", "secret": FIRST}, {"secret": "short"}])
    item = made.item
    assert item is not None
    assert [(one["label"], one["hint"]) for one in item["credentials"]] == [("", ""), ("a", "…cdef")]
    assert (item["provider"], item["sets"], item["managed_by"]) == ("openai", ["default"], "database")
    assert secrets_of(office) == {"": "short", "a": FIRST}
    everything = repr((made, item, office(office.tenants.revision(1)), office(office.tenants.history())))
    assert FIRST not in everything
    assert "sealed" not in everything


def test_credentials_are_added_replaced_disabled_and_taken_away_unseen(office: Office) -> None:
    made = office.make("channels", "openai", credentials=[{"label": "a", "secret": FIRST}]).item
    assert made is not None
    (first,) = made["credentials"]
    added = office.change("channels", "openai", credentials=[{"id": first["id"]}, {"label": "b", "secret": SECOND}])
    assert secrets_of(office) == {"a": FIRST, "b": SECOND}
    assert added.item is not None
    assert added.item["credentials"][0] == first
    replaced = office.change("channels", "openai", credentials=[{"label": "a", "secret": SECOND}, {"label": "b"}])
    assert {"path": "credentials[0].secret", "before": "", "after": "replaced"} in replaced.differences[0]["fields"]
    assert secrets_of(office) == {"a": SECOND, "b": SECOND}
    office.change("channels", "openai", credentials=[{"label": "a", "status": "disabled"}, {"label": "b"}])
    (channel,) = office(office.tenants.load()).channels
    assert [(one.label, one.status) for one in channel.credentials] == [("a", "disabled"), ("b", "enabled")]
    office.change("channels", "openai", credentials=[{"label": "b"}])
    assert secrets_of(office) == {"b": SECOND}
    office.change("channels", "openai", credentials=None)
    assert secrets_of(office) == {}


def test_the_same_secret_again_is_no_change(office: Office) -> None:
    wanted = [{"label": "a", "secret": FIRST}]
    made = office.make("channels", "openai", credentials=wanted)
    assert office.change("channels", "openai", credentials=wanted, rpm=None).revision == made.revision
    assert office.change("channels", "openai", rpm=5).revision == 2
    assert secrets_of(office) == {"a": FIRST}


def test_credentials_that_make_no_sense_are_refused_by_their_paths(office: Office) -> None:
    made = office.make("channels", "openai", credentials=[{"label": "a", "secret": FIRST}]).item
    assert made is not None
    ident = made["credentials"][0]["id"]
    cases: list[tuple[list[dict[str, Any]], list[str]]] = [
        ([{"label": "b"}], ["credentials[0].secret"]),
        ([{"id": "f" * 32, "secret": SECOND}], ["credentials[0].id"]),
        ([{"id": ident}, {"label": "a"}], ["credentials[1].label"]),
        ([{"id": ident}, {"id": ident}], ["credentials[1].id"]),
        ([{"label": "c", "secret": FIRST}, {"label": "c", "secret": SECOND}], ["credentials[1].label"]),
        ([{"label": "d", "secret": f"{SECOND}\n"}], ["credentials[0].secret"]),
        ([{"label": "e", "sekret": SECOND}], ["credentials[0].sekret"]),
    ]
    for wanted, expected in cases:
        with pytest.raises(Invalid) as caught:
            office.change("channels", "openai", credentials=wanted)
        assert paths(caught) == expected
        assert SECOND not in repr((caught.value, caught.value.fields))
    assert office.revision() == 1


def test_addresses_are_checked_as_those_of_the_file(office: Office, tmp_path: Path) -> None:
    office.tenants.declared = type(office.tenants.declared)({}, (Listen("0.0.0.0", 8080),))
    (tmp_path / "no.pem").write_text("x")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"base_url": "ftp://example.com"}, "base_url"),
        ({"base_url": "https://user:password@example.com"}, "base_url"),
        ({"base_url": "https://example.com/?key=x"}, "base_url"),
        ({"base_url": "http://localhost:8080/v1"}, "base_url"),
        ({"provider": "nobody"}, "base_url"),
        ({"provider": "nobody", "base_url": "https://example.com"}, "provider"),
        ({"ca_file": f"{tmp_path}/none.pem"}, "ca_file"),
        ({"ca_file": f"{tmp_path}/no.pem"}, "ca_file"),
        ({"name": "line\r\nbreak"}, "name"),
        ({"name": "ключ"}, "name"),
        ({"rename": {"a": "b c"}}, "rename.a"),
    ]
    for fields, path in cases:
        with pytest.raises(Invalid) as caught:
            office(office.tenants.create("channels", {"name": "openai", **fields}, TERMS))
        assert paths(caught) == [path]
        assert "password" not in str(caught.value)
    office.make("channels", "own", provider="nobody", base_url="http://10.0.0.1:8000/v1/", format="openai-chat")
    assert office.one("channels", "own")["base_url"] == "http://10.0.0.1:8000/v1"


def test_a_certificate_that_vanished_keeps_nobody_from_switching_off(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    office.make("channels", "openai", ca_file=str(file))
    file.unlink()
    office.change("channels", "openai", status="disabled")
    with pytest.raises(Invalid, match="no such file"):
        office.change("channels", "openai", ca_file=f"{file}2")


def test_a_model_with_everything_comes_back_as_it_was_written(office: Office) -> None:
    wanted = {
        "name": "meta/llama-4",
        "owner": "Meta",
        "mode": "chat",
        "price": {"input": 1.25, "output": 10.0, "cache_read": 0.125},
        "fallback": ["gpt-5"],
        "facts": {"max_output": 8000},
        "rpm": 10,
        "retries": 2,
        "timeouts": {"first_byte": 30.0, "total": 120.0},
        "bodies": {"keep": "errors", "request_size": 1024, "reply_size": 65536},
    }
    written = {**wanted, "timeouts": {"first_byte": "30s", "total": "2m"}, "bodies": {**wanted["bodies"]}}  # type: ignore[dict-item]
    made = office(office.tenants.create("models", written, TERMS)).item
    assert made is not None
    assert {name: made[name] for name in wanted} == wanted
    (model,) = office(office.tenants.load()).models
    assert (model.price, model.timeouts) == (wanted["price"], wanted["timeouts"])


def test_models_that_make_no_sense_are_refused(office: Office) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"facts": {"max_output": "many"}}, "facts"),
        ({"fallback": ["gpt-4", "gpt-5"]}, "fallback[1]"),
        ({"price": {"input": -1}}, "price.input"),
        ({"timeouts": {"total": "soon"}}, "timeouts.total"),
        ({"retries": 1.5}, "retries"),
    ]
    for fields, path in cases:
        with pytest.raises(Invalid) as caught:
            office.make("models", "gpt-5", **fields)
        assert paths(caught) == [path]


def test_overrides_of_a_group(office: Office) -> None:
    tenants = office.tenants
    office.make("groups", "a")
    made = office(tenants.put_group_model("a", "meta/llama-4", {"rpm": 5, "price": {"input": 1.0}}, TERMS))
    assert made.item == office(tenants.group_model("a", "meta/llama-4"))
    assert made.item is not None
    assert (made.item["model"], made.item["rpm"], made.item["version"]) == ("meta/llama-4", 5, 1)
    with pytest.raises(Conflict, match="seen version 7, expected 1"):
        office(tenants.put_group_model("a", "meta/llama-4", {}, Terms("tests", if_version=7)))
    assert office(tenants.put_group_model("a", "meta/llama-4", {"rpm": 6}, TERMS)).revision == 3
    assert office(tenants.put_group_model("a", "meta/llama-4", {"rpm": 6}, TERMS)).revision == 3
    (group,) = office(tenants.load()).groups
    assert group.overrides == {"meta/llama-4": {"rpm": 6}}
    assert office(tenants.group_models("a")).total == 1
    office(tenants.remove_group_model("a", "meta/llama-4", TERMS))
    with pytest.raises(NotFound):
        office(tenants.group_model("a", "meta/llama-4"))
    with pytest.raises(NotFound):
        office(tenants.remove_group_model("a", "meta/llama-4", TERMS))
    for model, document in (("two words", {}), ("gpt-5", {"rpm": 0}), ("gpt-5", {"name": "x"})):
        with pytest.raises(Invalid):
            office(tenants.put_group_model("a", model, document, TERMS))
