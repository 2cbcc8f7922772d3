"""Find the model in a multipart form (images, audio, videos) as it comes, without touching the files beside it.

    preamble | --B CRLF head CRLF CRLF content CRLF | --B CRLF … CRLF | --B-- | epilogue
                                       ^^^^^^^ span, where the head's name is `model`

Pure. Source: RFC 7578, RFC 2046 5.1. Who reads here decides what somebody else will read again, so that anything two
readers could read in two ways is refused: the field twice, a boundary that does not begin a line, a part without one
plain name, a header that is folded. No SDK, browser or curl writes such forms, and a boundary is not found in a file by
chance. Besides 4 KB of a part's head nothing is kept; where the whole form is wanted (form_fields.py), 64 such heads.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from fastproxy.errors import FormatError

MAX_TYPE_BYTES: Final = 512
MAX_PARTS: Final = 64
MAX_PART_HEAD_BYTES: Final = 4_096
MAX_MODEL_BYTES: Final = 1_024
_BOUNDARY: Final = re.compile(
    rb"multipart/form-data\s*;(?:.*;)?\s*boundary=(?:\"([^\"\\\r\n]{1,70})\"|([^\s;\",\\]{1,70}))\s*(?:;|\Z)",
    re.IGNORECASE,
)
_BOUNDARIES: Final = re.compile(rb"boundary[ \t]*+[*0-9]*+[ \t]*+=", re.IGNORECASE)
# Possessive, so that no head can make them go back; single characters only (before CPython 3.11.5 groups lost bytes).
_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):([\t -~\x80-\xff]*+)")
_TYPE: Final = re.compile(rb"[ \t]*+form-data", re.IGNORECASE)
_PARAMETER: Final = re.compile(
    rb"[ \t]*+;[ \t]*+([!#$%&'*+.^_`|~0-9A-Za-z-]++)=(?:\"([^\"\\]*+(?:\\.[^\"\\]*+)*)\"|([^\s;\"\\]++))"
)
_UNREADABLE: Final = "a part of the form has no readable content-disposition"
_NAMES: Final = re.compile(rb"(?<![A-Za-z])name[*0-9]*+[ \t]*+=", re.IGNORECASE)


def boundary_of(content_type: bytes) -> bytes | None:
    """The boundary of a form; None when it is no form or says none. Raises: FormatError when it says two."""
    if len(content_type) > MAX_TYPE_BYTES:
        return None
    if len(_BOUNDARIES.findall(content_type)) > 1:
        raise FormatError("the content type names two boundaries")
    found = _BOUNDARY.match(content_type.strip())
    return None if found is None else bytes(found[1] or found[2])


class Part(NamedTuple):
    """One part: its head without the empty line, and where its content stands in the form."""

    head: bytes
    start: int
    end: int


class FormReader:
    """One form, in pieces that may be cut anywhere.

    After `feed`: `model` is the field's value, once its end has been seen, and `span` where it stands in the body;
    `closed` whether the form has ended; `size` the bytes so far. `feed` raises FormatError when the field stands twice,
    is a file or not text, or when the form cannot be read in one way only. `parts` are all that have ended, if they are
    to be kept.
    """

    __slots__ = (
        "_content",
        "_from",
        "_head_bytes",
        "_in_head",
        "_in_model",
        "_keeps",
        "_kept",
        "_mark",
        "_parts",
        "closed",
        "model",
        "parts",
        "size",
        "span",
    )  # fmt: skip

    def __init__(self, boundary: bytes, *, keeps_parts: bool = False) -> None:
        self.model: str | None = None
        self.parts: list[Part] = []
        self._keeps = keeps_parts
        self._head_bytes = b""
        self.span = (0, 0)
        self.closed = False
        self.size = 0
        self._mark = b"--" + boundary
        self._kept = b""  # the end of what has come, which cannot be judged yet
        self._from = 0  # from where on nothing is known, as all places counted from the beginning of the form
        self._content = 0  # where the present content begins
        self._in_head = False
        self._in_model = False
        self._parts = 0

    def feed(self, piece: bytes | memoryview) -> None:
        """Read on. Raises: FormatError."""
        data = self._kept + piece
        self.size += len(piece)
        base = self.size - len(data)
        place, following = 0, max(0, self._from - base)
        while following >= 0:
            place = following
            following = self._head(data, place, base) if self._in_head else self._find_mark(data, place, base)
        self._from = base + place
        self._kept = data[self._unread(data, place, base) :]

    def _unread(self, data: bytes, place: int, base: int) -> int:
        """From where on `data` is needed again: a head or a model from its beginning, a file to find a cut mark."""
        if self._in_head:
            return place
        if self._in_model:
            return self._content - base - 2
        return max(place - 2, len(data) - len(self._mark) - 1, 0)

    def _find_mark(self, data: bytes, place: int, base: int) -> int:
        """Behind the next boundary; -1 when it is not here yet."""
        found = data.find(self._mark, place)
        if found < 0:
            if self._in_model and base + len(data) - self._content > MAX_MODEL_BYTES + len(self._mark) + 2:
                raise FormatError(f"field 'model' must have 1 to {MAX_MODEL_BYTES} bytes, got more")
            return -1
        line = found - 2
        begins = base + found == 0 or (base + line >= self._content and data[line:found] == b"\r\n")
        if not begins or self.closed:
            raise FormatError("the form cannot be read: its boundary stands where no part begins")
        if self._in_model:
            self._take_model(data[self._content - base : line])
        if self._keeps and self._parts:
            self.parts.append(Part(self._head_bytes, self._content, base + line))
        self._parts += 1
        if self._parts > MAX_PARTS + 1:
            raise FormatError(f"over {MAX_PARTS} parts in the form")
        self._in_head = True
        return found + len(self._mark)

    def _head(self, data: bytes, place: int, base: int) -> int:
        """Behind the head of a part, or behind the end of the form; -1 when it is not here yet."""
        lead = data[place : place + 2]
        if lead == b"--":
            self.closed, self._in_head = True, False
            return place  # no further boundary may stand behind, nor begin with these
        if len(lead) == 2 and lead != b"\r\n":
            raise FormatError("the form cannot be read: something stands behind a boundary")
        end = data.find(b"\r\n\r\n", place, place + MAX_PART_HEAD_BYTES)
        if end < 0:
            if len(data) - place >= MAX_PART_HEAD_BYTES:
                raise FormatError(f"a part of the form has a head of over {MAX_PART_HEAD_BYTES} bytes")
            return -1
        head = data[place + 2 : end]
        if self._mark in head:
            raise FormatError("the form cannot be read: its boundary stands where no part begins")
        self._in_model = read_name(head) == b"model"
        if self._in_model and self.model is not None:
            raise FormatError("field 'model' stands twice")
        self._in_head, self._content, self._head_bytes = False, base + end + 4, head
        return end + 4

    def _take_model(self, value: bytes) -> None:
        if not 0 < len(value) <= MAX_MODEL_BYTES:
            raise FormatError(f"field 'model' must have 1 to {MAX_MODEL_BYTES} bytes, got {len(value)}")
        try:
            self.model = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormatError("field 'model' is not valid UTF-8") from error
        self.span = (self._content, self._content + len(value))
        self._in_model = False


def read_name(head: bytes) -> bytes:
    """The name of the part with this head. Raises: FormatError when it has none, two, or is a file named `model`."""
    fields = [value for name, value in _lines(head) if name == b"content-disposition"]
    if len(fields) != 1:
        raise FormatError(_UNREADABLE)
    given = _parameters(fields[0])
    names = [(name, value) for name, value in given if name.rstrip(b"*0123456789") == b"name"]
    # With an escaped quote it depends on the reader where a value ends, so that any `name=` may be one.
    if len(names) > 1 or (b"\\" in fields[0] and len(_NAMES.findall(fields[0])) > 1):
        raise FormatError("a part of the form has two names")
    if not names or names[0][0] != b"name" or b"\\" in names[0][1]:
        raise FormatError("a part of the form has no plain name")
    if names[0][1] == b"model" and any(name.startswith(b"filename") for name, _ in given):
        raise FormatError("field 'model' must be text, got a file")
    return bytes(names[0][1])


def read_file(head: bytes) -> tuple[bytes, bytes] | None:
    """A file's name and media type, either b"" where it is not said; None for a part that is no file."""
    lines = dict(_lines(head))
    given = dict(_parameters(lines[b"content-disposition"]))
    if not any(name.startswith(b"filename") for name in given):
        return None
    return given.get(b"filename", b""), lines.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _lines(head: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of a part's head, their names in small letters. Raises: FormatError."""
    lines = []
    for line in head.split(b"\r\n"):
        found = _LINE.fullmatch(line)
        if found is None:
            raise FormatError("the head of a part of the form cannot be read")
        lines.append((found[1].lower(), found[2]))
    return lines


def _parameters(field: bytes) -> list[tuple[bytes, bytes]]:
    """The parameters of a content-disposition, which must be `form-data` and nothing but them."""
    start = _TYPE.match(field)
    place = start.end() if start is not None else 0
    given: list[tuple[bytes, bytes]] = []
    while (found := _PARAMETER.match(field, place)) is not None:
        given.append((found[1].lower(), found[2] if found[3] is None else found[3]))
        place = found.end()
    if start is None or field[place:].strip(b" \t") not in (b"", b";"):
        raise FormatError(_UNREADABLE)
    return given
