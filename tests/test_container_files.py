"""What goes into the image: the allow-list names what the Dockerfile copies, and keeps no file of the package out."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
PACKED: Final = {".py", ".json", ".xz"}
# a source archive has neither of the two
pytestmark = pytest.mark.skipif(not (ROOT / ".dockerignore").exists(), reason="no image is built from here")


def rules() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def denied(name: str) -> bool:
    """By the rules for names at any depth, which are the only ones after the allowed entries."""
    return any(fnmatch(name, rule.removeprefix("**/")) for rule in rules() if rule.startswith("**/"))


def test_what_is_copied_is_allowed_and_nothing_else() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    allowed = {rule.removeprefix("!") for rule in rules() if rule.startswith("!")}
    assert allowed == {name for line in copies for name in line.split()}
    assert rules()[0] == "*"
    assert all(rule.startswith("**/") for rule in rules()[1 + len(allowed) :])


@pytest.mark.parametrize(
    "name", [".env", ".fastproxy", "master.key", "fastproxy.db", "fastproxy.db-wal", "__pycache__"]
)
def test_secrets_in_the_source_folder_stay_out(name: str) -> None:
    assert denied(name)


def test_the_package_is_whole() -> None:
    files = {path.name for path in (ROOT / "fastproxy").rglob("*") if path.suffix in PACKED}
    assert {"models.json", "o200k_base.xz", "launch.py"} <= files
    assert [name for name in files if denied(name)] == []


def test_the_image_asks_itself_with_its_own_command() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert 'CMD ["fastproxy", "health"]' in text
