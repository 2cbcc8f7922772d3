"""The model in multipart forms: as SDKs and browsers write it, and as someone would who wants to be misread."""

from __future__ import annotations

import time

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.form import MAX_PARTS, peek_form

KIND = b"multipart/form-data; boundary=XyZ"


def part(name: str, value: bytes, more: str = "") -> bytes:
    return b'--XyZ\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name.encode(), more.encode(), value)


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XyZ--\r\n"


FILE = part("file", b'\r\n\r\n--XyZ name="model"\r\n--Xy', '; filename="a.wav"\r\nContent-Type: audio/wav')
MODEL = part("model", b"whisper-1")


@pytest.mark.parametrize(
    ("content_type", "body", "model"),
    [
        (KIND, form(MODEL), "whisper-1"),
        (KIND, form(part("x", b"1"), MODEL, part("y", b"2")), "whisper-1"),
        (KIND, form(part("file", b"model=other", '; filename="model"'), MODEL), "whisper-1"),
        (KIND, form(part("prompt", b'name="model"\r\n\r\nother'), MODEL), "whisper-1"),
        (KIND, b"preamble\r\n" + form(MODEL), "whisper-1"),
        (KIND, form(part("model", "é".encode())), "é"),
        (KIND, form(b"--XyZ\r\ncontent-disposition:form-data;name=model\r\n\r\nm\r\n"), "m"),
        (KIND, form(b'--XyZ\r\nX-A: 1\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'), "m"),
        (b'Multipart/Form-Data; charset=utf-8; boundary="XyZ"', form(MODEL), "whisper-1"),
        (KIND, form(part("Model", b"m")), None),
        (KIND, form(), None),
        (KIND, MODEL, None),
        (KIND, b"", None),
        (KIND, b"--XyZ", None),
        (b"multipart/form-data", form(MODEL), None),
        (b"multipart/form-data; boundary=" + b"x" * 71, form(MODEL), None),
        (b"application/json", b'{"model":"m"}', None),
        (b"", form(MODEL), None),
    ],
)
def test_the_model_of_a_form(content_type: bytes, body: bytes, model: str | None) -> None:
    assert peek_form(content_type, body) == model


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (form(MODEL, MODEL), "stands twice"),
        (form(part("model", b"a"), FILE.replace(b"--XyZ name", b"-- name"), part("model", b"b")), "stands twice"),
        (form(part("model", b"a", '; filename="m"')), "got a file"),
        (form(part("model", b"\xff")), "not valid UTF-8"),
        (form(part("model", b"")), "got 0"),
        (form(part("model", b"m" * 1025)), "got 1025"),
        (form(part("x", b"a", '; name="model"')), "two names"),
        (form(*[part("x", b"")] * (MAX_PARTS + 1)), "over 64 parts"),
    ],
)
def test_what_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(FormatError, match=text):
        peek_form(KIND, body)


def test_two_boundaries_are_refused() -> None:
    with pytest.raises(FormatError, match="two boundaries"):
        peek_form(b"multipart/form-data; boundary=a; boundary=XyZ", form(MODEL))


def test_a_large_file_costs_little() -> None:
    body = form(part("file", b"\r\n--Xy" * 2_000_000, '; filename="a"'), MODEL)
    began = time.process_time()
    assert peek_form(KIND, body) == "whisper-1"
    assert time.process_time() - began < 0.5
