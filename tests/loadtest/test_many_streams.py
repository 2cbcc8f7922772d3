"""The part of `python -m bench.generator` that holds streams open, with few of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import generator

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.live


def test_clients_that_leave_on_purpose_were_no_answer(tmp_path: Path) -> None:
    """Nobody reads an endless stream to its end, and still each of them was read, and none is an error."""
    told = generator.streams(tmp_path, 20, open_s=1.5)
    assert (told["streams"], told["errors"]) == (20, 0)
    assert told["events"] >= 20
