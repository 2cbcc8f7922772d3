"""Files inside a Chat Completions body: data URIs, addresses, ids. Both ways, checked on the way in.

data:image/PNG;name=x;base64,iVBO…  ⇄  Source(media_type="image/png", data="iVBO…")
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Source

_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=]")
_SPACES: Final = re.compile(r"\s+")
_SHORT_FORMS: Final = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "application/x-pdf": "application/pdf"}
_BY_ENDING: Final = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "xml": "text/xml",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
QUADRUPLE: Final = 4  # base64 comes in groups of four


def from_uri(uri: str, path: str, default: str = "") -> Source:
    """What a URL field says: inline data, or an address. `path` is the field's. Raises: FormatError."""
    if uri[:5].lower() != "data:":
        if not uri:
            raise FormatError(f"field '{path}' is empty: expected a URL or a data URI")
        return Source(media_type="", url=uri)
    head, comma, data = uri[5:].partition(",")
    if not comma:
        raise FormatError(f"field '{path}' is a data URI without a comma: expected data:<type>;base64,<data>")
    words = [word.strip() for word in head.split(";")]
    media_type = words[0].lower() or default
    if any(word.lower() == "base64" for word in words[1:]):
        data = base64_text(data, path)
    else:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return Source(media_type=_SHORT_FORMS.get(media_type, media_type), data=data)


def base64_text(text: str, path: str) -> str:
    """Base64 as every vendor takes it: standard letters, padded, no white space. Raises: FormatError."""
    if _NOT_BASE64.search(text) is not None:
        if "%" in text:
            text = unquote_to_bytes(text).decode("latin-1")
        text = _SPACES.sub("", text).replace("-", "+").replace("_", "/")
    text += "=" * (-len(text) % QUADRUPLE)
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error, or letters that are not ASCII
        raise FormatError(f"field '{path}' is not valid base64") from None
    return text


def to_uri(source: Source, default: str) -> str | None:
    """The URL or data URI of a source; None when it is only an id."""
    if source.data is not None:
        return f"data:{source.media_type or default};base64,{source.data}"
    return source.url


def type_by_name(filename: str | None) -> str:
    """The media type that a file's name promises, a PDF if it promises nothing."""
    ending = (filename or "").rpartition(".")[2].lower()
    return _BY_ENDING.get(ending, "application/pdf")
