"""Recordings are read as they were, in the order of their times, and without what must not travel."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.errors import ConfigError
from fastproxy.loadtest.load.recording import read_recording
from fastproxy.loadtest.load.shapes import Format, Recorded
from fastproxy.record import Record
from fastproxy.server.log_lines import json_line

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, *lines: dict[str, Any] | str | bytes) -> str:
    file = folder / "r.jsonl"
    encoded = (json.dumps(line).encode() if isinstance(line, dict) else line for line in lines)
    file.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in encoded) + b"\n")
    return str(file)


def test_json_lines(tmp_path: Path) -> None:
    chat = {"model": "m", "stream": True, "messages": []}
    file = write(
        tmp_path,
        {"at_ms": 1500.5, "path": "/b", "body": "text ü", "headers": [["x", "1"], ["x", "2"], ["Host", "h"]]},
        "",
        {"at_ms": 500, "path": "/a?q=1", "method": "delete", "headers": {"Authorization": "Bearer k"}},
        {"at_ms": 2000, "path": "/v1/chat/completions", "body": chat},
        {"at_ms": 2000, "path": "/raw", "body_base64": base64.b64encode(b"\xff\x00").decode(), "more": 5},
    )
    assert read_recording(file) == (
        Recorded(0, "DELETE", "/a?q=1", (("Authorization", "Bearer k"),), b""),
        Recorded(1_000_500, "POST", "/b", (("x", "1"), ("x", "2")), "text ü".encode()),
        Recorded(
            1_500_000,
            "POST",
            "/v1/chat/completions",
            (),
            json.dumps(chat, separators=(",", ":")).encode(),
            Format.OPENAI_CHAT,
            True,
        ),
        Recorded(1_500_000, "POST", "/raw", (), b"\xff\x00"),
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/v1/messages", '{"stream": true}', (Format.ANTHROPIC, True)),
        ("POST", "/v1/messages", '{"stream": false}', (Format.ANTHROPIC, False)),
        ("POST", "/v1/messages", "no json", (Format.ANTHROPIC, False)),
        ("POST", "/v1/responses", "{}", (Format.OPENAI_RESPONSES, False)),
        ("POST", "/v1beta/models/g:streamGenerateContent?alt=sse", "{}", (Format.GEMINI, True)),
        ("POST", "/v1beta/models/g:generateContent", "{}", (Format.GEMINI, False)),
        ("POST", "/v1/embeddings", '{"stream": true}', (Format.HTTP, False)),
        ("GET", "/v1/messages", "", (Format.HTTP, False)),
        ("GET", "/", "", (Format.HTTP, False)),
    ],
)
def test_the_path_tells_the_format(
    tmp_path: Path, method: str, path: str, body: str, expected: tuple[Format, bool]
) -> None:
    (found,) = read_recording(write(tmp_path, {"path": path, "method": method, "body": body}))
    assert (found.format, found.stream) == expected


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "r.jsonl:2:1: Input data was truncated"),
        ("{}", "r.jsonl:2:1: Object missing required field `path`"),
        ('{"path": "a"}', "r.jsonl:2:1: path: expected one that begins with /, seen 'a'"),
        ('{"path": "/", "at_ms": "1"}', "Expected `float`, got `str` - at `$.at_ms`"),
        ('{"path": "/", "body": "x", "body_base64": "eA=="}', "body and body_base64 exclude each other"),
        ('{"path": "/", "body_base64": "?"}', "r.jsonl:2:1: "),
        ('{"path": "/", "at_ms": 1e300}', "r.jsonl:2:1: at_ms: 1e+300 is out of range; expected milliseconds from 0"),
        ('{"path": "/", "at_ms": -0.5}', "r.jsonl:2:1: at_ms: -0.5 is out of range"),
        ('{"path": "/", "at_ms": 1e999}', "r.jsonl:2:1: "),
        ('{"path": "/", "started_at": "0001-01-01"}', "r.jsonl:2:1: "),
        ('{"path": "/", "started_at": "noon"}', "Invalid isoformat string: 'noon'"),
        (b'{"path": "/\xff"}', "r.jsonl:2:1: "),
    ],
)
def test_what_is_no_line_is_told_with_its_place(tmp_path: Path, line: str | bytes, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_recording(write(tmp_path, {"path": "/"}, line))
    assert told in str(caught.value)


def test_files_without_requests(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no request"):
        read_recording(write(tmp_path, ""))
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_recording(str(tmp_path / "none"))


def test_the_access_log_can_be_sent_again(tmp_path: Path) -> None:
    start = 1_800_000_000_000
    chat = Record(
        "id", start + 250, model="gpt-5", client_format="openai-chat", stream=True, input_tokens=300,
        cache_read_tokens=100, method="POST", path="/v1/chat/completions",
    )  # fmt: skip
    gemini = Record(
        "id", start + 500, model="g", client_format="gemini", stream=True, input_tokens=4,
        method="POST", path="/v1beta/models/g:streamGenerateContent",
    )  # fmt: skip
    plain = Record("id", start, method="GET", path="/health")
    found = read_recording(write(tmp_path, *(json_line(record).strip() for record in (chat, gemini, plain))))
    assert [(each.at, each.method, each.format, each.stream) for each in found] == [
        (0, "GET", Format.HTTP, False),
        (250_000, "POST", Format.OPENAI_CHAT, True),
        (500_000, "POST", Format.GEMINI, True),
    ]
    body = json.loads(found[1].body)
    assert (body["model"], body["stream"]) == ("gpt-5", True)
    assert len(body["messages"][-1]["content"].split()) == 300
    assert found[2].path.endswith("?alt=sse")
    assert len(json.loads(found[2].body)["contents"][0]["parts"][0]["text"].split()) == 3
    assert found[0].body == b""


def entry(at: str, url: str, headers: dict[str, str], **request: Any) -> dict[str, Any]:
    named = [{"name": name, "value": value} for name, value in headers.items()]
    return {"startedDateTime": at, "request": {"method": "GET", "url": url, "headers": named, **request}, "time": 3}


def har(*entries: dict[str, Any]) -> str:
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "x"}, "entries": list(entries)}}, indent=1)


HEADERS = {
    ":authority": "h", "Host": "h", "content-length": "4", "accept-encoding": "br", "connection": "keep-alive",
    "Cookie": "session=1", "Authorization": "Bearer k", "x-goog-api-key": "k", "X-CSRF-Token": "t", "x-app": "a",
    "idempotency-key": "i",
}  # fmt: skip


@pytest.mark.parametrize("keep", [False, True])
def test_a_har_without_its_credentials_unless_they_are_kept(tmp_path: Path, keep: bool) -> None:
    posted = {"mimeType": "application/json", "text": '{"stream": true}'}
    text = har(
        entry("2026-11-21T12:00:01.250Z", "https://h/a?q=1&key=k&access_token=t#f", HEADERS),
        entry("2026-11-21T13:00:01.000+01:00", "https://h/v1/messages", {}, method="POST", postData=posted),
        entry("2026-11-21T12:00:00Z", "data:image/png;base64,AA", {}),
        entry("2026-11-21T12:00:02Z", "http://h", {}, method="PUT", postData={"text": "/w==", "encoding": "base64"}),
    )
    kept = (("x-app", "a"), ("idempotency-key", "i"))
    secret = tuple(HEADERS.items())[5:9]
    assert read_recording(write(tmp_path, text), keep_credentials=keep) == (
        Recorded(0, "POST", "/v1/messages", (), b'{"stream": true}', Format.ANTHROPIC, True),
        Recorded(
            250_000,
            "GET",
            "/a?q=1&key=k&access_token=t" if keep else "/a?q=1",
            (*secret, *kept) if keep else kept,
            b"",
        ),
        Recorded(1_000_000, "PUT", "/", (), b"\xff"),
    )


@pytest.mark.parametrize(
    "text",
    [
        har(entry("2026-11-21T12:00:00Z", "http://h/a", {})),
        json.dumps({"comment": "ü", "log": {"entries": [entry("2026-11-21T12:00:00Z", "http://h/a", {})]}}, indent=1),
        "\ufeff" + json.dumps({"x": {"log": 1}, "log": {"entries": [entry("", "http://h/a", {})]}}),
        '{"path": "/a", "log": {"entries": []}}',
        '{"log": "x", "path": "/a"}',
    ],
)
def test_a_har_is_known_wherever_its_log_stands(tmp_path: Path, text: str) -> None:
    assert read_recording(write(tmp_path, text)) == (Recorded(0, "GET", "/a", (), b""),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"version": 1, "log": {}}', "not a HAR: Object missing required field `entries`"),
        ('{"log": {}}', "not a HAR: Object missing required field `entries`"),
        ('{"log": {"entries": []}}', "holds no request"),
        (har(entry("today", "http://h", {})), "entry 1: Invalid isoformat string: 'today'"),
    ],
)
def test_what_is_no_har(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_recording(write(tmp_path, text))
    assert told in str(caught.value)
