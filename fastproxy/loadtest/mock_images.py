"""OpenAI's images endpoints: JSON and, for generations and edits, a stream of partial images. Pure.

The images are one-colour PNG files of the size that was asked for, so that a client can check what it gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastproxy.loadtest.mock_answer import Answer, Events, Json, Stream, named
from fastproxy.loadtest.mock_png import coded, sides

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST = 10
_MOST_PARTIAL = 3


def image(answer: Answer) -> Json:
    """`POST /v1/images/…`."""
    as_url = answer.asked.get("response_format") == "url"
    files = _files(answer, _number(answer, "n", 1, _MOST))
    data = [{"url": "data:image/png;base64," + file} if as_url else {"b64_json": file} for file in files]
    about = {"background": "opaque", "output_format": "png", "quality": "low", "size": _size(answer)}
    return {"created": answer.now, "data": data, **about, "usage": _usage(answer)}


def image_stream(prefix: str) -> Callable[[Answer], Stream]:
    """The writer of a stream whose events are called `prefix`.partial_image and `prefix`.completed."""

    def write(answer: Answer) -> Stream:
        (file,) = _files(answer, 1)
        common = {"created_at": answer.now, "size": _size(answer), "quality": "low", "background": "opaque"}
        common |= {"output_format": "png", "b64_json": file}
        events = Events(named)
        for index in range(_number(answer, "partial_images", 0, _MOST_PARTIAL)):
            events.token({"type": f"{prefix}.partial_image", **common, "partial_image_index": index})
        events.token({"type": f"{prefix}.completed", **common, "usage": _usage(answer)})
        return events.stream()

    return write


def _files(answer: Answer, count: int) -> list[str]:
    width, height = sides(answer.asked.get("size"))
    return [coded(width, height, number) for number in range(count)]


def _number(answer: Answer, name: str, default: int, most: int) -> int:
    """A parameter that is a number in JSON and its digits in a form."""
    given: Any = answer.asked.get(name)
    text = str(given)
    return max(default, min(int(text), most)) if text.isdecimal() else default


def _size(answer: Answer) -> str:
    width, height = sides(answer.asked.get("size"))
    return f"{width}x{height}"


def _usage(answer: Answer) -> Json:
    details = {"text_tokens": answer.tally.prompt, "image_tokens": 0}
    return {
        "input_tokens": answer.tally.prompt,
        "input_tokens_details": details,
        "output_tokens": answer.tally.output,
        "total_tokens": answer.tally.prompt + answer.tally.output,
    }
