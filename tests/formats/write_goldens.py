"""Write down what becomes of every golden input in every format: python -m tests.formats.write_goldens [WORD…]

With words, only the inputs whose names contain one of them. Outputs of inputs that are gone are removed. Read the
difference (git diff tests/golden/cross) as you would read code: each line of it is a change for somebody's client.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.formats.crossing import CROSS, inputs, outcome
from tests.formats.golden_text import text_of

if TYPE_CHECKING:
    from pathlib import Path


def stale() -> list[Path]:
    """Outputs without an input."""
    wanted = {given.written for given in inputs()}
    return sorted(path for path in CROSS.rglob("*.json") if path not in wanted)


def main(words: list[str]) -> None:
    changed = 0
    for given in inputs():
        if words and not any(word in given.name for word in words):
            continue
        text = text_of(outcome(given))
        if not given.written.exists() or given.written.read_text(encoding="utf-8") != text:
            given.written.parent.mkdir(parents=True, exist_ok=True)
            given.written.write_text(text, encoding="utf-8")
            changed += 1
    for path in stale():
        path.unlink()
    print(f"{changed} of {len(inputs())} outcomes written anew")


if __name__ == "__main__":
    main(sys.argv[1:])
