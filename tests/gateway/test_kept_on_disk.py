"""Signatures and responses that a worker has kept, and one of the next gateway finds: same file, same master key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fastproxy.shared.sealing import Sealer
from fastproxy.shared.shelf import Shelf
from tests.gateway.gateway_stage import status_of
from tests.gateway.test_remembered import ASKED, CALLED, RESPONSE, THOUGHT, assistant_blocks, next_turn
from tests.gateway.test_translation import ANSWER, STREAM
from tests.gateway.translating_stage import Translating, body_of, group_key

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "claude-opus-4-1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shelf"


def worker(path: Path, upstream: str, **snapshot: Any) -> Translating:
    """A worker of a gateway that has just been started."""
    stage = Translating(upstream, group_key("fp-a", "a"), group_key("fp-b", "b"), models=("m", MODEL))
    stage.world.shelf = Shelf.open(str(path), 1 << 20, Sealer(b"k" * 32))[0]
    stage.world.table.snapshot = msgspec.structs.replace(stage.world.table.snapshot, **snapshot)
    return stage


@pytest.mark.parametrize(
    ("group", "snapshot", "found"),
    [("a", {}, True), ("b", {}, False), ("a", {"remember_s": 0.0}, False)],
    ids=["its group", "another group", "remember off"],
)
def test_a_signature_is_put_back_after_a_restart(path: Path, group: str, snapshot: dict[str, Any], found: bool) -> None:
    first = worker(path, "anthropic")
    first.asks("/v1/chat/completions", ASKED | {"model": MODEL}, "fp-a")
    first.replies(CALLED)
    assert THOUGHT["signature"].encode() not in path.read_bytes()
    second = worker(path, "anthropic", **snapshot)
    sent = second.asks("/v1/chat/completions", next_turn("toolu_1") | {"model": MODEL}, f"fp-{group}")
    assert (THOUGHT in assistant_blocks(sent)) == found


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_response_is_kept_for_as_long_as_the_snapshot_says(
    path: Path, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastproxy.gateway.owner.time", lambda: 1000.0)
    first = worker(path, "openai-chat", remember_s=seconds)
    first.asks("/v1/responses", RESPONSE, "fp-a")
    made = body_of(first.replies(ANSWER))
    assert made["store"] is (seconds > 0)
    again = {"model": "m", "input": "?", "previous_response_id": made["id"]}
    for now, found in ((1059.0, seconds > 0), (1060.0, False)):
        monkeypatch.setattr("fastproxy.gateway.owner.time", lambda moment=now: moment)
        stage = worker(path, "openai-chat")
        assert bool(stage.asks("/v1/responses", again, "fp-a")) == found
        assert found or status_of(stage.got()) == 400


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_stream_that_nobody_remembers_said_that_it_was_stored(path: Path, seconds: float) -> None:
    stage = worker(path, "openai-chat", remember_s=seconds)
    stage.asks("/v1/responses", RESPONSE | {"stream": True}, "fp-a")
    stage.begins_stream()
    said = stage.streams(*STREAM) + stage.ends_stream()
    assert said.count(b'"store":true') == (3 if seconds else 0), said
    assert (b'"store":false' in said) is not bool(seconds)
