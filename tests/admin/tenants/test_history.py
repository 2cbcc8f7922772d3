"""Revisions, and the way back to them: whatever has happened since."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete

from fastproxy.admin.store.tables import changes
from fastproxy.admin.tenants import Conflict, Invalid, NotFound, Refusal, Terms
from tests.admin.tenants.office import DRY, TERMS, Office

if TYPE_CHECKING:
    from fastproxy.publish.stored import Stored

SECRET = "sk-live-0123456789abcdef"


def everything(office: Office) -> dict[str, Any]:
    """What workers would get of the database; no versions or times, which go on."""
    stored: Stored = office(office.tenants.load())
    return {kind: {one.id: one for one in getattr(stored, kind)} for kind in ("channels", "models", "groups", "keys")}


def back(office: Office, revision: int, terms: Terms = TERMS) -> list[tuple[str, str, str]]:
    done = office(office.tenants.roll_back(revision, terms))
    return [(told["action"], told["kind"], told["name"]) for told in done.differences]


def test_history_tells_who_changed_what_newest_first(office: Office) -> None:
    office.make("groups", "a", Terms("alice"))
    office.now += 60
    office.make("keys", "ci", Terms("bob", create_group=True), group="b")
    office.change("keys", "ci", rpm=5)
    page = office(office.tenants.history())
    assert [(item["revision"], item["actor"], item["count"]) for item in page.items] == [
        (3, "tests", 1),
        (2, "bob", 2),
        (1, "alice", 1),
    ]
    assert page.total == 3
    assert page.items[1]["changes"][1] | {"id": ""} == {"kind": "keys", "id": "", "name": "b/ci", "action": "create"}
    assert page.items[2]["at"] == "2027-01-15T08:00:00Z"
    older = office(office.tenants.history(before=3, limit=1)).items
    assert [item["revision"] for item in older] == [2]
    (told,) = office(office.tenants.revision(3))["changes"]
    assert (told["before"]["rpm"], told["after"]["rpm"]) == (None, 5)
    assert told["fields"] == [{"path": "rpm", "before": None, "after": 5}]


def test_history_shows_no_digest_and_nothing_sealed(office: Office) -> None:
    made = office.make("keys", "ci")
    office.make("channels", "openai", credentials=[{"secret": SECRET}])
    office(office.tenants.rotate("ci", 60, TERMS))
    told = repr([office(office.tenants.revision(number)) for number in (1, 2, 3)])
    assert made.secret is not None
    for hidden in (SECRET, made.secret, office.vault.digest(made.secret).hex(), "sealed", "digest"):
        assert hidden not in told


def test_what_is_not_in_the_history(office: Office) -> None:
    for number in (0, 1, -1, 1 << 70):
        with pytest.raises(NotFound):
            office(office.tenants.revision(number))
    for limit in (0, 10_000):
        with pytest.raises(Invalid):
            office(office.tenants.history(limit=limit))
    with pytest.raises(NotFound, match="the newest one is 0"):
        back(office, 1)


def test_the_way_back_is_a_revision_of_its_own(office: Office) -> None:
    office.make("channels", "openai", credentials=[{"label": "a", "secret": SECRET}])
    office.make("keys", "ci", group="default")
    then = everything(office)
    office.change("keys", "ci", rpm=5, name="cd")
    office.change("channels", "openai", credentials=[{"label": "a", "secret": f"{SECRET}2"}])
    office(office.tenants.rotate("cd", 60, TERMS))
    office.remove("groups", "default", Terms("tests", with_keys=True))
    office.make("groups", "default")
    assert back(office, 2, DRY) == back(office, 2)
    assert everything(office) == then
    assert office.revision() == 8
    assert back(office, 7)[0] == ("remove", "keys", "default/ci")
    assert back(office, 7) == []
    assert office.revision() == 9


def test_a_name_that_two_have_exchanged_goes_back_to_its_owner(office: Office) -> None:
    office.make("channels", "one", provider="openai")
    office.make("channels", "two", provider="openai")
    then = everything(office)
    for old, new in (("one", "three"), ("two", "one"), ("three", "two")):
        office.change("channels", old, name=new)
    back(office, 2)
    assert everything(office) == then


def test_versions_go_on_so_that_an_old_one_never_passes(office: Office) -> None:
    office.make("keys", "ci")
    office.change("keys", "ci", rpm=5)
    back(office, 1)
    assert office.one("keys", "ci")["version"] == 3
    office.remove("keys", "ci")
    back(office, 1)
    assert office.one("keys", "ci")["version"] == 4


def test_a_pruned_history_does_not_pretend(office: Office) -> None:
    for number in range(5):
        office.make("groups", f"g{number}")

    async def prune(below: int) -> None:
        async with office.store.config.begin() as connection:
            await connection.execute(delete(changes).where(changes.c.revision < below))

    office(prune(3))
    for revision in (0, 1, 2):
        with pytest.raises(Conflict, match="does not reach back"):
            back(office, revision)
    assert office(office.tenants.changes_since(1)) is None
    assert len(back(office, 3)) == 2
    office(prune(100))
    assert back(office, 6) == []
    assert office(office.tenants.changes_since(6)) is not None
    with pytest.raises(Conflict, match="does not reach back"):
        back(office, 5)


# --- any sequence of changes, and back to any of its revisions


class Author:
    """Somebody who changes things at random; what is refused is part of the sequence."""

    def __init__(self, office: Office, seed: int) -> None:
        self.office = office
        self.random = random.Random(seed)

    def act(self) -> None:
        step = self.random.choice(
            [self.make, self.make, self.alter, self.alter, self.alter, self.remove, self.rotate, self.override]
        )
        with suppress(Refusal):
            step()

    def name(self, kind: str) -> str:
        # so few that they are taken, freed and exchanged all the time
        return self.random.choice(["default", "a", "b"] if kind == "groups" else ["one", "two", "three"])

    def kind(self) -> str:
        return self.random.choice(["groups", "keys", "keys", "channels", "models"])

    def credentials(self) -> list[dict[str, str]]:
        labels = self.random.sample(["x", "y", "z"], self.random.randrange(3))
        return [{"label": label, "secret": f"secret-{self.random.randrange(100)}"} for label in labels]

    def fields(self, kind: str) -> dict[str, Any]:
        fields: dict[str, Any] = {"rpm": self.random.randrange(1, 9), "note": self.random.choice(["", "n"])}
        if kind == "channels":
            fields |= {"provider": "openai", "credentials": self.credentials()}
        return fields

    def make(self) -> None:
        kind = self.kind()
        group = {"group": self.name("groups")} if kind == "keys" else {}
        self.office.make(kind, self.name(kind), Terms("tests", create_group=True), **self.fields(kind), **group)

    def alter(self) -> None:
        kind = self.kind()
        rename = {"name": self.name(kind)} if kind != "groups" and self.random.random() < 0.4 else {}
        self.office.change(kind, self.name(kind), **self.fields(kind), **rename)

    def remove(self) -> None:
        kind = self.kind()
        self.office.remove(kind, self.name(kind), Terms("tests", with_keys=self.random.random() < 0.7))

    def rotate(self) -> None:
        self.office(self.office.tenants.rotate(self.name("keys"), self.random.choice([0, 60]), TERMS))

    def override(self) -> None:
        tenants, group, model = self.office.tenants, self.name("groups"), self.random.choice(["m1", "m2"])
        if self.random.random() < 0.3:
            self.office(tenants.remove_group_model(group, model, TERMS))
        else:
            self.office(tenants.put_group_model(group, model, {"rpm": self.random.randrange(1, 9)}, TERMS))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", range(2))
def test_every_revision_can_be_gone_back_to_after_any_changes(office: Office, seed: int) -> None:
    author = Author(office, seed)
    states = {0: everything(office)}
    for _ in range(40):
        author.act()
        states[office.revision()] = everything(office)
    newest = office.revision()
    assert newest > 10
    for revision in author.random.sample(sorted(states), 12):
        back(office, revision)
        assert everything(office) == states[revision]
    back(office, newest)
    assert everything(office) == states[newest]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", range(2))
def test_changes_since_any_revision_lead_to_what_is_there(office: Office, seed: int) -> None:
    author = Author(office, 100 + seed)
    seen = [(0, everything(office))]
    for _ in range(30):
        author.act()
        seen.append((office.revision(), everything(office)))
    now = everything(office)
    for revision, state in seen:
        found = office(office.tenants.changes_since(revision))
        assert found is not None
        assert found.revision == office.revision()
        for kind, objects in state.items():
            objects.update(getattr(found, kind))
            assert {ident: one for ident, one in objects.items() if one is not None} == now[kind]
