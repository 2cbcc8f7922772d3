"""Images and documents as the API takes them: it refuses a whole request for one that it does not.

The media type is corrected from the first bytes, base64 is brought to the ordinary alphabet, and what cannot be sent
at all raises FormatError with its place in the client's body.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any, Final, NoReturn

from fastproxy.errors import FormatError
from fastproxy.formats.anthropic.words import IMAGE_TYPES, LOSSY
from fastproxy.formats.notes import Notes, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.chat import Document, Image

Block = dict[str, Any]
# base64 of the first bytes: three bytes are four characters
_MAGIC: Final = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif"}
_PDF: Final = "JVBERi"
_TEXT_TYPES: Final = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")


def image_block(part: Image, body: Mapping[str, Any], notes: Notes) -> Block:
    """`body` is the client's, to name the place of what is refused."""
    if part.detail not in (None, "auto"):
        notes.change(part, LOSSY["detail"])
    if part.source.data is None:
        return {"type": "image", "source": _remote(part, body)}
    data, declared = _standard(part.source.data), _media_type(part).replace("image/jpg", "image/jpeg")
    media_type = _sniffed(data) or declared
    if media_type not in IMAGE_TYPES:
        _refuse(part, body, f"an image of type {declared[:40] or 'unknown'}", "JPEG, PNG, GIF or WebP")
    if media_type != declared:
        notes.change(part, f"its bytes are {media_type}")
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def document_block(part: Document, body: Mapping[str, Any]) -> Block:
    block: Block = {"type": "document", "source": _document_source(part, body)}
    title = part.title or part.source.filename
    if title:
        block["title"] = title
    if part.context:
        block["context"] = part.context
    return block


def _document_source(part: Document, body: Mapping[str, Any]) -> Block:
    if part.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": part.text}
    if part.source.data is None:
        return _remote(part, body)
    data, media_type = _standard(part.source.data), _media_type(part)
    if media_type == "application/pdf" or data.startswith(_PDF):
        return {"type": "base64", "media_type": "application/pdf", "data": data}
    if not media_type.startswith(_TEXT_TYPES):
        _refuse(part, body, f"a file of type {media_type[:40] or 'unknown'}", "a PDF or a text")
    try:
        text = binascii.a2b_base64(data).decode("utf-8", "replace")
    except binascii.Error:
        _refuse(part, body, "not base64", "base64")
    return {"type": "text", "media_type": "text/plain", "data": text}


def _remote(part: Image | Document, body: Mapping[str, Any]) -> Block:
    url = part.source.url
    if url is None:
        _refuse(part, body, "a file of another provider", "its bytes or its address")
    if not url.lower().startswith(("http://", "https://")):
        _refuse(part, body, "an address of another kind", "http or https")
    return {"type": "url", "url": url}


def _media_type(part: Image | Document) -> str:
    return part.source.media_type.partition(";")[0].strip().lower()


def _standard(data: str) -> str:
    """The ordinary alphabet, padded."""
    data = data.replace("-", "+").replace("_", "/")
    return data + "=" * (-len(data) % 4)


def _sniffed(data: str) -> str | None:
    """The media type of an image that its first bytes tell."""
    if data.startswith("UklGR") and _is_webp(data):
        return "image/webp"
    return next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)


def _is_webp(data: str) -> bool:
    try:
        return binascii.a2b_base64(data[:16])[8:12] == b"WEBP"
    except binascii.Error:
        return False


def _refuse(part: Image | Document, body: Mapping[str, Any], seen: str, expected: str) -> NoReturn:
    raise FormatError(f"field '{place_of(body, part)}' is {seen}: expected {expected}")
