"""Writes docs/formats.md: which capability works on which pair of formats, by running the tests that prove it.

    python -m tests.live.formats_table

A cell is what the tests of this moment said, so nobody edits the page by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from tests.live.pairs import HAS_NOT, PAIRS
from tests.live.strict.vendor import FORMATS
from tests.live.test_pairs_python import CAPABILITIES

PAGE: Final = Path(__file__).parents[2] / "docs" / "formats.md"
_TESTS: Final = Path(__file__).parent / "test_pairs_python.py"
_INTRODUCTION: Final = """\
# Any format to any other

A client keeps its own SDK; the model may speak another format. Each cell is proven by the official Python SDK of the
client's format, through a running gateway, against a strict vendor that checks every request with the types of the
upstream's own SDK and with the vendor's rules (`tests/live/test_pairs_python.py`).

✓ plain and streamed, ◐ one of the two, ✗ neither, – the upstream's format has no word for it. `ollama` is Ollama's own
`/api/chat` (`format: ollama` on the channel): it has no clients here, and a forced tool is asked of it in words.
Written by `python -m tests.live.formats_table`.
"""
WAYS: Final = ("plain", "stream")
Passed = set[str]  # the parameters of a test as they stand in its name


def page(passed: Passed) -> str:
    """The page. One table per client format."""
    return _INTRODUCTION + "".join(_table(client, passed) for client in FORMATS)


def _table(client: str, passed: Passed) -> str:
    upstreams = [upstream for one, upstream in PAIRS if one == client]
    lines = [
        f"\n## {client} clients\n",
        f"| {client} to | {' | '.join(upstreams)} |",
        "|---" * (len(upstreams) + 1) + "|",
    ]
    for capability in CAPABILITIES:
        marks = [
            "–" if (upstream, capability) in HAS_NOT else _mark(f"{client}-{upstream}-{capability}", passed)
            for upstream in upstreams
        ]
        lines.append(f"| {capability} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def _mark(test: str, passed: Passed) -> str:
    return "✗◐✓"[sum(f"{test}-{way}" in passed for way in WAYS)]


def passed_tests() -> Passed:
    """Run the tests in a process of their own; the parameters of those that passed."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--tb=no", f"--junitxml={results}", str(_TESTS)], check=False
        )
        cases = ElementTree.parse(results).iter("testcase")
        return {match[1] for case in cases if not len(case) and (match := re.search(r"\[(.+)\]", case.get("name", "")))}


def main() -> int:
    passed = passed_tests()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(passed), encoding="utf-8")
    cells = [(pair, scene) for pair, scene in product(PAIRS, CAPABILITIES) if (pair[1], scene) not in HAS_NOT]
    wanted = {"-".join((*pair, scene, way)) for (pair, scene), way in product(cells, WAYS)}
    return 0 if wanted <= passed else 1


if __name__ == "__main__":
    sys.exit(main())
