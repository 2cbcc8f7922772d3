"""What a channel of the configuration becomes for workers, where it is more than a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastproxy.config import load
from fastproxy.publish.compose import make_snapshot
from fastproxy.snapshot import Snapshot, pack, unpack

if TYPE_CHECKING:
    from pathlib import Path


def published(tmp_path: Path, text: str) -> Snapshot:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    return unpack(pack(make_snapshot(load({"config": str(file)}, {})).snapshot))


@pytest.mark.parametrize(
    ("channel", "base_url", "formats"),
    [
        ("{provider: ollama}", "http://localhost:11434/v1", ("openai-chat", "openai")),
        ("{provider: ollama, format: ollama}", "http://localhost:11434", ("ollama",)),
        ("{provider: ollama, format: ollama, base_url: 'http://h:1/v1'}", "http://h:1", ("ollama",)),
        ("{provider: ollama, format: ollama, base_url: 'https://ollama.com'}", "https://ollama.com", ("ollama",)),
        ("{name: mine, format: ollama, base_url: 'http://h:1'}", "http://h:1", ("ollama",)),
    ],
)
def test_ollama_is_spoken_to_in_the_api_that_is_asked_for(
    tmp_path: Path, channel: str, base_url: str, formats: tuple[str, ...]
) -> None:
    (made,) = published(tmp_path, f"channels: [{channel}]").channels
    assert (made.base_url, made.formats) == (base_url, formats)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [("{max_body: 1MiB}", "cancel"), ("{client_gone: drain}", "drain"), ("{client_gone: cancel}", "cancel")],
)
def test_what_becomes_of_a_reply_whose_client_leaves(tmp_path: Path, limits: str, expected: str) -> None:
    snapshot = published(tmp_path, f"limits: {limits}")
    assert snapshot.client_gone == expected
    assert all(isinstance(value, float | int) for value in snapshot.limits.values())
