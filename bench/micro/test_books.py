"""What the books cost an exchange on the express lane: both frames, into a real journal (`make bench-micro`)."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import pytest

from bench import traffic
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
    stage = Translating("openai-chat", key("bench"), models=("gpt-5",))
    journal = Journal.claim(str(tmp_path / "journal"), 1 << 28, 0)
    if books:
        stage.world.books = Books(journal, refuses=True)
    body = traffic.message_body()
    lines = "".join(f"{name}: {value}\r\n" for name, value in traffic.client_fields(len(body)))
    lines = lines.replace(traffic.CLIENT_KEY, "bench")
    heads = [f"POST {PATHS[way]} HTTP/1.1\r\ntraceparent: {number}\r\n{lines}\r\n" for number in range(2)]
    requests = cycle([head.encode() + body for head in heads])

    def once() -> None:
        stage.user.data_received(next(requests))
        stage.peer.data_received(traffic.REPLY)

    for _ in range(40):
        once()
        assert stage.got().startswith(b"HTTP/1.1 200 ")
    assert stage.user.lane is not None
    benchmark(once)
    assert journal.lost == 0
    journal.close()
