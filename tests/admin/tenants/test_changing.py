"""Create, change, remove: what comes back, what is refused and with which words, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.admin.tenants import Conflict, Invalid, NotFound, Terms
from fastproxy.admin.tenants.vault import PREFIX_LENGTH
from tests.admin.tenants.office import DRY, START, TERMS

if TYPE_CHECKING:
    from tests.admin.tenants.office import Office

SECRET = "sk-live-0123456789abcdef"
OTHER = "sk-live-fedcba9876543210"


def test_a_new_key_is_shown_once_and_kept_as_a_hash(office: Office) -> None:
    made = office.make("keys", "ci", Terms("tests", create_group=True), group="team-a", models=["gpt-*"], quota=5)
    assert made.secret is not None
    assert (made.secret[:6], len(made.secret)) == ("sk-fp-", 49)
    item = made.item
    assert item is not None
    assert item == office.one("keys", "team-a/ci") == office.one("keys", "ci") == office.one("keys", item["id"])
    assert {name: item[name] for name in ("group", "prefix", "models", "quota", "version", "managed_by")} == {
        "group": "team-a",
        "prefix": made.secret[:PREFIX_LENGTH],
        "models": ["gpt-*"],
        "quota": 5.0,
        "version": 1,
        "managed_by": "database",
    }
    (key,) = office(office.tenants.load()).keys
    assert key.digest == office.vault.digest(made.secret)
    assert made.secret not in repr((made, item, key))


def test_the_revision_counts_changes_and_the_publisher_is_told(office: Office) -> None:
    assert office.revision() == 0
    assert office.make("groups", "a").revision == 1
    assert office.change("groups", "a", rpm=5).revision == 2
    assert office.remove("groups", "a").revision == 3
    assert (office.revision(), office.pokes) == (3, 3)


def test_a_plan_shows_what_would_change_and_changes_nothing(office: Office) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("groups", {"name": "a"}),
        ("keys", {"name": "a"}),
        ("channels", {"name": "openai", "credentials": [{"secret": SECRET}]}),
        ("models", {"name": "gpt-5"}),
    ]
    for number, (kind, document) in enumerate(cases):
        planned = office(office.tenants.create(kind, document, DRY))
        assert planned.differences[-1]["action"] == "create"
        assert planned.item is not None
        assert (planned.item["id"], planned.secret, planned.revision) == (None, None, number)
        assert planned.item.get("prefix", "sk-fp-…") == "sk-fp-…"
        assert (office.revision(), office.pokes) == (number, number)
        made = office(office.tenants.create(kind, document, TERMS))
        office(office.tenants.change(kind, document["name"], {"note": "x"}, DRY))
        office.remove(kind, document["name"], DRY)
        assert office.one(kind, document["name"]) == made.item
        assert office.revision() == number + 1


def test_a_name_that_is_taken_is_refused_and_says_by_whom(office: Office) -> None:
    made = office.make("groups", "a").item
    assert made is not None
    with pytest.raises(Conflict, match=made["id"]) as caught:
        office.make("groups", "a")
    assert (caught.value.status, caught.value.kind, caught.value.fields[0]["path"]) == (409, "duplicate", "name")
    office.make("keys", "ci", group="a")
    with pytest.raises(Conflict, match="exists already in group 'a'"):
        office.make("keys", "ci", group="a")
    office.make("keys", "ci")  # in another group it may be called the same
    office.make("keys", "cd", group="a")
    with pytest.raises(Conflict):
        office.change("keys", "a/cd", name="ci")
    assert office.one("keys", "a/cd")["version"] == 1


def test_a_name_of_several_keys_must_be_said_in_full(office: Office) -> None:
    office.make("groups", "a")
    for group in ("a", "default"):
        office.make("keys", "ci", group=group)
    with pytest.raises(Conflict, match="a/ci, default/ci") as caught:
        office.one("keys", "ci")
    assert caught.value.kind == "ambiguous"


def test_a_patch_changes_what_it_names_and_null_goes_back_to_the_default(office: Office) -> None:
    office.make("keys", "ci", models=["gpt-*"], rpm=5, expires="2027-01-01", subnets=["10.0.0.1/8", "::1"], note="x")
    office.now += 60
    changed = office.change("keys", "ci", rpm=None, models=None, status="disabled")
    item = changed.item
    assert item is not None
    assert (item["rpm"], item["models"], item["status"], item["version"]) == (None, ["*"], "disabled", 2)
    assert (item["expires"], item["subnets"]) == ("2027-01-01T00:00:00Z", ["10.0.0.0/8", "::1/128"])
    assert (item["note"], item["created_at"]) == ("x", "2027-01-15T08:00:00Z")
    assert item["updated_at"] == "2027-01-15T08:01:00Z"
    (told,) = changed.differences
    assert told["fields"] == [
        {"path": "status", "before": "enabled", "after": "disabled"},
        {"path": "models", "before": ["gpt-*"], "after": ["*"]},
        {"path": "rpm", "before": 5, "after": None},
    ]


def test_a_patch_that_changes_nothing_makes_no_revision(office: Office) -> None:
    made = office.make("keys", "ci", rpm=5)
    same = office.change("keys", "ci", rpm=5)
    assert (same.revision, same.differences, same.item) == (made.revision, [], made.item)
    assert office.pokes == 1


def test_a_patch_reaches_into_a_section(office: Office) -> None:
    office.make("groups", "a", budget={"amount": 50, "period": "daily"})
    office.change("groups", "a", budget={"amount": 60})
    assert office.one("groups", "a")["budget"] == {"amount": 60.0, "period": "daily"}
    office.change("groups", "a", budget=None)
    assert office.one("groups", "a")["budget"] is None


def test_what_a_patch_may_not_do(office: Office) -> None:
    office.make("keys", "ci")
    cases: list[tuple[str, str, Any, str]] = [
        ("groups", "default", {"name": "b"}, "name"),
        ("keys", "ci", {"group": "b"}, "group"),
        ("keys", "ci", {"name": None}, "name"),
        ("keys", "ci", {"nmae": None}, "nmae"),
        ("keys", "ci", {"version": 7}, "version"),
        ("keys", "ci", {"models": []}, "models"),
        ("keys", "ci", [], ""),
    ]
    for kind, ident, patch, path in cases:
        with pytest.raises(Invalid) as caught:
            office(office.tenants.change(kind, ident, patch, TERMS))
        assert [field["path"] for field in caught.value.fields] == [path]
    assert office.revision() == 1


def test_an_old_version_is_refused_and_says_seen_and_expected(office: Office) -> None:
    office.make("keys", "ci")
    office.change("keys", "ci", rpm=1)
    tenants, late = office.tenants, Terms("tests", if_version=1)
    for late_change in (
        tenants.change("keys", "ci", {"rpm": 2}, late),
        tenants.remove("keys", "ci", late),
        tenants.rotate("ci", 0, late),
    ):
        with pytest.raises(Conflict, match="seen version 1, expected 2") as caught:
            office(late_change)
        assert caught.value.kind == "version"
    office(tenants.change("keys", "ci", {"rpm": 2}, Terms("tests", if_version=2)))


def test_a_group_with_keys_goes_only_when_asked_with_them(office: Office) -> None:
    office.make("groups", "a")
    for name in ("one", "two"):
        office.make("keys", name, group="a")
    office(office.tenants.put_group_model("a", "gpt-5", {"rpm": 1}, TERMS))
    with pytest.raises(Conflict, match="has 2 keys") as caught:
        office.remove("groups", "a")
    assert caught.value.kind == "in_use"
    gone = office.remove("groups", "a", Terms("tests", with_keys=True))
    assert [told["name"] for told in gone.differences] == ["a/one", "a/two", "a/gpt-5", "a"]
    assert {told["action"] for told in gone.differences} == {"remove"}
    for kind, ident in (("groups", "a"), ("keys", "one")):
        with pytest.raises(NotFound):
            office.one(kind, ident)


def test_a_key_of_an_unknown_group_is_refused_unless_it_shall_be_made(office: Office) -> None:
    with pytest.raises(Invalid, match="there is no group 'team-a'") as caught:
        office.make("keys", "ci", group="team-a")
    assert caught.value.fields[0]["path"] == "group"
    assert office.revision() == 0
    made = office.make("keys", "ci", Terms("tests", create_group=True), group="team-a")
    assert [(told["kind"], told["name"]) for told in made.differences] == [("groups", "team-a"), ("keys", "team-a/ci")]


def test_rotation_lets_both_secrets_work_for_the_grace(office: Office) -> None:
    first = office.make("keys", "ci")
    second = office(office.tenants.rotate("ci", 3600, TERMS))
    assert first.secret is not None
    assert second.secret is not None
    assert second.item is not None
    assert second.item["previous_until"] == "2027-01-15T09:00:00Z"
    (key,) = office(office.tenants.load()).keys
    assert (key.digest, key.previous_digest) == (office.vault.digest(second.secret), office.vault.digest(first.secret))
    assert key.previous_until == int((START + 3600) * 1000)
    assert {"path": "secret", "before": "", "after": "replaced"} in second.differences[0]["fields"]


def test_rotation_without_grace_ends_every_earlier_secret(office: Office) -> None:
    office.make("keys", "ci")
    office(office.tenants.rotate("ci", 3600, TERMS))
    last = office(office.tenants.rotate("ci", 0, TERMS))
    assert last.secret is not None
    (key,) = office(office.tenants.load()).keys
    assert (key.digest, key.previous_digest, key.previous_until) == (office.vault.digest(last.secret), None, 0)


def test_a_grace_out_of_range_is_refused(office: Office) -> None:
    office.make("keys", "ci")
    for grace in (-1, 1e12, float("nan")):
        with pytest.raises(Invalid, match="grace"):
            office(office.tenants.rotate("ci", grace, TERMS))


def test_what_is_not_there_is_not_found(office: Office) -> None:
    for ident in ("nobody", "a/nobody", "0" * 32, "x" * 500, "\0", "\ud800"):
        for kind in ("groups", "keys", "channels", "models", "users"):
            with pytest.raises(NotFound):
                office.one(kind, ident)
            with pytest.raises(NotFound):
                office.remove(kind, ident)
