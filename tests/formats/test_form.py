"""The model in multipart forms: as SDKs and browsers write it, and as someone would who wants to be misread."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.errors import FormatError
from fastproxy.formats.form import MAX_MODEL_BYTES, MAX_PART_HEAD_BYTES, MAX_PARTS, FormReader, boundary_of

KIND = b"multipart/form-data; boundary=XyZ"


def part(name: str, value: bytes, more: str = "") -> bytes:
    return b'--XyZ\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name.encode(), more.encode(), value)


def bare(head: bytes) -> bytes:
    """A part with a head of its own."""
    return b"--XyZ\r\n" + head + b"\r\n\r\nm\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XyZ--\r\n"


def read(*pieces: bytes) -> FormReader:
    reader = FormReader(b"XyZ")
    for piece in pieces:
        reader.feed(piece)
    return reader


def bytewise(body: bytes) -> list[bytes]:
    return [body[place : place + 1] for place in range(len(body))]


FILE = part("file", b'\r\n\r\n--Xy name="model"\r\n--Xy\r\n', '; filename="a.wav"\r\nContent-Type: audio/wav')
MODEL = part("model", b"whisper-1")

READABLE = [
    (form(MODEL), "whisper-1"),
    (form(part("x", b"1"), MODEL, part("y", b"2")), "whisper-1"),
    (form(MODEL, FILE), "whisper-1"),
    (form(FILE, MODEL), "whisper-1"),
    (form(part("file", b"model=other", '; filename="model"'), MODEL), "whisper-1"),
    (form(part("file", b"", '; filename="my name=x; name=model.wav"'), MODEL), "whisper-1"),
    (form(part("file", b"", '; filename="say \\"hi\\".wav"'), MODEL), "whisper-1"),
    (form(part("prompt", b'name="model"\r\n\r\nother'), MODEL), "whisper-1"),
    (b"preamble\r\n" + form(MODEL), "whisper-1"),
    (form(MODEL) + b"epilogue\r\n", "whisper-1"),
    (form(part("model", "é".encode())), "é"),
    (form(bare(b"content-disposition:form-data;name=model")), "m"),
    (form(bare(b"X-A: 1\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; name=model")), "m"),
    (form(bare(b"Content-Disposition: form-data; name=a; filename=b; filename*=utf-8''b"), MODEL), "whisper-1"),
    (form(part("Model", b"m")), None),
    (form(), None),
    (MODEL, None),
    (MODEL + b"--XyZ", "whisper-1"),
    (b"", None),
    (b"--XyZ", None),
]


@pytest.mark.parametrize(("body", "model"), READABLE)
def test_the_model_of_a_form(body: bytes, model: str | None) -> None:
    for pieces in ([body], bytewise(body)):
        reader = read(*pieces)
        assert reader.model == model
        assert reader.size == len(body)
        if model is not None:
            assert body[slice(*reader.span)] == model.encode()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (form(MODEL, MODEL), "stands twice"),
        (form(MODEL, FILE, part("model", b"b")), "stands twice"),
        (form(part("model", b"a", '; filename="m"')), "got a file"),
        (form(bare(b"Content-Disposition: form-data; name=model; filename*=utf-8''m")), "got a file"),
        (form(part("model", b"\xff")), "not valid UTF-8"),
        (form(part("model", b"")), "got 0"),
        (form(part("model", b"m" * (MAX_MODEL_BYTES + 1))), "1 to 1024 bytes, got 1025"),
        (part("model", b"m" * 9999), "1 to 1024 bytes, got"),
        (form(part("x", b"a", '; name="model"')), "two names"),
        (form(part("x", b"a", '; filename="\\"; name=\\"model"')), "two names"),
        (form(bare(b"Content-Disposition: form-data; name*=utf-8''model")), "no plain name"),
        (form(bare(b'Content-Disposition: form-data; name="mo\\del"')), "no plain name"),
        (form(bare(b"Content-Disposition: form-data")), "no plain name"),
        (form(bare(b"Content-Disposition: attachment; name=model")), "content-disposition"),
        (form(bare(b"Content-Disposition: form-data;\r\n name=model")), "cannot be read"),
        (form(bare(b"Content-Disposition : form-data; name=model")), "cannot be read"),
        (form(bare(b"X: a\nContent-Disposition: form-data; name=model")), "cannot be read"),
        (form(bare(b"X: --XyZ\r\nContent-Disposition: form-data; name=a")), "boundary stands"),
        (
            form(bare(b"Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=model")),
            "content",
        ),
        (form(bare(b"Content-Disposition: form-data; name=model; x")), "content-disposition"),
        (form(bare(b"Content-Type: text/plain")), "content-disposition"),
        (form(bare(b"")), "cannot be read"),
        (form(bare(b"X: " + b"y" * MAX_PART_HEAD_BYTES)), "head of over"),
        (b"--XyZ\r\nX: " + b"y" * MAX_PART_HEAD_BYTES, "head of over"),
        (form(MODEL).replace(b"\r\n", b"\n"), "behind a boundary"),
        (form(MODEL).replace(b"--XyZ\r\n", b"--XyZ \r\n"), "behind a boundary"),
        (form(MODEL, part("a", b"\n--XyZ\nContent-Disposition: form-data; name=model\n\nb")), "boundary stands"),
        (form(MODEL, part("a", b"x--XyZ")), "boundary stands"),
        (form(MODEL, b"--XyZ\r\nContent-Disposition: form-data; name=a\r\n\r\n"), "boundary stands"),
        (form(MODEL, part("a", b"x\r\n--XyZ2\r\n")), "behind a boundary"),
        (b" " + form(MODEL), "boundary stands"),
        (form(MODEL) + form(part("model", b"b")), "boundary stands"),
        (form(*[part("x", b"")] * (MAX_PARTS + 1)), "over 64 parts"),
    ],
)
def test_what_is_refused(body: bytes, text: str) -> None:
    for pieces in ([body], bytewise(body)):
        with pytest.raises(FormatError, match=text):
            read(*pieces)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (KIND, b"XyZ"),
        (b'Multipart/Form-Data; charset=utf-8; boundary="X yZ"', b"X yZ"),
        (b"multipart/form-data; boundary=----WebKitFormBoundaryA1", b"----WebKitFormBoundaryA1"),
        (b"multipart/form-data; boundary=XyZ; charset=utf-8", b"XyZ"),
        (b"multipart/form-data", None),
        (b"multipart/form-data; boundary=" + b"x" * 71, None),
        (b"multipart/form-data; x=" + b"x" * 500 + b"; boundary=a", None),
        (b"multipart/mixed; boundary=a", None),
        (b"application/json", None),
        (b"", None),
    ],
)
def test_the_boundary_of_a_content_type(content_type: bytes, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("other", [b"boundary=a", b"boundary*=utf-8''a", b"boundary*0=a", b'x="; boundary=a"'])
def test_two_boundaries_are_refused(other: bytes) -> None:
    with pytest.raises(FormatError, match="two boundaries"):
        boundary_of(b"multipart/form-data; " + other + b"; boundary=XyZ")


CONTENT = st.one_of(
    st.binary(max_size=40), st.lists(st.sampled_from([b"\r\n", b"--", b"--Xy", b"X", b"\n"])).map(b"".join)
)


@given(
    before=st.lists(CONTENT, max_size=3),
    after=st.lists(CONTENT, max_size=3),
    model=st.text(min_size=1, max_size=20),
    cuts=st.lists(st.integers(0, 600), max_size=8),
)
def test_where_a_form_is_cut_does_not_matter(
    before: list[bytes], after: list[bytes], model: str, cuts: list[int]
) -> None:
    files = [part("file", content, '; filename="f"') for content in before]
    rest = [part("file", content, '; filename="f"') for content in after]
    body = form(*files, part("model", model.encode()), *rest)
    places = [0, *sorted(cuts), len(body)]
    reader = read(*(body[first:last] for first, last in pairwise(places)))
    assert (reader.model, reader.closed, reader.size) == (model, True, len(body))
    assert body[slice(*reader.span)] == model.encode()


@given(
    body=st.lists(
        st.sampled_from([b"--XyZ", b"\r\n", b"--", b"\n", b"a", MODEL, FILE, b"\r\n\r\n", b"name=model", b": "])
    ).map(b"".join),
    size=st.integers(1, 9),
)
def test_a_form_is_refused_or_not_however_it_is_cut(body: bytes, size: int) -> None:
    assert outcome([body]) == outcome([body[place : place + size] for place in range(0, len(body), size)])


def outcome(pieces: list[bytes]) -> tuple[object, ...]:
    try:
        reader = read(*pieces)
    except FormatError:
        return ("refused",)
    return reader.model, reader.span, reader.closed


def test_a_large_file_costs_little_and_is_not_kept() -> None:
    body = form(part("file", b"\r\n--Xy" * 2_000_000, '; filename="a"'), MODEL)
    began = time.process_time()
    reader = FormReader(b"XyZ")
    for place in range(0, len(body), 65536):
        reader.feed(memoryview(body)[place : place + 65536])
        assert len(reader._kept) < 100
    assert reader.model == "whisper-1"
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Disposition: form-data" + b" " * 3900 + b"!",
        b"Content-Disposition: form-data; name=a" + b"; " * 1900 + b"!",
        b'Content-Disposition: form-data; name="' + b"\\\\" * 1900,
        b"Content-Disposition: form-data; a=" + b"!" * 3900 + b"=",
        b"Content-Disposition: form-data; a=b\\" + b"name " * 700,
        b"Content-Disposition: form-data; name=a" + b"; a=b" * 770,
    ],
)
def test_no_head_costs_much(head: bytes) -> None:
    began = time.process_time()
    outcome([form(bare(head))])
    assert time.process_time() - began < 0.005


def test_no_content_type_costs_much() -> None:
    began = time.process_time()
    for more in (b"; boundary" + b" " * 60_000, b"; " * 250 + b"boundary=", b"; boundary" + b" " * 490):
        boundary_of(b"multipart/form-data" + more)
    assert time.process_time() - began < 0.005
