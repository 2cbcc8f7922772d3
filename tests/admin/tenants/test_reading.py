"""Lists and single objects: pages, search, order, filters; what the file declares beside what the database has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.admin.tenants import Conflict, Declared, Invalid, NotFound, Query, Terms
from fastproxy.config import load
from tests.admin.tenants.office import TERMS, Office

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
channels:
  - {name: main, provider: openai, keys: [sk-live-0123456789abcdef], weight: 2}
models: [{name: gpt-5, rpm: 5, price: {input: 1}}]
groups:
  - {name: team-f, models: [gpt-*], budget: {amount: 5}, rpm: 7}
keys:
  - {name: ci, key: client-secret-0001, group: team-f, expires: 2027-01-01}
"""


def declared(path: Path) -> Declared:
    file = path / "fastproxy.yaml"
    file.write_text(FILE)
    return Declared.of(load({"config": str(file)}, {"OPENAI_API_KEY": "sk-of-the-environment"}))


def names(office: Office, kind: str, **query: Any) -> list[str]:
    return [item["name"] for item in office(office.tenants.page(kind, Query(**query))).items]


def test_pages_search_order_and_filters(office: Office) -> None:
    for number in range(7):
        office.now += 1
        office.make("groups", f"g{number}", note="100% Odd" if number % 2 else "even_")
    office.change("groups", "g5", status="disabled")
    assert names(office, "groups", per_page=3) == ["g0", "g1", "g2"]
    assert names(office, "groups", per_page=3, page=3) == ["g6"]
    assert names(office, "groups", per_page=3, page=4) == []
    assert names(office, "groups", order="-created_at", per_page=2) == ["g6", "g5"]
    assert names(office, "groups", search="odd") == ["g1", "g3", "g5"]
    assert names(office, "groups", search="0%") == ["g1", "g3", "g5"]
    assert names(office, "groups", search="n_") == ["g0", "g2", "g4", "g6"]
    assert names(office, "groups", filters={"status": "disabled"}) == ["g5"]
    assert office(office.tenants.page("groups", Query(per_page=3, page=2))).total == 7


def test_keys_are_listed_by_group(office: Office) -> None:
    for group in ("a", "b"):
        for name in ("one", "two"):
            office.make("keys", name, Terms("tests", create_group=True), group=group)
    page = office(office.tenants.page("keys", Query(filters={"group": "b"}, order="-name")))
    assert [(item["group"], item["name"]) for item in page.items] == [("b", "two"), ("b", "one")]
    prefix = page.items[0]["prefix"]
    assert names(office, "keys", search=prefix) == ["two"]
    assert office(office.tenants.page("keys", Query())).total == 4


def test_a_query_that_makes_no_sense_is_refused(office: Office) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"page": 0}, "page"),
        ({"page": 10**9}, "page"),
        ({"per_page": 0}, "per_page"),
        ({"per_page": 10_000}, "per_page"),
        ({"order": "digest"}, "order"),
        ({"filters": {"digest": "x"}}, "digest"),
        ({"filters": {"group": "\0"}}, "group"),
        ({"search": "\ud800"}, "search"),
        ({"search": "x" * 300}, "search"),
    ]
    for query, path in cases:
        with pytest.raises(Invalid) as caught:
            names(office, "keys", **query)
        assert [field["path"] for field in caught.value.fields] == [path]
    assert names(office, "keys", page=1_000_000, per_page=1000) == []


def test_what_the_file_declares_stands_first_with_its_origin(office: Office, tmp_path: Path) -> None:
    office.tenants.declared = declared(tmp_path)
    office.make("keys", "ca", Terms("tests"), group="team-f")
    page = office(office.tenants.page("keys", Query()))
    assert [(item["name"], item["managed_by"]) for item in page.items] == [("ci", "file"), ("ca", "database")]
    assert page.total == 2
    assert [item["name"] for item in office(office.tenants.page("keys", Query(per_page=1, page=2))).items] == ["ca"]
    assert names(office, "keys", filters={"managed_by": "file"}) == ["ci"]
    assert names(office, "keys", filters={"managed_by": "database"}) == ["ca"]
    item = office.one("keys", "team-f/ci")
    assert item == office.one("keys", "ci")
    assert item["origin"].startswith(f"file {tmp_path}/fastproxy.yaml:8:")
    assert (item["id"], item["version"], item["prefix"]) == (None, None, "clie…(18 chars)")
    channels = {item["name"]: item for item in office(office.tenants.page("channels", Query())).items}
    assert channels["main"]["credentials"] == [{"label": "", "hint": "…cdef", "status": "enabled"}]
    assert office.one("models", "gpt-5")["price"]["input"] == 1.0
    assert office.one("groups", "team-f")["budget"] == {"amount": 5.0, "period": "monthly"}


def test_the_lists_of_the_file_have_the_fields_of_the_database(office: Office, tmp_path: Path) -> None:
    given = declared(tmp_path)
    for kind, name in (("groups", "g"), ("keys", "k"), ("channels", "openai"), ("models", "m")):
        made = office.make(kind, name).item
        assert made is not None
        (item, *_) = given.all(kind)
        # of the file's settings some have no field here, and the other way round; what is asked for is always there
        assert item.keys() <= made.keys()
        assert {"id", "name", "note", "created_at", "version", "managed_by", "origin", "shadowed_by"} <= item.keys()


def test_what_the_file_declares_is_read_only_and_says_where(office: Office, tmp_path: Path) -> None:
    office.tenants.declared = declared(tmp_path)
    tenants = office.tenants
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("groups", "team-f", {}),
        ("keys", "ci", {"group": "team-f"}),
        ("channels", "main", {"provider": "openai"}),
        ("models", "gpt-5", {}),
    ]
    for kind, name, fields in cases:
        for change in (
            tenants.change(kind, name, {"rpm": 1}, TERMS),
            tenants.remove(kind, name, TERMS),
            tenants.create(kind, {"name": name, **fields}, TERMS),
        ):
            with pytest.raises(Conflict, match=r"fastproxy\.yaml:\d+:\d+; change it there") as caught:
                office(change)
            assert caught.value.kind == "managed_by_file"
    assert office.revision() == 0


def test_a_key_in_a_group_of_the_file_keeps_its_limits_when_the_file_forgets_it(office: Office, tmp_path: Path) -> None:
    office.tenants.declared = declared(tmp_path)
    office.make("keys", "extra", group="team-f")
    (shown, anchor) = office(office.tenants.page("groups", Query())).items
    assert (shown["managed_by"], anchor["managed_by"]) == ("file", "database")
    assert anchor["shadowed_by"] == shown["origin"]
    office.tenants.declared = Declared()
    group = office.one("groups", "team-f")
    assert (group["models"], group["rpm"], group["budget"]) == (["gpt-*"], 7, {"amount": 5.0, "period": "monthly"})


def test_unknown_kinds_are_not_found(tmp_path: Path) -> None:
    with Office(f"sqlite:///{tmp_path}/x.db") as office, pytest.raises(NotFound):
        names(office, "users")


def test_declared_holds_no_secret(tmp_path: Path) -> None:
    text = repr(declared(tmp_path))
    assert "client-secret" not in text
    assert "sk-live" not in text
    assert "sk-of-the-environment" not in text
    assert replace(Declared(), items={"keys": {}}).all("groups") == []
