"""The register: a map that one process writes while others read. What may stand in its file: test_register_file.py.

Whoever reads sees the old data of a name or the new, never a mixture and never nothing.
"""

from __future__ import annotations

import os
import random
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fastproxy.shared import register as register_module
from fastproxy.shared import register_file
from fastproxy.shared.register import MAX_DATA, Register
from fastproxy.shared.register_file import REMEMBERED
from tests.shared.forks import ended, in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FINGERPRINT = b"f" * 16
ALICE, BOB, CAROL = (letter * 16 for letter in (b"a", b"b", b"c"))

Change = tuple[bytes, bytes | None]


def name(number: int) -> bytes:
    """As hashes are: any bytes, each its own."""
    return random.Random(number).randbytes(16)


def opened(path: Path) -> Register:
    register, is_anew = Register.open(str(path / "register"), FINGERPRINT)
    assert not is_anew
    return register


@given(
    some.lists(some.lists(some.tuples(some.integers(1, 40), some.none() | some.binary(max_size=300)), max_size=20)),
)
def test_it_is_a_map(batches: list[list[tuple[int, bytes | None]]]) -> None:
    register, model, changed = Register.in_memory(), dict[bytes, bytes](), list[bytes]()
    for batch in batches:
        before = register.version
        for number, data in batch:
            if model.get(name(number)) != data:
                changed.append(name(number))
                if data is None:
                    del model[name(number)]
                else:
                    model[name(number)] = data
        told = register.apply((name(number), data) for number, data in batch)
        assert told == register.version == len(changed)
        assert register.changed_since(before) == changed[before:]
    assert dict(register.items()) == model
    assert len(register) == len(model)
    assert {name(number): register.get(name(number)) for number in range(1, 41)} == {
        name(number): model.get(name(number)) for number in range(1, 41)
    }


def test_it_is_found_again(tmp_path: Path) -> None:
    first = opened(tmp_path)
    version = first.apply([(ALICE, b"a"), (BOB, b""), (CAROL, b"c"), (BOB, None)])
    first.close()
    second = opened(tmp_path)
    assert (second.version, len(second), dict(second.items())) == (version, 2, {ALICE: b"a", CAROL: b"c"})


def test_what_is_so_already_is_no_change(tmp_path: Path) -> None:
    register = opened(tmp_path)
    version = register.apply([(ALICE, b"a")])
    size = os.path.getsize(tmp_path / "register")
    assert register.apply([(ALICE, b"a"), (BOB, None)]) == version
    assert register.changed_since(version) == []
    assert os.path.getsize(tmp_path / "register") == size


@pytest.mark.parametrize(
    ("behind", "known"), [(0, True), (1, True), (REMEMBERED, True), (REMEMBERED + 1, False), (-1, False)]
)
def test_names_of_changes_are_known_for_a_while(behind: int, known: bool) -> None:
    register = Register.in_memory()
    for number in range(3):
        register.apply((name(1), b"%d" % (number * 10_000 + turn)) for turn in range(2000))
    assert register.version == 6000
    assert register.changed_since(6000 - behind) == ([name(1)] * behind if known else None)


@pytest.mark.parametrize(
    ("wrong", "data"), [(b"short", b""), (b"x" * 17, b""), (bytes(16), b""), (ALICE, bytes(MAX_DATA + 1))]
)
def test_names_and_data_that_cannot_be(wrong: bytes, data: bytes) -> None:
    register = Register.in_memory()
    with pytest.raises(ValueError, match="16 bytes, and at most 1048576"):
        register.apply([(BOB, b"b"), (wrong, data), (CAROL, b"c")])
    assert dict(register.items()) == {BOB: b"b"}
    assert register.changed_since(0) == [BOB]


def test_names_that_begin_alike_filled_the_memory() -> None:
    register = Register.in_memory()
    with pytest.raises(ValueError, match="as hashes do"):
        register.apply((b"the same" + number.to_bytes(8, "little"), b"x") for number in range(100))
    assert len(register) == len(dict(register.items())) == register_file.WINDOW


