"""The master key: made once, the same for ever, refused when others may have seen it or could guess it."""

from __future__ import annotations

import base64
import os
import threading
from typing import TYPE_CHECKING

import pytest

from fastproxy.shared.master_key import (
    MasterKey,
    MasterKeyError,
    parse_master_key,
    read_master_key,
    read_or_make_master_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = bytes(range(200, 232))
DERIVED = "c2a5258f14ecd335"
HEX = KEY.hex()
BASE64 = base64.b64encode(KEY).decode()


@pytest.mark.parametrize(
    "text", [HEX, HEX.upper(), BASE64, BASE64.rstrip("="), base64.urlsafe_b64encode(KEY).decode()], ids=str
)
def test_hex_and_base64_are_the_same_key(text: str) -> None:
    assert parse_master_key(text).derive("x") == MasterKey(KEY).derive("x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "seen 0 characters, expected 32 random bytes"),
        ("correct horse battery staple", "seen 28 characters, expected 32 random bytes"),
        (HEX[:-2], "seen 62 characters"),
        (HEX + "00", "seen 66 characters"),
        (BASE64 + "=", "seen 45 characters"),
        ("0" * 64, "not random"),
        ("0123456789abcdef" * 4, "not random"),
        ("A" * 43 + "=", "not random"),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(MasterKeyError, match=said) as refused:
        parse_master_key(text)
    assert not text or text not in str(refused.value)


def test_each_purpose_has_a_key_of_its_own() -> None:
    key = MasterKey(KEY)
    derived = [key.derive(purpose) for purpose in ("a", "b", "ab", "")]
    assert len({*derived, KEY}) == 5
    assert {len(one) for one in derived} == {32}
    # what is on disks depends on this value: it must never change
    assert key.derive("what the shelf holds").hex().startswith(DERIVED)
    assert KEY.hex() not in repr(key)


def test_the_first_start_makes_one_and_the_next_finds_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "master.key"
    made = read_or_make_master_key(str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["master.key"]
    assert read_or_make_master_key(str(path)).derive("x") == made.derive("x")
    assert parse_master_key(path.read_text().strip()).derive("x") == made.derive("x")


def test_of_many_that_start_at_once_all_have_the_same(tmp_path: Path) -> None:
    path, found = str(tmp_path / "master.key"), []
    threads = [threading.Thread(target=lambda: found.append(read_or_make_master_key(path))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key.derive("x") for key in found}) == 1
    assert len(found) == 16
    assert os.listdir(tmp_path) == ["master.key"]


def _write(text: str, mode: int = 0o600) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text)
        path.chmod(mode)

    return write


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_write(HEX, 0o640), r"others may read it \(mode 0640\); expected 0600: chmod 600 "),
        (_write(HEX, 0o604), r"others may read it \(mode 0604\)"),
        (_write(""), "seen 0 characters"),
        (_write("x" * 1000), "seen 256 characters"),
        (lambda path: path.mkdir(0o700), "not a regular file"),
        (lambda path: os.mkfifo(path, 0o600), "not a regular file"),
        (lambda path: path.symlink_to("elsewhere"), "too many levels of symbolic links"),
    ],
    ids=["group", "world", "empty", "long", "directory", "pipe", "link"],
)
def test_a_file_that_cannot_be_trusted_is_refused_and_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "master.key"
    make(path)
    before = os.lstat(path)
    for read in (read_master_key, read_or_make_master_key):
        with pytest.raises(MasterKeyError, match=said):
            read(str(path))
    assert os.lstat(path).st_mtime_ns == before.st_mtime_ns


def test_where_no_file_can_be_made_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = str(tmp_path / "file" / "master.key")
    with pytest.raises(MasterKeyError, match="not a directory"):
        read_or_make_master_key(path)
    assert read_master_key(str(tmp_path / "none")) is None


def test_a_key_by_hand_may_have_any_spelling_that_the_environment_may(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    _write(f"{BASE64}\n")(path)
    found = read_master_key(str(path))
    assert found is not None
    assert found.derive("x") == MasterKey(KEY).derive("x")
