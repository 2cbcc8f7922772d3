"""Content parts of Chat Completions messages, both ways.

    text               ⇄ Text           file           ⇄ Document         refusal  ⇄ Refusal
    image_url          ⇄ Image          input_audio    ⇄ Audio            any other kind → Opaque
    thinking (Mistral) → Thinking       video_url      → Video

A part that another format brought and that has no place here is noted and left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.formats.chat import (
    Audio,
    Document,
    Image,
    Opaque,
    Original,
    Part,
    Refusal,
    Source,
    Text,
    Thinking,
    Video,
)
from fastproxy.formats.checked import as_mapping, mapping, needed, text, wrong
from fastproxy.formats.foreign_files import note_citations
from fastproxy.formats.openai_chat.sources import base64_text, from_uri, to_uri, type_by_name
from fastproxy.formats.openai_chat.words import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.formats.chat import Facts
    from fastproxy.formats.notes import Notes

Json = dict[str, Any]


def read_content(content: Any, path: str) -> tuple[Part, ...]:
    """`content` of a message, `path` is its own. A string is one text; null and "" are none."""
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (Text(content, original=Original(NAME, content)),)
    if not isinstance(content, list):
        wrong(path, content, "a string or an array")
    return tuple(read_part(item, f"{path}[{place}]") for place, item in enumerate(content))


def read_part(item: Any, path: str) -> Part:
    if isinstance(item, str):  # some clients send bare strings in the array
        return Text(item, original=Original(NAME, item))
    part = as_mapping(item, path)
    kind: str = needed(text(part, "type", path + "."), "type", "a string", path + ".")
    read = _READERS.get(kind)
    if read is None:
        summary = part.get("text")
        return _with(Opaque(kind, summary if isinstance(summary, str) else "", is_known=False), part)
    return _with(read(part, path + "."), part)


def _with(part: Part, item: Json) -> Part:
    return replace(part, original=Original(NAME, item), cache=read_cache(item))


def read_cache(item: Json) -> str | None:
    """A breakpoint behind a part, in OpenAI's words or in Anthropic's, which some clients send here."""
    asked = item.get("prompt_cache_breakpoint") or item.get("cache_control")
    if not isinstance(asked, dict):
        return None
    ttl = asked.get("ttl")
    return {"5m": "5m", "1h": "1h", "12h": "1h"}.get(ttl, "") if isinstance(ttl, str) else ""


def _text(part: Json, path: str) -> Part:
    return Text(needed(text(part, "text", path), "text", "a string", path))


def _refusal(part: Json, path: str) -> Part:
    return Refusal(needed(text(part, "refusal", path), "refusal", "a string", path))


def _address(part: Json, name: str, path: str) -> tuple[str, Json]:
    """The URL of {"url": …}, or of the bare string that Responses and some clients write."""
    value = part.get(name)
    if isinstance(value, str):
        return value, {}
    holder = as_mapping(needed(value, name, "an object", path), path + name)
    return needed(text(holder, "url", f"{path}{name}."), "url", "a string", f"{path}{name}."), holder


def _image(part: Json, path: str) -> Part:
    url, holder = _address(part, "image_url", path)
    return Image(from_uri(url, f"{path}image_url.url", "image/jpeg"), text(holder, "detail", f"{path}image_url."))


def _video(part: Json, path: str) -> Part:
    url, _ = _address(part, "video_url", path)
    return Video(from_uri(url, f"{path}video_url.url", "video/mp4"))


def _audio(part: Json, path: str) -> Part:
    holder: Json = needed(mapping(part, "input_audio", path), "input_audio", "an object", path)
    path += "input_audio."
    data: str = needed(text(holder, "data", path), "data", "a string", path)
    if data[:5].lower() == "data:":
        return Audio(from_uri(data, path + "data"))
    return Audio(Source(f"audio/{text(holder, 'format', path) or 'wav'}", base64_text(data, path + "data")))


def _file(part: Json, path: str) -> Part:
    holder = needed(mapping(part, "file", path), "file", "an object", path)
    path += "file."
    filename, file_id, data = (text(holder, name, path) for name in ("filename", "file_id", "file_data"))
    if data is None:
        if file_id is None:
            needed(None, "file_data", "a data URI or a file_id", path)
        return Document(Source(file_id=file_id, filename=filename), title=filename)
    if data[:5].lower() == "data:" or "://" in data[:16]:
        source = from_uri(data, path + "file_data", type_by_name(filename))
    else:
        source = Source(type_by_name(filename), base64_text(data, path + "file_data"))
    media_type = source.media_type or type_by_name(filename)
    return Document(Source(media_type, source.data, source.url, None, filename), title=filename)


def _thinking(part: Json, _path: str) -> Part:
    thought = part.get("thinking")
    if isinstance(thought, list):  # Mistral
        thought = "".join(str(piece.get("text", "")) for piece in thought if isinstance(piece, dict))
    signature = part.get("signature")
    issuer = "anthropic" if isinstance(signature, str) and signature else ""
    return Thinking(thought if isinstance(thought, str) else "", signature if issuer else None, issuer)


def _redacted(part: Json, path: str) -> Part:
    return Thinking("", needed(text(part, "data", path), "data", "a string", path), "anthropic", redacted=True)


_READERS: Final[dict[str, Callable[[Json, str], Part]]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
    "video_url": _video,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
}


class PartWriter:
    """Content parts for one upstream. None from `write`: the part has no place, which is noted."""

    __slots__ = ("_caching", "_facts", "_notes")

    def __init__(self, facts: Facts, caching: str, notes: Notes) -> None:
        """`caching` is the name of the field for a cache breakpoint, "" where there is none."""
        self._facts = facts
        self._caching = caching
        self._notes = notes

    def write(self, part: Part) -> Json | None:
        original = part.original
        if original is not None and original.format == NAME:
            value = original.value
            return value if isinstance(value, dict) else {"type": "text", "text": value}
        write = _WRITERS.get(type(part))
        made = write(self, part) if write is not None else None
        if write is None:
            self._notes.drop(part, "only its own format has it")
        elif made is not None and part.cache is not None:
            self._mark(part, made)
        return made

    def _mark(self, part: Part, made: Json) -> None:
        if self._caching == "cache_control":
            made["cache_control"] = {"type": "ephemeral", "ttl": "1h"} if part.cache == "1h" else {"type": "ephemeral"}
        elif self._caching:
            made[self._caching] = {"mode": "explicit"}
        else:
            self._notes.change(part, "without its cache breakpoint")

    def text(self, part: Text) -> Json:
        if part.citations:
            self._notes.change(part, "without its citations")
        if part.signature is not None:
            self._notes.change(part, "without its thought signature")
        return {"type": "text", "text": part.text}

    def image(self, part: Image) -> Json | None:
        url = to_uri(part.source, "image/jpeg")
        if url is None or not url.startswith(("data:", "http://", "https://")):
            self._notes.drop(part, "an image is data or an address")
            return None
        if not self._facts.images:
            self._notes.drop(part, "the model takes no images")
            return None
        detail = {"detail": part.detail} if part.detail in ("low", "high", "auto", "original") else {}
        return {"type": "image_url", "image_url": {"url": url, **detail}}

    def document(self, part: Document) -> Json | None:
        note_citations(part, self._notes)
        if part.text is not None:
            lead = "\n".join(said for said in (part.title, part.context) if said)
            return {"type": "text", "text": f"{lead}\n\n{part.text}" if lead else part.text}
        source = part.source
        if not self._facts.documents:
            self._notes.drop(part, "the model takes no documents")
            return None
        if source.data is None:
            return self._named(part)
        filename = source.filename or part.title or "document"
        if "." not in filename and source.media_type in ("", "application/pdf"):
            filename += ".pdf"
        return {"type": "file", "file": {"filename": filename, "file_data": to_uri(source, "application/pdf")}}

    def _named(self, part: Document) -> Json | None:
        """A file by id goes only where it came from: OpenAI's two formats share their files."""
        theirs = part.original is not None and part.original.format == "openai-responses"
        if part.source.file_id is not None and theirs:
            return {"type": "file", "file": {"file_id": part.source.file_id}}
        self._notes.drop(part, "a file is data here, not an address or another vendor's id")
        return None

    def audio(self, part: Audio) -> Json | None:
        kind = _AUDIO_FORMATS.get(part.source.media_type.lower())
        if kind is None or part.source.data is None or not self._facts.audio:
            self._notes.drop(part, "sound is wav or mp3, as data, for models that hear")
            return None
        return {"type": "input_audio", "input_audio": {"data": part.source.data, "format": kind}}

    def video(self, part: Video) -> None:
        self._notes.drop(part, "no video in chat completions")

    def refusal(self, part: Refusal) -> Json:
        return {"type": "text", "text": part.text}

    def opaque(self, part: Opaque) -> Json | None:
        if not part.summary:
            self._notes.drop(part, "only its own format has it")
            return None
        self._notes.change(part, "told as text")
        return {"type": "text", "text": part.summary}


_AUDIO_FORMATS: Final = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
}
_WRITERS: Final[dict[type[Part], Callable[[PartWriter, Any], Json | None]]] = {
    Text: PartWriter.text,
    Image: PartWriter.image,
    Document: PartWriter.document,
    Audio: PartWriter.audio,
    Video: PartWriter.video,
    Refusal: PartWriter.refusal,
    Opaque: PartWriter.opaque,
}
