"""kill -9 of workers, of the admin process and of the master under load: every request has its one row."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bench.chaos.run import run_seed
from tests.admin.postgres import database_url, postgres_url

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["database_url", "postgres_url"]


@pytest.mark.live
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1])
def test_every_request_is_accounted_for(seed: int, database_url: str, tmp_path: Path) -> None:
    """Ten seeds and 200 clients: `python -m bench.chaos --clients 200`."""
    verdict = asyncio.run(run_seed(seed, tmp_path, clients=20, seconds=4, database=database_url))
    assert verdict.faults == [], f"{verdict}\n{(tmp_path / 'log').read_text()[-4000:]}"
    assert verdict.kills.total() >= 3
    assert verdict.whole > 50
