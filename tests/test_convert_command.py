"""`fastproxy convert`: files and the standard input in, JSON out, losses on the error stream."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = {"model": "gpt-x", "seed": 1, "messages": [{"role": "user", "content": "hi é"}]}
REPLY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-x",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello é"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def convert(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["convert", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def saved(folder: Path, body: Any) -> str:
    path = folder / "body.json"
    path.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    return str(path)


def test_a_request_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = saved(tmp_path, REQUEST)
    code, out, err = convert(capsys, "--from", "openai-chat", "--to", "anthropic", "--model", "claude-x", source)
    body = json.loads(out)
    assert (code, body["model"], body["messages"][0]["role"]) == (0, "claude-x", "user")
    assert "hi é" in out
    assert "fastproxy: lossy: seed dropped" in err


def test_the_model_of_the_file_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = convert(capsys, "--from", "openai-chat", "--to", "openai-chat", saved(tmp_path, REQUEST))
    assert (code, json.loads(out), err) == (0, REQUEST, "")


def test_a_reply_from_the_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(REPLY).encode())))
    code, out, err = convert(capsys, "--from", "openai-chat", "--to", "anthropic", "--reply", "-")
    body = json.loads(out)
    assert (code, err, body["type"], body["model"]) == (0, "", "message", "gpt-x")
    assert body["content"] == [{"type": "text", "text": "hello é"}]


@pytest.mark.parametrize(
    ("body", "arguments", "text"),
    [
        ("{", ("--from", "openai-chat", "--to", "anthropic"), "the body is not valid JSON"),
        ("[]", ("--from", "openai-chat", "--to", "anthropic"), "the body is an array: expected an object"),
        (REQUEST, ("--from", "openai", "--to", "anthropic"), "format 'openai' is unknown"),
        (REQUEST, ("--from", "openai-chat", "--to", "x"), "format 'x' is unknown: expected openai-chat"),
        ({"contents": []}, ("--from", "gemini", "--to", "anthropic"), "field 'model' is missing"),
        ({"model": "m", "messages": 1}, ("--from", "openai-chat", "--to", "anthropic"), "field 'messages' is 1"),
    ],
)
def test_what_cannot_be_converted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: Any, arguments: tuple[str, ...], text: str
) -> None:
    code, out, err = convert(capsys, *arguments, saved(tmp_path, body))
    assert (code, out) == (1, "")
    assert err.startswith(f"fastproxy: {text}")


def test_a_body_that_is_nested_too_deeply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deep = '{"model": "m", "messages": [], "x": ' + "[" * 1000 + "]" * 1000 + "}"
    code, out, err = convert(capsys, "--from", "openai-chat", "--to", "openai-chat", saved(tmp_path, deep))
    assert (code, out) == (1, "")
    assert "nested too deeply" in err


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = convert(capsys, "--from", "openai-chat", "--to", "anthropic", "nowhere.json")
    assert (code, err) == (1, "fastproxy: nowhere.json: no such file or directory\n")


def test_both_formats_must_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["convert", "--from", "openai-chat", "-"])
    assert "--to" in capsys.readouterr().err
