"""Images: real PNG files of the size that was asked for, from the images endpoints and within conversations."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import pytest

from fastproxy.loadtest.mock_png import png, sides
from tests.live.sdk_calls import openai_client
from tests.loadtest import sdk_content
from tests.loadtest.mock_process import BEARER, KEY, ask

pytestmark = pytest.mark.timeout(30)
SAY: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]


@pytest.fixture
def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG whose checksums and pixels are right."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, parts = 8, {}
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(kind + content),)
        parts[kind] = content
        at += 12 + length
    width, height = struct.unpack_from(">II", parts[b"IHDR"])
    assert len(zlib.decompress(parts[b"IDAT"])) == height * (1 + (width + 7) // 8)
    return width, height


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 16), (17, 3), (1024, 1536)])
def test_png(width: int, height: int) -> None:
    assert size_of(png(width, height)) == (width, height)
    assert len(png(width, height)) < 600
    assert png(8, 8, 1) != png(8, 8, 2)


@pytest.mark.parametrize(("size", "expected"), [("1024x1536", (1024, 1536)), ("auto", (16, 16)), (None, (16, 16))])
def test_sizes(size: object, expected: tuple[int, int]) -> None:
    assert sides(size) == expected


def test_images_endpoint(url: str) -> None:
    with openai_client(url, KEY) as client:
        reply = client.images.generate(model="gpt-image-1", prompt="a fox", n=2, size="1024x1024")
        files = [base64.b64decode(image.b64_json or "") for image in reply.data or ()]
        assert [size_of(file) for file in files] == [(1024, 1024)] * 2
        linked = client.images.generate(model="dall-e-2", prompt="a fox", size="256x256", response_format="url")
        assert linked.data
        assert (linked.data[0].url or "").startswith("data:image/png;base64,")
        events: Any = client.images.generate(model="gpt-image-1", prompt="a fox", stream=True, partial_images=2)
        kinds = [event.type for event in events]
    assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_images_within_conversations(url: str, port: int, stream: bool) -> None:
    assert [size_of(image) for image in sdk_content.gemini(url, KEY, stream, {"x-mock-images": "2"}).images] == [
        (16, 16)
    ] * 2
    wish = BEARER | {"x-mock-images": "1"}
    chat = ask(port, "POST", "/v1/chat/completions", {"model": "m", "messages": SAY, "stream": stream}, wish)
    assert b'"url":"data:image/png;base64,' in chat.body
    with openai_client(url, KEY, {"x-mock-images": "1"}) as client:
        if not stream:
            reply: Any = client.responses.create(model="gpt-5", input="a fox")
        else:
            with client.responses.stream(model="gpt-5", input="a fox") as events:
                kinds = [event.type for event in events]
                reply = events.get_final_response()
            assert "response.image_generation_call.completed" in kinds
    (item,) = [item for item in reply.output if item.type == "image_generation_call"]
    assert size_of(base64.b64decode(item.result)) == (16, 16)
