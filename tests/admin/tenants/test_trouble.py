"""The database away, changes that are too big, a client that leaves midway: told clearly, and nothing half-done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fastproxy.__main__ import main
from fastproxy.admin.tenants import Conflict, Query, Terms, Unavailable, changing, overrides, rollback, transact
from tests.admin.postgres import cluster
from tests.admin.tenants.office import TERMS, Office

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk-live-0123456789abcdef"


def test_a_database_that_is_away_is_a_503_and_comes_back(postgres_url: str) -> None:
    with Office(postgres_url) as office:
        office.make("keys", "ci")
        cluster().stop(at_once=True)
        try:
            for ask in (
                lambda: office.make("channels", "openai", credentials=[{"secret": SECRET}]),
                lambda: office.one("keys", "ci"),
                lambda: office(office.tenants.page("keys", Query())),
                lambda: office(office.tenants.history()),
            ):
                with pytest.raises(Unavailable) as caught:
                    ask()
                assert (caught.value.status, caught.value.kind) == (503, "database_unavailable")
                assert cluster().password not in caught.value.message
                assert SECRET not in caught.value.message
        finally:
            cluster().start()
        assert office.change("keys", "ci", rpm=1).revision == 2


def test_the_command_line_tells_of_a_database_that_is_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://somebody:hidden-password@127.0.0.1:1/none"
    assert main(["key", "list", "--state-dir", str(tmp_path), "--database", url, "--migrate"]) == 1
    err = capsys.readouterr().err
    assert "127.0.0.1:1" in err
    assert "hidden-password" not in err


def test_who_leaves_in_the_middle_of_a_change_leaves_nothing(office: Office) -> None:
    async def leave(after_steps: int) -> None:
        task = asyncio.ensure_future(office.tenants.create("keys", {"name": "ci"}, TERMS))
        for _ in range(after_steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for steps in range(1, 60, 7):
        office(leave(steps))
        made = {item["name"] for item in office(office.tenants.page("keys", Query())).items}
        # whole or not at all; whether it was too late to leave is the database's affair
        assert office.revision() == len(made)
        if made:
            office.remove("keys", "ci")
            break
    office.make("keys", "ci", Terms("tests", create_group=True), group="after")


def test_changes_of_very_many_objects_are_refused_in_one_piece(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "MOST_OBJECTS", 2)
    monkeypatch.setattr(rollback, "MOST_BACK", 2)
    for name in ("one", "two", "three"):
        office.make("keys", name)
    for change in (
        office.tenants.remove("groups", "default", Terms("tests", with_keys=True)),
        office.tenants.roll_back(0, TERMS),
    ):
        with pytest.raises(Conflict) as caught:
            office(change)
        assert caught.value.kind == "too_many"
    assert office.revision() == 3
    office(office.tenants.roll_back(1, TERMS))


def test_what_may_be_removed_at_once_may_be_brought_back_at_once() -> None:
    # a group with as many keys and overrides as it may have, and itself
    assert rollback.MOST_BACK >= transact.MOST_OBJECTS + overrides.MOST_OVERRIDES + 1
