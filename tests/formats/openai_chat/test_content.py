"""Content parts as clients send them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Audio, Document, Image, Opaque, Part, Source, Text, Thinking, Video
from fastproxy.formats.openai_chat import read_request

Json = dict[str, Any]


def user(*content: Any) -> Json:
    return {"model": "m", "messages": [{"role": "user", "content": list(content)}]}


def part_of(item: Any) -> Part:
    return read_request(user(item)).turns[0].parts[0]


def bare(part: Part) -> Part:
    return replace(part, original=None)


@pytest.mark.parametrize(
    ("item", "part"),
    [
        pytest.param(
            {"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,UklG"}},
            Audio(Source("audio/wav", "UklG")),
            id="case 31 audio as a data URI",
        ),
        pytest.param(
            {"type": "redacted_thinking", "data": "d"},
            Thinking("", "d", "anthropic", redacted=True),
            id="case 94 in the content",
        ),
        pytest.param({"type": "text", "text": "a"}, Text("a"), id="case 36 text"),
        pytest.param("a", Text("a"), id="a bare string"),
        pytest.param({"type": "input_text", "text": "a"}, Text("a"), id="a part of Responses"),
        pytest.param(
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "high"}},
            Image(Source("image/png", "iVBORw=="), "high"),
            id="case 20 image data",
        ),
        pytest.param(
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
            Image(Source(url="https://x.test/a.png")),
            id="case 21 image address",
        ),
        pytest.param(
            {"type": "image_url", "image_url": "gs://b/a.png"}, Image(Source(url="gs://b/a.png")), id="case 26 a string"
        ),
        pytest.param(
            {"type": "image_url", "image_url": {"url": "DATA:Image/JPG;name=x;BASE64,iVBO Rw\n"}},
            Image(Source("image/jpeg", "iVBORw==")),
            id="case 24 parameters, case, space, padding",
        ),
        pytest.param(
            {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg%2F%3E"}},
            Image(Source("image/svg+xml", "PHN2Zy8+")),
            id="case 24 percent-encoded",
        ),
        pytest.param(
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,a-_%3D"}},
            Image(Source("image/png", "a+/=")),
            id="case 24 other letters",
        ),
        pytest.param(
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
            Document(Source("application/pdf", "JVBE", filename="a.pdf"), title="a.pdf"),
            id="case 28 pdf",
        ),
        pytest.param(
            {"type": "file", "file": {"filename": "a.csv", "file_data": "YSxi"}},
            Document(Source("text/csv", "YSxi", filename="a.csv"), title="a.csv"),
            id="case 28 bare base64",
        ),
        pytest.param(
            {"type": "file", "file": {"file_id": "file-1"}}, Document(Source(file_id="file-1")), id="case 30 id"
        ),
        pytest.param(
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}},
            Audio(Source("audio/mp3", "UklG")),
            id="case 31 audio",
        ),
        pytest.param(
            {"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}},
            Video(Source(url="https://x.test/a.mp4")),
            id="case 32 video",
        ),
        pytest.param(
            {"type": "hologram", "text": "x"}, Opaque("hologram", "x", is_known=False), id="case 37 unknown kind"
        ),
        pytest.param({"type": "text", "text": "\x00 🙂"}, Text("\x00 🙂"), id="case 38 NUL and four bytes"),
        pytest.param(
            {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
            Text("a", cache="1h"),
            id="case 4 breakpoint",
        ),
        pytest.param(
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            Text("a", cache=""),
            id="case 34 cache_control from clients for Claude",
        ),
        pytest.param(
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, Thinking("hm"), id="Mistral's thoughts"
        ),
    ],
)
def test_parts_inward(item: Any, part: Part) -> None:
    assert bare(part_of(item)) == part


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,!!!"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaaa"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": ""}}, "image_url.url"),
        ({"type": "image_url"}, "image_url"),
        ({"type": "input_audio", "input_audio": {"data": "é"}}, "input_audio.data"),
        ({"type": "input_audio"}, "input_audio"),
        ({"type": "file", "file": {}}, "file.file_data"),
        ({"type": "text"}, "text"),
        ({"type": 3}, "type"),
        ({}, "type"),
    ],
)
def test_case_24_a_malformed_part_is_named(item: Json, path: str) -> None:
    with pytest.raises(FormatError) as caught:
        part_of(item)
    assert f"'messages[0].content[0].{path}'" in caught.value.message
