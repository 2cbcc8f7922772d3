"""docs/formats.md names exactly the pairs and capabilities that are tested, and claims nothing that is not there."""

from __future__ import annotations

import re

from tests.live.formats_table import PAGE, page
from tests.live.pairs import PAIRS
from tests.live.test_pairs_python import CAPABILITIES


def blank(text: str) -> str:
    return re.sub("[✓◐✗]", "?", text.split("\n## ", 1)[1])


def test_the_page_names_the_tested_pairs_and_capabilities() -> None:
    assert blank(PAGE.read_text(encoding="utf-8")) == blank(page(set()))


def test_every_cell_is_a_pair_and_a_capability() -> None:
    cells = re.findall(r"[✓◐✗–](?= \|)", PAGE.read_text(encoding="utf-8"))
    assert len(cells) == len(PAIRS) * len(CAPABILITIES)
