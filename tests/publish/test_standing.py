"""What single changes make of the register: decided without a register, against composing everything anew."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fastproxy.config import load
from fastproxy.publish.compose import compose
from fastproxy.publish.declared import Declared, declare
from fastproxy.publish.entries import differences, groups_first
from fastproxy.publish.standing import Standing
from fastproxy.publish.stored import (
    Changes,
    Stored,
    StoredChannel,
    StoredCredential,
    StoredGroup,
    StoredKey,
    StoredModel,
)
from fastproxy.snapshot import (
    GroupSpec,
    KeySpec,
    digest,
    entry_name_of_group,
    pack_group,
    pack_key,
    unpack_group,
    unpack_key,
)

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"s" * 32
FILE = """
groups: [{name: g0, models: [of-the-file]}]
keys: [{name: k0, key: sk-of-the-file-0, group: g1}, {name: k9, key: sk-of-the-file-9, group: g9}]
channels: [{name: c0, provider: openai, keys: [sk-of-the-file-c]}]
models: [{name: m0, facts: {max_output: 1}}]
"""


def declared(tmp_path: Path, text: str = FILE) -> Declared:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    return declare(load({"config": str(file)}, {}), SECRET, "fp")


def key(number: int, group: int = 0, **more: Any) -> StoredKey:
    made = StoredKey(f"{number:032x}", f"k{number}", f"g{group}", digest(SECRET, b"sk-%d" % number))
    return msgspec.structs.replace(made, **more)


def group(number: int, **more: Any) -> StoredGroup:
    return msgspec.structs.replace(StoredGroup(f"{number:032x}", f"g{number}"), **more)


def channel(number: int, **more: Any) -> StoredChannel:
    return msgspec.structs.replace(StoredChannel(f"{number:032x}", f"c{number}", "openai"), **more)


class Model:
    """A database and a register, both plain dictionaries; the register follows by steps only."""

    def __init__(self, half: Declared) -> None:
        self.half = half
        self.kinds: dict[str, dict[str, Any]] = {"channels": {}, "models": {}, "groups": {}, "keys": {}}
        self.revision = 0
        self.standing = Standing(half, self.stored())
        self.register = dict(compose(half, self.stored()).entries)

    def stored(self) -> Stored:
        return Stored(self.revision, "i", SECRET, **{name: tuple(kind.values()) for name, kind in self.kinds.items()})

    def change(self, **changes: dict[str, Any]) -> bool:
        """Returns whether the snapshot is told to be new."""
        self.revision += 1
        for kind, objects in changes.items():
            for ident, one in objects.items():
                self.kinds[kind].pop(ident, None)
                if one is not None:
                    self.kinds[kind][ident] = one
        step = self.standing.take(Changes(self.revision, **changes))
        self.apply(step.entries)
        return step.is_snapshot_new

    def apply(self, entries: dict[bytes, bytes | None]) -> None:
        for name, data in entries.items():
            if data is None:
                self.register.pop(name, None)
            else:
                self.register[name] = data

    def check(self) -> None:
        wanted = compose(self.half, self.stored())
        assert differences(wanted.entries, self.register) == []
        assert self.standing.snapshot()[0] == wanted.snapshot
        held, stored = self.standing.stored, self.stored()
        assert held is not None
        for kind in ("channels", "models", "groups"):
            assert set(map(repr, getattr(held, kind))) == set(map(repr, getattr(stored, kind)))
        assert (held.revision, held.keys) == (self.revision, ())


@pytest.mark.parametrize("seed", range(20))
def test_steps_lead_where_everything_anew_would(tmp_path: Path, seed: int) -> None:
    """Objects whose names the file has taken, digests that move from one key to another, groups that come and go."""
    chance, model = random.Random(seed), Model(declared(tmp_path))
    for _ in range(60):
        kind = chance.choice(["keys", "keys", "keys", "groups", "channels", "models"])
        number, gone = chance.randrange(5), chance.random() < 0.3
        ident = f"{number:032x}"
        if kind == "keys":
            made: Any = key(number, chance.randrange(3), status=chance.choice(["enabled", "disabled"]))
            if chance.random() < 0.3:
                made = msgspec.structs.replace(made, previous_digest=bytes([number]) * 16, previous_until=5)
            if chance.random() < 0.2:
                made = msgspec.structs.replace(made, digest=digest(SECRET, b"rotated %d" % chance.randrange(10**9)))
        elif kind == "groups":
            made = group(number, models=(chance.choice("abc"),))
        elif kind == "channels":
            made = channel(number, priority=chance.randrange(9))
        else:
            made = StoredModel(ident, f"m{number}", facts={"max_output": chance.randrange(1, 9)})
        model.change(**{kind: {ident: None if gone else made}})
        model.check()


def test_a_digest_that_moves_to_another_key_stays(tmp_path: Path) -> None:
    for order in (1, -1):
        model = Model(declared(tmp_path, ""))
        one, two = key(1), key(2)
        model.change(keys={one.id: one, two.id: two})
        swapped = [
            (one.id, msgspec.structs.replace(one, digest=two.digest)),
            (two.id, msgspec.structs.replace(two, digest=one.digest)),
        ]
        model.change(keys=dict(swapped[::order]))
        model.check()


def test_only_channels_models_and_the_first_tenant_make_a_new_snapshot(tmp_path: Path) -> None:
    model = Model(declared(tmp_path, ""))
    changes: list[dict[str, Any]] = [
        {"groups": {"1": group(1)}},
        {"keys": {key(1).id: key(1)}},
        {"keys": {key(2).id: key(2)}},
        {"channels": {"1": channel(1)}},
        {"models": {"1": StoredModel("1", "m")}},
        {"keys": {key(1).id: None}},
        {"keys": {key(2).id: None}},
    ]
    assert [model.change(**change) for change in changes] == [True, False, False, True, True, False, False]


@pytest.mark.parametrize(
    ("before", "after", "needs_load"),
    [
        ("", "channels: [{provider: openai}]", False),
        ("", "keys: [{name: k1, key: sk-of-the-file-1, group: g1}]", True),
        ("keys: [{name: k1, key: sk-of-the-file-1, group: g1}]", "", True),
        ("keys: [{name: k1, key: sk-of-the-file-1}]", "keys: [{name: k1, key: sk-of-the-file-2}]", True),
        ("groups: [{name: g1, models: [a]}]", "", False),
        ("keys: [{name: x, key: sk-of-the-file-1, group: g1}]", "groups: [{name: g1}]", True),
    ],
)
def test_another_file(tmp_path: Path, before: str, after: str, needs_load: bool) -> None:
    model = Model(declared(tmp_path, before))
    model.change(keys={key(1).id: key(1, 1)}, groups={"1": group(1, models=("of-the-database",))})
    model.half = declared(tmp_path, after)
    step = model.standing.redeclare(model.half)
    assert (step.needs_load, step.is_snapshot_new) == (needs_load, True)
    model.apply(step.entries)
    if not needs_load:
        model.check()


def test_a_group_never_comes_after_its_keys_nor_goes_before_them() -> None:
    changes = [(b"a", None), (b"k", pack_key(KeySpec("k", b"k" * 16))), (b"g", pack_group(GroupSpec("g")))]
    assert [name for name, _ in groups_first(changes)] == [b"g", b"k", b"a"]


def test_a_rotated_key_has_an_entry_for_each_secret(tmp_path: Path) -> None:
    rotated = key(1, previous_digest=b"p" * 16, previous_until=1_900_000_000_000, expires_at=1_950_000_000_500)
    entries = compose(declared(tmp_path, ""), Stored(1, "i", SECRET, keys=(rotated,))).entries
    old, new = unpack_key(entries[b"p" * 16], b"p" * 16), unpack_key(entries[rotated.digest], rotated.digest)
    assert (old.until, new.until, old.expires) == (1_900_000_000_000, 0, 1_950_000_000.5)
    assert msgspec.structs.replace(old, until=0, digest=new.digest) == new


def test_a_group_of_the_file_or_of_nowhere(tmp_path: Path) -> None:
    entries = compose(declared(tmp_path), Stored(1, "i", SECRET, groups=(group(0), group(1, models=("b",))))).entries
    found = [unpack_group(entries[entry_name_of_group(SECRET, name)]).models for name in ("g0", "g1", "g9")]
    assert found == [("of-the-file",), ("b",), ("*",)]


def test_secrets_stay_out_of_what_is_printed() -> None:
    one = channel(1, credentials=(StoredCredential("1", "main", "sk-planted-secret"),))
    assert "planted" not in repr(one)
    assert "planted" not in repr(Stored(1, "i", SECRET, channels=(one,)))
    assert "ssss" not in repr(Stored(1, "i", SECRET))


def test_removing_the_last_key_does_not_open_the_gateway(tmp_path: Path) -> None:
    standing = Standing(declared(tmp_path, "{}"), Stored(1, "i" * 32, SECRET, groups=(group(0),), keys=(key(0),)))
    assert not standing.snapshot()[0].open_to_all
    standing.take(Changes(2, keys={key(0).id: None}))
    assert not standing.snapshot()[0].open_to_all
    assert not compose(declared(tmp_path, "{}"), Stored(2, "i" * 32, SECRET, groups=(group(0),))).snapshot.open_to_all
