"""Files that only another vendor can open are refused everywhere in the same words (cases 22, 30)."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Target
from fastproxy.formats.convert import convert_request

ELSEWHERE = "https://generativelanguage.googleapis.com/v1beta/files/abc123"
ASKED: dict[str, list[dict[str, Any]]] = {
    "anthropic": [
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "tool_result", "tool_use_id": "t", "content": [
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}}]},
    ],
    "openai-chat": [{"type": "file", "file": {"file_id": "file-1"}}],
    "openai-responses": [{"type": "input_image", "file_id": "file-1"}, {"type": "input_file", "file_id": "file-1"}],
    "gemini": [
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://bucket/cat.jpg"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": ELSEWHERE}},
        {"fileData": {"mimeType": "image/png", "fileUri": ELSEWHERE}},
    ],
}  # fmt: skip
OPENAI = {"openai-chat", "openai-responses"}
CASES = [
    (source, part, target)
    for source, parts in ASKED.items()
    for part in parts
    for target in ("anthropic", "openai-chat", "openai-responses", "gemini")
    if target != source
]


def body_of(source: str, part: dict[str, Any]) -> dict[str, Any]:
    if source == "gemini":
        return {"model": "m", "contents": [{"role": "user", "parts": [part]}]}
    turns = [{"role": "user", "content": [part]}]
    return {"model": "m", "max_tokens": 9, "input" if source == "openai-responses" else "messages": turns}


@pytest.mark.parametrize(("source", "part", "target"), CASES)
def test_refused_unless_the_vendor_is_the_same(source: str, part: dict[str, Any], target: str) -> None:
    body = body_of(source, part)
    if {source, target} == OPENAI:
        made, _ = convert_request(body, source, target, Target("m"))
        assert "file-1" in str(made) or part["type"] == "input_image"  # which chat has no ids for
        return
    with pytest.raises(FormatError, match=r"^field '(messages|input|contents)\[0\]\..*\[0\].*' is a"):
        convert_request(body, source, target, Target("m"))


def test_what_anybody_can_fetch_passes() -> None:
    part = {"type": "image", "source": {"type": "url", "url": "https://a.test/cat.png"}}
    made, lost = convert_request(body_of("anthropic", part), "anthropic", "openai-chat", Target("m"))
    assert made["messages"][0]["content"][0]["image_url"]["url"] == "https://a.test/cat.png"
    assert lost == ()
