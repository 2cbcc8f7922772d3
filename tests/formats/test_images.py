"""Images asked for in OpenAI's shape, of Gemini's image models."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.errors import FormatError, UpstreamFailed
from fastproxy.formats.form_fields import Upload
from fastproxy.formats.images import edit_to_gemini, openai_to_gemini
from fastproxy.formats.question import Question, Wish
from fastproxy.formats.usage_fields import Usage

PNG = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
MADE = {"candidates": [{"content": {"parts": [{"text": "Here:"}, PNG]}, "finishReason": "STOP"}]}


def asks(**fields: Any) -> Question:
    body = {"model": "client-model", "prompt": "a pixel", **fields}
    return openai_to_gemini(Wish(body, "client-model", "up-model", "id", 17))


def test_a_prompt_becomes_a_content_whose_answer_is_an_image() -> None:
    question = asks()
    assert question.path == "/models/up-model:generateContent"
    assert question.body == {
        "contents": [{"role": "user", "parts": [{"text": "a pixel"}]}],
        "generationConfig": {"responseModalities": ["IMAGE"]},
    }
    assert question.losses == ()


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ("auto", None),
        ("1024x1024", {"aspectRatio": "1:1"}),
        ("1536x1024", {"aspectRatio": "3:2"}),
        ("1024x1536", {"aspectRatio": "2:3"}),
        ("1792x1024", {"aspectRatio": "16:9", "imageSize": "2K"}),
        ("1024x1792", {"aspectRatio": "9:16", "imageSize": "2K"}),
        ("4096x4096", {"aspectRatio": "1:1", "imageSize": "4K"}),
    ],
)
def test_a_size_becomes_the_nearest_shape_and_the_client_is_told(size: str, shape: dict[str, str] | None) -> None:
    question = asks(size=size)
    assert question.body["generationConfig"].get("imageConfig") == shape
    assert any(line.startswith("size changed") for line in question.losses) is (size not in ("auto", "1024x1024"))


def test_fields_without_a_place_are_named_unless_they_ask_for_nothing() -> None:
    question = asks(background="transparent", quality="auto", moderation="low", style=None, n=1)
    assert question.losses == ("background dropped", "moderation dropped")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"prompt": None}, "field 'prompt' is missing"),
        ({"prompt": 5}, "field 'prompt' is 5"),
        ({"n": 2}, "field 'n' is 2"),
        ({"stream": True}, "field 'stream' is true"),
        ({"size": "big"}, "field 'size' is 'big'"),
        ({"response_format": "file"}, "field 'response_format' is 'file'"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(FormatError) as refused:
        asks(**fields)
    assert refused.value.message.startswith(text)


def test_the_image_comes_back_as_base64() -> None:
    answer = asks().read(MADE)
    assert answer.body == {"created": 17, "data": [{"b64_json": "iVBORw0KGgo="}], "output_format": "png"}


def test_or_as_a_data_url() -> None:
    (image,) = asks(response_format="url").read(MADE).body["data"]
    assert image == {"url": "data:image/png;base64,iVBORw0KGgo="}


def test_drafts_of_a_thinking_model_are_left_out() -> None:
    draft = PNG | {"thought": True}
    reply = {"candidates": [{"content": {"parts": [draft, PNG]}}]}
    assert len(asks().read(reply).body["data"]) == 1


def test_counts_are_read() -> None:
    answer = asks().read(MADE | {"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 1290}})
    assert answer.usage == Usage(input=4, output=1290)
    assert answer.body["usage"]["total_tokens"] == 1294


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "PROHIBITED_CONTENT"),
        ({"candidates": [{"finishReason": "IMAGE_SAFETY"}]}, "IMAGE_SAFETY"),
        ({}, "no reason"),
    ],
)
def test_a_model_that_makes_none_is_a_400_with_its_reason(reply: dict[str, Any], why: str) -> None:
    with pytest.raises(UpstreamFailed, match=why) as refused:
        asks().read(reply)
    assert refused.value.status == 400


def image(name: str = "a.png", kind: str = "image/png", data: bytes = b"\x89PNG") -> Upload:
    return Upload(name, kind, memoryview(data))


def edits(**fields: Any) -> Question:
    body = {"model": "client-model", "prompt": "a hat", **fields}
    return edit_to_gemini(Wish(body, "client-model", "up-model", "id", 17))


@pytest.mark.parametrize("images", [image(), [image()], [image(), image("b.webp", "application/octet-stream")]])
def test_images_to_edit_follow_the_text_in_their_order(images: Any) -> None:
    question = edits(image=images, n="1", stream="false", size="1536x1024")
    text, *blobs = question.body["contents"][0]["parts"]
    assert text == {"text": "a hat"}
    kinds = [blob["inlineData"]["mimeType"] for blob in blobs]
    assert kinds == ["image/png", "image/webp"][: len(kinds)]
    assert blobs[0]["inlineData"]["data"] == "iVBORw=="
    assert question.body["generationConfig"]["imageConfig"] == {"aspectRatio": "3:2"}


def test_an_edited_image_comes_back_with_its_counts_told_apart() -> None:
    details = [{"modality": "TEXT", "tokenCount": 4}, {"modality": "IMAGE", "tokenCount": 258}]
    counts = {"promptTokenCount": 262, "candidatesTokenCount": 1290, "promptTokensDetails": details}
    answer = edits(image=image()).read(MADE | {"usageMetadata": counts})
    assert answer.body["data"] == [{"b64_json": "iVBORw0KGgo="}]
    assert answer.body["usage"]["input_tokens_details"] == {"image_tokens": 258, "text_tokens": 4}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "field 'image' is missing: expected a file"),
        ({"image": "a"}, "field 'image' is 'a': expected a file"),
        ({"image": image(), "mask": image()}, "field 'mask' is given"),
        ({"image": image(), "prompt": None}, "field 'prompt' is missing"),
        ({"image": image(), "n": "3"}, "field 'n' is 3"),
        ({"image": image(), "stream": "true"}, "field 'stream' is true"),
    ],
)
def test_a_bad_field_of_an_edit_is_named(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(FormatError) as refused:
        edits(**fields)
    assert refused.value.message.startswith(text)
