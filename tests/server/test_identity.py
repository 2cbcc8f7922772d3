"""Whose state directory it is: made once, compared at every start, refused with a text that says what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fastproxy.server.identity import LAYOUT, Identity, claim_identity
from fastproxy.server.pidfile import StateDirTrouble

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_start_makes_it_and_later_ones_find_it(tmp_path: Path) -> None:
    made = claim_identity(str(tmp_path), None)
    assert (made.layout, made.node, len(made.installation)) == (LAYOUT, None, 32)
    assert claim_identity(str(tmp_path), None) == made
    assert (tmp_path / "identity").stat().st_mode & 0o777 == 0o600


def test_a_name_that_is_told_later_is_taken_once(tmp_path: Path) -> None:
    made = claim_identity(str(tmp_path), None)
    named = claim_identity(str(tmp_path), "gw-1")
    assert (named.node, named.installation) == ("gw-1", made.installation)
    assert claim_identity(str(tmp_path), None) == named
    with pytest.raises(StateDirTrouble, match="belongs to node 'gw-1', and this is node 'gw-2'") as refused:
        claim_identity(str(tmp_path), "gw-2")
    assert refused.value.exit_code == 5
    assert f"remove {tmp_path}/identity and start again" in str(refused.value)
    assert claim_identity(str(tmp_path), "gw-1") == named


def test_another_layout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "identity").write_text(json.dumps({"layout": 9, "node": None, "installation": "0" * 32, "more": 1}))
    with pytest.raises(StateDirTrouble, match=r"has layout 9, this version of fastproxy works with 1: .*--state-dir"):
        claim_identity(str(tmp_path), None)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"layout": 1}', '{"layout": "x", "node": 1, "installation": 2}'])
def test_what_is_no_identity_is_not_guessed_at(tmp_path: Path, text: str) -> None:
    (tmp_path / "identity").write_text(text)
    with pytest.raises(StateDirTrouble, match="is not what fastproxy writes there"):
        claim_identity(str(tmp_path), None)


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateDirTrouble, match="no such file or directory"):
        claim_identity(str(tmp_path / "missing"), None)
    (tmp_path / "identity").mkdir()
    with pytest.raises(StateDirTrouble, match="is a directory"):
        claim_identity(str(tmp_path), None)


def test_the_shape_is_what_other_versions_will_read(tmp_path: Path) -> None:
    made = claim_identity(str(tmp_path), "gw-1")
    told = json.loads((tmp_path / "identity").read_text())
    assert told == {"layout": 1, "node": "gw-1", "installation": made.installation}
    assert Identity(**told) == made
