"""The media type of an uploaded recording, as Google writes it.

OpenAI tells a recording by the ending of its name, and its clients send whatever type their system has for it, so the
name decides, and the type only where the name has no ending that is known. Sources: openai 3.54, transcription
parameters; google-genai 3.4, the types of AudioContent; Vertex AI's list of audio formats; 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.errors import FormatError

if TYPE_CHECKING:
    from fastproxy.formats.form_fields import Upload

_TYPES: Final = {
    "aac": "audio/aac", "aiff": "audio/aiff", "flac": "audio/flac", "m4a": "audio/m4a", "mp3": "audio/mp3",
    "mp4": "audio/mp4", "mpeg": "audio/mpeg", "mpga": "audio/mpeg", "oga": "audio/ogg", "ogg": "audio/ogg",
    "opus": "audio/opus", "wav": "audio/wav", "webm": "audio/webm",
}  # fmt: skip
_ALIASES: Final = {
    "audio/wave": "audio/wav", "audio/vnd.wave": "audio/wav", "audio/x-m4a": "audio/m4a", "video/mp4": "audio/mp4",
    "video/webm": "audio/webm",
}  # fmt: skip


def media_type(file: Upload) -> str:
    """Such as "audio/mp3". Raises: FormatError when neither name nor type tells."""
    ending = file.name.rpartition(".")[2].lower()
    if ending in _TYPES:
        return _TYPES[ending]
    kind = _ALIASES.get(file.media_type, file.media_type.replace("/x-", "/"))
    if kind.startswith("audio/"):
        return kind
    raise FormatError(f"field 'file' has a name that ends in none of {', '.join(sorted(_TYPES))}, and no audio type")
