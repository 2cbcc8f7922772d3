"""What the books cost an exchange on the express lane: both frames, into a real journal (`make bench-micro`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import traffic
from bench.micro.talk import KEY, warmed
from fastproxy.gateway.books import Books
from fastproxy.shared.journal import Journal
from tests.gateway.gateway_stage import key
from tests.gateway.translating_stage import Translating

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

PATHS = {"relayed": traffic.PATH, "translated": traffic.MESSAGES_PATH}


@pytest.mark.parametrize("books", [False, True], ids=["without", "with"])
@pytest.mark.parametrize("way", PATHS)
def test_a_warm_exchange(benchmark: BenchmarkFixture, way: str, books: bool, tmp_path: Path) -> None:
    stage = Translating("openai-chat", key(KEY), models=("gpt-5",))
    journal = Journal.claim(str(tmp_path / "journal"), 1 << 28, 0)
    if books:
        stage.world.books = Books(journal, refuses=True)
    once = warmed(stage, PATHS[way])
    assert stage.user.lane is not None
    benchmark(once)
    assert journal.lost == 0
    journal.close()