def test_room_is_used_again(tmp_path: Path) -> None:
    register = opened(tmp_path)
    register.apply((name(number), bytes(200)) for number in range(100))
    before = os.path.getsize(tmp_path / "register")
    for turn in range(300):
        register.apply((name(number), b"%d" % turn * (20 + turn % 50)) for number in range(0, 100, 7))
    register.apply((name(number), None) for number in range(100))
    register.apply((name(number), bytes(200)) for number in range(200, 300))
    assert os.path.getsize(tmp_path / "register") == before
    assert len(register) == 100


def test_a_name_that_stood_across_two_fields_was_taken_for_one() -> None:
    """The bytes of a name may occur in a slot where no name stands."""
    register = Register.in_memory()
    half = b"halfhalf"
    register.apply([(half * 2, b"data")])
    _, place, _ = register._find(half * 2)
    assert register.get(half + place.to_bytes(8, "little")) is None
    assert register.get(half * 2) == b"data"


@pytest.mark.timeout(60)
def test_a_hundred_thousand_keys(tmp_path: Path) -> None:
    register = opened(tmp_path)
    source = random.Random(2)
    names = [source.randbytes(16) for _ in range(100_000)]
    register.apply((each, each * 12) for each in names)
    assert len(register) == 100_000
    assert all(register.get(each) == each * 12 for each in names)
    again = opened(tmp_path)
    assert again.apply([(names[7], b"new"), (names[8], None)]) == 100_002
    assert (len(again), register.get(names[7]), register.get(names[8])) == (99_999, b"new", None)
    assert register.changed_since(100_000) == [names[7], names[8]]
    assert register.changed_since(0) is None
    assert sum(1 for _ in register.items()) == 99_999
    assert os.path.getsize(tmp_path / "register") < 64 << 20


# --- several processes --------------------------------------------------------------------------------------------


def test_a_process_that_was_forked_sees_what_comes_later() -> None:
    register = Register.in_memory()
    register.apply([(ALICE, b"before")])
    ready, go = os.pipe()

    def sees() -> bool:
        os.read(ready, 1)
        return register.get(ALICE) == b"after" and register.get(name(4999)) == bytes(200)

    child = in_child(sees)
    register.apply([(ALICE, b"after"), *((name(number), bytes(200)) for number in range(5000))])
    os.write(go, b"1")
    assert ended(child) == 0


def test_writers_follow_each_other(tmp_path: Path) -> None:
    """The master before it forks, then its admin process, then that of another master (an upgrade)."""
    master = opened(tmp_path)
    master.apply((name(number), b"master") for number in range(50))

    def writes() -> bool:
        master.apply((name(number), b"admin" * number) for number in range(0, 50, 2))
        return len(master) == 50

    assert ended(in_child(writes)) == 0
    other = opened(tmp_path)
    other.apply([(name(1), b"other"), (name(60), b"other")])
    master.apply([(name(3), b"master again"), (name(60), None)])
    expected = {name(number): b"admin" * number if number % 2 == 0 else b"master" for number in range(50)}
    expected |= {name(1): b"other", name(3): b"master again"}
    assert dict(master.items()) == dict(other.items()) == dict(opened(tmp_path).items()) == expected
    assert len(other) == 50


@pytest.mark.timeout(60)
def test_readers_see_each_name_whole_while_the_table_grows(tmp_path: Path) -> None:
    """From one table of 1,024 slots to one of 65,536, and every name is rewritten in another size all the time."""
    register = opened(tmp_path)
    steady = [name(number) for number in range(100_000, 100_020)]
    register.apply((each, each) for each in steady)
    ready, go = os.pipe()
    os.set_blocking(ready, False)

    def reads() -> bool:
        mine = opened(tmp_path)
        while not _has_ended(ready):
            for reader in (mine, register):
                if any(not _is_of(each, reader.get(each)) for each in steady):
                    return False
        return len(mine) == 20_020 and dict(mine.items()) == dict(register.items())

    children = [in_child(reads) for _ in range(2)]
    for turn in range(400):
        register.apply((each, each * (1 + (turn + place) % 9)) for place, each in enumerate(steady))
        register.apply((name(turn * 50 + number), bytes(100)) for number in range(50))
    os.write(go, b"11")
    assert [ended(child) for child in children] == [0, 0]


