"""Images from a text, and edited images: OpenAI's POST /images/generations and /images/edits asked of Gemini's models.

    prompt                 contents[0].parts[0].text
    image, image[]         contents[0].parts[1:].inlineData, in order; 20 MB of them
    size: "1536x1024"      generationConfig.imageConfig.aspectRatio "3:2", imageSize "1K"; "auto" says nothing
    n                      1 only: generateContent makes one image of a text
    response_format        b64_json, or url: a data URL
    mask, markup           refused: whole images only, and an edit elsewhere than asked for would be no answer
    data[].b64_json        candidates[].content.parts[].inlineData.data
    usage                  usageMetadata

Imagen's own `:predict` was shut down in August 2026. Sources: openai 3.54, types/image_generate_params.py,
image_edit_params.py and images_response.py; google-genai 3.4, ImageConfig; ai.google.dev/gemini-api/docs/deprecations;
2026-11.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import partial
from typing import Any, Final

from fastproxy.errors import FormatError
from fastproxy.formats.checked import boolean, integer, needed, text, wrong
from fastproxy.formats.form_fields import Upload, no_file, typed
from fastproxy.formats.gemini_once import Json, asked, blobs_of, nothing_made, of_modality, usage_of, written_usage
from fastproxy.formats.question import Answer, Question, Wish, dropped

# aspect ratios that Gemini's image models know → width by height
_RATIOS: Final = {
    f"{width}:{height}": width / height
    for width, height in ((1, 1), (2, 3), (3, 2), (3, 4), (4, 3), (4, 5), (5, 4), (9, 16), (16, 9), (21, 9))
}
_SIZES: Final = ((1536, "1K"), (3072, "2K"))  # the longest side up to here
_LARGEST: Final = "4K"
_SIZE: Final = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_READ: Final = ("prompt", "model", "n", "size", "response_format", "stream")
_EDIT_READ: Final = (*_READ, "image", "mask", "markup")
_MEANS_NOTHING: Final = frozenset(("auto", "standard", "natural", "png", "opaque"))  # what is so anyway
_TYPES: Final = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp"}


def openai_to_gemini(wish: Wish) -> Question:
    """Raises: FormatError, naming the field."""
    prompt = needed(text(wish.body, "prompt"), "prompt", "a string")
    return _question(wish, [{"text": prompt}], _READ)


def edit_to_gemini(wish: Wish) -> Question:
    """The same of a form with images in it. Raises: FormatError, naming the field."""
    body = typed(wish.body, numbers=("n",), flags=("stream",))
    for name in ("mask", "markup"):
        if body.get(name) is not None:
            raise FormatError(f"field '{name}' is given: expected none, because the channel edits whole images only")
    prompt = needed(text(body, "prompt"), "prompt", "a string")
    held = body.get("image")
    images = [_inline(image) for image in (held if isinstance(held, list) else [held])]
    edit = Wish(body, wish.model, wish.upstream_model, wish.id, wish.created)
    return _question(edit, [{"text": prompt}, *images], _EDIT_READ)


def _inline(image: Any) -> Json:
    if not isinstance(image, Upload):
        no_file("image", image)
    kind = image.media_type if image.media_type.startswith("image/") else _TYPES.get(_ending(image.name), "image/png")
    return {"inlineData": {"mimeType": kind, "data": b64encode(image.data).decode()}}


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _question(wish: Wish, parts: list[Json], read: tuple[str, ...]) -> Question:
    body = wish.body
    count = integer(body, "n", least=1)
    if count is not None and count > 1:
        raise FormatError(f"field 'n' is {count}: expected 1, because the channel makes one image of a text")
    if boolean(body, "stream"):
        raise FormatError("field 'stream' is true: expected false, because the channel makes an image in one piece")
    form = text(body, "response_format") or "b64_json"
    if form not in ("b64_json", "url"):
        wrong("response_format", form, "'b64_json' or 'url'")
    settings: Json = {"responseModalities": ["IMAGE"]}
    shape, losses = _shape(text(body, "size"))
    if shape:
        settings["imageConfig"] = shape
    said = {name: value for name, value in body.items() if not (isinstance(value, str) and value in _MEANS_NOTHING)}
    return asked(wish, parts, settings, partial(_read, wish, form == "url"), (*losses, *dropped(said, read)))


def _shape(size: str | None) -> tuple[Json, tuple[str, ...]]:
    """The nearest of Gemini's shapes, and a line if it is another. Raises: FormatError."""
    if size is None or size == "auto":
        return {}, ()
    found = _SIZE.fullmatch(size)
    if found is None:
        wrong("size", size, "'auto' or width and height, such as '1024x1024'")
    wanted, longest = int(found[1]) / int(found[2]), max(int(found[1]), int(found[2]))
    ratio = min(_RATIOS, key=lambda name: abs(_RATIOS[name] / wanted - 1))
    shape: Json = {"aspectRatio": ratio}
    pixels = next((name for limit, name in _SIZES if longest <= limit), _LARGEST)
    if pixels != "1K":
        shape["imageSize"] = pixels  # the models that make one size only refuse the field
    return shape, () if size == "1024x1024" else (f"size changed: to {ratio} in {pixels}",)


def _read(wish: Wish, as_url: bool, reply: Json) -> Answer:
    """Raises: UpstreamFailed (400) when the model has made none, and says why."""
    images = blobs_of(reply, "image/png")
    usage = usage_of(reply)
    if not images:
        raise nothing_made(reply, "image")
    data = [{"url": f"data:{kind};base64,{content}"} if as_url else {"b64_json": content} for kind, content in images]
    body: Json = {"created": wish.created, "data": data, "output_format": images[0][0].rpartition("/")[2]}
    if usage is not None:
        body["usage"] = written_usage(
            usage, "input_tokens_details", "image", of_modality(reply, "promptTokensDetails", "IMAGE")
        )
    return Answer(body, usage)
