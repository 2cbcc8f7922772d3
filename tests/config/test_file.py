"""Places of the values in a file: dotted names, list items by name or by index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastproxy.config.file import read_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# only a comment", {}),
        ("workers: 2", {"workers": "1:10"}),
        ("listen: [a:1, b:2]", {"listen": "1:9"}),
        ("limits: {max_body: 1}", {"limits": "1:9", "limits.max_body": "1:20"}),
        (
            "ledger: {retention: {bodies: 1h}}",
            {"ledger": "1:9", "ledger.retention": "1:21", "ledger.retention.bodies": "1:30"},
        ),
        (
            "groups:\n- name: a\n  rpm: 1",
            {"groups[0]": "2:3", "groups.a": "2:3", "groups.a.name": "2:9", "groups.a.rpm": "3:8"},
        ),
        (
            "channels: [{provider: x}]",
            {"channels[0]": "1:12", "channels.x": "1:12", "channels.x.provider": "1:23"},
        ),
        ("routes: [{upstream: http://a}]", {"routes[0]": "1:10", "routes[0].upstream": "1:21"}),
    ],
)
def test_places(tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    places = {name: f"{place.line}:{place.column}" for name, place in read_file(str(file), {}).places.items()}
    assert places == expected


def test_forget(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("groups: [{name: a, rpm: 1}, {name: ab, rpm: 2}]")
    draft = read_file(str(file), {})
    draft.forget("groups.a.")
    assert set(draft.places) == {"groups[0]", "groups.a", "groups[1]", "groups.ab", "groups.ab.name", "groups.ab.rpm"}
