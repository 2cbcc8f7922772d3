"""Reading the model out of a body and putting another one in: exact, or refused; never wrong, never slow."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.errors import FormatError
from fastproxy.formats.peek import MAX_MEMBERS, peek, rename

WIDE = b" " * 70_000  # beyond the size up to which bodies are split blindly


@pytest.mark.parametrize("padding", [b"", b" \r\n\t", WIDE], ids=["compact", "loose", "large"])
@pytest.mark.parametrize(
    ("body", "model", "stream"),
    [
        (b'{"model":"m","stream":true}', "m", True),
        (b'{"stream":false,"model":"m"}', "m", False),
        (b'{ "model" : "m" , "stream" : null }', "m", None),
        (b'{"messages":[{"model":"other"}],"model":"m"}', "m", None),
        (b'{"messages":"\\"model\\":\\"other\\"","model":"m"}', "m", None),
        (b'{"mod\\u0065l":"m"}', "m", None),
        (b'{"model":"a\\u0062\\n\\ud83d\\ude00"}', "ab\n😀", None),
        ('{"model":"é"}'.encode(), "é", None),
        (b'{"model":null}', None, None),
        (b'{"Model":"m"}', None, None),
        (b"{}", None, None),
        (b"{ }", None, None),
        (b'{"n":1' + b"0" * 400 + b',"e":1e400,"model":"m"}', "m", None),
        (b'{"":{"a":[]},"model":"m"}', "m", None),
    ],
)
def test_what_routing_needs(body: bytes, model: str | None, stream: bool | None, padding: bytes) -> None:
    seen = peek(padding + body + padding)
    assert (seen.model, seen.stream) == (model, stream)


@pytest.mark.parametrize("padding", [b"", WIDE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "body is empty"),
        (b" \n", "body is empty"),
        (b"[]", "got an array"),
        (b"3", "got a number"),
        (b"null", "got null"),
        (b'"x"', "got a string"),
        (b"{", "not valid JSON: ends at byte"),
        (b'{"a":1,}', "not valid JSON: "),
        (b'{"a":01}', "not valid JSON: "),
        (b'{"a":NaN}', "not valid JSON: "),
        (b"{'a':1}", "not valid JSON: "),
        (b'{"a":1} x', "not valid JSON: trailing characters"),
        (b'{"a":"\x01"}', "not valid JSON: "),
        (b"\xef\xbb\xbf{}", "not valid JSON: "),
        (b'{"\xff":1}', "not valid UTF-8"),
        (b'{"model":"\xff"}', "field 'model' holds an invalid string"),
        (b'{"model":5}', "field 'model' must be a string, got a number"),
        (b'{"model":["m"]}', "field 'model' must be a string, got an array"),
        (b'{"model":{}}', "field 'model' must be a string, got an object"),
        (b'{"model":true}', "field 'model' must be a string, got a boolean"),
        (b'{"model":""}', "field 'model' must have 1 to 1024 characters, got 0"),
        (b'{"model":"' + b"m" * 1025 + b'"}', "field 'model' must have 1 to 1024 characters, got 1025"),
        (b'{"stream":"true"}', "field 'stream' must be a boolean, got a string"),
        (b'{"stream":1}', "field 'stream' must be a boolean, got a number"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_what_is_refused(body: bytes, text: str, padding: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        peek(padding + body)
    assert text in caught.value.message
    assert len(caught.value.message) < 200


def test_the_place_of_a_mistake_is_named() -> None:
    with pytest.raises(FormatError, match=r"invalid character \(byte 5\)"):
        peek(b'{"a":x}')


@pytest.mark.parametrize("padding", [b"", b" ", WIDE], ids=["compact", "loose", "large"])
@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"model":"a","model":"b"}', "model"),
        (b'{"model":"a","model":"a"}', "model"),
        (b'{"model":"a","x":1,"mod\\u0065l":"b"}', "model"),
        (b'{"mod\\u0065l":"a","model":"b"}', "model"),
        (b'{"model":1,"model":"a"}', "model"),
        (b'{"n":1,"n":12,"model":"a"}', "n"),
        (b'{"n":12,"n":1,"model":"a"}', "n"),
        (b'{"n":1,"n":1.5}', "n"),
        (b'{"n":[1],"n":[1]}', "n"),
        (b'{"":1,"":1}', ""),
    ],
)
def test_a_name_that_stands_twice_is_refused(body: bytes, name: str, padding: bytes) -> None:
    with pytest.raises(FormatError, match=f"field '{name}' stands twice"):
        peek(padding + body)


@pytest.mark.parametrize("name", ["model", "mod\\u0065l"])
def test_a_name_that_stands_twice_in_spaced_json_is_refused(name: str) -> None:
    with pytest.raises(FormatError, match="stands twice"):
        peek(f'{{"model": "a", "n": 1, "{name}": "b"}}'.encode())


def test_a_nested_name_may_stand_twice() -> None:
    assert peek(b'{"x":{"model":"a","model":"b"},"model":"m"}').model == "m"


@pytest.mark.parametrize("padding", [b"", WIDE], ids=["small", "large"])
def test_the_number_of_fields_is_bounded(padding: bytes) -> None:
    def body(count: int) -> bytes:
        return padding + json.dumps({f"k{n}": 0 for n in range(count)}).encode()

    peek(body(MAX_MEMBERS))
    with pytest.raises(FormatError, match="over 512 fields"):
        peek(body(MAX_MEMBERS + 1))


@pytest.mark.parametrize(
    "body",
    [
        b"{" + b",".join(b'"k%d":0' % n for n in range(1_000_000)) + b"}",
        b'{"' + b'\\"' * 5_000_000 + b'":1}',
        b'{"' + b'\\"' * 30_000 + b'" :1}',
        b'{"model":' + b" " * 10_000_000 + b'"m"}',
        b'{"a":' + b'"model":' * 1_000_000,
    ],
    ids=["members", "one long name", "one long name, loose", "blanks", "half"],
)
def test_hostile_bodies_cost_little(body: bytes) -> None:
    began = time.process_time()
    with suppress(FormatError):
        rename(body, "other")
    assert time.process_time() - began < 0.5  # 0.1 s here; one that backtracks takes minutes


NAMES = st.sampled_from(["model", "messages", "stream2", "a", 'q"uote', "back\\slash", "é", "", "\n", "mo"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\r\n\t", " : "), (",", ": ")])


@settings(max_examples=300)
@given(
    st.dictionaries(NAMES, VALUES, max_size=6),
    st.text(min_size=1, max_size=20),
    st.text(max_size=20),
    SEPARATORS,
    st.booleans(),
    st.sampled_from(["", " ", "\r\n"]),
)
def test_renaming_changes_the_model_and_nothing_else(  # noqa: PLR0913 - the axes along which bodies differ
    fields: dict[str, object], old: str, new: str, separators: tuple[str, str], ascii_only: bool, padding: str
) -> None:
    if "model" in fields:
        fields["model"] = old
    text = padding + json.dumps(fields, separators=separators, ensure_ascii=ascii_only) + padding
    body = text.encode()
    assert peek(body).model == (old if "model" in fields else None)
    renamed = rename(body, new)
    if "model" not in fields:
        assert renamed is body
        return
    assert json.loads(renamed) == fields | {"model": new}
    assert _without_model(renamed) == _without_model(body)


def _without_model(body: bytes) -> tuple[bytes, bytes]:
    """What stands before and behind the top-level model, found by trying: no code of ours is asked."""
    text = body.decode()
    for at in [place for place, char in enumerate(text) if char == '"']:
        try:
            value, end = json.JSONDecoder().raw_decode(text, at)
            marked = json.loads(text[:at] + '{"here":true}' + text[end:])
        except ValueError:
            continue
        if isinstance(value, str) and marked.get("model") == {"here": True}:
            return text[:at].encode(), text[end:].encode()
    raise AssertionError("no model")


@given(st.binary(max_size=60) | st.text('{}[]":,\\model stream1e-truefalsn ', max_size=60).map(str.encode))
def test_garbage_is_refused_or_agrees_with_json(body: bytes) -> None:
    try:
        seen = peek(body)
    except FormatError:
        return
    value = json.loads(body.decode("utf-8", "replace"))
    assert isinstance(value, dict)
    assert seen.model == value.get("model")
    assert json.loads(rename(body, "n").decode("utf-8", "replace")) == value | (
        {"model": "n"} if "model" in value else {}
    )


def test_a_pass_is_saved_by_what_was_peeked() -> None:
    body = b'{"messages":[], "model":"a"}'
    assert rename(body, "b", peek(body)) == b'{"messages":[], "model":"b"}'
