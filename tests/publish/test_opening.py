"""What a master begins with, from its settings and from what an earlier run has saved."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from fastproxy.config import Settings, load
from fastproxy.publish.opening import Opening, keep, open_with
from fastproxy.publish.stored import Stored, StoredChannel, StoredGroup
from fastproxy.shared.master_key import MasterKey
from fastproxy.snapshot import digest, entry_name_of_group, unpack

if TYPE_CHECKING:
    from pathlib import Path

KEY = MasterKey(bytes(range(32)))
SECRET = b"h" * 32


def settings(tmp_path: Path, text: str = "", **flags: object) -> Settings:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    return load({"config": str(file), "state_dir": str(tmp_path), **flags}, {})


def saved_before(tmp_path: Path, text: str = "") -> Opening:
    """An earlier run that has read a database of its own secret."""
    told = settings(tmp_path, text)
    keep(open_with(told, KEY), told, KEY)
    opening = open_with(told, KEY)
    stored = Stored(5, "i", SECRET, channels=(StoredChannel("1", "c", "openai"),), groups=(StoredGroup("2", "g"),))
    opening = msgspec_replaced(opening, stored)
    keep(opening, told, KEY)
    return opening


def msgspec_replaced(opening: Opening, stored: Stored) -> Opening:
    snapshot = msgspec.structs.replace(opening.saved.declared.snapshot, secret=SECRET)
    declared = msgspec.structs.replace(opening.saved.declared, snapshot=snapshot)
    saved = msgspec.structs.replace(opening.saved, declared=declared, stored=stored, has_keys=True)
    return Opening(opening.snapshot, opening.carrying, opening.entries, opening.gone, saved)


def test_a_first_start_knows_the_file_only(tmp_path: Path) -> None:
    opening = open_with(settings(tmp_path, "keys: [{name: k, key: sk-of-the-file-1, group: g}]"), KEY)
    snapshot, carrying = unpack(opening.snapshot), unpack(opening.carrying)
    name = digest(snapshot.secret, b"sk-of-the-file-1")
    assert set(opening.entries) == {name, entry_name_of_group(snapshot.secret, "g")}
    assert (snapshot.keys, [key.name for key in carrying.keys], opening.gone) == ((), ["k"], ())
    assert opening.saved.stored is None
    assert len(opening.fingerprint) == 16


def test_a_later_start_has_what_was_saved(tmp_path: Path) -> None:
    before = saved_before(tmp_path)
    opening = open_with(settings(tmp_path), KEY)
    snapshot = unpack(opening.snapshot)
    assert (snapshot.secret, [one.name for one in snapshot.channels], snapshot.open_to_all) == (SECRET, ["c"], False)
    assert opening.fingerprint == before.fingerprint
    assert opening.saved.boot != before.saved.boot
    assert entry_name_of_group(SECRET, "g") in opening.entries
    assert [group.name for group in unpack(opening.carrying).groups] == ["g"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [({"database": "postgresql://u:p@h/other"}, "another one than before"), ({}, "cannot be read")],
    ids=["another database", "another master key"],
)
def test_what_was_saved_elsewhere_is_not_used(
    tmp_path: Path, flags: dict[str, str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = saved_before(tmp_path)
    with caplog.at_level(logging.WARNING, "fastproxy"):
        opening = open_with(settings(tmp_path, **flags), KEY if flags else MasterKey(bytes(range(1, 33))))
    assert said in caplog.text
    assert opening.saved.stored is None
    assert opening.fingerprint != before.fingerprint


def test_without_an_admin_process_there_is_no_database(tmp_path: Path) -> None:
    saved_before(tmp_path)
    opening = open_with(settings(tmp_path, "admin: off"), KEY)
    assert unpack(opening.snapshot).channels == ()
    assert unpack(opening.snapshot).open_to_all


def test_keys_that_the_file_has_lost_go(tmp_path: Path) -> None:
    told = settings(tmp_path, "keys: [{name: k, key: sk-of-the-file-1}, {name: l, key: sk-of-the-file-2}]")
    first = open_with(told, KEY)
    keep(first, told, KEY)
    again = open_with(settings(tmp_path, "keys: [{name: k, key: sk-of-the-file-1}]"), KEY)
    assert set(again.gone) == set(first.entries) - set(again.entries)
    assert len(again.gone) == 1


@pytest.mark.parametrize(
    ("database", "is_open"),
    [("", True), ("sqlite:///{}/there.db", False), ("postgresql://u:p@h/n", False)],
    ids=["none yet", "a file", "a server"],
)
def test_a_gateway_is_open_to_all_only_when_no_database_can_have_keys(
    tmp_path: Path, database: str, is_open: bool
) -> None:
    (tmp_path / "there.db").touch()
    told = settings(tmp_path, **({"database": database.format(tmp_path)} if database else {}))
    made = unpack(open_with(told, KEY).snapshot)
    assert (made.open_to_all, made.is_unread) == (is_open, not is_open)


def test_what_cannot_be_saved_is_told_and_no_reason_not_to_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = settings(tmp_path)
    os.mkdir(tmp_path / "snapshot")
    keep(open_with(told, KEY), told, KEY)
    assert "what is published cannot be saved for the next start" in caplog.text
