"""One kind of request from what a user said about it, on the command line or in a scenario file. Pure.

    given   any of name, weight, method, path, headers, body, format, model, stream, prompt_words, turns, think,
            abort {share, after}, read_rate, expect: already read, with the types of Request's fields

What is absent follows from the format. FieldError names the field that is wrong, so that the caller can say where it
stands: a flag, or a line of a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.loadtest.load import bodies
from fastproxy.loadtest.load.bodies import AI_FORMATS, DEFAULT_MODELS, DEFAULT_PROMPT_WORDS
from fastproxy.loadtest.load.shapes import Check, Format, Plan, Request
from fastproxy.loadtest.load.template import Template, TemplateError, compile_request, compile_upgrade, is_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.loadtest.load.variables import Data

FORMATS: Final = {kind.value: kind for kind in Format}
_MESSAGE: Final = "ping {{n}}"
_NEEDS_AI: Final = ("model", "prompt_words", "turns")


class FieldError(ValueError):
    """A field that cannot be used; `field` is empty when it is the request as a whole."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}" if field else text)
        self.field = field
        self.text = text


def build_request(given: Mapping[str, Any]) -> Request:
    """Raises FieldError for what does not go together."""
    _refuse_misfits(given)
    kind: Format = given.get("format", Format.HTTP)
    stream: bool = given.get("stream", False)
    model: str = given.get("model") or DEFAULT_MODELS.get(kind, "")
    body: str = given["body"] if "body" in given else _body(kind, model, given)
    abort = given.get("abort", {})
    return Request(
        name=given.get("name", "request"),
        method=given.get("method") or ("POST" if body else "GET"),
        path=given.get("path", bodies.default_path(kind, model, stream)),
        headers=given.get("headers", ()),
        body=body,
        format=kind,
        stream=stream,
        weight=given.get("weight", 1.0),
        check=given.get("expect", Check()),
        turns=given.get("turns", 1),
        think_s=given.get("think", 0.0),
        abort_share=abort.get("share", 0.0),
        abort_after_s=abort.get("after", 0.0),
        read_bytes_per_s=given.get("read_rate", 0),
    )


def _body(kind: Format, model: str, given: Mapping[str, Any]) -> str:
    if kind in AI_FORMATS:
        return bodies.default_body(
            kind, model, given.get("stream", False), given.get("prompt_words", DEFAULT_PROMPT_WORDS)
        )
    return _MESSAGE if kind is Format.WEBSOCKET else ""


def _refuse_misfits(given: Mapping[str, Any]) -> None:
    kind: Format = given.get("format", Format.HTTP)
    for field in _NEEDS_AI:
        if field in given and kind not in AI_FORMATS:
            raise FieldError(field, f"needs an AI format: {', '.join(each.value for each in AI_FORMATS)}")
    if "body" in given and "prompt_words" in given:
        raise FieldError("prompt_words", "the body is given, so it has its words")
    if "body" in given and "model" in given and kind is not Format.GEMINI:
        raise FieldError("model", "the body is given, so it names the model")
    if "abort" in given and given["abort"].keys() != {"share", "after"}:
        raise FieldError("abort", "expected share and after")
    if kind is Format.WEBSOCKET and given.get("stream"):
        raise FieldError("stream", "a WebSocket has no event stream")


def check_request(request: Request, data: Data) -> None:
    """Whether all texts can be filled. Raises FieldError."""
    texts = [("path", request.path), *(("headers", value) for _, value in request.headers)]
    for field, text in texts:
        _check_text(field, text, data)
    _check_text("body", request.body, data, json=is_json(request))
    plan = Plan("http://localhost", data={name: tuple(lines) for name, lines in data.items()})
    try:
        compile_request(request, plan)
        if request.format is Format.WEBSOCKET:
            compile_upgrade(request, plan)
    except TemplateError as error:
        raise FieldError("", str(error)) from None


def _check_text(field: str, text: str, data: Data, *, json: bool = False) -> None:
    try:
        Template(text, data, json=json)
    except TemplateError as error:
        raise FieldError(field, str(error)) from None
