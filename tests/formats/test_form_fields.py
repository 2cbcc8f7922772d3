"""Whole forms as objects: every field and file, and nothing that could be read in two ways."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.form_fields import Upload, file_of, read_form, typed

KIND = b"multipart/form-data; boundary=XyZ"


def part(name: str, value: bytes, more: str = "") -> bytes:
    return b'--XyZ\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name.encode(), more.encode(), value)


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XyZ--\r\n"


def file(content: bytes, name: str = "a.mp3", kind: str = "Audio/MPEG; x=1", field: str = "file") -> bytes:
    return part(field, content, f'; filename="{name}"\r\nContent-Type: {kind}')


def test_fields_are_texts_and_files_are_views_of_the_body() -> None:
    body = form(part("model", b"m"), part("prompt", "é\r\n".encode()), file(b"\r\n--Xy\0\xff"), part("language", b""))
    fields = read_form(body, KIND)
    assert {name: value for name, value in fields.items() if name != "file"} == {
        "model": "m", "prompt": "é\r\n", "language": ""
    }  # fmt: skip
    upload = file_of(fields, "file")
    assert (upload.name, upload.media_type, bytes(upload.data)) == ("a.mp3", "audio/mpeg", b"\r\n--Xy\0\xff")
    assert upload.data.obj is body


def test_names_with_brackets_are_lists() -> None:
    fields = read_form(form(part("keywords[]", b"a"), file(b"1", field="image[]"), part("keywords[]", b"b")), KIND)
    assert fields["keywords"] == ["a", "b"]
    assert bytes(file_of(fields, "image").data) == b"1"


def test_a_preamble_and_an_epilogue_are_no_fields() -> None:
    assert read_form(b"hello\r\n" + form(part("a", b"1")) + b"bye", KIND) == {"a": "1"}


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (form(part("a", b"1")), b"multipart/form-data", "names no boundary"),
        (part("a", b"1"), KIND, "breaks off"),
        (b"", KIND, "breaks off"),
        (form(part("a", b"1"), part("a", b"2")), KIND, "field 'a' stands twice"),
        (form(part("a", b"1"), part("a[]", b"2")), KIND, "field 'a' stands twice"),
        (form(part("model", b"m"), part("model", b"m")), KIND, "field 'model' stands twice"),
        (form(part("a", b"\xff")), KIND, "field 'a' is not valid UTF-8"),
        (form(part("a", b"--XyZ--")), KIND, "its boundary stands where no part begins"),
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(body: bytes, kind: bytes, text: str) -> None:
    with pytest.raises(FormatError) as refused:
        read_form(body, kind)
    assert text in refused.value.message


def test_numbers_and_flags_of_a_form_become_those_of_json() -> None:
    fields: dict[str, Any] = {"n": "1", "temperature": "0.5", "stream": "false", "prompt": "1"}
    made = typed(fields, numbers=("n", "temperature", "top_p"), flags=("stream",))
    assert made == {"n": 1, "temperature": 0.5, "stream": False, "prompt": "1"}
    assert typed({"n": 2, "stream": True}, numbers=("n",), flags=("stream",)) == {"n": 2, "stream": True}


@pytest.mark.parametrize("value", ["", "one", "nan", "inf"])
def test_a_number_that_is_none_is_named(value: str) -> None:
    with pytest.raises(FormatError, match=r"field 'n' is .*: expected a number"):
        typed({"n": value}, numbers=("n",))


def test_a_flag_that_is_none_is_named() -> None:
    with pytest.raises(FormatError, match="field 'stream' is 'yes': expected true or false"):
        typed({"stream": "yes"}, flags=("stream",))


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "'file' is missing"), ("x", "'file' is 'x'"), ([Upload("", "", memoryview(b""))] * 2, "is an array")],
)
def test_a_file_that_is_none_is_named(value: Any, text: str) -> None:
    with pytest.raises(FormatError, match=text):
        file_of({"file": value}, "file")
