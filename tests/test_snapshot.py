"""The contract down: what is packed comes back as it was, and entries of the register are told apart."""

from __future__ import annotations

import msgspec
import pytest

from fastproxy.snapshot import (
    BodyRule,
    ChannelSpec,
    GroupSpec,
    KeySpec,
    RouteSpec,
    Snapshot,
    digest,
    entry_name_of_group,
    pack,
    pack_group,
    pack_key,
    unpack,
    unpack_group,
    unpack_key,
)

SECRET = b"s" * 32
KEY = KeySpec(
    "ci", b"d" * 16, "team", ("gpt-*",), ("10.0.0.0/8",), 1e9, "strict", "0" * 32, "disabled", ("gold",), 5, 1, 2, 3,
    1.0, 2.0, 3.0, 4.0,
)  # fmt: skip
GROUP = GroupSpec("team", "disabled", ("m",), ("gold",), 1, 2, 3, 5.0, "daily", 0.5, 2.0, {"m": {"rpm": 1}})


def test_a_snapshot_comes_back_as_it_was() -> None:
    snapshot = Snapshot(
        SECRET, "p", {"max_body": 1.0}, groups=(GROUP,), keys=(KEY,), trusted_proxies=("10.0.0.0/8", "unix:"),
        channels=(ChannelSpec("c", "openai", "http://x", ("openai-chat",), "bearer", sets=("gold",), id="7"),),
        routes=(RouteSpec(("http://y",)),), bodies=(BodyRule("errors", 1, 2, ("m",)),), when_full="count",
    )  # fmt: skip
    assert unpack(pack(snapshot)) == snapshot


@pytest.mark.parametrize("spec", [KEY, KeySpec("ci", b"d" * 16)])
def test_a_keys_entry_does_not_repeat_its_name(spec: KeySpec) -> None:
    entry = pack_key(spec)
    assert spec.digest not in entry
    assert unpack_key(entry, spec.digest) == spec


@pytest.mark.parametrize("spec", [GROUP, GroupSpec("")])
def test_a_groups_entry_comes_back_as_it_was(spec: GroupSpec) -> None:
    assert unpack_group(pack_group(spec)) == spec


@pytest.mark.parametrize("entry", [b"", b"k", b"k\1", b"x\1\x90", pack_group(GROUP), b"k\2" + pack_key(KEY)[2:]])
def test_what_is_no_entry_of_a_key(entry: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        unpack_key(entry, b"d" * 16)


@pytest.mark.parametrize("entry", [b"", b"g\1", pack_key(KEY), pack_group(GROUP)[:-1]])
def test_what_is_no_entry_of_a_group(entry: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        unpack_group(entry)


def test_an_entry_of_an_older_version_is_read() -> None:
    """Fields that came later have their defaults."""
    older = b"k\1" + msgspec.msgpack.encode(["ci", b"", "team"])
    assert unpack_key(older, b"d" * 16) == KeySpec("ci", b"d" * 16, "team")


def test_no_credential_leads_to_a_group() -> None:
    assert entry_name_of_group(SECRET, "team") != digest(SECRET, b"team")
    assert len({entry_name_of_group(SECRET, name) for name in ("", "team", "teams")}) == 3
    assert entry_name_of_group(b"t" * 32, "team") != entry_name_of_group(SECRET, "team")
