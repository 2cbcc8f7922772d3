"""The configuration of every proxy as it was, for the results file: same text under several cases is kept once.

Ports and the scratch folder differ from run to run and say nothing, so they are replaced by words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = {".conf", ".cfg", ".yaml", ".json", ".Caddyfile"}
_PORT = re.compile(r"(?:(?<=:)|(?<=port_value: ))\d{5}\b")


def collect(folder: Path, into: dict[str, str]) -> None:
    """Add the configurations in a case's folder to `into` as CASE/FILE → text."""
    for path in sorted(folder.glob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            text = anonymous(path.read_text(encoding="utf-8"), str(folder))
            known = {other for name, other in into.items() if name.endswith(f"/{path.name}")}
            if text not in known:
                into[f"{folder.name}/{path.name}"] = text


def anonymous(text: str, folder: str) -> str:
    return _PORT.sub("PORT", text.replace(folder, "FOLDER"))
