"""A body that is recognised at a glance asks for the allowed model and for nothing else, whatever else it says.

The judge is json's own reading of all members of the top level, in order; it is made to take what lenient readers take.
Other bodies that are no JSON object are the upstream's to refuse.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fastproxy.formats.peek import asks_for, json_string
from fastproxy.formats.same_model import LARGE_BYTES, MAX_ENDING, MAX_LESSONS, SameModel
from fastproxy.wire.basin import READ_BYTES, Basin
from tests.formats.glances import (
    EVERY_WAY,
    FILL,
    FIRST,
    JUNK,
    LAST,
    MODEL,
    TAUGHT,
    WAYS,
    by_basin,
    by_read,
    small,
    taught,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Members(list[tuple[str, Any]]):
    """What stood in one object."""


class NoObject(ValueError):
    """Something else than one JSON object."""


def members(body: bytes) -> list[tuple[str, Any]]:
    """All members of the top level, in order and with those that stand twice."""
    text = body.decode(json.detect_encoding(body), "surrogateescape")
    found = json.loads(text, object_pairs_hook=Members, strict=False)  # many take control characters in strings
    if not isinstance(found, Members):
        raise NoObject
    return list(found)


def may_pass(body: bytes, model: str = MODEL) -> bool:
    """Whether it is no JSON object at all, or asks for the model exactly once."""
    try:
        asked = [value for name, value in members(body) if name == "model"]
    except (ValueError, RecursionError):
        return True
    return asked == [model]


@pytest.mark.parametrize("name", TAUGHT)
@EVERY_WAY
def test_the_usual_is_recognised_at_a_glance(
    name: str, ask: Callable[[SameModel, bytes], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    same = taught(TAUGHT[name])
    monkeypatch.setattr("fastproxy.formats.same_model.asks_for", lambda body, model: pytest.fail("read whole"))
    for text in ("", "y", '\\"', "\\\\", "\\n", "é", "{", "}", "]", '\\"model\\"', "model", "\\u00e9", "z" * 50_000):
        body = TAUGHT[name].replace("xxx", text, 1).replace("x", "xx", 99)
        assert by_read(same, body.encode()), text
        assert ask(same, body.encode()), text


@pytest.mark.parametrize("name", TAUGHT)
def test_small_bodies_teach_as_well(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = small(TAUGHT[name].encode())
    same = taught(body)
    monkeypatch.setattr("fastproxy.formats.same_model.asks_for", lambda body, model: pytest.fail("read whole"))
    for again in (body, body.replace(b"x", b"y\\n", 1), TAUGHT[name].encode()):
        assert by_read(same, again)


def test_small_bodies_that_say_model_twice_teach_a_few_times_only() -> None:
    same = SameModel(MODEL)
    nested = b'{"model":"gpt-5","messages":[{"model":1}]}'
    for _ in range(2 * MAX_LESSONS):
        assert by_read(same, nested)
    assert same._lessons == 0


def attacks() -> dict[str, bytes]:
    """Texts that are not, or not only, a request for the model; each large enough for a glance."""
    other = '"model":"o3"'
    texts: dict[str, str] = {}
    for name, usual in TAUGHT.items():
        texts |= {f"{name}: {kind}": text for kind, text in twisted(usual, other).items()}
    found = {kind: text.encode() for kind, text in texts.items()}
    for name, usual in TAUGHT.items():
        raw = usual.encode()
        found |= {
            f"{name}: nul behind": raw + b"\0",
            f"{name}: nul before": b"\0" + raw,
            f"{name}: nul hides": raw[:-1] + b',"a":"\0",' + other.encode() + b"}",
            f"{name}: nul in front": raw.replace(b'"messages"', b'"\0":0,' + other.encode() + b',"messages"'),
            f"{name}: bom": b"\xef\xbb\xbf" + raw.replace(b"gpt-5", b"o3"),
            f"{name}: utf-16": usual.replace("gpt-5", "o3").encode("utf-16"),
            f"{name}: not utf-8": raw[:-1] + b',"\xff":1,' + other.encode() + b"}",
        }
    return found


def escaped(name: str, place: int, form: str = "\\u%04x") -> str:
    return name[:place] + form % ord(name[place]) + name[place + 1 :]


def twisted(usual: str, other: str) -> dict[str, str]:
    rest, opened = usual[:-1], usual[1:]
    forms = ("\\u%04x", "\\u%04X")
    escapes = {f"escape {place} {form}": escaped("model", place, form) for place in range(5) for form in forms}
    escapes["all escaped"] = "".join(f"\\u{ord(letter):04X}" for letter in "model")
    texts = {
        "other": usual.replace("gpt-5", "o3"),
        "longer": usual.replace("gpt-5", "gpt-5-pro"),
        "shorter": usual.replace("gpt-5", "gpt-"),
        "other case": usual.replace("gpt-5", "GPT-5"),
        "value escaped": usual.replace("gpt-5", "\\u0067pt-4"),
        "again behind": rest + "," + other + "}",
        "again in front": "{" + other + "," + opened,
        "again spaced": rest + ' , "model" : "o3" }',
        "again tabbed": "{\t\n\r " + other + "\n,\t" + opened,
        "same again": rest + ',"model":"gpt-5"}',
        "null again": rest + ',"model":null}',
        "list around": "[" + usual + "]",
        "nested": '{"a":' + usual + "}",
        "nested and other": '{"a":' + usual + "," + other + "}",
        "other and nested": "{" + other + ',"a":' + usual + "}",
        "nested deep": '{"a":[{"b":' + usual + "}]," + other + "}",
        "in a string": '{"a":' + json.dumps(usual) + "," + other + "}",
        "in a string at the end": "{" + other + ',"a":' + json.dumps(usual) + "}",
        "nested without its brace": '{"a":' + rest + "}," + other + "}",
        "none": usual.replace('"model"', '"modem"'),
        "capital": usual.replace('"model"', '"Model"'),
        "number": usual.replace('"gpt-5"', "5"),
        "list": usual.replace('"gpt-5"', '["gpt-5"]'),
        "object": usual.replace('"gpt-5"', '{"model":"gpt-5"}'),
        "half in a string": '{"a":"' + opened,
        "quote before": '{"a\\"' + opened,
    }
    for kind, name in escapes.items():
        texts[f"{kind} behind"] = f'{rest},"{name}":"o3"}}'
        texts[f"{kind} in front"] = f'{{"{name}":"o3",{opened}'
        texts[f"{kind} instead"] = usual.replace('"model"', f'"{name}"').replace("gpt-5", "o3")
    return texts


ATTACKS = attacks()


@pytest.mark.parametrize("name", TAUGHT)
@EVERY_WAY
def test_no_attack_passes(name: str, ask: Callable[[SameModel, bytes], bool]) -> None:
    passed = [kind for kind, body in ATTACKS.items() if ask(taught(TAUGHT[name]), body) and not may_pass(body)]
    assert not passed


def test_the_attacks_are_attacks() -> None:
    wrong = [kind for kind, body in ATTACKS.items() if not may_pass(body)]
    assert len(wrong) > 150
    assert {"first: in a string", "last: nested deep", "end: nul hides"} <= set(wrong)


def test_every_letter_escaped_in_every_spelling() -> None:
    """Behind each taught opening and in front of each taught ending."""
    for place, letter in enumerate("model"):
        for digits in {f"{ord(letter):04x}", f"{ord(letter):04X}"}:
            name = "model"[:place] + "\\u" + digits + "model"[place + 1 :]
            assert json.loads(f'"{name}"') == "model"
            assert not by_basin(taught(FIRST), f'{FIRST[:-1]},"{name}":"o3"}}'.encode())
            assert not by_basin(taught(LAST), f'{{"{name}":"o3",{LAST[1:]}'.encode())


@EVERY_WAY
@pytest.mark.parametrize("name", TAUGHT)
def test_what_is_short_or_cut(name: str, ask: Callable[[SameModel, bytes], bool]) -> None:
    same, body = taught(TAUGHT[name]), TAUGHT[name].encode()
    for size in [*range(1, 120), *range(len(body) - 120, len(body))]:
        assert not ask(same, body[:size])
        assert not ask(same, body[-size:]) or may_pass(body[-size:])


@pytest.mark.parametrize("name", TAUGHT)
def test_a_body_smaller_than_what_was_learnt(name: str) -> None:
    """The head in front must not be taken for a part of it."""
    same = taught(TAUGHT[name])
    for body in (b"{}", b"}", b"{", b'{"a":1}', b" "):
        for head in (TAUGHT[name].encode(), TAUGHT[name].encode()[: -len(body)], JUNK):
            data = head + body
            assert not same.asked_by(data, len(head))
            basin = Basin()
            basin.view[: len(data)] = data
            assert not same.asked_at(basin.address, basin.hold(len(data)), len(head))


@pytest.mark.parametrize("name", TAUGHT)
def test_a_head_without_a_body(name: str) -> None:
    same, data = taught(TAUGHT[name]), JUNK * 200
    basin = Basin()
    basin.view[: len(data)] = data
    for start in (len(data) - 1, len(data)):
        assert not same.asked_at(basin.address, basin.hold(len(data)), start)
        assert not same.asked_by(data, start)


def test_a_head_that_looks_like_the_ending() -> None:
    """The learnt ending has empty lines and an object in it, so its first half may be a field and the other a body."""
    field, body = b',"model":"gpt-5","a":[\r\n\r\n', b'{"b":1}]}'
    same = taught(b"{" + FILL.encode() + field + body)
    assert same._ending == field + body
    data = b"POST / HTTP/1.1\r\nx: " + field + body
    basin = Basin()
    basin.view[: len(data)] = data
    assert not same.asked_at(basin.address, basin.hold(len(data)), len(data) - len(body))
    assert not same.asked_by(data, len(data) - len(body))


@pytest.mark.parametrize("size", [LARGE_BYTES - 1, LARGE_BYTES, LARGE_BYTES + 1, 16_384, READ_BYTES - len(JUNK)])
@pytest.mark.parametrize("name", ["first", "last"])
def test_sizes_around_the_bounds(name: str, size: int) -> None:
    grown = TAUGHT[name].replace("x" * LARGE_BYTES, "x" * (size - len(TAUGHT[name]) + LARGE_BYTES)).encode()
    evil = grown.replace(b"gpt-5", b"gpt-4")
    assert len(grown) == size
    same = taught(TAUGHT[name])
    assert [by_read(same, body) for body in (grown, evil)] == [True, False]
    assert [by_basin(same, body) for body in (grown, evil)] == [True, False]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("gpt-5", "{" + FILL + ',"model":"gpt-5","x":"' + "y" * MAX_ENDING + '"}'),  # too long an ending
        ("gpt-5", '{"a":{"b":1,"model":"gpt-5"},' + FILL + ',"model":"gpt-5"}'),  # a nested one comes first
        ("gpt-5", '{"a":"model",' + FILL + ',"model":"gpt-5"}'),
        ("gpt-5", '{"a":["b","model"],' + FILL + ',"model":"gpt-5"}'),
        ("gpt-5", '{"a":"b \\"model",' + FILL + ',"model":"gpt-5"}'),
        ("gpt-5", '{"a":"b,\\"model\\":",' + FILL + ',"model":"gpt-5","b":2}'),
        ('g"5', '{"model":"g\\"5",' + FILL + "}"),
    ],
)
def test_a_way_to_show_it_that_says_too_little(model: str, body: str) -> None:
    same = SameModel(model)
    assert same.asked_by(body.encode(), 0)
    for kind, attack in ATTACKS.items():
        assert not same.asked_by(attack, 0) or may_pass(attack, model), kind
    inside = body.replace(FILL + ',"model":' + json.dumps(model), FILL + ',"model":"o3"')
    assert inside == body or not same.asked_by(inside.encode(), 0)


def test_a_model_of_many_letters() -> None:
    """The whole body is the opening, brace and all."""
    model = "\U0001f600" * 1024
    body = b'{"model":' + json_string(model) + b"}"
    assert len(body) > LARGE_BYTES
    same = taught(body, model)
    assert by_basin(same, body)
    assert not by_basin(same, body[:-1] + b',"model":"o3"}')


UNHURRIED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# --- any body -----------------------------------------------------------------------------------------------------

SPACES = st.sampled_from(["", "", "", " ", "\n", "\t", "\r\n", "  "])
NAMES = st.sampled_from(
    ["model", "model", "model", "a", "b", "messages", "mode", "models", "Model", 'model"', '"model', 'x"model"', "\0",
     "é", "m", "", ',"model":"gpt-5"}', "{", "\\"]
)  # fmt: skip
MODELS = st.sampled_from([MODEL, MODEL, MODEL, "o3", "gpt-5 ", "", "model", None, 5])
TEXTS = st.sampled_from(
    [*TAUGHT.values(), "model", '"model"', '"model":"gpt-5"', '{"model":"gpt-5"}', ',"model":"gpt-5"}', "\\u006d",
     "{}}", "x" * LARGE_BYTES, "\\", '"', "\0", "é"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | TEXTS | MODELS


@st.composite
def strings(draw: st.DrawFn, text: str) -> str:
    """A JSON string in some spelling."""
    form = draw(st.sampled_from(["plain", "plain", "raw", "escaped", "mixed"]))
    if form == "plain":
        return json.dumps(text)
    if form == "raw":
        return json.dumps(text, ensure_ascii=False)
    upper = draw(st.booleans())
    every = form == "escaped" and len(text) < 200
    some = st.sets(st.integers(0, max(0, min(len(text), 40) - 1)), max_size=3)
    places = set(range(len(text))) if every else draw(some)
    return '"' + "".join(_spelt(letter, escape=place in places, upper=upper) for place, letter in enumerate(text)) + '"'


def _spelt(letter: str, *, escape: bool, upper: bool) -> str:
    code = f"{ord(letter):04x}"
    return "\\u" + (code.upper() if upper else code) if escape else json.dumps(letter)[1:-1]


@st.composite
def objects(draw: st.DrawFn, depth: int = 0) -> str:
    parts = []
    for name in draw(st.lists(NAMES, max_size=4)):
        value = draw(values(depth + 1, is_model=name == "model"))
        spelt = draw(strings(name))
        parts.append(f"{draw(SPACES)}{spelt}{draw(SPACES)}:{draw(SPACES)}{value}{draw(SPACES)}")
    return "{" + ",".join(parts) + "}"


@st.composite
def values(draw: st.DrawFn, depth: int, *, is_model: bool) -> str:
    if depth < 3 and draw(st.integers(0, 5 if is_model else 2)) == 0:
        inner = draw(objects(depth))
        return f"[{inner}]" if draw(st.booleans()) else inner
    leaf = draw(MODELS if is_model else LEAVES)
    return draw(strings(leaf)) if isinstance(leaf, str) else json.dumps(leaf)


@st.composite
def grown(draw: st.DrawFn) -> bytes:
    """Such an object, mostly with something large in it, or with the taught ones as its beginning or its end."""
    body = draw(objects())
    usual = draw(st.sampled_from([*TAUGHT.values()]))
    kind = draw(st.sampled_from(["as it is", "behind", "in front", "filled", "around"]))
    comma = "," if body.strip() != "{}" else ""
    if kind == "behind":
        body = usual[:-1] + comma + body[1:]
    elif kind == "in front":
        body = body[:-1] + comma + usual[1:]
    elif kind == "filled":
        body = body[:-1] + comma + FILL + "}"
    elif kind == "around":
        body = body[:-1] + comma + '"a":' + usual + "}"
    return (draw(st.sampled_from(["", "", " ", "\ufeff"])) + body + draw(st.sampled_from(["", "", " ", "\n"]))).encode()


@st.composite
def plain(draw: st.DrawFn) -> bytes:
    """A body that can teach: in plain spelling, large, and with the model somewhere, mostly on the top level."""
    names = draw(st.lists(st.sampled_from(["a", "b", "c", 'x"model', "messages"]), unique=True, max_size=4))
    inner = st.sampled_from(
        [{"model": MODEL}, {"b": 1, "model": MODEL}, [{"model": "o3"}], "model", ["b", "model"], "}"]
    )
    body: dict[str, object] = {name: draw(inner | LEAVES) for name in names} | {"fill": "x" * LARGE_BYTES}
    body["model"] = MODEL
    order = draw(st.permutations(list(body)))
    compact = draw(st.booleans())
    separators = (",", ":") if compact else (", ", ": ")
    return json.dumps({name: body[name] for name in order}, separators=separators, ensure_ascii=False).encode()


@UNHURRIED
@given(st.sampled_from([*TAUGHT.values()]), grown())
@example(LAST, ('{"\\u006dodel":"o3",' + LAST[1:]).encode())
def test_any_object(usual: str, body: bytes) -> None:
    for ask in WAYS:
        if ask(taught(usual), body):
            assert may_pass(body), ask


@UNHURRIED
@given(plain(), grown(), st.lists(st.sampled_from(["o3", "gpt-5"]), max_size=2))
def test_taught_by_any_body(first: bytes, second: bytes, also: list[str]) -> None:
    """What was learnt from one body never lets a wrong one pass: neither another, nor a variation of itself."""
    variations = [first, second, first.replace(b"gpt-5", b"o3"), first.replace(b"gpt-5", b"o3", 1)]
    variations += [first[:-1] + f',"model":"{name}"}}'.encode() for name in also]
    variations += [b'{"model":"o3",' + first[1:], first.replace(b'"model"', b'"\\u006dodel"', 1)]
    for ask in WAYS:
        same = SameModel(MODEL)
        if not same.asked_by(first, 0):
            return
        assert may_pass(first)
        for body in variations:
            assert not ask(same, body) or may_pass(body), body


@UNHURRIED
@given(grown())
def test_reading_it_whole_agrees(body: bytes) -> None:
    """`asks_for` says yes to a JSON object only, and only if no name on its top level stands twice."""
    if asks_for(body, json_string(MODEL)):
        found = members(body)
        assert len({name for name, _ in found}) == len(found)
        assert dict(found)["model"] == MODEL


@UNHURRIED
@given(st.sampled_from([*TAUGHT.values()]), st.binary(max_size=40), st.integers(0, 2 * LARGE_BYTES), st.booleans())
def test_any_bytes_put_into_the_usual(usual: str, noise: bytes, at: int, ascii_only: bool) -> None:
    noise = re.sub(rb"[^\t -~]", b",", noise) if ascii_only else noise
    body = usual.encode()
    for place in {min(at, len(body)), at % 30, max(0, len(body) - at % 60)}:
        changed = body[:place] + noise + body[place:]
        for ask in WAYS:
            assert not ask(taught(usual), changed) or may_pass(changed)
