"""What an attack on the service has found, each named after what went wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fastproxy.admin.tenants import Conflict, Declared, Invalid, NotFound, Query, Terms
from fastproxy.admin.tenants.accepting import read_document
from fastproxy.admin.tenants.checks import LARGEST_CA_FILE
from fastproxy.admin.tenants.refusals import MOST_FIELDS
from tests.admin.tenants.office import TERMS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.admin.tenants.office import Office


@pytest.mark.parametrize("moment", [10**400, -(10**400), float("inf"), float("nan")])
def test_a_whole_number_too_large_for_a_float_was_an_internal_error(moment: float) -> None:
    with pytest.raises(Invalid) as caught:
        read_document("keys", {"name": "ci", "expires": moment})
    assert [field["path"] for field in caught.value.fields] == ["expires"]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({f"n{number}": 1 for number in range(1001)}, ""),
        ({"name": "c", "provider": "openai", "rename": {f"n{number} ": 1 for number in range(1001)}}, "rename"),
    ],
)
def test_a_megabyte_of_unknown_names_was_looked_at_one_by_one(document: object, path: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_document("channels", document)
    assert [(field["path"], field["message"]) for field in caught.value.fields] == [
        (path, "expected at most 1000, seen 1001")
    ]


def test_all_faults_are_counted_and_the_first_ones_told() -> None:
    with pytest.raises(Invalid) as caught:
        read_document("groups", {"name": "g", **{f"n{number}": 1 for number in range(999)}})
    assert len(caught.value.fields) == MOST_FIELDS
    assert caught.value.message.endswith("(and 998 more)")


@pytest.mark.parametrize("model", ["a\0b", "", "ü", "m" * 300])
def test_a_model_with_a_nul_made_postgresql_look_away(office: Office, model: str) -> None:
    office.make("groups", "team")
    with pytest.raises(NotFound):
        office(office.tenants.remove_group_model("team", model, TERMS))


def test_a_pipe_as_ca_file_stopped_the_admin_process(office: Office, tmp_path: Path) -> None:
    pipe, huge = tmp_path / "pipe", tmp_path / "huge"
    os.mkfifo(pipe)
    huge.touch()
    os.truncate(huge, LARGEST_CA_FILE + 1)
    for file in (pipe, huge, tmp_path, "/dev/zero"):
        with pytest.raises(Invalid) as caught:
            office.make("channels", "openai", ca_file=str(file))
        assert [field["path"] for field in caught.value.fields] == ["ca_file"]


@pytest.mark.parametrize("with_keys", [False, True])
def test_removing_a_group_left_the_keys_of_the_file_without_bounds(office: Office, with_keys: bool) -> None:
    office.make("groups", "team", models=["gpt-*"])
    key = {"name": "fk", "group": "team", "origin": "file f.yaml:1:8"}
    office.tenants.declared = Declared({"keys": {"fk": key}})
    with pytest.raises(Conflict, match="'fk' of file f") as caught:
        office.remove("groups", "team", Terms("tests", with_keys=with_keys))
    assert caught.value.kind == "in_use"
    assert office.one("groups", "team")["models"] == ["gpt-*"]
    office.tenants.declared = Declared({"keys": {"fk": key}, "groups": {"team": {**key, "name": "team"}}})
    office.remove("groups", _id_of(office, "team"))  # the file's is in force


def _id_of(office: Office, name: str) -> str:
    made = office(office.tenants.page("groups", Query(filters={"managed_by": "database"}))).items
    return next(str(item["id"]) for item in made if item["name"] == name)
