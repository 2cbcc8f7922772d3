"""What is saved for the next start: whole or not at all, readable by nobody else, worth nothing when it is not ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from fastproxy.publish.declared import Declared
from fastproxy.publish.saved import Saved, SavedFile, database_hash
from fastproxy.publish.stored import Stored, StoredChannel, StoredCredential, StoredGroup, StoredModel
from fastproxy.shared.master_key import MasterKey
from fastproxy.snapshot import ChannelSpec, GroupSpec, KeySpec, RouteSpec, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = MasterKey(bytes(range(32)))
PLANTED = "sk-planted-secret"


def saved() -> Saved:
    channel = ChannelSpec("c", "openai", "https://x", ("openai-chat",), "bearer", (PLANTED,), rename={"a": "b"})
    snapshot = Snapshot(b"s" * 32, "fp", {"max_body": 5.0}, (channel,), routes=(RouteSpec(("http://h",)),))
    stored = Stored(
        7, "i" * 32, b"h" * 32,
        channels=(StoredChannel("1", "d", "openai", credentials=(StoredCredential("2", "l", PLANTED),)),),
        models=(StoredModel("3", "m", price={"input": 1.5}, facts={"max_output": 5}),),
        groups=(StoredGroup("4", "g", overrides={"m": {"rpm": 5}}),),
    )  # fmt: skip
    declared = Declared(
        snapshot, (KeySpec("k", b"d" * 16, subnets=("10.0.0.0/8",)),), (GroupSpec("g"),), ("m",), ("c",)
    )
    return Saved(b"l" * 16, database_hash("sqlite:///x"), b"b" * 16, declared, stored, has_keys=True)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = SavedFile(str(tmp_path), KEY)
    assert (file.read(), file.exists) == (None, False)
    for one in (saved(), msgspec.structs.replace(saved(), stored=None, has_keys=False)):
        file.write(one)
        assert (file.read(), file.exists) == (one, True)
    assert os.listdir(tmp_path) == ["snapshot"]
    assert (tmp_path / "snapshot").stat().st_mode & 0o777 == 0o600


def test_nothing_of_it_can_be_read_without_the_master_key(tmp_path: Path) -> None:
    SavedFile(str(tmp_path), KEY).write(saved())
    data = (tmp_path / "snapshot").read_bytes()
    assert PLANTED.encode() not in data
    assert b"openai" not in data
    assert SavedFile(str(tmp_path), MasterKey(bytes(range(1, 33)))).read() is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:100],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data.replace(b"snapshot 1", b"snapshot 2"),
        lambda data: b"x" * len(data),
    ],
    ids=["empty", "cut", "a bit", "another version", "something else"],
)
def test_a_damaged_one_is_as_good_as_none(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = SavedFile(str(tmp_path), KEY)
    file.write(saved())
    path = tmp_path / "snapshot"
    path.write_bytes(damage(path.read_bytes()))
    assert file.read() is None


def test_a_failed_write_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = SavedFile(str(tmp_path), KEY)
    file.write(saved())

    def full(_: int) -> None:
        raise OSError(28, "no room")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no room"):
        file.write(msgspec.structs.replace(saved(), has_keys=False))
    assert file.read() == saved()
    assert os.listdir(tmp_path) == ["snapshot"]


def test_databases_are_told_apart_without_their_passwords() -> None:
    assert database_hash("postgresql://u:p@h/a") != database_hash("postgresql://u:p@h/b")
    assert len(database_hash("postgresql://u:p@h/a")) == 16
