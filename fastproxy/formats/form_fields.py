"""A whole multipart form as the object that the same request would be in JSON, its files beside its fields.

    name="language"      de              {"language": "de",
    name="image[]"       (two files)      "image": [Upload, Upload],
    name="temperature"   0.2              "temperature": 0.2}      where `typed` is told that it is a number

Pure. Read by the one reader that also finds the model on its way (form.py), so that no two readings differ.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from fastproxy.errors import FormatError
from fastproxy.formats.checked import seen, wrong
from fastproxy.formats.form import FormReader, Part, boundary_of, read_file, read_name

if TYPE_CHECKING:
    from collections.abc import Iterable

_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False}


class Upload(NamedTuple):
    """A file: its name and media type as the client gave them, "" where it did not; `data` is a view of the body."""

    name: str
    media_type: str
    data: memoryview


def read_form(body: bytes | memoryview, content_type: bytes) -> dict[str, Any]:
    """The fields of a form. Raises: FormatError when it has no boundary, breaks off, or has a field twice."""
    boundary = boundary_of(content_type)
    if boundary is None:
        raise FormatError("the content type names no boundary: expected multipart/form-data; boundary=…")
    reader = FormReader(boundary, keeps_parts=True)
    reader.feed(body)
    if not reader.closed:
        raise FormatError("the form breaks off before its last boundary")
    view, fields = memoryview(body), dict[str, Any]()
    for part in reader.parts:
        _put(fields, part, view[part.start : part.end])
    return fields


def _put(fields: dict[str, Any], part: Part, content: memoryview) -> None:
    name = read_name(part.head).decode("utf-8", "replace")
    is_list = name.endswith("[]")
    name, value = name.removesuffix("[]"), _value(name, part, content)
    if name not in fields:
        fields[name] = [value] if is_list else value
    elif is_list and isinstance(fields[name], list):
        fields[name].append(value)
    else:
        raise FormatError(f"field '{name[:40]}' stands twice")


def _value(name: str, part: Part, content: memoryview) -> str | Upload:
    found = read_file(part.head)
    if found is not None:
        return Upload(found[0].decode("utf-8", "replace"), found[1].decode("latin-1"), content)
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"field '{name[:40]}' is not valid UTF-8") from None


def typed(fields: dict[str, Any], *, numbers: Iterable[str] = (), flags: Iterable[str] = ()) -> dict[str, Any]:
    """The fields with these as JSON has them; what is no text is left as it is. Raises: FormatError, naming one."""
    made = dict(fields)
    for name in numbers:
        if isinstance(value := fields.get(name), str):
            made[name] = _number(name, value)
    for name in flags:
        if isinstance(value := fields.get(name), str):
            made[name] = _FLAGS[value] if value in _FLAGS else wrong(name, value, "true or false")
    return made


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        wrong(name, text, "a number")
    return value if math.isfinite(value) else wrong(name, text, "a number")


def file_of(fields: dict[str, Any], name: str) -> Upload:
    """The one file of that name. Raises: FormatError."""
    found = fields.get(name)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    return found if isinstance(found, Upload) else no_file(name, found)


def no_file(name: str, value: Any) -> NoReturn:
    if value is None:
        raise FormatError(f"field '{name}' is missing: expected a file")
    raise FormatError(f"field '{name}' is {seen(value)}: expected a file")
