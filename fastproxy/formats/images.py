"""Images from a text: OpenAI's POST /images/generations asked of Gemini's image models.

    prompt                 contents[0].parts[0].text
    size: "1536x1024"      generationConfig.imageConfig.aspectRatio "3:2", imageSize "1K"; "auto" says nothing
    n                      1 only: generateContent makes one image of a text
    response_format        b64_json, or url: a data URL
    data[].b64_json        candidates[].content.parts[].inlineData.data
    usage                  usageMetadata

Imagen's own `:predict` was shut down in 2026. Sources: openai 3.54, types/image_generate_params.py and
images_response.py; google-genai 3.4, ImageConfig; 2026-11.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from fastproxy.errors import FormatError, UpstreamFailed
from fastproxy.formats.checked import array, boolean, integer, mapping, needed, text, wrong
from fastproxy.formats.question import Answer, Question, Wish, counted, dropped
from fastproxy.formats.usage_fields import GeminiUsage, Usage

Json = dict[str, Any]

# aspect ratios that Gemini's image models know → width by height
_RATIOS: Final = {
    f"{width}:{height}": width / height
    for width, height in ((1, 1), (2, 3), (3, 2), (3, 4), (4, 3), (4, 5), (5, 4), (9, 16), (16, 9), (21, 9))
}
_SIZES: Final = ((1536, "1K"), (3072, "2K"))  # the longest side up to here
_LARGEST: Final = "4K"
_SIZE: Final = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_READ: Final = ("prompt", "model", "n", "size", "response_format", "stream")
_MEANS_NOTHING: Final = frozenset(("auto", "standard", "natural"))  # what is so anyway


def openai_to_gemini(wish: Wish) -> Question:
    """Raises: FormatError, naming the field."""
    body = wish.body
    prompt = needed(text(body, "prompt"), "prompt", "a string")
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
    asked = {"contents": [{"role": "user", "parts": [{"text": prompt}]}], "generationConfig": settings}
    said = {name: value for name, value in body.items() if not (isinstance(value, str) and value in _MEANS_NOTHING)}
    model = wish.upstream_model.removeprefix("models/")
    return Question(
        f"/models/{quote(model, safe='/:@')}:generateContent",
        asked,
        partial(_read, wish, form == "url"),
        (*losses, *dropped(said, _READ)),
    )


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
    candidates = array(reply, "candidates") or []
    images = [image for candidate in candidates for image in _images(candidate)]
    usage = _usage(reply)
    if not images:
        raise UpstreamFailed(f"no image was made: {_reason(reply, candidates)}", status=400, kind="bad_request")
    data = [{"url": f"data:{kind};base64,{content}"} if as_url else {"b64_json": content} for kind, content in images]
    body: Json = {"created": wish.created, "data": data, "output_format": images[0][0].rpartition("/")[2]}
    if usage is not None:
        body["usage"] = _written(usage)
    return Answer(body, usage)


def _images(candidate: Any) -> list[tuple[str, str]]:
    """Media type and base64 of each image; those that a model made while it thought are drafts."""
    content = mapping(candidate, "content") if isinstance(candidate, dict) else None
    found = []
    for part in array(content or {}, "parts") or []:
        held = part.get("inlineData") if isinstance(part, dict) and part.get("thought") is not True else None
        if isinstance(held, dict) and isinstance(held.get("data"), str):
            found.append((str(held.get("mimeType") or "image/png"), held["data"]))
    return found


def _reason(reply: Json, candidates: list[Any]) -> str:
    blocked = (mapping(reply, "promptFeedback") or {}).get("blockReason")
    reasons = [candidate.get("finishReason") for candidate in candidates if isinstance(candidate, dict)]
    return next((str(word)[:40] for word in (blocked, *reasons) if word), "the upstream gave no reason")


def _usage(reply: Json) -> Usage | None:
    found = counted(reply.get("usageMetadata"), GeminiUsage)
    return found.read() if found is not None else None


def _written(usage: Usage) -> Json:
    spent = usage.input + usage.cache_read
    return {
        "input_tokens": spent,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": spent},
        "output_tokens": usage.output,
        "total_tokens": spent + usage.output,
    }
