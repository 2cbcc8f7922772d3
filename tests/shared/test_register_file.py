"""The register's file: what a restart finds, what it must not believe, and what becomes of it on a full disk."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import struct
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared import register_file
from fastproxy.shared.register import Register
from fastproxy.shared.register_file import FIRST_CELL, HEAP, LOG
from tests.shared.forks import ended, in_child

if TYPE_CHECKING:
    from pathlib import Path

FINGERPRINT = b"f" * 16
ALICE, BOB, CAROL = (letter * 16 for letter in (b"a", b"b", b"c"))
OF_ALICE = b"what a group named alice may do"
CELLS_END = FIRST_CELL + 48


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A register with two entries, of which all processes are gone."""
    path = tmp_path / "register"
    register, is_anew = Register.open(str(path), FINGERPRINT)
    assert not is_anew
    register.apply([(ALICE, OF_ALICE), (BOB, b"b")])
    register.close()
    return path


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_the_file_is_ours_alone(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    Register.open(str(path), FINGERPRINT)
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_file_of_somebody_else_is_followed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(OSError, match="Too many levels"):
        Register.open(str(link), FINGERPRINT)
    with pytest.raises(OSError, match="Is a directory"):
        Register.open(str(tmp_path), FINGERPRINT)


def test_another_fingerprint_begins_empty_and_leaves_the_old_one_to_those_who_have_it(path: Path) -> None:
    old, _ = Register.open(str(path), FINGERPRINT)
    fresh, is_anew = Register.open(str(path), b"F" * 16)
    assert (is_anew, len(fresh), fresh.get(ALICE)) == (True, 0, None)
    fresh.apply([(ALICE, b"other")])
    old.apply([(CAROL, b"c")])
    assert (old.get(ALICE), old.get(CAROL), fresh.get(CAROL)) == (OF_ALICE, b"c", None)
    again, is_anew = Register.open(str(path), b"F" * 16)
    assert (is_anew, again.get(ALICE)) == (False, b"other")


def test_another_version_begins_empty(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register_file, "VERSION", 2)
    register, is_anew = Register.open(str(path), FINGERPRINT)
    assert (is_anew, register.get(ALICE)) == (True, None)


@pytest.mark.parametrize("at", range(CELLS_END + 8))
def test_a_damaged_beginning_begins_empty(path: Path, at: int) -> None:
    """Of the identity and the cells no byte may be another."""
    whole = path.read_bytes()
    overwrite(path, at, bytes([whole[at] ^ 1]))
    register, is_anew = Register.open(str(path), FINGERPRINT)
    is_used = at < 48 or FIRST_CELL <= at < CELLS_END
    assert (is_anew, register.get(ALICE)) == ((True, None) if is_used else (False, OF_ALICE))


@pytest.mark.parametrize(
    "cells",
    [
        (1 << 63, HEAP, 2, 0, 0), (2, HEAP + 8, 2, 0, 0), (2, 0, 2, 0, 0), (2, 1 << 60, 2, 0, 0),
        (2, HEAP + 64, 2, 0, 0), (2, HEAP, 2, 1 << 60, 0), (2, HEAP, 2, HEAP + 64, 0),
    ],
)  # fmt: skip
def test_cells_that_cannot_be_begin_empty(path: Path, cells: tuple[int, ...]) -> None:
    version, table, count, end, writing = cells
    end = end or path.stat().st_size
    overwrite(path, FIRST_CELL, register_file._sealed_cells(version, table, count, end, writing))
    register, is_anew = Register.open(str(path), FINGERPRINT)
    assert (is_anew, len(register)) == (True, 0)


@pytest.mark.parametrize("slots", [0, 1, 1023, 1025, 2048, 1 << 27, (1 << 64) - 1])
def test_a_table_that_cannot_be_begins_empty(path: Path, slots: int) -> None:
    overwrite(path, HEAP, struct.pack("=Q", slots))
    register, is_anew = Register.open(str(path), FINGERPRINT)
    assert (is_anew, len(register)) == (True, 0)


@pytest.mark.parametrize("size", [0, 1, 47, 64, 4095, LOG, HEAP, HEAP + 8, -1], ids=str)
def test_a_file_that_was_cut_begins_empty(path: Path, size: int) -> None:
    used = struct.unpack_from("=Q", path.read_bytes(), FIRST_CELL + 24)[0]
    os.truncate(path, size % used)
    register, is_anew = Register.open(str(path), FINGERPRINT)
    assert (is_anew, register.get(ALICE)) == (size != 0, None)
    register.apply([(BOB, b"new")])
    assert register.get(BOB) == b"new"


def test_every_torn_entry_is_a_miss(path: Path) -> None:
    whole = path.read_bytes()
    data = whole.rindex(OF_ALICE)
    for at in range(data - 24, data + len(OF_ALICE)):
        overwrite(path, at, bytes([whole[at] ^ 1]))
        register, is_anew = Register.open(str(path), FINGERPRINT)
        assert (is_anew, register.get(ALICE), register.get(BOB)) == (False, None, b"b")
        assert dict(register.items()) == {BOB: b"b"}
        overwrite(path, at, whole[at : at + 1])
    assert Register.open(str(path), FINGERPRINT)[0].get(ALICE) == OF_ALICE


def test_every_torn_slot_is_a_miss_until_it_is_written_anew(path: Path) -> None:
    whole = path.read_bytes()
    slot = whole.index(ALICE, HEAP)
    assert slot < whole.rindex(ALICE)  # the entry has its name too
    for at in range(slot, slot + 32):
        overwrite(path, at, bytes([whole[at] ^ 1]))
        register, _ = Register.open(str(path), FINGERPRINT)
        assert (register.get(ALICE), register.get(BOB)) == (None, b"b")
        register.apply([(ALICE, OF_ALICE)])
        assert dict(register.items()) == {ALICE: OF_ALICE, BOB: b"b"}
        assert len(register) == 2
        register.close()
        path.write_bytes(whole)


def test_a_name_that_stood_in_two_slots_after_a_power_cut_stands_in_one(path: Path) -> None:
    whole = path.read_bytes()
    slot = whole.index(ALICE, HEAP)
    overwrite(path, slot + 32, whole[slot : slot + 32])
    register, _ = Register.open(str(path), FINGERPRINT)
    register.apply([(ALICE, b"new"), (ALICE, None)])
    assert dict(register.items()) == {BOB: b"b"}
    assert len(register) == 1


@pytest.mark.parametrize("sized", ["few large", "many small"])
def test_a_full_disk_is_an_error_and_what_was_there_stays(path: Path, sized: str) -> None:
    """The file may not grow: the kernel's answer is the same kind of error as on a full disk."""
    count, size = (40, 100_000) if sized == "few large" else (3000, 100)
    names = [hashlib.blake2b(b"%d" % number, digest_size=16).digest() for number in range(count)]
    changes = [(name, bytes(size)) for name in names]
    assert ended(in_child(lambda: _keeps_what_it_has(path, changes))) == 0
    register, is_anew = Register.open(str(path), FINGERPRINT)
    assert (is_anew, register.get(ALICE), register.get(CAROL)) == (False, OF_ALICE, b"c")


def _keeps_what_it_has(path: Path, changes: list[tuple[bytes, bytes]]) -> bool:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, resource.RLIM_INFINITY))
    register, _ = Register.open(str(path), FINGERPRINT)
    before = register.version
    try:
        register.apply(changes)
    except OSError:
        made = dict(register.items())
    else:
        return False
    made_of_these = {name: data for name, data in changes if name in made}
    is_told = register.changed_since(before) == list(made_of_these)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    register.apply([*changes, (CAROL, b"c")])  # there is room again
    whole = {ALICE: OF_ALICE, BOB: b"b", CAROL: b"c"} | dict(changes)
    return is_told and made == {ALICE: OF_ALICE, BOB: b"b"} | made_of_these and dict(register.items()) == whole


def test_an_entry_that_grew_left_pieces_too_small_for_it_for_ever(path: Path) -> None:
    register, _ = Register.open(str(path), FINGERPRINT)
    for size in range(1000, 100_000, 500):
        register.apply([(ALICE, bytes(size)), (BOB, b"b" * (size % 700))])
    assert path.stat().st_size < 2_000_000  # it was ten megabytes
    assert (register.get(ALICE), register.get(BOB)) == (bytes(size), b"b" * (size % 700))
    register.close()
    register, is_anew = Register.open(str(path), FINGERPRINT)
    assert (is_anew, register.get(ALICE), len(register)) == (False, bytes(size), 2)
