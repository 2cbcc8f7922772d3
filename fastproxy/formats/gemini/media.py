"""Bytes and addresses of images, sounds, films and files: inlineData and fileData, both ways.

The kind of part follows from the media type. Google's SDK writes base64 in the URL-safe alphabet, which no other format
takes, so what is read here is put into the standard one.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats import checked
from fastproxy.formats.chat import Audio, Document, Image, Original, Part, Source, Video
from fastproxy.formats.gemini.words import DETAILS, NAME, named, value_of

if TYPE_CHECKING:
    from fastproxy.formats.notes import Notes

_STANDARD: Final = str.maketrans("-_", "+/")
_FILMS: Final = ("https://www.youtube.com/", "https://youtu.be/")
_FILES: Final = ("gs://", "https://generativelanguage.googleapis.com/", *_FILMS)
_DEFAULT_TYPES: Final[dict[type[Part], str]] = {
    Image: "image/png",
    Document: "application/pdf",
    Audio: "audio/wav",
    Video: "video/mp4",
}


def standard_base64(text: str) -> str:
    """`text` in the standard alphabet, padded; as it is if it already was."""
    if "-" in text or "_" in text:
        text = text.translate(_STANDARD)
    return text if len(text) % 4 == 0 else text + "=" * (-len(text) % 4)


def decoded(text: str) -> bytes | None:
    """The bytes behind base64 of either alphabet, None if it is none."""
    try:
        return base64.b64decode(standard_base64(text), validate=True)
    except (binascii.Error, ValueError):
        return None


def read_media(part: dict[str, Any], path: str) -> Part:
    """A part with inlineData or fileData."""
    name = named(part, "inlineData")
    blob = checked.mapping(part, name, path)
    if blob is None:
        name = named(part, "fileData")
        blob = checked.as_mapping(part.get(name), path + name)
    source = _source(blob, f"{path}{name}.")
    return part_of(source, part, _detail(part))


def _source(blob: dict[str, Any], path: str) -> Source:
    media_type = checked.text(blob, named(blob, "mimeType"), path) or ""
    filename = checked.text(blob, named(blob, "displayName"), path)
    data = checked.text(blob, "data", path)
    if data is not None:
        return Source(media_type, data=standard_base64("".join(data.split())), filename=filename)
    uri = checked.needed(checked.text(blob, named(blob, "fileUri"), path), "fileUri", "an address", path)
    return Source(media_type, url=uri, filename=filename)


def _detail(part: dict[str, Any]) -> str | None:
    resolution = value_of(part, "mediaResolution")
    level = resolution.get("level") if isinstance(resolution, dict) else None
    return DETAILS.get(level.upper()) if isinstance(level, str) else None


def part_of(source: Source, original: Any, detail: str | None = None) -> Part:
    known = Original(NAME, original)
    kind = source.media_type.partition("/")[0]
    if kind == "text" and source.data is not None and (text := _text_in(source.data)) is not None:
        return Document(Source(source.media_type, filename=source.filename), text, source.filename, original=known)
    if not kind and (source.url or "").startswith(_FILMS):
        kind = "video"
    if kind == "image":
        return Image(source, detail, original=known)
    if kind == "audio":
        return Audio(source, original=known)
    if kind == "video":
        return Video(source, original=known)
    return Document(source, original=known)


def _text_in(data: str) -> str | None:
    raw = decoded(data)
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return None


def write_source(part: Part, source: Source, notes: Notes) -> dict[str, Any]:
    """{"inlineData": …} or {"fileData": …}."""
    media_type = source.media_type or _DEFAULT_TYPES.get(type(part), "application/octet-stream")
    if source.data is not None:
        return {"inlineData": {"mimeType": media_type, "data": source.data}}
    address = source.url or ""
    if not address.startswith(_FILES):
        notes.change(part, "Gemini does not fetch addresses of others")
    known = {"mimeType": source.media_type} if source.media_type else {}
    return {"fileData": known | {"fileUri": address}}