def _has_ended(ready: int) -> bool:
    try:
        return os.read(ready, 1) == b"1"
    except BlockingIOError:
        return False


def _is_of(each: bytes, data: bytes | None) -> bool:
    return data is not None and len(data) > 0 and data == each * (len(data) // 16)


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], None]:
    """Let this process be killed at its n-th write: before it, or in the middle of it."""

    def arrange(number: int, torn: bool) -> None:
        counter = iter(range(number + 1))

        def write(descriptor: int, data: bytes, at: int) -> None:
            if next(counter) == number:
                if torn and at >= register_file.LOG:  # what is smaller than a page is only torn by a power cut
                    os.pwrite(descriptor, data[: len(data) // 2], at)
                os.kill(os.getpid(), signal.SIGKILL)
            os.pwrite(descriptor, data, at)

        monkeypatch.setattr(register_module, "write_all", write)
        monkeypatch.setattr(register_file, "write_all", write)

    return arrange


CHANGES: list[Change] = [
    (ALICE, b"new" * 40), (BOB, None), (CAROL, b"c"), (ALICE, b"newer"), (BOB, b"back"), (CAROL, None),
]  # fmt: skip


def states() -> Iterator[dict[bytes, bytes]]:
    """What may be there when not all of the changes were made."""
    found: dict[bytes, bytes] = {ALICE: b"old" * 40, BOB: b"old"}
    yield dict(found)
    for key, data in CHANGES:
        if data is None:
            found.pop(key, None)
        else:
            found[key] = data
        yield dict(found)


@pytest.mark.parametrize("torn", [False, True], ids=["before", "torn"])
@pytest.mark.parametrize("number", range(20))
def test_a_writer_that_is_killed_leaves_what_can_be_read(
    tmp_path: Path, kill_at: Callable[[int, bool], None], number: int, torn: bool
) -> None:
    register = opened(tmp_path)
    register.apply([(ALICE, b"old" * 40), (BOB, b"old")])
    version = register.version

    def is_killed() -> bool:
        kill_at(number, torn)
        register.apply(CHANGES)
        return True

    died = ended(in_child(is_killed))
    assert died in {-signal.SIGKILL, 0}
    left = dict(register.items())
    possible = list(states())
    if torn:  # as a power cut does: what is half there is not there
        assert all(data in {each.get(key) for each in possible} for key, data in left.items())
    else:
        assert left in possible
    for follower in (register, opened(tmp_path)):
        follower.apply(CHANGES)
        assert dict(register.items()) == dict(follower.items()) == possible[-1]
        assert len(follower) == len(possible[-1])
    if died and number:
        assert register.changed_since(version) is None  # readers must not go on with what they have found before


@pytest.mark.parametrize("number", range(1, 8))
def test_a_writer_that_is_killed_while_the_table_grows(
    tmp_path: Path, kill_at: Callable[[int, bool], None], number: int
) -> None:
    register = opened(tmp_path)
    before = {name(each): b"x" for each in range(600)}
    register.apply(before.items())
    while register._mask == 1023:  # up to the change with which it must grow
        extra = next(name(each) for each in range(600, 9999) if name(each) not in before)
        window = register._map[slot_of(register, extra) :][: register_file.WINDOW_BYTES]
        if register_file.first_free(window) < 0:
            break
        register.apply([(extra, b"x")])
        before[extra] = b"x"

    def is_killed() -> bool:
        kill_at(number, False)
        register.apply([(extra, b"x")])
        return True

    assert ended(in_child(is_killed)) in {-signal.SIGKILL, 0}
    assert {key: data for key, data in register.items() if key != extra} == before
    again = opened(tmp_path)
    again.apply([(extra, b"y")])
    assert dict(register.items()) == dict(again.items()) == {**before, extra: b"y"}
    assert register._mask > 1023


def slot_of(register: Register, key: bytes) -> int:
    return register._slots_at + (int.from_bytes(key[:8], "little") & register._mask) * register_file.SLOT.size
