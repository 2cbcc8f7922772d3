"""Read the model out of a multipart form (images, audio, videos) without touching the files beside it.

Pure. Source: RFC 7578, RFC 2046 5.1. What cannot be read for certain is no model; what two readers could read in two
ways (the field twice, a field name in quotes that do not end) is refused.
"""

from __future__ import annotations

import re
from typing import Final

from fastproxy.errors import FormatError

MAX_TYPE_BYTES: Final = 512
MAX_PARTS: Final = 64
MAX_PART_HEAD_BYTES: Final = 4_096
MAX_MODEL_BYTES: Final = 1_024
_BOUNDARY: Final = re.compile(
    rb"multipart/form-data\s*;(?:.*;)?\s*boundary=(?:\"([^\"\r\n]{1,70})\"|([^\s;\",]{1,70}))\s*(?:;|\Z)", re.IGNORECASE
)
_FIELD: Final = re.compile(rb"^content-disposition:[ \t]*form-data[ \t]*;([^\r\n]*)$", re.IGNORECASE | re.MULTILINE)
_NAME: Final = re.compile(rb"(?:\A|;)[ \t]*name=(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;\"]+))", re.IGNORECASE)


def peek_form(content_type: bytes, body: bytes) -> str | None:
    """The value of the field `model`; None when the form has none, or is no form.

    Raises: FormatError when it stands twice, is a file or not text, or when there are too many parts.
    """
    if content_type.lower().count(b"boundary=") > 1:
        raise FormatError("the content type names two boundaries")
    found = _BOUNDARY.match(content_type.strip()[:MAX_TYPE_BYTES])
    if found is None:
        return None
    values = _models(b"--" + (found[1] or found[2]), body)
    if len(values) > 1:
        raise FormatError("field 'model' stands twice")
    if not values:
        return None
    if not 0 < len(values[0]) <= MAX_MODEL_BYTES:
        raise FormatError(f"field 'model' must have 1 to {MAX_MODEL_BYTES} bytes, got {len(values[0])}")
    try:
        return values[0].decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("field 'model' is not valid UTF-8") from error


def _models(delimiter: bytes, body: bytes) -> list[bytes]:
    """The contents of all parts whose name is `model`. A part that the body does not end is not looked at."""
    values: list[bytes] = []
    at = 0 if body.startswith(delimiter) else body.find(b"\r\n" + delimiter) + 2
    if at == 1:
        return values
    for _ in range(MAX_PARTS):
        start = at + len(delimiter)
        end = body.find(b"\r\n" + delimiter, start)
        if end < 0 or body[start : start + 2] == b"--":
            return values
        head, blank, _ = body[start : min(end, start + MAX_PART_HEAD_BYTES)].partition(b"\r\n\r\n")
        if blank and _name(head) == b"model":
            values.append(body[start + len(head) + 4 : end])
        at = end + 2
    raise FormatError(f"over {MAX_PARTS} parts in the form")


def _name(head: bytes) -> bytes:
    """The name of the part with this head; b"" when it has none, or is a file."""
    lines = _FIELD.findall(head.replace(b"\r\n", b"\n"))
    if len(lines) != 1:
        return b""
    names = _NAME.findall(lines[0])
    if len(names) > 1:
        raise FormatError("a part of the form has two names")
    if not names:
        return b""
    name: bytes = names[0][0] or names[0][1]
    if name == b"model" and b"filename" in lines[0].lower():
        raise FormatError("field 'model' must be text, got a file")
    return name
